"""No client and no database can make the API hang, and nothing that can be sent is a 500."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import Settings
from storage import Store
from tests.api.conftest import serving
from tests.support.decisions import alert, score

EXTREMES = [
    "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59", "1980-01-01T00:00:00+00:01", "0", "-1", "1e308", "inf", "nan", "253402300799999",
    "253402300800000", "9" * 400, "1700000000", "1700000000000", "2026-05-01T24:00:00Z", "2026-02-30T00:00:00Z", "",
    "2016-12-31T23:59:60Z", "-0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-05-01T12:00:00+99:99",
]  # fmt: skip
PATHS = ["/v1/assets/p/scores", "/v1/assets", "/v1/alerts", "/v1/assets/p", "/v1/users/p/recommendations"]
NAMES = ["since", "until", "after", "limit", "asset_class", "asset_id", "state", "severity"]


def test_extreme_times_are_used_or_refused(client: httpx2.Client, store: Store) -> None:
    store.write([score(1, asset="p")], [])
    for name, value in itertools.product(("since", "until"), EXTREMES):
        answer = client.get("/v1/assets/p/scores", params={name: value})
        assert answer.status_code in (200, 422), (value, answer.text)
        if answer.status_code == 422:
            assert [e["field"] for e in answer.json()["errors"]] == [f"query.{name}"]


def test_the_last_moments_of_all_time(shared_client: httpx2.Client) -> None:
    assert shared_client.get("/v1/assets/p/scores", params={"since": "9999-12-31T23:59:59-23:59"}).status_code == 422


@pytest.mark.long
@given(
    path=st.sampled_from(PATHS),
    values=st.dictionaries(
        st.sampled_from(NAMES),
        st.one_of(st.sampled_from(EXTREMES), st.text(max_size=40), st.datetimes().map(str), st.integers().map(str)),
        max_size=4,
    ),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_parameter_is_a_bug(shared_client: httpx2.Client, path: str, values: dict[str, str]) -> None:
    values = {name: value.encode("utf-8", "replace").decode() for name, value in values.items()}
    answer = shared_client.get(path, params=values)
    assert answer.status_code in (200, 404, 422), (path, values, answer.text)


@pytest.mark.long
@given(body=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda c: st.lists(c) | st.dictionaries(
    st.sampled_from(["by", "comment", "x"]), c)))  # fmt: skip
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_is_a_bug(shared_client: httpx2.Client, body: Any) -> None:
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    for sent in (content, b'{"by": "\\ud800"}', b'{"by": "jo", "comment": "\\ud800"}', content + b"\xff"):
        headers = {"content-type": "application/json"}
        answer = shared_client.post("/v1/alerts/none/acknowledge", content=sent, headers=headers)
        assert answer.status_code in (404, 422), answer.text


def _port(client: httpx2.Client) -> int:
    return client.base_url.port or 0


def _closed_after(connection: socket.socket, most_s: float) -> float:
    started = time.monotonic()
    connection.settimeout(most_s)
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(4096):
            pass
    return time.monotonic() - started


HEAD = b"POST /v1/alerts/a/acknowledge HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v1/assets HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        HEAD + b"Content-Length: 100\r\n\r\n{",
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /livez HT", marks=pytest.mark.long),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{", marks=pytest.mark.long),
    ],
    ids=["nothing", "half a head", "half a body", "half a second request", "half a body that nobody reads"],
)
def test_half_sent_requests_are_closed(
    shared_client: httpx2.Client, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("api.connections.HEADER_TIMEOUT_S", 0.5)
    monkeypatch.setattr("api.middleware.BODY_TIMEOUT_S", 0.5)
    with socket.create_connection(("127.0.0.1", _port(shared_client))) as connection:
        connection.sendall(sent)
        assert _closed_after(connection, 8) < 7


@pytest.mark.long
def test_a_byte_now_and_then_does_not_keep_a_connection(
    shared_client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.connections.HEADER_TIMEOUT_S", 0.5)
    with socket.create_connection(("127.0.0.1", _port(shared_client))) as connection:
        connection.settimeout(0.05)
        deadline = time.monotonic() + 5
        with contextlib.suppress(ConnectionError):
            while True:
                assert time.monotonic() < deadline
                connection.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(100):
                        break


@pytest.mark.long
def test_the_limit_of_streams_is_exact(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.MOST_STREAMS", 20)
    with serving(Settings(home=tmp_path, database_url=sqlite_url, api_port=0)) as client:
        for _ in range(2):
            done = threading.Event()

            def opened(_: int, port: int = _port(client), done: threading.Event = done) -> int:
                with httpx2.stream("GET", f"http://127.0.0.1:{port}/v1/alerts/stream", timeout=20) as answer:
                    if answer.status_code == 200:
                        done.wait(20)
                    return answer.status_code

            with ThreadPoolExecutor(40) as pool:
                answers = [pool.submit(opened, n) for n in range(40)]
                deadline = time.monotonic() + 20
                while sum(answer.done() for answer in answers) < 20:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                done.set()
                assert sorted(answer.result() for answer in answers) == [200] * 20 + [503] * 20
            deadline = time.monotonic() + 20
            while "millrace_api_streams 0.0" not in client.get("/metrics").text:
                assert time.monotonic() < deadline


def test_a_wrong_stream_takes_no_place(shared_client: httpx2.Client) -> None:
    for _ in range(5):
        assert shared_client.get("/v1/alerts/stream", headers={"Last-Event-ID": "x"}).status_code == 422
    assert "millrace_api_streams 0.0" in shared_client.get("/metrics").text


@pytest.mark.long
def test_an_acknowledgement_that_was_not_kept_says_so(
    sqlite_client: httpx2.Client, sqlite_store: Store, sqlite_url: str
) -> None:
    sqlite_store.write([alert("a", 0)], [])
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    answer = sqlite_client.post("/v1/alerts/a/acknowledge", json={"by": "jo"})
    assert (answer.status_code, time.monotonic() - started < 6) == (503, True)
    assert int(answer.headers["retry-after"]) > 0
    detail = answer.json()["detail"]
    assert "The acknowledgement was NOT kept" in detail
    assert "sent again" in detail
    assert "written when it is there" not in detail
    assert sqlite_client.get("/readyz").status_code == 503
    assert sqlite_client.get("/v1/alerts/a").json()["acknowledgement"] is None
    other.execute("ROLLBACK")
    other.close()
    assert sqlite_client.post("/v1/alerts/a/acknowledge", json={"by": "jo"}).status_code == 200
    assert sqlite_client.get("/readyz").status_code == 200


@pytest.mark.long
def test_a_locked_or_read_only_database_is_noticed(postgres_client: httpx2.Client, postgres_url: str) -> None:
    plain = postgres_url.replace("+psycopg", "")
    with psycopg.connect(plain) as other:
        other.execute("lock table scores, assets")
        for path in ("/v1/assets", "/v1/assets/p/scores", "/readyz"):
            started = time.monotonic()
            assert postgres_client.get(path).status_code == 503, path
            assert time.monotonic() - started < 6
    assert postgres_client.get("/readyz").status_code == 200


@pytest.fixture
def server(postgres_url: str, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    code = "import api, schemas; api.serve(schemas.load_settings(), lambda port: print(port, flush=True))"
    own = {"MILLRACE_DATABASE_URL": postgres_url, "MILLRACE_API_PORT": "0", "MILLRACE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | own) as process:
        assert process.stdout is not None
        port = next(line for line in process.stdout if line.strip().isdigit()).strip()
        yield process, int(port)
        process.kill()


@pytest.mark.long
def test_a_database_that_hangs_does_not_hang_the_api(
    server: tuple[subprocess.Popen[str], int], postgres_url: str
) -> None:
    process, port = server
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        assert client.get("/readyz").status_code == 200
        with psycopg.connect(postgres_url.replace("+psycopg", "")) as other:
            ours = "application_name = 'millrace' and datname = current_database()"
            found = other.execute(f"select pid from pg_stat_activity where {ours}".encode()).fetchall()
            backends = [int(pid) for (pid,) in found]
        for backend in backends:
            os.kill(backend, signal.SIGSTOP)
        try:
            started = time.monotonic()
            paths = ["/v1/assets", "/readyz", "/v1/alerts"] * 3
            with ThreadPoolExecutor(9) as pool:
                statuses = set(pool.map(lambda path: client.get(path).status_code, paths))
            assert 503 in statuses
            assert statuses <= {200, 503}, "a new connection may be served: its backend is not stopped"
            assert time.monotonic() - started < 10
            assert client.get("/livez").status_code == 200
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(12) == 0
            assert time.monotonic() - started < 10
        finally:
            for backend in backends:
                os.kill(backend, signal.SIGCONT)
