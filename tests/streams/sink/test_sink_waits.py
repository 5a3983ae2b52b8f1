"""The sink waits for everything that is not the data's fault, and notices a topic that was made anew."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator

import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from millrace.kafka import free_port
from schemas import TOPICS, Settings, topic_name
from storage import Store
from storage.schema import head_revision
from streams.kafka import apply_topics, client_options, topic_ids
from tests.streams.sink.test_sink import Sinks, _positions, _score_ids
from tests.support.databases import migrated_sqlite, postgres, postgres_url, sqlite_url
from tests.support.decisions import score
from tests.support.kafka import create_topics, delete_topics, produce
from tests.support.postgres import Postgres

__all__ = ["migrated_sqlite", "postgres", "postgres_url", "sqlite_url"]
pytestmark = pytest.mark.kafka
ONLY_SCORES = [topic for topic in TOPICS if topic.name == "scores.v1"]


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    store = Store(postgres_url)
    yield store
    store.close()


@pytest.fixture
def sinks(settings: Settings, postgres_url: str) -> Iterator[Sinks]:
    sinks = Sinks(settings, postgres_url)
    yield sinks
    sinks.end()


async def _produce_scores(settings: Settings, numbers: range) -> None:
    await produce(settings, "scores.v1", ((f"p{n % 7}", score(n, asset=f"p{n % 7}")) for n in numbers), 0)


def _connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def _owner_of_its_own(postgres: Postgres, url: str) -> str:
    """The URL with a user that is no superuser, who may read and write: whom something can be taken from."""
    name = url.rpartition("/")[2]
    postgres.execute("drop role if exists clerk")
    postgres.execute("create role clerk login")
    postgres.execute("grant select, insert, update, delete on all tables in schema public to clerk", name)
    postgres.execute("grant usage on all sequences in schema public to clerk", name)
    return url.replace("millrace@", "clerk@")


async def test_rights_locks_and_read_only_are_waited_for(
    settings: Settings, postgres: Postgres, postgres_url: str, store: Store
) -> None:
    name = postgres_url.rpartition("/")[2]
    await create_topics(settings)
    sinks = Sinks(settings, _owner_of_its_own(postgres, postgres_url))
    try:
        sinks.start()
        await _produce_scores(settings, range(100))
        await sinks.until_all_is_written(store)
        end, told = 100, 0
        for wrong, right in (
            ("revoke insert on scores from clerk", "grant insert on scores to clerk"),
            ("alter table scores rename column unit to units", "alter table scores rename column units to unit"),
            ("alter table scores add column later text not null", "alter table scores drop column later"),
        ):
            if "not null" in wrong:  # rows of before are in the way of it, and it is what a newer version's tables do
                postgres.execute("truncate scores", name)
                postgres.execute("update alembic_version set version_num = '9999'", name)
            postgres.execute(wrong, name)
            await _produce_scores(settings, range(end, end + 200))
            told = sinks.log.read_text().count("waits for the database")
            await sinks.until(lambda before=told: sinks.log.read_text().count("waits for the database") > before + 2)
            postgres.execute(right, name)
            postgres.execute(f"update alembic_version set version_num = '{head_revision()}'", name)
            await sinks.until_all_is_written(store)
            end += 200
            assert set(_score_ids(store)) >= {f"score-{n:06}" for n in range(end - 200, end)}, wrong
        log = sinks.log.read_text()
        assert "records are skipped" not in log
        assert "Grant its user" in log
    finally:
        sinks.end()


async def test_the_sink_ends_in_time_beside_a_locked_table(
    settings: Settings, postgres_url: str, store: Store, sinks: Sinks
) -> None:
    await create_topics(settings)
    worker = sinks.start()
    await _produce_scores(settings, range(100))
    await sinks.until_all_is_written(store)
    with _connect(postgres_url) as other, other.transaction():
        other.execute("lock table scores")
        await _produce_scores(settings, range(100, 200))
        await sinks.until(lambda: "holds a lock" in sinks.log.read_text())
        started = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
        assert time.monotonic() - started < 10
    sinks.start()
    await sinks.until_all_is_written(store)
    assert _score_ids(store) == [f"score-{n:06}" for n in range(200)]


async def test_the_sink_ends_in_time_beside_a_database_that_hangs(
    settings: Settings, postgres: Postgres, postgres_url: str, store: Store, sinks: Sinks
) -> None:
    await create_topics(settings)
    worker = sinks.start()
    await _produce_scores(settings, range(100))
    await sinks.until_all_is_written(store)
    with _connect(postgres_url) as other:
        [pids] = other.execute("select array_agg(pid) from pg_stat_activity where application_name = 'millrace'")
        backends = [int(pid) for pid in pids[0]]  # type: ignore[attr-defined]
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        await _produce_scores(settings, range(100, 200))
        await asyncio.sleep(1.0)  # nothing tells that a thread hangs in a write
        started = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
        assert time.monotonic() - started < 10
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)
    sinks.start()
    await sinks.until_all_is_written(store)
    assert _score_ids(store) == [f"score-{n:06}" for n in range(200)]


async def test_one_record_that_postgres_cannot_hold_is_skipped_alone(
    settings: Settings, store: Store, sinks: Sinks
) -> None:
    await create_topics(settings)
    bad = score(50, asset="p1").model_dump(mode="json")
    bad["unit"] = "a\0b"
    records = [score(n, asset="p1") for n in range(49)]
    values = [*records, json.dumps(bad).encode(), *(score(n, asset="p1") for n in range(51, 100))]
    await produce(settings, "scores.v1", (("p1", value) for value in values), 0)
    sinks.start()
    await sinks.until_all_is_written(store)
    assert _score_ids(store) == [f"score-{n:06}" for n in range(100) if n not in (49, 50)]
    assert sinks.log.read_text().count("records are skipped") == 1


async def _make_anew(settings: Settings) -> None:
    await delete_topics(settings, "scores.v1")
    await apply_topics(settings, ONLY_SCORES)


@pytest.mark.parametrize("running", [True, False])
async def test_a_topic_made_anew_is_read_from_its_beginning(
    settings: Settings, store: Store, sinks: Sinks, running: bool
) -> None:
    """Even when it is already longer than the position in the database."""
    await create_topics(settings)
    port = free_port()
    worker = sinks.start(MILLRACE_METRICS_PORT=str(port))
    await _produce_scores(settings, range(100))
    await sinks.until_all_is_written(store)
    if not running:
        worker.terminate()
        worker.wait(10)
    await _make_anew(settings)
    await _produce_scores(settings, range(1000, 1300))
    if not running:
        sinks.start(MILLRACE_METRICS_PORT=str(port))
    expected = [f"score-{n:06}" for n in (*range(100), *range(1000, 1300))]
    await sinks.until(lambda: _score_ids(store) == expected, "all of both topics")
    assert _positions(store, settings)[topic_name(settings, "scores.v1"), 0] == 300
    assert "the topic was made anew" in sinks.log.read_text()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert 'millrace_topics_made_anew_total{agent="sink"' in answer.read().decode()


async def test_a_database_of_before_takes_the_topic_that_is_there(
    settings: Settings, store: Store, sinks: Sinks
) -> None:
    await create_topics(settings)
    await _produce_scores(settings, range(50))
    name = topic_name(settings, "scores.v1")
    store.set_position(name, 0, 20)
    sinks.start()
    await sinks.until_all_is_written(store)
    assert _score_ids(store) == [f"score-{n:06}" for n in range(20, 50)]
    with store.reading() as reader:
        assert reader.topic_ids([name])[name, 0] == (await topic_ids(settings, [name]))[name]
    assert "made anew" not in sinks.log.read_text()


async def test_an_open_transaction_is_lag_and_is_told(settings: Settings, store: Store, sinks: Sinks) -> None:
    await create_topics(settings)
    port, name = free_port(), topic_name(settings, "scores.v1")
    sinks.start(MILLRACE_METRICS_PORT=str(port))
    await _produce_scores(settings, range(10))
    await sinks.until_all_is_written(store)
    producer = AIOKafkaProducer(**client_options(settings), transactional_id=f"{name}-held")
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(name, score(10).model_dump_json().encode(), b"p", partition=0)
            await _produce_scores(settings, range(11, 31))

            def lag() -> str:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                    return answer.read().decode()

            labels = f'{{agent="sink",partition="0",topic="{name}"}}'
            await sinks.until(lambda: f"millrace_lag{labels} 21.0" in lag())
            assert f"millrace_held_records{labels} 21.0" in lag()
            await sinks.until(lambda: "open transaction" in sinks.log.read_text())
    finally:
        await producer.stop()
    await sinks.until(lambda: f"millrace_held_records{labels} 0.0" in lag())
