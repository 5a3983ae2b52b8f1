"""Decode: from the bytes of input records to events, or to dead letters that say where they are wrong.

value ─► size ─► JSON, depth, schema (pydantic) ─┬─────────────────────────────────────────► time ─► key ─► event
                                                └─► refused: without what can be left out ─┘
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from pydantic_core import from_json

from schemas import (
    CLICKS,
    EARLIEST,
    FORGET_HEADER,
    INPUTS,
    KEY_FIELDS,
    LATEST,
    TOPICS,
    InputEvent,
    Settings,
    faults_of,
    parse_event,
    topic_name,
)
from streams.agent.foreign import foreign_bytes, foreign_document, foreign_key
from streams.agent.handler import DeadLetter
from streams.agent.placing import taken_from
from streams.kafka import ConsumerRecord
from streams.metrics import LEFT_OUT, UNKNOWN_FIELDS

Event = TypeVar("Event", bound=InputEvent)
EARLIEST_MS, LATEST_MS = EARLIEST.timestamp() * 1000, LATEST.timestamp() * 1000
MOST_FUTURE_S = 300.0  # of topics without a setting
MOST_FAULTS = 3  # named in a reason
MOST_CHARS = 120  # of the path to a field, which a producer makes up


def decode_records(
    records: Sequence[ConsumerRecord],
    event_type: type[Event],
    settings: Settings,
    now: float | None = None,
    origins: Mapping[str, str] | None = None,
) -> tuple[list[Event | None], list[DeadLetter]]:
    """Events of records of one topic, none where a record is dead, and the dead letters. Never raises for a record.

    Each event has an id: one that came without has topic, partition and offset, where the producer put it.

    A record without value is dead too, except on a compacted topic, where it removes its key: there the event is none
    and no dead letter says so.

    Args:
        now: epoch seconds. Without it each record's Kafka timestamp is its clock (the broker's, see schemas.topics),
            so that decoding is deterministic. A record whose timestamp is none (0, -1, in seconds) is measured by the
            worker's clock: only an event that lies ahead at this moment can be judged otherwise by a replay.
        origins: topic, as the contract names it -> what stands for it in the ids of events that have none.
    """
    most_bytes = settings.max_event_bytes
    may_lack_id = "event_id" in event_type.model_fields
    events: list[Event | None] = []
    dead: list[DeadLetter] = []
    topic, limits = "", (0.0, "")
    for record in records:
        if record.topic != topic:
            topic, limits = record.topic, most_future(record.topic.removeprefix(settings.topic_prefix), settings)
        event: Any = None
        ahead_of_time: Any = None
        reason, value = "", record.value
        if value is None or len(value) > most_bytes:
            reason = _unread(record, settings)
        else:
            event, reason = _read(record, event_type)
        if event is not None:
            ahead = event.event_time.timestamp() - (now if now is not None else _clock(record))
            if ahead > limits[0]:
                event, ahead_of_time, reason = None, event, _too_far(ahead, limits)
            elif event.model_extra:
                UNKNOWN_FIELDS.labels(record.topic).inc(len(event.model_extra))
            if may_lack_id and event is not None and not event.event_id:
                event = event.model_copy(update={"event_id": given_id(record, settings, origins)})
        events.append(event)
        if reason:
            dead.append(DeadLetter(record, reason, event=ahead_of_time))
    return events, dead


def _read(record: ConsumerRecord, event_type: type[Event]) -> tuple[Event | None, str]:
    """The event, or why it is none. Never raises: whatever the parser stumbles over, a record is refused."""
    try:
        event, left_out = parse_event(event_type, record.value)
    except ValidationError as error:
        return None, _foreign(record.value) or describe(error)
    except Exception as error:
        return None, f"{type(error).__name__} while it was read: {str(error)[:MOST_CHARS]}"
    for field in left_out:
        LEFT_OUT.labels(record.topic, field).inc()
    return event, ""


def _foreign(value: bytes) -> str:
    """What a value that is no event is, where another tool has written it."""
    try:
        return foreign_document(from_json(value))
    except ValueError:
        return foreign_bytes(value)


def given_id(record: ConsumerRecord, settings: Settings, origins: Mapping[str, str] | None) -> str:
    """Id of an event that came without: where its producer put it."""
    topic = record.topic.removeprefix(settings.topic_prefix)
    if (source := taken_from(record)) is not None:
        return f"{source.origin}/{source.partition}/{source.offset}"
    return f"{(origins or {}).get(topic, topic)}/{record.partition}/{record.offset}"


def _unread(record: ConsumerRecord, settings: Settings) -> str:
    """Why a value is not even parsed; empty where none is right."""
    if record.value is not None:
        most = settings.max_event_bytes
        return f"{len(record.value):,} bytes, more than MILLRACE_MAX_EVENT_BYTES = {most:,}"
    if record.key and readable_key(record) is None:
        return "no value, and the key is not UTF-8: it names nobody and nothing that could be removed"
    takes_none = _takes_tombstones(record.topic.removeprefix(settings.topic_prefix)) or forgets_user(record, settings)
    return "" if takes_none else "no value: this topic takes events only"


def forgets_user(record: ConsumerRecord, settings: Settings) -> bool:
    """Does a record of the clicks ask for its user to be forgotten? A null value alone may be a producer's mistake."""
    is_click = record.value is None and record.topic == topic_name(settings, CLICKS)
    return is_click and bool(readable_key(record)) and any(name == FORGET_HEADER for name, _ in record.headers)


