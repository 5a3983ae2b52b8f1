"""Rows: one line or row of a file as an event of ours, ready for its topic, with an id where it has none.

line, or fields ─► topic ─► id ─► schema ─► key and value of the record
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
from pydantic_core import from_json

from schemas import ASSETS, INPUTS, KEY_FIELDS, InputEvent, parse_event

# of each event the fields that it must have; an id is made where a file has none
REQUIRED = {
    topic: {name for name, field in kind.model_fields.items() if field.is_required()} - {"event_id"}
    for topic, kind in INPUTS.items()
}

_PLACE = INPUTS[ASSETS].model_fields.keys() - REQUIRED[ASSETS]


class EventRow(NamedTuple):
    """One event as it goes to Kafka. `time_s`: its event time, seconds since 1970; 0 when it has none."""

    time_s: float
    topic: str
    key: bytes | None
    value: bytes
    event: InputEvent | None = None  # where it was checked
    action: str = ""  # of a click: the word that is none of ours and counts as a view


def row_of(topic_said: str | None, content: bytes | dict[str, Any], *, is_checked: bool) -> EventRow:
    """A line of a text file, or a row of a Parquet file, as an event; a line goes as it is where nothing is to be
    left out or added.

    Args:
        topic_said: none: the row says it by `topic`, or by its fields.

    Raises:
        ValueError, TypeError: it is no event; only unchecked rows with a topic are taken whatever they are.
    """
    is_text = isinstance(content, bytes)
    parsed = _parsed(content, is_strict=is_checked or topic_said is None) if isinstance(content, bytes) else content
    topic = topic_said
    if topic is None:
        topic = parsed.pop("topic", None) or topic_of(parsed)
        if topic is None or topic not in INPUTS:
            raise ValueError(f"topic: {topic!r} is none of {', '.join(INPUTS)}")
        is_text = False
    if is_checked:
        lacks_id = "event_id" in INPUTS[topic].model_fields and parsed.get("event_id") in (None, "")
        return checked_row(content if is_text and not lacks_id else bytes_of(parsed), topic, parsed)  # type: ignore[arg-type]
    key = parsed.get(KEY_FIELDS[topic])
    value = content if isinstance(content, bytes) and is_text else bytes_of(parsed)
    return EventRow(_lenient_time(parsed.get("event_time")), topic, None if key is None else str(key).encode(), value)


def checked_row(value: bytes, topic: str, fields: dict[str, Any]) -> EventRow:
    """An event that the schema takes. One without an id gets one made of all that it says: so the same row, in whatever
    file it comes again, is the same event.
    """
    if "event_id" in INPUTS[topic].model_fields and fields.get("event_id") in (None, ""):
        identity = hashlib.blake2b(topic.encode() + value, digest_size=12).hexdigest()
        value = bytes_of({"event_id": f"row-{identity}", **{k: v for k, v in fields.items() if k != "event_id"}})
    checked, left_out = parse_event(INPUTS[topic], value)
    action = str(fields.get("action")) if "action" in left_out else ""
    time_s = checked.event_time.timestamp()  # type: ignore[attr-defined]  # all inputs have it
    return EventRow(time_s, topic, str(getattr(checked, KEY_FIELDS[topic])).encode(), value, checked, action)


def bytes_of(fields: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(fields, option=orjson.OPT_NAIVE_UTC, default=_plain)
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(fields, default=_plain).encode()


def _plain(value: object) -> Any:
    """What JSON has no kind for."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")


def topic_of(event: dict[str, Any]) -> str | None:
    """The topic whose event has most of these fields, and lacks fewest; none where no field is any event's."""

    def likeness(topic: str) -> tuple[int, int]:
        there = len(REQUIRED[topic] & event.keys())
        return 2 * there - len(REQUIRED[topic]), there

    # what telemetry lacks its readings for has the same fields, so a place is a row that says nothing else
    is_place = event.keys() & _PLACE and event.keys() <= {*REQUIRED[ASSETS], *_PLACE}
    best = max((topic for topic in REQUIRED if topic != ASSETS or is_place), key=likeness)
    return best if likeness(best)[1] else None


def _parsed(text: bytes, *, is_strict: bool) -> dict[str, Any]:
    try:
        found = from_json(text)  # as the topics read it: with NaN, and integers of any size
    except ValueError as error:
        if is_strict:
            said = str(error).replace(" at line 1 column", " at character")
            table = "" if text.lstrip()[:1] in (b"{", b"[") else "; of a table the file's name ends in .csv or .tsv"
            raise ValueError(f"is no JSON: {said}{table}") from error
        return {}
    if isinstance(found, dict):
        return found
    if is_strict:
        raise ValueError("is not a JSON object")
    return {}


def _lenient_time(value: object) -> float:
    if isinstance(value, int | float):
        return value / 1000
    if isinstance(value, datetime):
        return value.timestamp()
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return 0.0
