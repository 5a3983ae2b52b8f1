"""`millrace send`: one event of each kind, and the decision that came back, with its delay."""

from __future__ import annotations

import asyncio
import difflib
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer
from pydantic import ValidationError

from millrace.commands.common import Json, connected_settings, tell, tell_json
from schemas import (
    ASSETS,
    CLICKS,
    INPUTS,
    ITEMS,
    KEY_FIELDS,
    MAINTENANCE,
    TELEMETRY,
    ClickAction,
    Maintenance,
    MaintenanceKind,
    text_of,
)

if TYPE_CHECKING:
    from millrace.events import Answer, Decision

app = typer.Typer(name="send", help="Send one event and show what came back.", no_args_is_help=True)
SHOWN_ITEMS = 20
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+\s*")
KINDS, ACTIONS = get_args(MaintenanceKind), get_args(ClickAction)
LATE = ", late: true (older than a reading before it; it moved neither the asset's state nor alerts)"

Time = Annotated[str, typer.Option("--time", help="Event time, RFC 3339 with a zone; now if not given.")]
EventId = Annotated[str, typer.Option("--event-id", help="A new one if not given.")]
Wait = Annotated[float, typer.Option("--wait", min=0.1, max=600, help="Seconds to wait for a decision.")]
Asset = Annotated[str, typer.Option("--asset")]
AssetClass = Annotated[str, typer.Option("--class", help="Asset class.")]


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _described(field: str) -> str:
    """What the schema says of a field of an entry of the log."""
    text = Maintenance.model_fields[field].description or ""
    return f"{text[:1].upper()}{text[1:]}."


@app.command()
def click(
    user: Annotated[str, typer.Option("--user")],
    item: Annotated[str, typer.Option("--item")],
    action: Annotated[
        ClickAction | None, typer.Option(metavar="ACTION", help=f"{_either(ACTIONS)}; else view.")
    ] = None,
    session: Annotated[str | None, typer.Option("--session")] = None,
    context: Annotated[list[str] | None, typer.Option("--context", help="NAME=VALUE, any number of times.")] = None,
    time: Time = "",
    event_id: EventId = "",
    wait: Wait = 10.0,
    as_json: Json = False,
) -> None:
    """A user looked at an item, or did more with it; the recommendation for the user comes back."""
    fields = {"user_id": user, "item_id": item, "session_id": session, "context": _pairs(context, "--context")}
    fields["action"] = action
    _send(CLICKS, fields | _common(time, event_id), wait, as_json)


@app.command()
def telemetry(
    asset: Asset,
    asset_class: Annotated[str | None, typer.Option("--class", help="Asset class; with --like that of before.")] = None,
    reading: Annotated[
        list[str] | None, typer.Option("--set", "--reading", help="SENSOR=NUMBER, any number of times.")
    ] = None,
    like: Annotated[
        Literal["last"] | None, typer.Option(help="`last`: as the newest reading of the asset, but for --set.")
    ] = None,
    time: Time = "",
    event_id: EventId = "",
    wait: Wait = 10.0,
    as_json: Json = False,
) -> None:
    """A reading of an asset's sensors; its score and any change of an alert come back, or why there is none.

    millrace send telemetry --asset pump-01 --like last --set bearing_temperature=90
    """
    readings = _numbers(reading, "--set")
    if like is not None:
        from millrace.events import last_reading

        last = asyncio.run(last_reading(connected_settings(), asset, asset_class))
        _check_known(readings, last.readings)
        asset_class, readings = last.asset_class, {**last.readings, **readings}
    elif asset_class is None or not readings:
        raise typer.BadParameter("are needed, or --like last", param_hint="--class and --set")
    fields = {"asset_id": asset, "asset_class": asset_class, "readings": readings}
    _send(TELEMETRY, fields | _common(time, event_id), wait, as_json)


