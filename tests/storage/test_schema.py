"""The migrations make what the tables say, on both databases; starting twice, or two at once, is harmless."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from schemas import SettingsError, UnavailableError
from storage import StorageError, Store, metadata, upgrade
from storage.database import build_engine, transaction
from tests.support.postgres import Postgres


def test_migrations_and_tables_agree(database_url: str) -> None:
    engine = build_engine(database_url, writes=True)
    with transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        for table in metadata.sorted_tables:  # what Alembic does not compare
            found = inspect(connection).get_pk_constraint(table.name)
            assert found["constrained_columns"] == [c.name for c in table.primary_key], table.name
    engine.dispose()


def test_upgrading_again_changes_nothing(database_url: str) -> None:
    assert upgrade(database_url) == upgrade(database_url)


@pytest.mark.long
def test_two_upgrades_at_once(postgres: Postgres, tmp_path: Path) -> None:
    postgres.execute("create database empty")
    for url in (postgres.url("empty"), *(f"sqlite:///{tmp_path / f'empty-{n}.db'}" for n in range(5))):
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(upgrade, [url] * 4))) == 1
    postgres.execute("drop database empty with (force)")


def test_an_empty_database_is_told_with_the_cure(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(UnavailableError, match="millrace db upgrade"):
        store.check()
    with pytest.raises(UnavailableError, match="millrace db upgrade"), store.reading() as reader:
        reader.recommendation("ann")
    store.close()


def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    engine = build_engine(database_url, writes=True)
    with transaction(engine) as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StorageError, match="newer version"):
        upgrade(database_url)
    store = Store(database_url)
    with pytest.raises(UnavailableError, match="9999"):
        store.check()
    store.close()


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_a_url_of_another_database_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"Use sqlite:///.* or postgresql"):
        Store(url)


def test_a_database_that_is_not_there_is_told_without_the_password() -> None:
    store = Store("postgresql://ann:hush@127.0.0.1:1/none")
    with pytest.raises(UnavailableError, match="MILLRACE_DATABASE_URL") as caught:
        store.check()
    assert "hush" not in str(caught.value)
    store.close()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database " * 100)
    store = Store(f"sqlite:///{tmp_path / 'notes.db'}")
    with pytest.raises(StorageError, match="Move the file away"):
        store.check()
    with pytest.raises(StorageError, match="Move the file away"):
        upgrade(f"sqlite:///{tmp_path / 'notes.db'}")
    store.close()


def test_a_database_that_does_not_exist_is_told(postgres: Postgres) -> None:
    store = Store(postgres.url("nowhere"))
    with pytest.raises(UnavailableError, match="MILLRACE_DATABASE_URL"):
        store.check()
    store.close()
