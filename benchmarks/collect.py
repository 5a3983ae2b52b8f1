"""The values of a topic of a running service, one JSON line each, for the evaluations.

    python -m benchmarks.collect scores.v1 scores.jsonl

Reads from the earliest offset to the end as it is at the start; the service is found as every command finds it.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from millrace.commands import connected_settings
from schemas import topic_name
from streams.kafka import client_options, partition_counts


async def collect(topic: str, out: Path) -> int:
    settings = connected_settings()
    name = topic_name(settings, topic)
    count = (await partition_counts(settings, [name]))[name]
    partitions = [TopicPartition(name, number) for number in range(count)]
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    await consumer.start()
    written = 0
    try:
        consumer.assign(partitions)
        left = await consumer.end_offsets(partitions)
        for partition, first in (await consumer.beginning_offsets(partitions)).items():
            consumer.seek(partition, first)
        with out.open("wb") as lines:
            while left:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    lines.writelines(record.value + b"\n" for record in records if record.value is not None)
                    written += len(records)
                left = {at: end for at, end in left.items() if await consumer.position(at) < end}
    finally:
        await consumer.stop()
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topic")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    print(f"{asyncio.run(collect(options.topic, options.out)):,} records")


if __name__ == "__main__":
    main()
