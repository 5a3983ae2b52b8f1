"""Ledger: the one producer of a site, and everything that it has put on the broker.

simulated plant and shop, seeded ─► in event-time order ─► acknowledged, with partition and offset ─► Ledger

The maintenance log is dense (`EXTRA_ENTRIES`), so that most seconds have an entry among the readings it concerns. An
entry leaves when all earlier readings are acknowledged, and before later ones: of two topics, what is on its way at
the same time has no order that anybody could ask for.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from millrace.demo import Event, Plant, Shop
from schemas import ITEMS, MAINTENANCE, TELEMETRY, Settings, topic_name
from streams.kafka import client_options
from tests.support.world import START

EXTRA_ENTRIES = 0.01  # entries of the log for each reading, besides those of the simulated plant
TICK_S = 0.02
PATIENCE_MS = 400_000
partition_of = DefaultPartitioner()


class Raw(NamedTuple):
    """What is to be produced: mostly an event, sometimes garbage."""

    topic: str
    key: bytes | None
    value: bytes | None
    is_good: bool = True


class Entry(NamedTuple):
    """One record on the broker."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    is_good: bool


def raw(event: Event) -> Raw:
    return Raw(event.topic, event.key.encode(), orjson.dumps(event.value))


def plant(seed: int, pumps: int = 30) -> Iterator[Raw]:
    """Readings and log entries of pumps, without end; parts are replaced more often than they fail.

    Entries come before the reading of the same time and asset, as the order of event time wants it.
    """
    chance, numbers = random.Random(seed), itertools.count()
    events = Plant(seed, pumps=pumps, presses=0, name=f"s{seed}-").events(START)
    for _, together in itertools.groupby(events, key=lambda event: (event.time, event.key)):
        readings, entries = [], []
        for event in together:
            (readings if event.topic == TELEMETRY else entries).append(event)
        if readings and chance.random() < EXTRA_ENTRIES:
            kind = chance.choice(("replacement", "failure", "maintenance"))
            head = {name: value for name, value in readings[0].value.items() if name != "readings"}
            value = head | {"event_id": f"extra-{next(numbers)}", "kind": kind}
            entries.append(readings[0]._replace(topic=MAINTENANCE, value=value))
        yield from map(raw, (*entries, *readings))


def shop(seed: int) -> Iterator[Raw]:
    """Items and clicks, without end."""
    return map(raw, Shop(seed, users=60, items_per_category=8).events(START))


@dataclass
class Ledger:
    """All that was produced, in the order of acknowledgements of each topic."""

    settings: Settings
    entries: list[Entry] = field(default_factory=list)

    async def produce(self, stream: Iterable[Raw], rate: float = 0.0, until: asyncio.Event | None = None) -> int:
        """Produce the stream to its end, or until told; at so many events a second, or as fast as it goes.

        Returns:
            How many records were produced.
        """
        options: dict[str, Any] = {"enable_idempotence": True, "linger_ms": 0, "max_request_size": 12 << 20}
        options["request_timeout_ms"] = PATIENCE_MS  # batches that wait for longer would be given up
        async with AIOKafkaProducer(**client_options(self.settings), **options) as producer:
            flow = _Flow(self, producer)
            clock, count = asyncio.get_running_loop().time, 0
            started = clock()
            for one in stream:
                if until is not None and until.is_set():
                    break
                await flow.send(one)
                count += 1
                if rate and count % max(1, int(rate * TICK_S)) == 0:
                    await asyncio.sleep(max(0.0, started + count / rate - clock()))
                    flow.note()
            await flow.settle()
        return count

    def ends(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> next offset."""
        return {(one.topic, one.partition): one.offset + 1 for one in self.entries}


class _Flow:
    """Keeps the order between a topic and its log."""

    def __init__(self, ledger: Ledger, producer: Any) -> None:
        self._ledger, self._producer = ledger, producer
        self._on_the_way: list[tuple[Raw, int, asyncio.Future[Any]]] = []
        self._log_is_on_the_way = False

    async def send(self, one: Raw) -> None:
        is_log = one.topic == MAINTENANCE
        if is_log != self._log_is_on_the_way or len(self._on_the_way) >= 1000:
            await self.settle()
        self._log_is_on_the_way = is_log
        name = topic_name(self._ledger.settings, one.topic)
        partitions = list(range(self._ledger.settings.partitions))
        number = partition_of(one.key, partitions, partitions)
        future = await self._producer.send(name, one.value, one.key, number)
        self._on_the_way.append((one, number, future))

    async def settle(self) -> None:
        """Until all is acknowledged."""
        if self._on_the_way:
            await self._producer.flush()
            await asyncio.gather(*(future for *_, future in self._on_the_way))
        self.note()

    def note(self) -> None:
        """Write down what is acknowledged."""
        left = []
        for one, number, future in self._on_the_way:
            if future.done():
                entry = Entry(one.topic, number, future.result().offset, one.value, one.is_good)
                self._ledger.entries.append(entry)
            else:
                left.append((one, number, future))
        self._on_the_way = left


__all__ = ["ITEMS", "Entry", "Ledger", "Raw", "plant", "raw", "shop"]
