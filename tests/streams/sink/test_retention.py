"""Retention: scores leave the database when their time is over; what a topic has lost is told once and passed over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from prometheus_client import REGISTRY

from schemas import SCORES, Settings, topic_name
from storage import Store
from streams.kafka import client_options
from streams.sink.fleet import Fleet
from streams.sink.retention import Retention
from tests.streams.sink.test_sink import Sinks
from tests.support.databases import database_url, migrated_sqlite, postgres, postgres_url, sqlite_url, store
from tests.support.decisions import alert, score
from tests.support.kafka import create_topics, produce
from tests.support.postgres import Postgres

__all__ = ["database_url", "migrated_sqlite", "postgres", "postgres_url", "sqlite_url", "store"]
DEADLINE_S = 30.0


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.sink.retention.RETENTION_FIRST_S", 0.05)
    monkeypatch.setattr("streams.sink.retention.RETENTION_EVERY_S", 0.05)


def kept(store: Store) -> list[str]:
    with store.reading() as reader:
        return sorted(found.score_id for found in reader.scores("pump-1", None, None, None, 1000))


def write(store: Store, *days: float) -> None:
    """A score of so many days ago, named after them."""
    now = datetime.now(UTC)
    times = {f"{of:g} days": now - timedelta(days=of) for of in days}
    store.write([score(n, score_id=name, event_time=time) for n, (name, time) in enumerate(times.items())], [])


@asynccontextmanager
async def retaining(days: float, store: Store) -> AsyncIterator[None]:
    service = Retention(Settings(retention_scores_days=days), store)
    await service.start()
    try:
        yield
    finally:
        await service.stop()
        await until(
            lambda: all(thread.name != "blocking work" for thread in threading.enumerate())
        )  # storage.in_thread


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.02)


async def test_scores_older_than_the_setting_are_deleted_again_and_again(store: Store) -> None:
    write(store, 1, 6, 8, 40)
    async with retaining(7, store):
        await until(lambda: kept(store) == ["1 days", "6 days"])
        write(store, 9, 2)
        await until(lambda: kept(store) == ["1 days", "2 days", "6 days"])


class Counting(Store):
    """Counts how often it is asked."""

    asked = 0

    def delete_old_scores(self, days: float, should_stop: Callable[[], bool] = lambda: False) -> int:
        self.asked += 1
        return super().delete_old_scores(days, should_stop)


async def test_a_database_that_is_away_is_waited_for(postgres: Postgres, postgres_url: str) -> None:
    store = Counting(postgres_url)
    try:
        write(store, 1, 40)
        postgres.stop()
        async with retaining(7, store):
            await until(lambda: store.asked == 3)
            postgres.start()
            await until(lambda: kept(store) == ["1 days"])
    finally:
        if postgres.process is None:
            postgres.start()
        store.close()


@pytest.fixture
def sinks(settings: Settings, database_url: str) -> Iterator[Sinks]:
    sinks = Sinks(settings, database_url)
    yield sinks
    sinks.end()


async def test_decisions_that_the_topic_has_lost_are_told_and_the_rest_is_written(
    settings: Settings, store: Store, sinks: Sinks
) -> None:
    await create_topics(settings)
    await produce(settings, SCORES, [("p", score(n)) for n in range(20)], partition=0)
    sink = sinks.start()
    await sinks.until_all_is_written(store)
    sink.terminate()
    sink.wait(10)
    await produce(settings, SCORES, [("p", score(n)) for n in range(20, 50)], partition=0)
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    await admin.delete_records({TopicPartition(topic_name(settings, SCORES), 0): RecordsToDelete(before_offset=35)})
    await admin.close()
    sinks.start()
    await sinks.until_all_is_written(store)
    assert kept(store) == [f"score-{n:06}" for n in (*range(20), *range(35, 50))]
    assert sinks.log.read_text().count("Decisions between them are missing in the database") == 1


async def test_silent_assets_are_counted_by_class(store: Store) -> None:
    now = datetime.now(UTC)
    seen = {"quick": 60, "silent": 2 * 3600, "silent too": 20 * 3600, "gone": 30 * 3600}
    scores = [
        score(n, score_id=name, asset=name, event_time=now - timedelta(seconds=ago))
        for n, (name, ago) in enumerate(seen.items())
    ]
    store.write([*scores, score(9, asset="f", asset_class="fan", event_time=now)], [])
    store.write([alert("a", 0, asset_id="quick", event_time=now - timedelta(minutes=5))], [])
    service = Fleet(Settings(silent_after_s=3600), store)
    await service.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            while counted("pump") is None or counted("fan") is None:
                await asyncio.sleep(0.01)
        assert (counted("pump"), counted("fan")) == (2, 0)
        figures = ("open_alerts", "alerts_most_in_ten_minutes", "alerts_flood_share", "stale_alerts")
        labels = ({"severity": "warning"}, {}, {}, {})
        found = [REGISTRY.get_sample_value(f"millrace_{n}", of) for n, of in zip(figures, labels, strict=True)]
        assert found == [1, 1, 0, 0]
    finally:
        await service.stop()


def counted(asset_class: str) -> float | None:
    return REGISTRY.get_sample_value("millrace_silent_assets", {"asset_class": asset_class})
