"""What people see while the database or Kafka is away: a page that says which, not the problem of a program."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from api import middleware, problems
from console import install
from millrace.events import KafkaPublisher
from schemas import Settings
from storage import Store
from tests.api.conftest import serving
from tests.console.conftest import fill
from tests.console.test_dead_letters import words_of

PERSON = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def silent() -> Iterator[str]:
    """A broker that takes connections and says nothing, as one that is frozen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def is_page(answer: httpx2.Response) -> bool:
    return answer.headers["content-type"].startswith("text/html") and "<main" in answer.text


@pytest.mark.parametrize("path", ["/", "/alerts", "/assets", "/shop", "/streams", "/search?q=x"])
def test_a_database_that_is_away_is_told_on_a_page(tmp_path: Path, path: str) -> None:
    away = Settings(home=tmp_path, database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", api_port=0)
    with serving(away, extend=install) as client:
        answer = client.get(path, headers=PERSON)
        assert (answer.status_code, is_page(answer)) == (503, True)
        assert "cannot be used" in words_of(answer.text)
        part = client.get(path, headers={"HX-Request": "true"})
        assert part.headers["hx-retarget"] == "#notice"
        assert client.get("/v1/alerts", headers=PERSON).headers["content-type"] == problems.MEDIA_TYPE
        assert client.get(path).headers["content-type"] == problems.MEDIA_TYPE, "a program"


def test_an_answer_that_does_not_come_is_a_page_too(console: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "ANSWER_TIMEOUT_S", 0.0)
    answer = console.get("/alerts", headers=PERSON)
    assert (answer.status_code, is_page(answer)) == (503, True)
    assert "The database does not answer" in words_of(answer.text)
    assert console.get("/v1/alerts").headers["content-type"] == problems.MEDIA_TYPE


@pytest.mark.long
def test_a_broker_that_says_nothing_is_told_on_a_page(
    sqlite_url: str, store: Store, tmp_path: Path, silent: str
) -> None:
    fill(store)
    own = Settings(home=tmp_path, kafka=silent, database_url=sqlite_url, api_port=0)
    with serving(own, KafkaPublisher(own), install) as client:
        started = time.monotonic()
        answer = client.get("/events/clicks.v1/0/1", headers=PERSON)
        assert time.monotonic() - started < 6
        assert (answer.status_code, is_page(answer)) == (503, True)
        assert f"Kafka at {silent} does not answer as it should: it says nothing." in words_of(answer.text)
