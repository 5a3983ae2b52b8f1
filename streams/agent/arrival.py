"""Arrival: no event is later than its record, so that no client's clock moves those that all share.

event ─► later than the broker took it? ─► at the broker's time
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from schemas import InputEvent
from streams.kafka import ConsumerRecord

Event = TypeVar("Event", bound=InputEvent)
FIRST_MS = 315_532_800_000  # 1980: a record's time before it is 0, -1 or in seconds, and no clock


def arrived_s(record: ConsumerRecord) -> float | None:
    """Epoch seconds at which the record came, if its Kafka timestamp can be that."""
    return record.timestamp / 1000 if record.timestamp >= FIRST_MS else None


def at_arrival(event: Event, record: ConsumerRecord) -> Event:
    """The event as it is, or at the time of the record if it says a later one."""
    arrived = arrived_s(record)
    if arrived is None or event.event_time.timestamp() <= arrived:  # type: ignore[attr-defined]  # all inputs have it
        return event
    return event.model_copy(update={"event_time": datetime.fromtimestamp(arrived, UTC)})
