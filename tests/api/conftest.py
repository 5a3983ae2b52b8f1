from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import httpx2
import pytest
from fastapi import FastAPI

from api import ApiServer, ModelKeeper, Publisher, middleware
from schemas import Settings
from storage import Store
from tests.support.databases import database_url, migrated_sqlite, postgres, postgres_url, sqlite_url, store

__all__ = ["database_url", "migrated_sqlite", "postgres", "postgres_url", "sqlite_url", "store"]


PATIENCE_S = 60.0  # the machine of the tests may be busy; how late an answer may be is a test of its own


@contextmanager
def serving(
    settings: Settings,
    publisher: Publisher | None = None,
    extend: Callable[[FastAPI], None] | None = None,
    keeper: ModelKeeper | None = None,
) -> Iterator[httpx2.Client]:
    """A real server on a free port, in a thread, and a client of it."""
    ports: list[int] = []
    is_ready = threading.Event()

    def on_port(port: int) -> None:
        ports.append(port)
        is_ready.set()

    server = ApiServer(settings, on_port, publisher, extend, keeper)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [server.listener]})
    thread.start()
    try:
        assert is_ready.wait(PATIENCE_S)
        url = f"http://127.0.0.1:{ports[0]}"
        patient = patch.object(middleware, "ANSWER_TIMEOUT_S", PATIENCE_S)
        with patient, httpx2.Client(base_url=url, timeout=PATIENCE_S) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10)
        server.listener.close()
        assert not thread.is_alive()


@pytest.fixture
def api_settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=database_url, api_port=0)


@pytest.fixture
def client(api_settings: Settings) -> Iterator[httpx2.Client]:
    with serving(api_settings) as client:
        yield client


@pytest.fixture(scope="module")
def shared_client(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Of an API without any decisions, for tests that write none."""
    home = tmp_path_factory.mktemp("api")
    url = f"sqlite:///{shutil.copy(migrated_sqlite, home / 'shared.db')}"
    with serving(Settings(home=home, database_url=url, api_port=0)) as client:
        yield client


@pytest.fixture
def sqlite_client(sqlite_url: str, tmp_path: Path) -> Iterator[httpx2.Client]:
    with serving(Settings(home=tmp_path, database_url=sqlite_url, api_port=0)) as client:
        yield client


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    store = Store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def postgres_client(postgres_url: str, tmp_path: Path) -> Iterator[httpx2.Client]:
    with serving(Settings(home=tmp_path, database_url=postgres_url, api_port=0)) as client:
        yield client
