"""What a million decisions cost with all that they need: broker, edge worker, sink with its database, API.

readings or clicks ─► Kafka ─► edge worker ─► sink (SQLite) ─► look-ups over HTTP ─► CPU time of each process ─► money

    python -m benchmarks.cost [--readings 60000] [--clicks 10000] [--core-hour 0.04]

CPU time does not depend on how busy the machine is as much as the time that passes; a core is paid for whether it works
or not, so the last column says what share of the day the cores are busy. Rented services: docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.world import (
    MILLRACE,
    START,
    clicks,
    environment,
    fill,
    metrics,
    readings,
    running,
    tell_items,
    train,
    worker,
)
from millrace.bench.tables import cpu_name
from millrace.kafka import Broker, free_port
from schemas import CLICKS, TELEMETRY, Settings
from streams.kafka import apply_topics

PATIENCE_S = 300.0
LOOK_UPS = 1_000
Events = Iterator[dict[str, Any]]
PARTS = ("broker", "edge worker", "sink and SQLite", "API, one look-up each")


def cpu_s(pid: int | None) -> float:
    """CPU seconds of a process so far, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def until(url: str, metric: str, count: float) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (seen := metrics(url, metric)[0]) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"{metric} is {seen:.0f} of {count}")
        await asyncio.sleep(0.2)


async def measure(settings: Settings, broker: Broker, topic: str, events: Events, count: int) -> list[float]:
    """CPU us a decision of each part, without what their start takes."""
    api = free_port()
    agent = "maintain" if topic == TELEMETRY else "recommend"
    with worker(settings, "edge") as (edge, decider), worker(settings, "sink") as (sink, writer):
        for address in (edge, sink):
            await until(address, "millrace_worker_ready", 1)
        pids = broker.pid, decider, writer
        begin = [cpu_s(pid) for pid in pids]
        kept = metrics(sink, "millrace_sink_events_total")[0]
        await fill(settings, topic, events, count)
        await until(edge, f'millrace_records_total{{agent="{agent}"', count)
        await until(sink, "millrace_sink_events_total", kept + count)
        spent = [cpu_s(pid) - before for pid, before in zip(pids, begin, strict=True)]
    with running(settings, "api", "api", MILLRACE_API_PORT=str(api)) as server:
        spent.append(await look_ups(f"http://127.0.0.1:{api}", topic, server) / LOOK_UPS * count)
    return [part / count * 1e6 for part in spent]


async def until_ready(client: httpx2.AsyncClient) -> None:
    """Until the API says that it is."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx2.HTTPError):
            if (await client.get("/readyz")).status_code < 500:
                return
        await asyncio.sleep(0.2)
    raise SystemExit("the API does not answer")


async def look_ups(address: str, topic: str, pid: int) -> float:
    """CPU seconds of the API for LOOK_UPS questions for what is newest of a user or an asset."""
    path = "/v1/assets/bench-pump-01" if topic == TELEMETRY else "/v1/users/user-0234/recommendations"
    async with httpx2.AsyncClient(base_url=address) as client:
        await until_ready(client)
        begin = cpu_s(pid)
        for _ in range(LOOK_UPS):
            (await client.get(path)).raise_for_status()
        return cpu_s(pid) - begin


async def run(options: argparse.Namespace, settings: Settings, broker: Broker) -> dict[str, list[float]]:
    await apply_topics(settings)
    train(settings)
    subprocess.run([*MILLRACE, "db", "upgrade"], env=environment(settings), check=True, capture_output=True)
    await tell_items(settings)
    found = {}
    for topic, events, count in (
        (TELEMETRY, readings(2_000, START), options.readings),
        (CLICKS, clicks(START), options.clicks),
    ):
        found[topic] = await measure(settings, broker, topic, events, count)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=60_000)
    parser.add_argument("--clicks", type=int, default=10_000)
    parser.add_argument("--core-hour", type=float, default=0.04, help="price of a core for an hour, USD")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "kafka") as broker:
        settings = Settings(home=Path(folder) / "home", kafka=broker.bootstrap, partitions=4)
        found = asyncio.run(run(options, settings, broker))
    print(f"{cpu_name()}, {os.cpu_count()} cores; {options.core_hour:g} USD a core-hour\n")
    print(f"| CPU us a decision | {' | '.join(PARTS)} | all | USD per million |")
    print("|---" * (len(PARTS) + 3) + "|")
    for topic, parts in found.items():
        total = sum(parts)
        money = total / 3600 * options.core_hour
        print(f"| {topic} | {' | '.join(f'{part:.0f}' for part in parts)} | {total:.0f} | {money:.4f} |")


if __name__ == "__main__":
    main()
