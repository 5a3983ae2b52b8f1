"""Clocks: machines whose clock is ahead or was set back, and readings that come hours late."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import orjson

from schemas import TELEMETRY
from tests.faults.fault import Fault
from tests.faults.inputs import sent
from tests.faults.ledger import Raw

HOUR_S = 3600.0


def moved(one: Raw, seconds: float, *, is_good: bool = True) -> Raw:
    """The same event, so much later."""
    assert one.value is not None
    value = orjson.loads(one.value)
    at = datetime.fromisoformat(value["event_time"]) + timedelta(seconds=seconds)
    return one._replace(value=orjson.dumps(value | {"event_time": at.isoformat()}), is_good=is_good)


def ahead(stream: Iterable[Raw], seed: int) -> Iterator[Raw]:
    """One reading in fifty is of a day after today; each machine's others are right."""
    chance = random.Random(seed)
    for one in stream:
        if one.topic == TELEMETRY and chance.random() < 0.02:
            assert one.value is not None
            at = datetime.fromtimestamp(time.time() + 24 * HOUR_S, UTC).isoformat()
            yield one._replace(value=orjson.dumps(orjson.loads(one.value) | {"event_time": at}), is_good=False)
        else:
            yield one


def set_back(stream: Iterable[Raw], seed: int) -> Iterator[Raw]:
    """A third of the machines go back by an hour for the second third of the events."""
    events = list(stream)
    keys = sorted({one.key for one in events if one.key})
    wrong = set(random.Random(seed).sample(keys, len(keys) // 3))
    third = len(events) // 3
    for number, one in enumerate(events):
        is_wrong = one.key in wrong and one.topic == TELEMETRY and third <= number < 2 * third
        yield moved(one, -HOUR_S) if is_wrong else one


def late(stream: Iterable[Raw], seed: int) -> Iterator[Raw]:
    """One reading in thirty is of up to twelve hours before."""
    chance = random.Random(seed)
    for one in stream:
        is_late = one.topic == TELEMETRY and chance.random() < 1 / 30
        yield moved(one, -12 * HOUR_S * chance.random()) if is_late else one


CLOCKS = (
    Fault("clocks: one reading in fifty a day ahead", sent(ahead, is_live=True)),
    Fault("clocks: a third of the machines set back by an hour", sent(set_back, is_live=True)),
    Fault("clocks: set back by an hour, caught up", sent(set_back, is_live=False)),
    Fault("one reading in thirty late by hours", sent(late, is_live=True)),
    Fault("one reading in thirty late by hours, caught up", sent(late, is_live=False)),
)
