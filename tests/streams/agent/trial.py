"""A trial of the trivial agent: its topics, its worker processes, what it should know by now, and what it does know."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from schemas import Settings, Topic, dead_letters_of, topic_name
from streams.agent.saved import PLACED, POSITIONS, restore
from streams.kafka import apply_topics, client_options, group_name
from tests.streams.agent.trivial import OUTPUT_TOPIC, Trivial, mix
from tests.support.kafka import consume

ROOT = Path(__file__).parents[3]
Total = tuple[int, int, int]  # count, sum, hash


@dataclass
class Trial:
    settings: Settings
    handler: Trivial = field(default_factory=Trivial)
    output_config: dict[str, str] = field(default_factory=dict)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    async def create_topics(self) -> None:
        forever = {"retention.ms": "-1"}  # the broker would delete what has old timestamps
        inputs = [Topic(name, "key", "input", config=forever) for name in self.handler.topics]
        dead = [Topic(dead_letters_of(name), "key", "quarantine") for name in self.handler.topics]
        output = Topic(OUTPUT_TOPIC, "key", "output", config=self.output_config)
        changelog = Topic(self.handler.changelog, "key", "state", config={"cleanup.policy": "compact"})
        await apply_topics(self.settings, [*inputs, *dead, output, changelog])

    # workers

    def start(self, **options: Any) -> subprocess.Popen[bytes]:
        """A worker process; `options` differ from the handler's."""
        environment = {f"MILLRACE_{name.upper()}": str(value) for name, value in self.settings.model_dump().items()
                       if name in self.settings.model_fields_set}  # fmt: skip
        arguments = json.dumps({**asdict(self.handler), **options})
        with (self.settings.home / f"worker-{len(self.workers)}.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.streams.agent.trivial", arguments],
                cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.workers.append(worker)
        return worker

    def stop(self, worker: subprocess.Popen[bytes], timeout_s: float = 10.0) -> float:
        """SIGTERM, once it is up; seconds until it ended."""
        log, started = self.settings.home / f"worker-{self.workers.index(worker)}.log", time.monotonic()
        while "joins its group" not in log.read_text():  # before that Python ends by the signal
            assert time.monotonic() - started < 30, self.logs()
            time.sleep(0.02)
        started = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout_s) == 0, self.logs()
        return time.monotonic() - started

    def end(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()

    def logs(self) -> str:
        return "\n".join(f"{p.name}:\n{p.read_text()}" for p in sorted(self.settings.home.glob("worker-*.log")))

    # events

    async def produce(self, topic: str, events: Iterable[tuple[int, bytes, dict[str, Any] | bytes, int]]) -> None:
        """Events as (partition, key, value, timestamp in ms), in their order."""
        producer = AIOKafkaProducer(**client_options(self.settings), linger_ms=5)
        await producer.start()
        try:
            for partition, key, value, at_ms in events:
                raw = value if isinstance(value, bytes) else json.dumps(value).encode()
                await producer.send(topic_name(self.settings, topic), raw, key, partition, at_ms)
        finally:
            await producer.stop()

    # what it knows

    async def _ends_and_committed(self) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        tps = [
            TopicPartition(topic_name(self.settings, t), n)
            for t in self.handler.topics
            for n in range(self.settings.partitions)
        ]
        async with AIOKafkaConsumer(**client_options(self.settings)) as consumer:
            ends = await consumer.end_offsets(tps)
        admin = AIOKafkaAdminClient(**client_options(self.settings))
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(group_name(self.settings, self.handler.name))
        except GroupCoordinatorNotAvailableError:  # the first group of a new broker
            offsets = {}
        finally:
            await admin.close()
        return ends, {tp: meta.offset for tp, meta in offsets.items()}

    async def until_applied(self, timeout_s: float = 40.0) -> None:
        """Until the group has committed the end of all inputs."""

        async def is_applied() -> bool:
            ends, committed = await self._ends_and_committed()
            return ends == committed

        await self.until(is_applied, timeout_s)

    async def committed_records(self) -> int:
        return sum((await self._ends_and_committed())[1].values())

    async def until(self, holds: Callable[[], Awaitable[bool]], timeout_s: float = 40.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not await holds():
            assert time.monotonic() < deadline, f"not within {timeout_s} s\n{self.logs()[-8000:]}"
            await asyncio.sleep(0.05)

    async def read(self, topic: str) -> list[Any]:
        """All records of a topic of the contract."""
        name = topic_name(self.settings, topic)
        async with AIOKafkaConsumer(**client_options(self.settings), isolation_level="read_committed") as consumer:
            records: list[Any] = []
            for number in range(self.settings.partitions):
                tp = TopicPartition(name, number)
                consumer.assign([tp])
                await consumer.seek_to_beginning(tp)
                end = (await consumer.end_offsets([tp]))[tp]
                while await consumer.position(tp) < end:
                    records += [r for rs in (await consumer.getmany(tp, timeout_ms=500)).values() for r in rs]
        return records

    async def totals(self) -> dict[tuple[int, bytes], Total]:
        """The saved state: (partition, key) -> total."""
        latest: dict[int, dict[bytes, bytes]] = {n: {} for n in range(self.settings.partitions)}
        for record in await self.read(self.handler.changelog):
            if record.value is None:
                latest[record.partition].pop(record.key, None)
            else:
                latest[record.partition][record.key] = record.value
        totals: dict[tuple[int, bytes], Total] = {}
        for number, records in latest.items():
            records.pop(POSITIONS, None)
            saved = {key: value for key, value in records.items() if not key.startswith(PLACED)}
            rows = restore(number, self.handler.layouts(), saved).tables["totals"]
            for key in rows.keys():  # noqa: SIM118 - not a mapping
                row = rows.array[rows.find(key)]
                totals[number, key] = (int(row["count"]), int(row["sum"]), int(row["hash"]))
        return totals

    async def expected(self, skip: Sequence[bytes] = ()) -> tuple[dict[tuple[int, bytes], Total], dict[str, bytes]]:
        """What an undisturbed computation of all inputs but those in `skip` (by value) gives: totals, outputs by id."""
        records = [r for topic in reversed(self.handler.topics) for r in await self.read(topic)]
        totals: dict[tuple[int, bytes], Total] = {}
        outputs: dict[str, bytes] = {}
        for record in sorted(records, key=lambda r: r.timestamp):  # stable: the log first, each in its order
            if record.value in skip:
                continue
            count, total, value = totals.get((record.partition, record.key), (0, 0, 0))
            added = json.loads(record.value)["value"]
            row = (count + 1, total + added, mix(value, record.topic, record.offset, added))
            totals[record.partition, record.key] = row
            if row[2] % self.handler.every == 0:
                output = self.handler.output(record, row[0], row[1])
                outputs[dict(output.headers)["ce_id"].decode()] = output.value or b""
        return totals, outputs

    async def outputs(self) -> dict[str, bytes]:
        """Outputs by id; a repeated one must say the same."""
        outputs: dict[str, bytes] = {}
        for record in await self.read(OUTPUT_TOPIC):
            ce_id = dict(record.headers)["ce_id"].decode()
            assert outputs.setdefault(ce_id, record.value) == record.value, "a repetition contradicts its original"
        return outputs

    async def assert_undisturbed(self, skip: Sequence[bytes] = ()) -> None:
        """State and outputs are those of an undisturbed computation."""
        totals, outputs = await self.expected(skip)
        assert await self.totals() == totals, self.logs()[-8000:]
        assert await self.outputs() == outputs, self.logs()[-8000:]

    async def dead_letters(self, count: int) -> list[Any]:
        return await consume(self.settings, [dead_letters_of(topic) for topic in self.handler.topics], count)
