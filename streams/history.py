"""History: the events that the topics hold, for training on what the service itself has seen.

clicks.v1, ... from the earliest offset to the end as it is now ─► decode ─► sorted by event time ─► batches
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from schemas import INPUTS, Click, InputEvent, Item, Settings, Telemetry, UnavailableError, topic_name
from streams.arrival import at_arrival
from streams.decode import decode
from streams.handler import ConsumerRecord
from streams.kafka import client_options, partition_counts

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
    try:
        counts = await partition_counts(settings, list(types))
    except KafkaConnectionError as error:
        raise UnavailableError(
            f"Kafka at {settings.kafka} does not answer.", "Start it, or correct MILLRACE_KAFKA."
        ) from error
    partitions = [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, isolation_level="read_committed")
    await consumer.start()
    try:
        consumer.assign(partitions)
        for at, first in (await consumer.beginning_offsets(partitions)).items():
            consumer.seek(at, first)  # seek_to_beginning may lose against the consumer's own reset to the end
        left = await consumer.end_offsets(partitions)
        read: list[Read] = []
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                decoded, _ = decode(records, types[partition.topic], settings)
                at = [(r.topic, r.partition, r.offset) for r in records]
                read += [(_as_served(e, r), a) for e, r, a in zip(decoded, records, at, strict=True) if e is not None]
            left = {at: end for at, end in left.items() if await consumer.position(at) < end}
        return read
    finally:
        await consumer.stop()


def _as_served(event: InputEvent, record: ConsumerRecord) -> InputEvent:
    """What moves the clocks of all is at the time at which it came; plans of a plant may lie ahead."""
    return at_arrival(event, record) if isinstance(event, Click | Item) else event
