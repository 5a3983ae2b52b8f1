"""Reading: what is committed on topics, each partition from where the last reading ended."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import Settings, topic_name
from streams.kafka import client_options, partition_counts, read_to


class Reading:
    """Reads on, topic by topic; names are those of the contract."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next: dict[TopicPartition, int] = {}

    async def new(self, *topics: str) -> list[Any]:
        """Records that were not read yet, in the order of offsets of each partition."""
        names = [topic_name(self._settings, topic) for topic in topics]
        counts = await partition_counts(self._settings, names)
        tps = [TopicPartition(name, number) for name in names for number in range(counts[name])]
        options: dict[str, Any] = {"isolation_level": "read_committed", "max_partition_fetch_bytes": 8 << 20}
        records: list[Any] = []
        async with AIOKafkaConsumer(**client_options(self._settings), **options, fetch_max_wait_ms=50) as consumer:
            first, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
            starts = {tp: max(first[tp], self._next.get(tp, 0)) for tp in tps}
            async for found in read_to(consumer, starts, ends):
                records += found
        self._next |= ends
        return records

    def forget(self, *topics: str) -> None:
        """They were made anew."""
        names = {topic_name(self._settings, topic) for topic in topics}
        self._next = {tp: at for tp, at in self._next.items() if tp.topic not in names}
