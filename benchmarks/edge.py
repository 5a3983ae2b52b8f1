"""What an edge worker needs: memory, CPU while nothing comes, and time from its start to the first answers, also after
kill -9.

assets and users with a history ─► edge worker ─► resident memory ─► stopped, or killed ─► an event ─► started ─► answer

    python -m benchmarks.edge [--assets 10000] [--users 10000] [--memory-mb 512] [--cores 0]

With --memory-mb the worker runs in a cgroup of that size (root, cgroup v1), with --cores on these cores alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.world import MILLRACE, START, clicks, environment, fill, metrics, readings, tell_items, train
from millrace.bench.tables import cpu_name
from millrace.kafka import Broker, free_port
from schemas import CLICKS, RECOMMENDATIONS, SCORES, TELEMETRY, Settings
from streams.kafka import EventProducer, apply_topics

READY_S, ANSWER_S = 300.0, 60.0
SETTLED_S, IDLE_S = 5.0, 30.0
GROUP = Path("/sys/fs/cgroup/memory/millrace-edge")


class Limits(NamedTuple):
    memory_mb: int  # 0: all there is
    cores: str  # of taskset; empty: all


class Worker:
    """A running edge worker."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/metrics"
        self.began = time.perf_counter()
        command = [*MILLRACE, "worker", "--role", "edge"]
        if limits.cores:
            command = ["taskset", "-c", limits.cores, *command]
        self._log = (settings.home / "edge.log").open("ab")
        self._process = subprocess.Popen(
            command, env=environment(settings, MILLRACE_METRICS_PORT=str(port)), stdout=self._log, stderr=self._log
        )
        if limits.memory_mb:
            (GROUP / "cgroup.procs").write_text(str(self._process.pid))

    def resident_mb(self) -> tuple[float, float]:
        """Now, and at most so far."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        found = dict(line.split(":", 1) for line in lines)
        return tuple(float(found[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]

    async def has_decided(self, counts: dict[str, int]) -> None:
        """Until so many records of each topic were handled, and the worker is ready."""
        deadline = time.monotonic() + READY_S
        names = [f'millrace_records_total{{agent="{agent}"' for agent in counts]
        while True:
            seen = metrics(self.url, *names, "millrace_worker_ready")
            if all(have >= want for have, want in zip(seen, [*counts.values(), 1], strict=True)):
                return
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit(f"{seen} of {counts}; see {self._log.name}")
            await asyncio.sleep(0.2)

    async def idle_share(self) -> float:
        """CPU time against time while nothing comes."""
        await asyncio.sleep(SETTLED_S)
        (before,), began = metrics(self.url, "process_cpu_seconds_total"), time.perf_counter()
        await asyncio.sleep(IDLE_S)
        (after,) = metrics(self.url, "process_cpu_seconds_total")
        return (after - before) / (time.perf_counter() - began)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(how)
        self._process.wait(30)
        self._log.close()


@contextlib.asynccontextmanager
async def outputs(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """What is decided from now on."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, fetch_max_wait_ms=5)
    await consumer.start()
    topics = SCORES, RECOMMENDATIONS
    consumer.assign([TopicPartition(topic, n) for topic in topics for n in range(settings.partitions)])
    await consumer.seek_to_end()
    for partition in consumer.assignment():
        await consumer.position(partition)
    try:
        yield consumer
    finally:
        await consumer.stop()


async def first_answers(settings: Settings, limits: Limits, number: int) -> tuple[float, Worker]:
    """Seconds from the start of a worker to the answers to a reading and a click that waited for it."""
    now = int(time.time() * 1000)
    reading = next(readings(1, START)) | {"event_id": f"reading-{number}", "event_time": now}
    click = next(clicks(START)) | {"event_id": f"click-{number}", "event_time": now}
    async with outputs(settings) as consumer:
        async with EventProducer(settings) as producer:
            await producer.push(TELEMETRY, reading)
            await producer.push(CLICKS, click)
        worker = Worker(settings, limits)
        waited = {str(reading["event_id"]), str(click["event_id"])}
        async with asyncio.timeout(ANSWER_S):
            while waited:
                record = await consumer.getone()
                waited.discard(orjson.loads(record.value)["caused_by"]["event_id"])
    return time.perf_counter() - worker.began, worker


async def run(options: argparse.Namespace, settings: Settings) -> list[str]:
    limits = Limits(options.memory_mb, options.cores)
    await apply_topics(settings)
    train(settings)
    await tell_items(settings)
    await fill(settings, TELEMETRY, readings(options.assets, START), 2 * options.assets)
    await fill(settings, CLICKS, clicks(START, options.users), options.users)
    worker = Worker(settings, limits)
    await worker.has_decided({"maintain": 2 * options.assets, "recommend": options.users})
    now, most = worker.resident_mb()
    idle = await worker.idle_share()
    worker.end()
    warm, killed = [], []
    for number in range(options.starts):
        took, worker = await first_answers(settings, limits, number)
        warm.append(took)
        worker.end()
    for number in range(options.starts):
        took, worker = await first_answers(settings, limits, 100 + number)
        worker.end(signal.SIGKILL)
        took, worker = await first_answers(settings, limits, 200 + number)
        killed.append(took)
        worker.end()
    return [
        f"memory with {options.assets:,} assets and {options.users:,} users: {now:.0f} MB, at most {most:.0f} MB",
        f"CPU while nothing comes: {idle:.1%} of a core",
        f"start to the first answers, warm: {statistics.median(warm):.1f} s (of {len(warm)}; most {max(warm):.1f})",
        f"after kill -9: {statistics.median(killed):.1f} s (most {max(killed):.1f}), of which the session timeout is "
        f"{settings.session_timeout_s:g} s",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=10_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--memory-mb", type=int, default=0)
    parser.add_argument("--cores", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "kafka") as broker:
        settings = Settings(home=Path(folder) / "home", kafka=broker.bootstrap, partitions=4)
        if options.memory_mb:
            GROUP.mkdir(exist_ok=True)
            (GROUP / "memory.limit_in_bytes").write_text(str(options.memory_mb << 20))
        try:
            lines = asyncio.run(run(options, settings))
        finally:
            with contextlib.suppress(OSError):
                GROUP.rmdir()
    print(f"{cpu_name()}, {os.cpu_count()} cores\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
