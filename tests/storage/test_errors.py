"""What a database refuses is told from what stands in its way: only the former is ever given up."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from schemas import UnavailableError
from storage import ActionRequest, RefusedError, Store
from tests.support.decisions import alert, score
from tests.support.postgres import Postgres


@pytest.mark.parametrize(
    "fields",
    [{"unit": None}, {"component": "\ud800"}, {"unit": "a\0b"}],
    ids=["not null", "no UTF-8", "NUL"],
)
def test_bad_values_are_refused(postgres_url: str, fields: dict[str, Any]) -> None:
    store = Store(postgres_url)
    with pytest.raises(RefusedError):
        store.write([score(1), score(2).model_copy(update=fields)], [])
    assert store.write([score(1)], []).rows == 1
    store.close()


def test_numbers_beyond_every_column_are_refused(store: Store) -> None:
    cause = score(2).caused_by.model_copy(update={"offset": 2**70})
    with pytest.raises(RefusedError):
        store.write([score(1), score(2).model_copy(update={"caused_by": cause})], [])


@contextmanager
def _in_the_way(postgres: Postgres, url: str, wrong: str, right: str) -> Iterator[None]:
    name = url.rpartition("/")[2]
    postgres.execute(wrong.format(name=name), name)
    postgres.execute(
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and pid <> pg_backend_pid()"
    )
    try:
        yield
    finally:
        postgres.execute(right.format(name=name), name)


@pytest.mark.parametrize(
    ("wrong", "right", "cure"),
    [
        ("revoke insert on scores from clerk", "grant insert on scores to clerk", "Grant"),
        ("alter role clerk set default_transaction_read_only = on", "alter role clerk reset all", "read-only"),
        ("alter table scores rename to other", "alter table other rename to scores", "db upgrade"),
        ("alter role clerk nologin", "alter role clerk login", "MILLRACE_DATABASE_URL"),
        (
            "alter table scores rename column unit to units",
            "alter table scores rename column units to unit",
            "db upgrade",
        ),
    ],
)
def test_what_stands_in_the_way_of_postgres_passes(
    postgres: Postgres, postgres_url: str, wrong: str, right: str, cure: str
) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres.execute("drop role if exists clerk")
    postgres.execute("create role clerk login")
    postgres.execute("grant select, insert, update, delete on all tables in schema public to clerk", name)
    store = Store(postgres_url.replace("millrace@", "clerk@"))
    try:
        with _in_the_way(postgres, postgres_url, wrong, right), pytest.raises(UnavailableError, match=cure):
            store.write([score(1)], [])
        store._writing.dispose()
        assert store.write([score(1)], []).rows == 1
    finally:
        store.close()
        postgres.execute("drop owned by clerk", name)
        postgres.execute("drop role clerk")


@pytest.mark.parametrize(
    ("pragma", "back", "cure"),
    [("query_only = on", "query_only = off", "read-only"), ("max_page_count = 1", "max_page_count = 100000", "disk")],
)
def test_what_stands_in_the_way_of_sqlite_passes(sqlite_url: str, pragma: str, back: str, cure: str) -> None:
    store = Store(sqlite_url)
    now = [pragma]

    @event.listens_for(store._writing, "checkout")
    def checkout(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA {now[0]}")

    with pytest.raises(UnavailableError, match=cure):
        store.write([score(n, asset=f"p{n}") for n in range(2000)], [])
    now[0] = back
    assert store.write([score(1)], []).rows == 1
    store.close()


@pytest.mark.long
def test_a_locked_sqlite_is_told_in_time(sqlite_url: str) -> None:
    store = Store(sqlite_url)
    store.write([alert("a", 0)], [])
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="lock"):
        store.act("a", ActionRequest("acknowledged", "jo", None))
    with pytest.raises(UnavailableError, match="lock"):
        store.probe()
    assert time.monotonic() - started < 8
    store.check()
    with store.reading() as reader:
        assert reader.alert("a") is not None, "readers go on"
    other.execute("ROLLBACK")
    store.probe()
    assert store.act("a", ActionRequest("acknowledged", "jo", None)) is not None
    other.close()
    store.close()


@pytest.mark.long
def test_a_locked_table_is_told_in_time(postgres_url: str) -> None:
    store = Store(postgres_url)
    store.write([score(1), alert("a", 0)], [])
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as other:
        other.execute("lock table scores, acknowledgements")
        started = time.monotonic()
        with pytest.raises(UnavailableError, match="lock"), store.reading() as reader:
            reader.scores("pump-1", None, None, None, 9, "pump")
        seen = ActionRequest("acknowledged", "jo")
        for work in (store.probe, lambda: store.act("a", seen), lambda: store.write([score(2)], [])):
            with pytest.raises(UnavailableError, match="lock"):
                work()
        assert time.monotonic() - started < 15
    store.probe()
    assert store.write([score(2)], []).rows == 1
    store.close()


@pytest.mark.long
def test_a_deadlock_is_tried_again_by_whoever_lost(postgres_url: str) -> None:
    """Two sessions lock the same two rows crosswise: PostgreSQL ends one of them."""
    store = Store(postgres_url)
    store.write([score(1, asset="a"), score(2, asset="b")], [])
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as other:
        other.execute("update assets set last_seen = last_seen where asset_id = 'b'")
        failures: list[Exception] = []

        def write() -> None:
            try:
                store.write([score(3, asset="a"), score(4, asset="b")], [])
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        deadline = time.monotonic() + 10
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as third:
            while third.execute("select count(*) from pg_locks where not granted").fetchone() == (0,):
                assert time.monotonic() < deadline
        try:
            other.execute("update assets set last_seen = last_seen where asset_id = 'a'")
        except psycopg.errors.DeadlockDetected:
            other.rollback()
        thread.join(20)
    assert all(isinstance(error, UnavailableError) for error in failures)
    assert store.write([score(5, asset="a")], []).rows == 1
    store.close()
