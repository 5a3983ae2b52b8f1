"""A world to measure in: trained models, simulated events on the topics, processes of Millrace and their metrics.

demo's plant and shop ─► train ─► models;  readings, clicks, items ─► fill ─► topics;  running, edge ─► processes
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from millrace.demo import PUMP, Plant, Shop
from millrace.kafka import free_port
from schemas import CLICKS, ITEMS, TELEMETRY, Settings
from streams.kafka import EventProducer

ROOT = Path(__file__).parents[1]
START = 1_700_000_000.0
ITEMS_TOLD = 300
MILLRACE = (sys.executable, "-m", "millrace")
PUMPS, SHOP = (
    ("maintenance", "pump.toml", "--events", "plant.jsonl"),
    ("recommender", "--profile", "shop", "shop.jsonl"),
)
Event = dict[str, Any]


def environment(settings: Settings, **more: str) -> dict[str, str]:
    own = {
        "MILLRACE_HOME": str(settings.home),
        "MILLRACE_KAFKA": settings.kafka,
        "MILLRACE_PARTITIONS": str(settings.partitions),
        "MILLRACE_TOPIC_PREFIX": settings.topic_prefix,
        "MILLRACE_ALLOW_UNSIGNED_MODELS": "true",  # the broker is our own
        "PYTHONPATH": str(ROOT),
    }
    return {**os.environ, "OMP_NUM_THREADS": "1", **own, **more}


# ---- models and events


def train(settings: Settings, what: Sequence[Sequence[str]] = (PUMPS, SHOP), program: Sequence[str] = MILLRACE) -> None:
    """The demo's pump and shop, by the user's own commands.

    Args:
        what: arguments of `millrace train`.
        program: in the place of `millrace`.
    """
    folder = settings.home / "history"
    folder.mkdir(parents=True)
    (folder / "pump.toml").write_text(PUMP)
    plant = itertools.takewhile(lambda e: e.time < START + 500, Plant(3, pumps=24, presses=0).events(START))
    _write(folder / "plant.jsonl", plant)
    _write(folder / "shop.jsonl", itertools.islice(Shop(7).events(START), 20_000))
    for arguments in what:
        command = [*program, "train", *arguments, "--promote"]
        subprocess.run(command, cwd=folder, env=environment(settings), check=True, capture_output=True)


def _write(file: Path, events: Any) -> None:
    file.write_bytes(b"".join(orjson.dumps(event.value, option=orjson.OPT_APPEND_NEWLINE) for event in events))


def readings(assets: int, start: float) -> Iterator[Event]:
    plant = Plant(5, pumps=assets, presses=0, name="bench-")
    return (event.value for event in plant.events(start) if event.topic == TELEMETRY)


def clicks(start: float, users: int = 0) -> Iterator[Event]:
    """Clicks of the simulated shop, by its own users, or each by the next of so many."""
    events = (event.value for event in Shop(9).events(start) if event.topic == CLICKS)
    return (event | {"user_id": f"user-{n % users}"} for n, event in enumerate(events)) if users else events


async def fill(settings: Settings, topic: str, events: Iterator[Event], count: int) -> None:
    async with EventProducer(settings) as producer:
        for event in itertools.islice(events, count):
            await producer.push(topic, event)


async def tell_items(settings: Settings) -> None:
    """What the shop sells."""
    items = (event.value for event in Shop(9).events(START) if event.topic == ITEMS)
    await fill(settings, ITEMS, items, ITEMS_TOLD)


# ---- processes


@contextlib.contextmanager
def running(settings: Settings, name: str, *arguments: str, **more: str) -> Iterator[int]:
    """A process of `millrace` with these arguments; yields its pid. What it says goes into `name`.log of the home."""
    with (settings.home / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [*MILLRACE, *arguments], env=environment(settings, **more), stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


@contextlib.contextmanager
def worker(settings: Settings, role: str) -> Iterator[tuple[str, int]]:
    """A running worker; yields the address of its metrics, and its pid."""
    port = free_port()
    with running(settings, role, "worker", "--role", role, MILLRACE_METRICS_PORT=str(port)) as pid:
        yield f"http://127.0.0.1:{port}/metrics", pid


def metrics(url: str, *names: str) -> list[float]:
    """Sums over the labels of some metrics; 0 while nobody answers."""
    try:
        lines = urllib.request.urlopen(url, timeout=5).read().decode().splitlines()
    except OSError:
        return [0.0] * len(names)
    return [sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name)) for name in names]
