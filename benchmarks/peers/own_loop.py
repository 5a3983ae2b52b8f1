"""The work by a loop of one's own on aiokafka: batches, rows of the assets in memory, commits. What is there when it is
killed is lost, so it does less than the others."""

from __future__ import annotations

import asyncio
import os

import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.peers.work import SCORES, TOPIC, work_of_environment


async def run() -> None:
    work, broker = work_of_environment(), os.environ["BROKER"]
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=broker, group_id=f"peer-loop-{os.getpid()}", auto_offset_reset="earliest",
        enable_auto_commit=False,
    )  # fmt: skip
    rows, slots = np.zeros(100_000, work.model.dtype), dict[bytes, int]()
    async with consumer, AIOKafkaProducer(bootstrap_servers=broker, linger_ms=5) as producer:
        while True:
            fetched = await consumer.getmany(timeout_ms=500, max_records=1000)
            records = [record for batch in fetched.values() for record in batch]
            if not records:
                continue
            of_records = np.array([slots.setdefault(record.key, len(slots)) for record in records])
            told = work.many([record.value for record in records], rows, of_records)
            sent = [await producer.send(SCORES, score, record.key) for record, score in zip(records, told, strict=True)]
            await asyncio.gather(*sent)
            await consumer.commit()


if __name__ == "__main__":
    asyncio.run(run())
