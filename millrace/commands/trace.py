"""Command trace: one event from its topic to the decisions that it led to."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from millrace.commands.common import Json, connected_settings, tell, tell_json
from schemas import INPUTS, MillraceError, TraceBody, TraceHop, rfc3339


class UnknownEventError(MillraceError):
    title = "There is no such record"


def add_to(app: typer.Typer) -> None:
    app.command()(trace)


def trace(
    topic: Annotated[str, typer.Argument(help="An input topic, such as clicks.v1.")],
    partition: Annotated[int, typer.Argument(min=0, help="Of the record; `caused_by` of a decision has all three.")],
    offset: Annotated[int, typer.Argument(min=0)],
    as_json: Json = False,
) -> None:
    """Follow one event: what was pushed, what came of it, and after how many milliseconds."""
    from streams.trace import trace_record

    if topic not in INPUTS:
        raise typer.BadParameter(f"{topic!r} is not an input topic: {', '.join(INPUTS)}", param_hint="TOPIC")
    found = asyncio.run(trace_record(connected_settings(), topic, partition, offset))
    if found is None:
        raise UnknownEventError(
            f"{topic} has no record {offset} on partition {partition}, or not any more.",
            "`caused_by` of a decision, and `millrace send`, name the places of events.",
        )
    if as_json:
        tell_json(found.model_dump(mode="json"))
        return
    for line in _lines(found):
        tell(line)


def _lines(found: TraceBody) -> list[str]:
    lines = [
        f"{rfc3339(found.time)}  {found.topic}, partition {found.partition}, offset {found.offset}: "
        f"key {found.key!r}, {found.size:,} bytes",
        f"  {found.value}",
    ]
    if found.taken_from:
        lines.append(f"  brought here from {found.taken_from}, where its producer had put it")
    if not found.hops:
        lines.append("Nothing came of it, or not yet.")
    return [*lines, *(f"{hop.after_ms:+7,} ms  {_told(hop)}" for hop in found.hops)]


def _told(hop: TraceHop) -> str:
    place = f"{hop.topic}, partition {hop.partition}, offset {hop.offset}"
    if hop.reason is not None:
        return f"{place}: could not be used: {hop.reason}"
    event = hop.event or {}
    if "items" in event:
        items = event["items"] if isinstance(event["items"], list) else []
        return f"{place}: {len(items)} items for {event['user_id']} by the {event['strategy']}"
    if "alert_id" in event:
        return f"{place}: {event['failure_mode']} of {event['asset_id']} {event['state']}, {event['severity']}"
    return f"{place}: {event.get('value')} {event.get('unit')} of {event.get('asset_id')}"