def readable_key(record: ConsumerRecord) -> str | None:
    """The key as a text; none where it is none: ids are UTF-8."""
    try:
        return record.key.decode() if record.key is not None else None
    except UnicodeDecodeError:
        return None


def _too_far(ahead: float, limits: tuple[float, str]) -> str:
    return f"{ahead:,.0f} s ahead of the clock, more than {limits[1]} = {limits[0]:,.0f} - at event_time"


def record_time_s(record: ConsumerRecord) -> float:
    """Epoch seconds of a record's timestamp; NaN where it is none: clients write 0, -1, seconds, microseconds."""
    timestamp_ms = record.timestamp
    if timestamp_ms is None or not EARLIEST_MS <= timestamp_ms < LATEST_MS:
        return math.nan
    return float(timestamp_ms) / 1000


def record_times_s(records: Sequence[ConsumerRecord]) -> npt.NDArray[np.float64]:
    """Of all records, (n,)."""
    times_ms = np.array([record.timestamp for record in records], np.float64)
    times_ms[~((times_ms >= EARLIEST_MS) & (times_ms < LATEST_MS))] = np.nan
    return times_ms / 1000


def _clock(record: ConsumerRecord) -> float:
    found = record_time_s(record)
    return time.time() if math.isnan(found) else found


def most_future(topic: str, settings: Settings) -> tuple[float, str]:
    """How far ahead events of a topic may lie, and the setting that says so."""
    name = f"max_future_{topic.removesuffix('.v1')}_s"
    return getattr(settings, name, MOST_FUTURE_S), f"MILLRACE_{name.upper()}"


def describe(error: ValidationError) -> str:
    """The faults of an event in one line, each with the path to its field: `... - at readings.s3`, as dead letters have
    always said it, and people search for it."""
    faults = faults_of(error)
    texts = [
        f"{fault.message} - at {fault.path[:MOST_CHARS]}" if fault.path else f"the value {fault.message}"
        for fault in faults[:MOST_FAULTS]
    ]
    if len(faults) > MOST_FAULTS:
        texts.append(f"and {len(faults) - MOST_FAULTS} more")
    return "; ".join(texts)


@cache
def _takes_tombstones(topic: str) -> bool:
    return any(t.name == topic and "compact" in t.config.get("cleanup.policy", "") for t in TOPICS)


def decode_topics(
    records: Sequence[ConsumerRecord],
    topics: Iterable[str],
    settings: Settings,
    origins: Mapping[str, str] | None = None,
) -> tuple[list[Any], list[DeadLetter]]:
    """Events of the records, none where a record is dead or removes its key, and the dead letters.

    Args:
        topics: input topics, by their names in the contract.
        origins: as `decode_records` takes them.
    """
    events: list[Any] = [None] * len(records)
    dead: list[DeadLetter] = []
    for topic in topics:
        name = topic_name(settings, topic)
        places = [place for place, record in enumerate(records) if record.topic == name]
        decoded, letters = decode_records(
            [records[place] for place in places], INPUTS[topic], settings, origins=origins
        )
        dead += letters
        for place, event in zip(places, decoded, strict=True):
            if event is None:
                continue
            key = getattr(event, KEY_FIELDS[topic])
            if records[place].key == key.encode():
                events[place] = event
            else:
                dead.append(DeadLetter(records[place], _wrong_key(records[place].key, KEY_FIELDS[topic], key)))
    return events, dead


def _wrong_key(key: bytes | None, field: str, value: str) -> str:
    found = "none" if key is None else repr(key[:60].decode(errors="replace"))
    foreign = foreign_key(key, value) if key else ""
    return (
        f"the record's key is {found} but {field} is {value!r}: "
        f"keys choose the partition, and the state of one key must not be in two{foreign}"
    )
