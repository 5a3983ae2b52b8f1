"""Speak to the real broker in a test: create topics, produce, consume until something holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError
from pydantic import BaseModel

from schemas import TOPICS, Settings, topic_name
from streams.kafka import administering, apply_topics, client_options, partition_counts

Value = bytes | BaseModel | dict[str, Any] | None


async def create_topics(settings: Settings, *names: str) -> None:
    """Create these topics of the contract (all of them if none is named) for this test."""
    await apply_topics(settings, [topic for topic in TOPICS if not names or topic.name in names])


async def delete_topics(settings: Settings, *names: str) -> None:
    """Delete these topics (names in the contract), with all their records, until the broker does not know them."""
    there = [topic_name(settings, name) for name in names]
    deadline = time.monotonic() + 20.0
    async with administering(settings) as admin:
        answer = await admin.delete_topics(there)
        assert not [code for _, code in answer.topic_error_codes if code not in (0, UnknownTopicOrPartitionError.errno)]
        while set(there).intersection(await admin.list_topics()):
            assert time.monotonic() < deadline, f"{there} are still there"
            await asyncio.sleep(0.02)


async def produce(
    settings: Settings, topic: str, records: Iterable[tuple[str | bytes | None, Value]], partition: int | None = None
) -> list[tuple[int, int]]:
    """Send `(key, value)` pairs to a topic of the contract; bytes go as they are, everything else as JSON.

    Returns:
        (partition, offset) of each, in order.
    """
    producer = AIOKafkaProducer(**client_options(settings), max_request_size=12 << 20, linger_ms=2)
    await producer.start()
    try:
        sent = [
            await producer.send(topic_name(settings, topic), encoded(value), encoded_key(key), partition=partition)
            for key, value in records
        ]
        await producer.flush()
        return [(metadata.partition, metadata.offset) for metadata in [await future for future in sent]]
    finally:
        await producer.stop()


async def consume(
    settings: Settings,
    topics: str | Sequence[str],
    until: Callable[[list[ConsumerRecord]], bool] | int,
    timeout_s: float = 30.0,
) -> list[ConsumerRecord]:
    """Committed records of topics of the contract from their beginning, in the order of arrival.

    Args:
        until: how many to wait for, or a condition on what has been read so far.

    Raises:
        AssertionError: the condition did not hold within `timeout_s`; tells how many records came.
    """
    names = [topic_name(settings, topic) for topic in ([topics] if isinstance(topics, str) else topics)]
    holds = until if callable(until) else lambda records: len(records) >= until
    consumer = AIOKafkaConsumer(
        **client_options(settings), isolation_level="read_committed", auto_offset_reset="earliest",
        max_partition_fetch_bytes=16 << 20, fetch_max_wait_ms=100,
    )  # fmt: skip
    await consumer.start()
    try:
        counts = await partition_counts(settings, names)
        assigned = [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]
        consumer.assign(assigned)
        for partition, offset in (await consumer.beginning_offsets(assigned)).items():
            consumer.seek(partition, offset)
        records: list[ConsumerRecord] = []
        deadline = time.monotonic() + timeout_s
        while not holds(records):
            assert time.monotonic() < deadline, (
                f"{len(records)} records of {names} within {timeout_s:.0f} s, not enough"
            )
            for batch in (await consumer.getmany(timeout_ms=100)).values():
                records += batch
        return records
    finally:
        await consumer.stop()


def encoded(value: Value) -> bytes | None:
    if isinstance(value, BaseModel):
        return value.model_dump_json(exclude_none=True).encode()
    return value if value is None or isinstance(value, bytes) else orjson.dumps(value)


def encoded_key(key: str | bytes | None) -> bytes | None:
    return key.encode() if isinstance(key, str) else key
