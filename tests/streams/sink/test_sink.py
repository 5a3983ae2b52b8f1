"""The sink on the real broker: every decision is in the database once, whatever dies; only what is bad is skipped."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from millrace.kafka import free_port
from schemas import OUTPUTS, WORKERS, Settings, topic_name
from storage import AlertFilter, Store
from streams.kafka import client_options, partition_counts
from tests.support.databases import database_url, migrated_sqlite, postgres, postgres_url, sqlite_url, store
from tests.support.decisions import alert, catalogue_entry, recommendation, score
from tests.support.kafka import create_topics, produce
from tests.support.postgres import Postgres
from tests.support.workers import Workers

__all__ = ["database_url", "migrated_sqlite", "postgres", "postgres_url", "sqlite_url", "store"]
pytestmark = pytest.mark.kafka
TIMEOUT_S = 60.0
SESSION_S = 6  # the least that Kafka allows


class Sinks(Workers):
    """Sink workers as processes of their own."""

    def __init__(self, settings: Settings, url: str) -> None:
        super().__init__(settings)
        own = {
            "MILLRACE_DATABASE_URL": url,
            "MILLRACE_MAX_BATCH_RECORDS": "50",
            "MILLRACE_SESSION_TIMEOUT_S": SESSION_S,
        }
        self.environment |= {name: str(value) for name, value in own.items()}

    def start(self, role: str = "sink", **more: str) -> subprocess.Popen[bytes]:
        return super().start(role, **more)

    async def until(self, holds: Callable[[], bool], what: str = "") -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not await asyncio.to_thread(holds):
            for worker in self.running:
                assert worker.poll() in (None, -signal.SIGKILL, 0), self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, f"{what}\n{self.log.read_text()[-4000:]}"
            await asyncio.sleep(0.02)

    async def until_all_is_written(self, store: Store) -> None:
        ends = await _ends(self.settings)
        await self.until(lambda: _positions(store, self.settings) == ends)


@pytest.fixture
def sinks(settings: Settings, database_url: str) -> Iterator[Sinks]:
    sinks = Sinks(settings, database_url)
    yield sinks
    sinks.end()


def _positions(store: Store, settings: Settings) -> dict[tuple[str, int], int]:
    with store.reading() as reader:
        return reader.positions([topic_name(settings, topic) for topic in OUTPUTS if topic != WORKERS])


async def _ends(settings: Settings) -> dict[tuple[str, int], int]:
    """The ends of all partitions that have records; sinks tell of themselves on workers.v1 all the while."""
    counts = await partition_counts(settings, [topic_name(settings, topic) for topic in OUTPUTS if topic != WORKERS])
    tps = [TopicPartition(topic, n) for topic, count in counts.items() for n in range(count)]
    async with AIOKafkaConsumer(**client_options(settings)) as consumer:
        return {(tp.topic, tp.partition): end for tp, end in (await consumer.end_offsets(tps)).items() if end}


async def _produce_scores(settings: Settings, numbers: range) -> None:
    await produce(settings, "scores.v1", ((f"p{n % 7}", score(n, asset=f"p{n % 7}")) for n in numbers))


def _score_ids(store: Store) -> list[str]:
    found = []
    with store.reading() as reader:
        for n in range(7):
            after = None
            while page := reader.scores(f"p{n}", None, None, after, 1000):
                found += [s.score_id for s in page]
                after = (page[-1].event_time, page[-1].score_id)
    return sorted(found)


async def test_every_decision_is_there_once_after_kill_9(settings: Settings, store: Store, sinks: Sinks) -> None:
    await create_topics(settings)
    await _produce_scores(settings, range(2000))
    await _produce_scores(settings, range(1500, 2000))  # repeated under their ids, as after a crash of the edge
    await produce(settings, "recommendations.v1", ((f"u{n % 5}", recommendation(f"u{n % 5}", n)) for n in range(500)))
    await produce(settings, "alerts.v1", ((f"p{n % 7}", alert(f"a{n}", 0, n, asset_id=f"p{n % 7}")) for n in range(90)))
    await produce(settings, "catalogue.v1", [("trending", catalogue_entry("trending", 5, ["i1"])), ("i1", None)])

    def written() -> int:
        return sum(_positions(store, settings).values())

    first = sinks.start()
    await sinks.until(lambda: written() > 200)
    first.kill()
    first.wait()
    assert written() < sum((await _ends(settings)).values()), "killed in the middle"
    last = sinks.start()
    await sinks.until_all_is_written(store)
    assert _score_ids(store) == [f"score-{n:06}" for n in range(2000)]
    with store.reading() as reader:
        assert [reader.recommendation(f"u{n}") for n in range(5)] == [
            recommendation(f"u{n}", 495 + n) for n in range(5)
        ]
        assert len(reader.alerts(AlertFilter(), None, 200)) == 90
        assert reader.trending() == catalogue_entry("trending", 5, ["i1"])
    last.terminate()
    assert last.wait(10) == 0


async def test_two_sinks_share_and_take_over(settings: Settings, postgres_url: str) -> None:
    store, sinks = Store(postgres_url), Sinks(settings, postgres_url)
    try:
        await _share_and_take_over(settings, store, sinks)
    finally:
        sinks.end()
        store.close()


async def _share_and_take_over(settings: Settings, store: Store, sinks: Sinks) -> None:
    await create_topics(settings)
    first, _second = sinks.start(), sinks.start()
    for start in range(0, 3000, 500):
        await _produce_scores(settings, range(start, start + 500))
        if start == 1000:
            await sinks.until(lambda: bool(_positions(store, settings)))
            first.kill()
    await sinks.until_all_is_written(store)
    assert _score_ids(store) == [f"score-{n:06}" for n in range(3000)]


async def test_what_is_bad_is_skipped_and_told(settings: Settings, store: Store, sinks: Sinks) -> None:
    """Besides a topic that is shorter than the database knows: it is read from its beginning."""
    await create_topics(settings)
    newer = score(2, asset="p0").model_dump(mode="json") | {"field_of_a_newer_version": 1}
    refused = score(3, asset="p0").model_dump(mode="json")
    refused["caused_by"]["offset"] = 2**70  # no database has room for it
    records = [score(0, asset="p0"), b"\xff{", None, b'{"score_id": 1}', newer, json.dumps(refused).encode()]
    await produce(settings, "scores.v1", (("p0", value) for value in (*records, score(4, asset="p0"))), partition=0)
    await produce(settings, "scores.v1", [("p1", score(n, asset="p1")) for n in range(5, 8)], partition=1)
    store.set_position(topic_name(settings, "scores.v1"), 1, 900)
    sinks.start()
    await sinks.until_all_is_written(store)
    assert _score_ids(store) == [f"score-{n:06}" for n in (0, 2, 4, 5, 6, 7)]
    log = sinks.log.read_text()
    assert all(told in log for told in ("unreadable", "refused", "made anew"))


async def test_a_database_that_is_away_and_back(settings: Settings, postgres: Postgres, postgres_url: str) -> None:
    await create_topics(settings)
    store, sinks = Store(postgres_url), Sinks(settings, postgres_url)
    try:
        port = free_port()
        worker = sinks.start(MILLRACE_METRICS_PORT=str(port))
        await _produce_scores(settings, range(500))
        await sinks.until(lambda: _is_ready(port))
        postgres.stop()
        try:
            await _produce_scores(settings, range(500, 3000))
            await sinks.until(lambda: "waits for the database" in sinks.log.read_text())
            await asyncio.sleep(SESSION_S + 1)  # long enough to be thrown out, if heartbeats had stopped
            assert worker.poll() is None
            assert not _is_ready(port)
        finally:
            postgres.start()
        await sinks.until_all_is_written(store)
        await sinks.until(lambda: _is_ready(port))
        assert _score_ids(store) == [f"score-{n:06}" for n in range(3000)]
        assert sinks.log.read_text().count("partitions are assigned") == 2, "both agents kept theirs all the while"
    finally:
        sinks.end()
        store.close()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return "millrace_worker_ready 1.0" in answer.read().decode()
    except OSError:  # it has not started yet
        return False


async def test_the_sink_needs_no_library_of_training() -> None:
    code = (
        "import sys, streams.sink, streams.app; "
        "print([m for m in ('lightgbm', 'treelite', 'fastapi', 'scipy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