def _check_known(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raises:
    EventError: a sensor that the last reading did not have, which is most likely one whose name is wrong.
    """
    from millrace.events import EventError

    for name in given.keys() - known.keys():
        near = difflib.get_close_matches(name, known, 1)
        raise EventError(
            f"The last reading has no {name!r}. It has {', '.join(known)}. Nothing was sent.",
            f"Did you mean {near[0]}?" if near else "A new sensor needs a reading without --like.",
        )


@app.command()
def maintenance(
    asset: Asset,
    asset_class: AssetClass,
    kind: Annotated[MaintenanceKind, typer.Option(metavar="KIND", help=_either(KINDS))],
    code: Annotated[str | None, typer.Option(help=_described("code"))] = None,
    component: Annotated[str | None, typer.Option(help=_described("component"))] = None,
    time: Time = "",
    event_id: EventId = "",
    wait: Wait = 1.0,
    as_json: Json = False,
) -> None:
    """An entry of an asset's log; it changes what is known of the asset, and may clear an alert."""
    fields = {"asset_id": asset, "asset_class": asset_class, "kind": kind, "code": code, "component": component}
    _send(MAINTENANCE, fields | _common(time, event_id), wait, as_json)


@app.command()
def item(
    item: Annotated[str, typer.Option("--item")],
    title: Annotated[str | None, typer.Option()] = None,
    category: Annotated[str | None, typer.Option()] = None,
    attribute: Annotated[list[str] | None, typer.Option("--attribute", help="NAME=VALUE, any number of times.")] = None,
    unavailable: Annotated[bool, typer.Option("--unavailable", help="Not to be recommended now.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the item: a null value on the topic.")] = False,
    time: Time = "",
    wait: Wait = 1.0,
    as_json: Json = False,
) -> None:
    """What the shop says of an item."""
    attributes = _pairs(attribute, "--attribute")
    fields: dict[str, Any] = {"item_id": item, "title": title, "category": category, "attributes": attributes}
    fields |= {"available": not unavailable, "event_time": _time(time)}
    _send(ITEMS, fields, wait, as_json, remove=remove)


@app.command()
def asset(
    asset: Asset,
    asset_class: AssetClass,
    site: Annotated[str | None, typer.Option(help="Where it stands.")] = None,
    line: Annotated[str | None, typer.Option(help="Or area, within the site.")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="NAME=VALUE, any number of times.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take back what was told, by a null value.")] = False,
    time: Time = "",
    wait: Wait = 1.0,
    as_json: Json = False,
) -> None:
    """Where an asset stands; nothing comes back, and lists and notifications have it from then on."""
    labels = _texts(label, "--label")
    fields = {"asset_id": asset, "asset_class": asset_class, "site": site, "line": line, "labels": labels}
    _send(ASSETS, fields | {"event_time": _time(time)}, wait, as_json, remove=remove)


def _send(topic: str, fields: dict[str, Any], wait_s: float, as_json: bool, *, remove: bool = False) -> None:
    from millrace.events import EventError, send_bytes, send_event

    try:
        event = INPUTS[topic].model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise EventError(f"It is not as the schema of {topic} says: {text_of(error)}. Nothing was sent.") from error
    settings = connected_settings()
    if remove:
        answer = asyncio.run(send_bytes(settings, topic, fields[KEY_FIELDS[topic]].encode(), None, wait_s))
    else:
        answer = asyncio.run(send_event(settings, topic, event, wait_s))
    if as_json:
        tell_json(asdict(answer))
    else:
        _tell_answer(answer)


def _tell_answer(answer: Answer) -> None:
    where = f"{answer.topic}, partition {answer.partition}, offset {answer.offset}"
    tell(f"{answer.acknowledged_ms:7.1f} ms  Kafka has the event: {where}")
    for decision in answer.decisions:
        for line in _lines(decision):
            tell(line)


def _lines(decision: Decision) -> list[str]:
    event, start = decision.event, f"{decision.delay_ms:7.1f} ms  "
    if "items" in event:
        ranking = [f"{'':11} {rank:2}. {i['item_id']}  {i['score']:.4g}" for rank, i in enumerate(event["items"], 1)]
        what = "nothing: no other item is known yet" if not ranking else f"({event['strategy']}):"
        return [f"{start}recommended to {event['user_id']} {what}", *ranking[:SHOWN_ITEMS]]
    if "alert_id" in event:
        what = f"{event['failure_mode']}, {event['severity']}: {event['evidence']['reason']}"
        return [f"{start}alert {event['state']} for {event['asset_id']}, {what}"]
    of = f" of {event['component']}" if event.get("component") else ""
    interval = f" [{event['low']:.4g}, {event['high']:.4g}]" if event.get("low") is not None else ""
    late = LATE if event.get("late") else ""
    return [f"{start}{event['asset_id']}: {event['kind']}{of} {event['value']:.4g}{interval} {event['unit']}{late}"]


def _common(time: str, event_id: str) -> dict[str, Any]:
    return {"event_id": event_id or str(uuid.uuid4()), "event_time": _time(time)}


def _time(text: str) -> str:
    return text or datetime.now(UTC).isoformat()


def _numbers(texts: Sequence[str] | None, option: str) -> dict[str, float]:
    """SENSOR=NUMBER. A sensor's name may have an equals sign in it."""
    numbers: dict[str, float] = {}
    for text in texts or ():
        name, equals, value = text.rpartition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not SENSOR=NUMBER", param_hint=option)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            comma = f"; with a decimal point: {value.replace(',', '.')}" if _DECIMAL_COMMA.fullmatch(value) else ""
            raise typer.BadParameter(f"{value!r} for {name} is no number{comma}. Nothing was sent", param_hint=option)
        numbers[name] = number
    return numbers


def _pairs(texts: Sequence[str] | None, option: str) -> dict[str, Any]:
    """NAME=VALUE, where a value that reads as a number is one."""
    pairs: dict[str, Any] = {}
    for name, value in _texts(texts, option).items():
        try:
            pairs[name] = float(value)
        except ValueError:
            pairs[name] = value
    return pairs


def _texts(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """NAME=VALUE, as it is."""
    for text in texts or ():
        if "=" not in text:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
    return dict(text.split("=", 1) for text in texts or ())
