"""While the service is not ready, every page says why and what to do, and stops saying so by itself."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import create_engine, text

from console import health, install
from console.health import starting
from millrace.events import KafkaPublisher
from schemas import Settings
from storage import Store
from storage.schema import head_revision
from tests.api.conftest import serving
from tests.console.conftest import fill
from tests.console.test_dead_letters import words_of
from tests.storage.test_kept import told

PAGES = ["/", "/alerts", "/alerts/a-1", "/assets", "/shop", "/models", "/streams", "/search", "/docs", "/alerts/none"]


def set_revision(url: str, revision: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = :it"), {"it": revision})
    engine.dispose()


def until(is_so: Callable[[], bool], wait_s: float = 10.0) -> None:
    end = time.monotonic() + wait_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_each_page_says_that_the_database_is_old(
    console: httpx2.Client, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "EVERY_S", 0.1)
    assert "Not ready" not in words_of(console.get("/").text)
    set_revision(sqlite_url, "0004")
    until(lambda: "Not ready" in console.get("/").text)
    for path in PAGES:
        assert "is at revision 0004" in (words := words_of(console.get(path).text)), path
        assert "millrace db upgrade" in words


def test_a_sink_that_is_silent_is_said(console: httpx2.Client, store: Store) -> None:
    silent = told("sink-1", datetime.now(UTC) - timedelta(minutes=5), 0)
    assert silent.figures is not None
    figures = silent.figures.model_copy(update={"role": "sink"})
    store.write([silent.model_copy(update={"figures": figures})], [])
    words = words_of(console.get("/assets").text)
    assert "No sink has told of itself for 30" in words
    assert "millrace worker --role sink" in words


async def test_topics_that_are_missing_are_said(settings: Settings, sqlite_url: str, store: Store) -> None:
    fill(store)
    own = settings.model_copy(update={"database_url": sqlite_url, "api_port": 0, "topic_prefix": "none."})
    with serving(own, KafkaPublisher(own), install) as client:
        until(lambda: "does not have" in client.get("/").text)
        words = words_of(client.get("/").text)
        assert "none.clicks.v1" in words
        assert "millrace topics apply" in words


def test_a_broker_that_is_away_delays_no_page(sqlite_url: str, store: Store, tmp_path: Path) -> None:
    fill(store)
    own = Settings(home=tmp_path, kafka="10.255.255.1:9", database_url=sqlite_url, api_port=0)
    with serving(own, KafkaPublisher(own), install) as client:
        for _ in range(3):
            started = time.monotonic()
            assert client.get("/assets").status_code == 200
            assert time.monotonic() - started < 2
        until(lambda: "Not ready" in client.get("/assets").text)


def test_an_open_page_says_it_and_stops(page: Page, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "EVERY_S", 0.1)
    page.goto("/models")
    expect(page.locator("#banner")).to_be_empty()
    set_revision(sqlite_url, "0004")
    expect(page.locator("#banner")).to_contain_text("millrace db upgrade")
    set_revision(sqlite_url, head_revision())
    expect(page.locator("#banner")).to_be_empty()


def test_while_the_service_starts_pages_say_for_how_long(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    run = {"ready": False, "pid": os.getpid(), "since": time.time() - 42}
    assert starting(tmp_path) is None
    file.write_text(json.dumps(run))
    assert "started 42 s ago" in (starting(tmp_path) or "")
    for other in ({**run, "ready": True}, {**run, "pid": 2**22 + 1}, {"pid": os.getpid(), "ready": False}, []):
        file.write_text(json.dumps(other))
        assert starting(tmp_path) is None, other
    file.write_text("{")
    assert starting(tmp_path) is None
