"""The live stream tells each transition once, goes on where a client was, and ends with the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from storage import Store
from storage.database import transaction
from tests.support.decisions import alert, data_alert


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """(id, data) of the events, ("", comment) of comments, of a text/event-stream."""
    number, data = "", ""
    for line in lines:
        if line.startswith(":"):
            yield "", line[1:].strip()
        elif line.startswith("id:"):
            number = line[3:].strip()
        elif line.startswith("data:"):
            data = line[5:].strip()
        elif not line and data:
            yield number, data
            number, data = "", ""


def _take(client: httpx2.Client, count: int, last_event_id: int | None = None) -> list[tuple[str, str]]:
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    found = []
    with client.stream("GET", "/v1/alerts/stream", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for number, data in _events(response.iter_lines()):
            if number:
                found.append((number, data))
            if len(found) == count:
                return found
    return found


def test_transitions_as_they_happen(client: httpx2.Client, store: Store) -> None:
    store.write([alert("before", 0)], [])
    with client.stream("GET", "/v1/alerts/stream") as response:
        events = _events(response.iter_lines())
        assert next(events) == ("", "millrace")
        for sequence in range(3):
            store.write([alert("a", sequence)], [])
            number, data = next((n, d) for n, d in events if n)
            assert data == alert("a", sequence).model_dump_json(), "each transition, none from before the stream"
            assert int(number) > 1


@pytest.mark.long
def test_a_client_that_comes_back_misses_nothing(client: httpx2.Client, store: Store) -> None:
    store.write([alert("a", n) for n in range(250)], [])
    first = _take(client, 120, last_event_id=0)
    rest = _take(client, 130, last_event_id=int(first[-1][0]))
    assert [data for _, data in first + rest] == [alert("a", n).model_dump_json() for n in range(250)]


def test_a_data_alert_is_told_listed_and_shown(client: httpx2.Client, store: Store) -> None:
    """No score decided it, so it has none; one that cannot be read hides none."""
    store.write([data_alert("d"), alert("odd", 0), alert("last", 0)], [])
    with transaction(store._writing) as connection:
        connection.execute(text("update alert_transitions set event = '{}' where alert_id = 'odd'"))
    assert [data for _, data in _take(client, 2, last_event_id=0)] == [
        data_alert("d").model_dump_json(), alert("last", 0).model_dump_json(),
    ]  # fmt: skip
    shown = client.get("/v1/alerts/d").json()
    assert (shown["kind"], shown["score"], shown["transitions"][0]["evidence"]["value"]) == ("data", None, None)
    listed = client.get("/v1/alerts", params={"kind": "data"}).json()["items"]
    assert [(one["alert_id"], one["score"]) for one in listed] == [("d", None)]
    assert client.get("/v1/alerts/odd").json()["transitions"] == []


@pytest.mark.parametrize("value", ["abc", "-1", str(2**63)])
def test_a_wrong_last_event_id_is_named(shared_client: httpx2.Client, value: str) -> None:
    refused = shared_client.get("/v1/alerts/stream", headers={"Last-Event-ID": value})
    assert refused.status_code == 422
    assert [e["field"] for e in refused.json()["errors"]] == ["header.last-event-id"]


@pytest.mark.long
def test_streams_are_counted_and_limited(client: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.MOST_STREAMS", 1)
    monkeypatch.setattr("api.live.HEARTBEAT_S", 0.02)  # the server sees by them that a client has gone
    with client.stream("GET", "/v1/alerts/stream") as response:
        lines = response.iter_lines()  # kept: without its reader the response is closed
        next(lines)
        assert "millrace_api_streams 1.0" in client.get("/metrics").text
        refused = client.get("/v1/alerts/stream")
        assert refused.status_code == 503
        assert refused.json()["type"] == "/problems/too-many-streams"
    deadline = time.monotonic() + 30
    while "millrace_api_streams 0.0" not in client.get("/metrics").text:
        assert time.monotonic() < deadline


@pytest.mark.long
def test_a_stream_ends_by_itself_after_heartbeats(client: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.HEARTBEAT_S", 0.02)
    monkeypatch.setattr("api.live.LIFE_S", 1.0)
    with client.stream("GET", "/v1/alerts/stream") as response:
        assert list(response.iter_lines()).count(": alive") >= 3


@pytest.mark.long
def test_sigterm_ends_the_server_with_its_streams(sqlite_url: str, tmp_path: Path) -> None:
    code = "import api, schemas, sys; api.serve(schemas.load_settings(), lambda port: print(port, flush=True))"
    environment = os.environ | {
        "MILLRACE_DATABASE_URL": sqlite_url, "MILLRACE_API_PORT": "0", "MILLRACE_HOME": str(tmp_path),
    }  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        port = next(line for line in server.stdout if line.strip().isdigit()).strip()
        with (
            httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
            client.stream("GET", "/v1/alerts/stream") as response,
        ):
            lines = response.iter_lines()
            next(lines)
            started = time.monotonic()
            server.send_signal(signal.SIGTERM)
            list(lines)  # to the end of the stream, which is not cut off
            assert server.wait(10) == 0
            assert time.monotonic() - started < 5
        server.stdout.read()


@pytest.mark.long
def test_the_api_needs_no_library_of_training_or_streams() -> None:
    code = (
        "import sys, api; api.build_api; "
        "print([m for m in ('lightgbm', 'treelite', 'faust', 'aiokafka', 'scipy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
