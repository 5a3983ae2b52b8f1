"""Read: what topics hold, from known offsets to known ends, by a consumer that belongs to no group.

reading(topics) ─► beginning_offsets, end_offsets ─► read_to ─► lists of records, each of one partition
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import Settings
from streams.kafka.clients import FETCH_WAIT_MS, ConsumerRecord, client_options, partition_counts, started

MOST_FETCH_BYTES = 12 << 20  # quarantined events are as large as max.message.bytes of their topics
MOST_RECORDS = 50_000
POLL_MS = 500


@asynccontextmanager
async def reading(settings: Settings, topics: Sequence[str] = (), offsets_of: str | None = None) -> AsyncIterator[Any]:
    """A started consumer that reads what was committed, assigned to all partitions of the topics.

    Args:
        topics: names on the broker; none: the caller assigns.
        offsets_of: a group whose offsets are asked for and committed, though nobody joins it.

    Raises:
        UnavailableError: a topic is not there.
        KafkaError: the broker does not answer; nothing is left open.
    """
    counts = await partition_counts(settings, topics) if topics else {}
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        group_id=offsets_of,
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # retention was faster: what is left is read
        isolation_level="read_committed",
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_partition_fetch_bytes=MOST_FETCH_BYTES,
    )
    await started(consumer)
    try:
        if counts:
            consumer.assign([TopicPartition(topic, number) for topic, n in counts.items() for number in range(n)])
        yield consumer
    finally:
        await consumer.stop()


async def read_to(
    reader: Any, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> AsyncIterator[list[ConsumerRecord]]:
    """Records of the partitions, each from its start to its end, as lists of one partition.

    The last offsets may be markers of transactions, which are never delivered: positions say when the end is reached.
    Offsets are explicit, as `seek_to_beginning` may lose against the consumer's own reset.
    """
    left = {tp: end for tp, end in ends.items() if starts[tp] < end}
    if not left:
        return
    reader.assign(list(left))
    for tp in left:
        reader.seek(tp, starts[tp])
    while left:
        for tp, records in (await reader.getmany(*left, timeout_ms=POLL_MS, max_records=MOST_RECORDS)).items():
            below = records if records[-1].offset < ends[tp] else [r for r in records if r.offset < ends[tp]]
            if below:
                yield below
        left = {tp: end for tp, end in left.items() if await reader.position(tp) < end}
