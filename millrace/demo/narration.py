"""Narration: what the live stream of the API says, in a line of the demo.

lines of text/event-stream ─► events_of ─► told ─► a line, and which failure an alert was raised for
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from pydantic import ValidationError

from schemas import Action, Alert


class Told(NamedTuple):
    """A line, and the asset (with its failure mode, where it has several) of an alert that was raised."""

    line: str
    raised: str = ""


async def events_of(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, str]]:
    """(kind, data) of the events of a text/event-stream; without comments."""
    kind, data = "message", list[str]()
    async for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif not line:
            if data:
                yield kind, "\n".join(data)
            kind, data = "message", []


def told(kind: str, data: str) -> Told:
    """What to say of an event. Never raises: what a stream says is no reason to end."""
    try:
        if kind == "alert":
            return _of_alert(Alert.model_validate_json(data))
        if kind == "action":
            return Told(_of_action(Action.model_validate_json(data)))
    except ValidationError:
        pass
    return Told(f"The live stream says something that the demo has no words for: {kind}")


def _of_alert(alert: Alert) -> Told:
    if alert.kind == "data":
        name = f"data of {alert.asset_id}"
        return Told(f"Alert {alert.state}: {name} {alert.evidence.reason}", name if alert.state == "raised" else "")
    is_pump = alert.asset_class == "pump"
    name = alert.asset_id if is_pump else f"{alert.asset_id} {alert.failure_mode}"
    value = alert.evidence.value
    if value is None:
        score = ""
    elif is_pump:
        score = f", about {value:.0f} cycles left"
    else:
        score = f", probability {value:.2f} within 24 cycles"
    line = f"Alert {alert.state}: {name} {alert.evidence.reason}{score}"
    return Told(line, name if alert.state == "raised" else "")


def _of_action(action: Action) -> str:
    said = action.comment or action.reason
    kind = "judged" if action.kind == "outcome" else action.kind
    return f"An alert of {action.asset_id} was {kind} by {action.by}{f': {said}' if said else ''}"
