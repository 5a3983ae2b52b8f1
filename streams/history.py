"""History: the events that the topics hold, for training on what the service itself has seen.

clicks.v1, ... from the earliest offset to the end as it is now ─► decode ─► sorted by event time ─► batches
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from schemas import INPUTS, Click, InputEvent, Item, Settings, Telemetry, topic_name
from streams.agent import at_arrival, decode_records, taken_from
from streams.kafka import ConsumerRecord, answering, read_to, reading

BATCH = 1000
Read = tuple[InputEvent, tuple[str, int, int]]  # and its topic, partition and offset


def read_topics(settings: Settings, topics: Sequence[str]) -> Iterator[list[InputEvent]]:
    """All valid events of the topics (names in the contract), in the order of event time.

    At one time entries of a log and items come first, then the order is that of partitions and offsets: who learns from
    the same topics again learns the same. What a producer's transaction aborted never happened, as for the agents. They
    are held in memory, about 1 KB each.

    Raises:
        UnavailableError: the broker or a topic is not there.
    """
    read = asyncio.run(_read(settings, topics))
    read.sort(key=_order)
    for start in range(0, len(read), BATCH):
        yield [event for event, _ in read[start : start + BATCH]]


def _order(read: Read) -> tuple[Any, ...]:
    event, at = read
    return event.event_time, isinstance(event, Telemetry | Click), *at  # type: ignore[attr-defined]  # all have it


async def _read(settings: Settings, topics: Sequence[str]) -> list[Read]:
    types = {topic_name(settings, topic): INPUTS[topic] for topic in topics}
    read: list[Read] = []
    with answering(settings):
        async with reading(settings, list(types)) as reader:
            partitions = list(reader.assignment())
            starts, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
            async for fetched in read_to(reader, starts, ends):
                records = [record for record in fetched if taken_from(record) is None]  # else read twice
                if not records:
                    continue
                decoded, _ = decode_records(records, types[records[0].topic], settings)
                at = [(record.topic, record.partition, record.offset) for record in records]
                read += [(_as_served(e, r), a) for e, r, a in zip(decoded, records, at, strict=True) if e is not None]
    return read


def _as_served(event: InputEvent, record: ConsumerRecord) -> InputEvent:
    """What moves the clocks of all is at the time at which it came; plans of a plant may lie ahead."""
    return at_arrival(event, record) if isinstance(event, Click | Item) else event
