"""How the cost of an event grows: with partitions, workers, assets and users; what their state takes.

each setting ─► a broker ─► readings or clicks ─► edge workers, from the beginning ─► events/s, memory, restore

    python -m benchmarks.growth [--readings N] [--clicks N] [--only assets]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.edge import Limits, Worker
from benchmarks.world import START, clicks, fill, metrics, readings, tell_items, train
from millrace.bench.tables import cpu_name
from millrace.kafka import Broker
from schemas import CLICKS, ITEMS, TELEMETRY, Settings
from streams.kafka import apply_topics

PATIENCE_S = 900.0
ANYWHERE = Limits(0, "")
CHECKPOINTS = "millrace_checkpoint_seconds_sum", "millrace_checkpoint_seconds_count"


class Found(NamedTuple):
    """What a setting came to."""

    events_s: float
    resident_mb: float  # of all workers
    checkpoint_ms: float  # of a partition, on average
    ready_s: float  # of a worker that is started again


async def measure(settings: Settings, agent: str, count: int, workers: int) -> Found:
    """Workers apply all that is there; then they are stopped, and one is started again."""
    name = f'millrace_records_total{{agent="{agent}"'
    running = [Worker(settings, ANYWHERE) for _ in range(workers)]
    deadline, first = time.monotonic() + PATIENCE_S, None
    while True:
        seen = sum(metrics(worker.url, name)[0] for worker in running)
        if first is None and seen >= count / 10:
            first = seen, time.perf_counter()
        if seen >= count:
            break
        if time.monotonic() > deadline:
            raise SystemExit(f"{seen:.0f} of {count} events; see {settings.home / 'edge.log'}")
        await asyncio.sleep(0.1)
    assert first is not None
    rate = (seen - first[0]) / (time.perf_counter() - first[1])
    await asyncio.sleep(2 * settings.checkpoint_interval_s)  # the last changes are saved
    memory = sum(worker.resident_mb()[0] for worker in running)
    spent, saved = map(sum, zip(*(metrics(worker.url, *CHECKPOINTS) for worker in running), strict=True))
    for worker in running:
        worker.end()
    again = Worker(settings, ANYWHERE)
    await again.has_decided({})
    ready = time.perf_counter() - again.began
    again.end()
    return Found(rate, memory, 1e3 * spent / max(saved, 1), ready)


def in_a_world(
    models: Path,
    partitions: int,
    workers: int,
    topic: str,
    events: Callable[[], Iterator[dict[str, Any]]],
    count: int,
    items: int = 0,
) -> Found:
    """Args:
    items: that are told beside those of the shop, and that nobody clicks.
    """

    async def run(settings: Settings) -> Found:
        await apply_topics(settings)
        if not (models / "models").exists():  # once for all worlds
            train(settings)
            shutil.copytree(settings.home / "models", models / "models")
        shutil.copytree(models / "models", settings.home / "models", dirs_exist_ok=True)
        await tell_items(settings)
        await fill(settings, ITEMS, more_items(items), items)
        await fill(settings, topic, events(), count)
        return await measure(settings, "maintain" if topic == TELEMETRY else "recommend", count + items, workers)

    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "kafka") as broker:
        return asyncio.run(run(Settings(home=Path(folder) / "home", kafka=broker.bootstrap, partitions=partitions)))


def more_items(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        head = {"event_id": f"item-{number}", "event_time": int(START * 1000), "item_id": f"more-{number}"}
        yield head | {"title": f"Item {number}", "category": f"category-{number % 100}"}


def rows(options: argparse.Namespace, models: Path) -> Iterator[tuple[str, Found]]:
    def of_readings(partitions: int, workers: int, assets: int) -> Found:
        count = max(options.readings, assets)
        return in_a_world(models, partitions, workers, TELEMETRY, lambda: readings(assets, START), count)

    def of_clicks(users: int, items: int = 0) -> Found:
        return in_a_world(models, 4, 1, CLICKS, lambda: clicks(START, users), max(options.clicks, users), items)

    kinds: dict[str, list[tuple[str, Callable[[], Found]]]] = {
        "partitions": [(f"readings, {n} partitions", lambda n=n: of_readings(n, 1, 2_000)) for n in (1, 4, 16)],
        "workers": [("readings, 4 partitions, 2 workers", lambda: of_readings(4, 2, 2_000))],
        "assets": [(f"readings, {n:,} assets", lambda n=n: of_readings(4, 1, n)) for n in (10_000, 100_000)],
        "users": [(f"clicks, {n:,} users", lambda n=n: of_clicks(n)) for n in (10_000, 100_000)],
        "million": [
            ("clicks, 1,000,000 users", lambda: of_clicks(1_000_000)),
            ("clicks, 1,000,000 items", lambda: of_clicks(10_000, 1_000_000)),
        ],
    }
    for kind, settings in kinds.items():
        if options.only == kind or (not options.only and kind != "million"):  # those take ten minutes
            for name, found in settings:
                yield name, found()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=120_000)
    parser.add_argument("--clicks", type=int, default=20_000)
    parser.add_argument("--only", default="", help="partitions, workers, assets, users or million")
    options = parser.parse_args()
    print(f"{cpu_name()}, {os.cpu_count()} cores\n")
    print("| setting | events/s | memory of the workers, MB | a checkpoint of a partition, ms | started again, s |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as models, contextlib.suppress(KeyboardInterrupt):
        for name, found in rows(options, Path(models)):
            figures = f"{found.resident_mb:.0f} | {found.checkpoint_ms:.0f} | {found.ready_s:.1f}"
            print(f"| {name} | {found.events_s:,.0f} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
