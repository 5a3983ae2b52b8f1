"""From a reading to its alert in the answers of the API: milliseconds at a steady rate of readings.

readings ─► Kafka ─► edge worker ─► sink (SQLite) ─► GET /v1/alerts, asked again and again ─► delays by alert

    python -m benchmarks.readable [--rate 500] [--seconds 60]

Worn pumps are followed to their ends; each alert names the reading that raised it. Asking takes time itself: an alert
counts as readable when an answer that has it is there.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import httpx2
import numpy as np

from benchmarks.cost import until, until_ready
from benchmarks.world import MILLRACE, environment, readings, running, train, worker
from millrace.bench.tables import cpu_name
from millrace.kafka import Broker, free_port
from schemas import TELEMETRY, Settings
from streams.kafka import EventProducer, apply_topics

ASSETS = 100
WORN_S = 250.0  # of the simulation, before what is measured: then the first pumps fail
LAST_S = 10.0  # for the alerts of the last readings
AGAIN_S = 0.005
NEWEST = {"limit": 50, "kind": "machine"}


async def push(settings: Settings, rate: float, seconds: float, sent: dict[str, float]) -> None:
    """Readings at the rate; when each was handed to the producer, by event id. What wore the pumps goes before."""
    events = readings(ASSETS, time.time() - WORN_S)
    async with EventProducer(settings) as producer:
        for event in itertools.islice(events, int(ASSETS * WORN_S)):
            await producer.push(TELEMETRY, event)
        await producer.flush()
        begin = time.perf_counter()
        for number, event in enumerate(itertools.islice(events, int(rate * seconds))):
            await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
            sent[event["event_id"]] = time.perf_counter()
            await producer.push(TELEMETRY, event)


async def watch(address: str, seen: dict[str, float]) -> None:
    """Asks for the newest alerts until it is cancelled; when each was in an answer for the first time, by its id."""
    async with httpx2.AsyncClient(base_url=address) as client:
        while True:
            answer = (await client.get("/v1/alerts", params=NEWEST)).raise_for_status().json()
            now = time.perf_counter()
            for alert in answer["items"]:
                seen.setdefault(alert["alert_id"], now)
            await asyncio.sleep(AGAIN_S)


async def causes(address: str, alerts: Iterable[str]) -> dict[str, str]:
    """The event that raised each alert."""
    async with httpx2.AsyncClient(base_url=address) as client:
        answers = {one: (await client.get(f"/v1/alerts/{one}")).raise_for_status().json() for one in alerts}
    return {one: answer["transitions"][0]["caused_by"]["event_id"] for one, answer in answers.items()}


async def run(options: argparse.Namespace, settings: Settings) -> list[float]:
    await apply_topics(settings)
    train(settings, [("maintenance", "pump.toml", "--events", "plant.jsonl")])
    subprocess.run([*MILLRACE, "db", "upgrade"], env=environment(settings), check=True, capture_output=True)
    port, sent, seen = free_port(), dict[str, float](), dict[str, float]()
    with worker(settings, "edge") as (edge, _), worker(settings, "sink") as (sink, _):
        for address in (edge, sink):
            await until(address, "millrace_worker_ready", 1)
        with running(settings, "api", "api", MILLRACE_API_PORT=str(port)):
            api = f"http://127.0.0.1:{port}"
            async with httpx2.AsyncClient(base_url=api) as client:
                await until_ready(client)
            watching = asyncio.ensure_future(watch(api, seen))
            await push(settings, options.rate, options.seconds, sent)
            await asyncio.wait({watching}, timeout=LAST_S)
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            raised_by = await causes(api, seen)
    return [(seen[one] - sent[event]) * 1e3 for one, event in raised_by.items() if event in sent]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500.0, help="readings a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "kafka") as broker:
        settings = Settings(home=Path(folder) / "home", kafka=broker.bootstrap, partitions=4)
        delays = asyncio.run(run(options, settings))
    if not delays:
        raise SystemExit("no alert was raised: let it run for longer")
    low, mid, high = np.percentile(delays, (50, 90, 99))
    print(f"{cpu_name()}, {os.cpu_count()} cores\n")
    print("| reading -> alert in the API | p50 ms | p90 | p99 | alerts |\n|---|---|---|---|---|")
    print(f"| {options.rate:,.0f} readings/s | {low:.1f} | {mid:.1f} | {high:.1f} | {len(delays)} |")


if __name__ == "__main__":
    main()
