"""Decode: from the bytes of input records to events, or to dead letters that say where they are wrong.

value ─► size ─► JSON, depth, schema (pydantic) ─► time ─► event
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError

from schemas import TOPICS, InputEvent, Settings
from streams.handler import ConsumerRecord, DeadLetter
from streams.metrics import UNKNOWN_FIELDS

Event = TypeVar("Event", bound=InputEvent)
MOST_FAULTS = 3  # named in a reason
MOST_CHARS = 120  # of the path to a field, which a producer makes up


def decode(
    records: Sequence[ConsumerRecord], event_type: type[Event], settings: Settings, now: float | None = None
) -> tuple[list[Event | None], list[DeadLetter]]:
    """Events of records of one topic, none where a record is dead, and the dead letters.

    A record without value is dead too, except on a compacted topic, where it removes its key: there the event is none
    and no dead letter says so.

    Args:
        now: epoch seconds. Without it each record's Kafka timestamp is its clock, so that decoding is deterministic;
            brokers do not take timestamps from the future (`message.timestamp.after.max.ms`, an hour).
    """
    events: list[Event | None] = []
    dead: list[DeadLetter] = []
    validate = event_type.__pydantic_validator__.validate_json
    most_bytes, most_future_s = settings.max_event_bytes, settings.max_future_s
    for record in records:
        event, reason, value = None, "", record.value
        if value is None:
            if not _takes_tombstones(record.topic.removeprefix(settings.topic_prefix)):
                reason = "no value: this topic takes events only"
        elif len(value) > most_bytes:
            reason = f"{len(value):,} bytes, more than MILLRACE_MAX_EVENT_BYTES = {most_bytes:,}"
        else:
            try:
                event = validate(value)
            except ValidationError as error:
                reason = describe(error)
            else:
                clock = record.timestamp / 1000 if now is None else now
                ahead = event.event_time.timestamp() - clock
                if ahead > most_future_s:
                    reason = (
                        f"{ahead:,.0f} s ahead of the clock, more than MILLRACE_MAX_FUTURE_S = {most_future_s:,.0f}"
                        " - at event_time"
                    )
                    event = None
                elif event.model_extra:
                    UNKNOWN_FIELDS.labels(record.topic).inc(len(event.model_extra))
        events.append(event)
        if reason:
            dead.append(DeadLetter(record, reason))
    return events, dead


def describe(error: ValidationError) -> str:
    """The faults of an event in one line, each with the path to its field: `... - at readings.s3`."""
    faults: list[Any] = error.errors(include_url=False, include_input=False, include_context=False)
    texts = []
    for fault in faults[:MOST_FAULTS]:
        path = ".".join(map(str, fault["loc"]))[:MOST_CHARS]
        texts.append(f"{fault['msg']} - at {path}" if path else fault["msg"])
    if len(faults) > MOST_FAULTS:
        texts.append(f"and {len(faults) - MOST_FAULTS} more")
    return "; ".join(texts)


@cache
def _takes_tombstones(topic: str) -> bool:
    return any(t.name == topic and "compact" in t.config.get("cleanup.policy", "") for t in TOPICS)
