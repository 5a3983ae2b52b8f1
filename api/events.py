"""Events: pushed over HTTP, by clients that have no Kafka, and put on their topics.

JSON or JSON Lines ─► events with their topics ─► Publisher ─► where each is, or why it was refused
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from api.access import needs
from api.addresses import only_known
from api.problems import ProblemError, responses
from api.publisher import Broker, Outgoing, not_sent
from api.raw_json import Raw, elements, members, whole
from api.shared import ALWAYS
from schemas import BODY_EXAMPLES, INPUTS, Click, FieldError, SentEvent, SentEvents, UnavailableError

MOST_EVENTS = 1000
MOST_WAIT_S = 4.0  # within the 6 s in which every answer begins
NDJSON = ("application/x-ndjson", "application/jsonl", "application/ndjson")
_WAIT = re.compile(r"(\d{1,5}(?:\.\d{1,3})?)(ms|s)?")
first = [Depends(needs("write")), Depends(only_known)]
router = APIRouter(
    prefix="/v1", tags=["events"], responses=responses(*ALWAYS, "broker-unavailable"), dependencies=first
)

_ONE: dict[str, Any] = {
    "type": "object",
    "description": "An event as on its topic, or `{topic, value, key?}`; a null value with a key removes that key.",
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 1, "maxItems": MOST_EVENTS}]},
            "example": [{"topic": "clicks.v1", "value": Click.EXAMPLE}],
        },
        NDJSON[0]: {"schema": {"type": "string", "description": "one event a line"}},
    },
}
_SENT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": BODY_EXAMPLES["SentEvents"]}}},
    207: {"model": SentEvents, "description": "Some events were refused; the others are on their topics."},
}


@router.post(
    "/events",
    response_model=SentEvents,
    responses={**_SENT, **responses("too-large")},
    openapi_extra={"requestBody": _BODY},
)
async def send_events(
    request: Request,
    broker: Broker,
    topic: Annotated[
        str | None, Query(max_length=200, description="of the events that do not name theirs, such as `clicks.v1`")
    ] = None,
    wait: Annotated[
        str | None,
        Query(max_length=12, description=f"for decisions, as in `1s` or `300ms`; {MOST_WAIT_S:g}s at most"),
    ] = None,
) -> JSONResponse:
    """Put one event, or up to 1,000, on their topics: a JSON object or array, or JSON Lines (`application/x-ndjson`).

    Each is told by its place in the request: its topic, partition and offset, or why it was refused. 200: all are on
    their topics; 207: some; 422: none. Sending again is harmless where events have an `event_id`. With `wait` the
    answer has the decisions that came of them by then, or why there is none. Items lead to no decision and are not
    waited for; for entries of a log alone, which may clear an alert, it is 1 s at most.
    """
    wait_s = _seconds(wait)
    if topic is not None and topic not in INPUTS:
        raise _invalid("query.topic", _unknown_topic(topic))
    events, refused = _parsed(await request.body(), request.headers.get("content-type", ""), topic)
    try:
        found = await broker.publish(events, wait_s)
    except UnavailableError as error:
        raise not_sent("Kafka did not take all events; what has an event_id can be sent again", error) from error
    return _answer(sorted([*found, *refused], key=lambda event: event.index))


def _answer(events: list[SentEvent]) -> JSONResponse:
    bad = [event for event in events if event.error is not None]
    if len(bad) == len(events):
        errors = [FieldError(field=f"body.{event.index}", message=event.error or "") for event in bad]
        raise ProblemError("invalid-request", f"No event was sent: {bad[0].error}", errors)
    body = SentEvents(sent=len(events) - len(bad), refused=len(bad), events=events)
    return JSONResponse(body.model_dump(mode="json", exclude_none=True, exclude_defaults=False), 207 if bad else 200)


def _parsed(body: bytes, content_type: str, topic: str | None) -> tuple[list[Outgoing], list[SentEvent]]:
    """The events, and those that are none."""
    is_lines = content_type.split(";", maxsplit=1)[0].strip().lower() in NDJSON
    events: list[Outgoing] = []
    refused: list[SentEvent] = []
    parts: Sequence[bytes | Raw] = _lines(body) if is_lines else _values(body)
    for index, part in enumerate(parts):
        if index >= MOST_EVENTS:
            raise _invalid("body", f"has more than {MOST_EVENTS:,} events; none was sent")
        try:
            one = part if isinstance(part, Raw) else whole(part.decode())
            events.append(_outgoing(index, one, topic))
        except json.JSONDecodeError as error:
            said = f"is no JSON object: {error.msg.lower()} at character {error.pos + 1} of {error.doc[:60]!r}"
            refused.append(SentEvent(index=index, topic=topic, error=said))
        except ValueError as error:
            refused.append(SentEvent(index=index, topic=topic, error=str(error)))
    if not events and not refused:
        raise _invalid("body", "has no event")
    return events, refused


def _lines(body: bytes) -> list[bytes]:
    return [line for line in body.splitlines() if line.strip()]


def _values(body: bytes) -> list[Raw]:
    try:
        return elements(body.decode())
    except ValueError as error:
        raise _invalid(
            "body", f"is not JSON ({error}); for one event a line send `Content-Type: {NDJSON[0]}`"
        ) from None


def _outgoing(index: int, event: Raw, topic: str | None) -> Outgoing:
    """An event with its topic, as the bytes that were sent: what its topic takes over Kafka it takes over HTTP too.

    Raises:
        ValueError: it is no event, or names no topic that takes events.
    """
    (fields, text), key = event, None
    if not isinstance(fields, dict):
        raise ValueError("an event is a JSON object")  # noqa: TRY004 - of what was sent, not of a type
    if isinstance(fields.get("topic"), str) and not fields.keys() - {"topic", "value", "key"}:
        if "value" not in fields:
            raise ValueError("names a topic, but has no `value`: send `{topic, value}`")
        topic, key, text = fields["topic"], fields.get("key"), members(text)["value"].text
    if topic is None and isinstance(fields.get("topic"), str):
        others = ", ".join(f"`{name}`" for name in sorted(fields.keys() - {"topic", "value", "key"})[:3])
        raise ValueError(f"has {others} beside `topic`: send `{{topic, value}}`, or `?topic=` for all of the request")
    if topic is None:
        raise ValueError("names no topic: send `{topic, value}`, or `?topic=` for all of the request")
    if topic not in INPUTS:
        raise ValueError(_unknown_topic(topic))
    if key is not None and not isinstance(key, str):
        raise ValueError("`key` is a text")
    if text == "null" and not key:
        raise ValueError("a null value removes what `key` names, and there is no `key`")
    return Outgoing(index, topic, key, None if text == "null" else text.encode())


def _seconds(wait: str | None) -> float:
    match = _WAIT.fullmatch(wait or "0s")
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else -1.0
    if not 0 <= seconds <= MOST_WAIT_S:
        raise _invalid("query.wait", f"is a time such as `1s` or `300ms`, of {MOST_WAIT_S:g} s at most")
    return seconds


def _unknown_topic(topic: str) -> str:
    return f"{topic[:100]!r} is not a topic that takes events: {', '.join(INPUTS)}"


def _invalid(field: str, message: str) -> ProblemError:
    return ProblemError("invalid-request", f"{field}: {message}.", [FieldError(field=field, message=message)])
