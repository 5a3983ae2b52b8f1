"""Databases for the tests: `postgres`, one real server a run, and `database_url`, an empty migrated database a test.

The schema comes from the migrations, run once a kind of database; each test gets a copy. Import the fixtures in the
conftest of the folder that needs them.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import Store, upgrade
from tests.support.postgres import Postgres

_server = pytest.StashKey[Postgres]()
_sqlite = pytest.StashKey[Path]()
_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Postgres:
    """A running PostgreSQL. Who stops it starts it again."""
    stash = request.config.stash
    if _server not in stash:
        server = Postgres()
        request.config.add_cleanup(server.remove)
        server.start()
        server.execute("create database migrated")
        upgrade(server.url("migrated"))
        stash[_server] = server
    return stash[_server]


@pytest.fixture(scope="session")
def migrated_sqlite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    stash = request.config.stash
    if _sqlite not in stash:
        stash[_sqlite] = tmp_path_factory.mktemp("sqlite") / "migrated.db"
        upgrade(f"sqlite:///{stash[_sqlite]}")
    return stash[_sqlite]


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    name = f"test{next(_numbers)}"
    postgres.execute(f"create database {name} template migrated")
    yield postgres.url(name)
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The test runs on both; in `make quick` on SQLite only."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()
