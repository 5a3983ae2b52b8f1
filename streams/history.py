"""History: the events that the topics hold, for training on what the service itself has seen.

clicks.v1, ... from the earliest offset to the end as it is now ─► decode ─► sorted by event time ─► batches
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from schemas import INPUTS, Click, InputEvent, Item, Settings, Telemetry, UnavailableError, topic_name
from streams.agent import at_arrival, decode_records
from streams.kafka import ConsumerRecord, client_options, partition_counts

BATCH = 1000


def read_topics(settings: Settings, topics: Sequence[str]) -> Iterator[list[InputEvent]]:
    """All valid events of the topics (names in the contract), in the order of event time, entries of a log first.

    What a producer's transaction aborted never happened, as for the agents. They are held in memory, about 1 KB each.

    Raises:
        UnavailableError: the broker or a topic is not there.
    """
    events = asyncio.run(_read(settings, topics))
    events.sort(key=lambda event: (event.event_time, isinstance(event, Telemetry)))  # type: ignore[attr-defined]
    for start in range(0, len(events), BATCH):
        yield events[start : start + BATCH]


async def _read(settings: Settings, topics: Sequence[str]) -> list[InputEvent]:
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
        events: list[InputEvent] = []
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                decoded, _ = decode_records(records, types[partition.topic], settings)
                events += [_as_served(e, r) for e, r in zip(decoded, records, strict=True) if e is not None]
            left = {at: end for at, end in left.items() if await consumer.position(at) < end}
        return events
    finally:
        await consumer.stop()


def _as_served(event: InputEvent, record: ConsumerRecord) -> InputEvent:
    """What moves the clocks of all is at the time at which it came; plans of a plant may lie ahead."""
    return at_arrival(event, record) if isinstance(event, Click | Item) else event
