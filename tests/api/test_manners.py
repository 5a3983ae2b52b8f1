"""What holds for every address: HEAD, compression, ETags, unknown parameters, other origins, slashes in ids."""

from __future__ import annotations

import gzip
from pathlib import Path

import cramjam
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.representation import best_coding
from schemas import Settings
from storage import Store
from tests.api.conftest import serving
from tests.support.decisions import recommendation, score

PLAIN = {"Accept-Encoding": "identity"}


def _gets(client: httpx2.Client) -> list[str]:
    """Every GET of the document, its ids filled in."""
    paths = client.get("/openapi.json").json()["paths"]
    return [
        path.replace("{", "").replace("}", "").replace("topic", "clicks.v1").replace("partition/offset", "0/0")
        for path, methods in paths.items()
        if "get" in methods
    ]


def test_head_is_answered_as_get_without_a_body(shared_client: httpx2.Client) -> None:
    for path in [*_gets(shared_client), "/openapi.json", "/problems/internal", "/v1/nothing"]:
        head = shared_client.head(path, headers=PLAIN)
        assert head.content == b"", path
        if path.endswith("/stream"):
            assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            continue
        got = shared_client.get(path, headers=PLAIN)
        assert head.status_code == got.status_code, path
        varying = {"date"} | ({"content-length"} if path in ("/metrics", "/readyz") else set())
        assert {k: v for k, v in head.headers.items() if k not in varying} == {
            k: v for k, v in got.headers.items() if k not in varying
        }, path
    assert shared_client.head("/v1/assets").status_code == 200, "the connection is good for the next request"


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/v1/assets?limt=3", "limit"),
        ("/v1/alerts?state=raised&severty=critical", "severity"),
        ("/v1/alerts?Asset_Id=p", "asset_id"),
        ("/v1/alerts/x?state=raised", "it takes none"),
        ("/v1/assets/p/scores?frm=2026-05-01T00:00:00Z", "from"),
        ("/livez?x=1", "it takes none"),
        ("/v1/models?after=1&zzz=2", "it takes none"),
    ],
)
def test_an_unknown_parameter_is_refused_and_the_nearest_named(
    shared_client: httpx2.Client, path: str, near: str
) -> None:
    answer = shared_client.get(path)
    assert answer.status_code == 422
    assert near in answer.json()["detail"]
    assert all(error["field"].startswith("query.") for error in answer.json()["errors"])


@given(name=st.text(min_size=1, max_size=40))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_parameter_that_is_made_up_is_passed_over(shared_client: httpx2.Client, name: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    answer = shared_client.get("/v1/models", params={name: "1"})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    ("address", "field", "says"),
    [
        ("/v1/users/a%0Ab", "path.user_id", "control characters"),
        ("/v1/users/%0A/recommendations", "path.user_id", "control characters"),
        ("/v1/users/%ff", "path", "no UTF-8"),
        ("/v1/assets?query=%ff", "query", "no UTF-8"),
        ("/v1/assets?limit=1&limit=2", "query.limit", "comes 2 times"),
        ("/v1/assets/p/scores?points=5&limit=3", "query.limit", "does not go with `points`"),
        ("/v1/assets/p/scores?from=2026-05-01T12:00:00+02:00", "query.from", "`%2B`"),
        ("/v1/assets?limit=1.5", "query.limit", "must be a whole number"),
    ],
)
def test_what_would_be_an_answer_to_another_question_is_refused(
    shared_client: httpx2.Client, address: str, field: str, says: str
) -> None:
    answer = shared_client.get(address)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert says in error["message"]


def test_what_takes_several_values_takes_them(shared_client: httpx2.Client) -> None:
    assert shared_client.get("/v1/users/a/recommendations?exclude=1&exclude=2").status_code == 200


def test_bodies_are_compressed_as_the_client_likes(shared_client: httpx2.Client) -> None:
    plain = shared_client.get("/openapi.json", headers=PLAIN)
    assert "content-encoding" not in plain.headers
    for accepted, coding in (("gzip", "gzip"), ("zstd", "zstd"), ("gzip, zstd", "zstd"), ("zstd;q=.1, gzip", "gzip")):
        with shared_client.stream("GET", "/openapi.json", headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join(answer.iter_raw())
        assert (answer.headers["content-encoding"], answer.headers["vary"]) == (coding, "Accept-Encoding")
        assert len(raw) == int(answer.headers["content-length"]) < len(plain.content) / 3
        whole = gzip.decompress(raw) if coding == "gzip" else bytes(cramjam.zstd.decompress(raw))
        assert whole == plain.content
    small = shared_client.get("/livez", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None), ("gzip;q=0", None), ("*", "zstd"), ("br", None), ("gzip;q=0, *;q=.5", "zstd"), ("GZIP", "gzip"),
        ("zstd;q=x", None), ("gzip;q=1.0,zstd;q=0.9", "gzip"),
    ],
)  # fmt: skip
def test_which_coding_is_best(accepted: str, coding: str | None) -> None:
    assert best_coding(accepted) == coding


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json", "/problems/internal", "/v1/models"])
def test_what_changes_rarely_is_not_sent_twice(shared_client: httpx2.Client, path: str) -> None:
    first = shared_client.get(path)
    for known in (first.headers["etag"], f'"other", {first.headers["etag"]}', "*"):
        again = shared_client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    assert shared_client.get(path, headers={"If-None-Match": '"other"'}).content == first.content


def test_pages_of_other_origins_only_by_the_setting(sqlite_url: str, tmp_path: Path) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    for origins, allowed in (("", None), ("https://shop.example, https://b.example", "https://shop.example")):
        given_ = Settings(home=tmp_path, database_url=sqlite_url, api_port=0, api_cors_origins=origins)
        with serving(given_) as client:
            answer = client.get("/v1/assets", headers={"Origin": "https://shop.example"})
            assert answer.headers.get("access-control-allow-origin") == allowed
            other = client.get("/v1/assets", headers={"Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in other.headers
            preflight = client.options("/v1/alerts/a/acknowledge", headers=asked)
            assert preflight.status_code == (200 if allowed else 405)


def test_ids_that_look_like_addresses(client: httpx2.Client, store: Store) -> None:
    ids = ["a", "a/scores", "a/scores/scores", "/", "line 1/pump", "a%2Fb", "x/readings"]
    store.write([score(n, asset=one) for n, one in enumerate(ids)], [])
    store.write([recommendation(one, n, ["i"]) for n, one in enumerate([*ids, "u/recommendations"])], [])
    for n, one in enumerate(ids):
        path = httpx2.URL("/").copy_with(raw_path=f"/v1/assets/{_encoded(one)}".encode())
        assert client.get(path).json()["asset_id"] == one
        scores = httpx2.URL("/").copy_with(raw_path=f"/v1/assets/{_encoded(one)}/scores".encode())
        assert [s["score_id"] for s in client.get(scores).json()["items"]] == [f"score-{n:06}"], one
    for one in [*ids, "u/recommendations"]:
        path = httpx2.URL("/").copy_with(raw_path=f"/v1/users/{_encoded(one)}/recommendations".encode())
        answer = client.get(path).json()
        assert (answer["user_id"], answer["strategy"]) == (one, "ranker")
    missing = client.get(httpx2.URL("/").copy_with(raw_path=b"/v1/assets/no%2Fscores"))
    assert missing.json()["instance"] == "/v1/assets/no/scores"
    assert "no/scores" in missing.json()["detail"]


def _encoded(one: str) -> str:
    return one.replace("%", "%25").replace("/", "%2F").replace(" ", "%20")


def test_the_api_tells_its_own_metrics_and_not_those_of_workers(shared_client: httpx2.Client) -> None:
    from streams.metrics import READY  # as where the API has a broker: its process has the modules of workers then

    READY.set(0)
    found = shared_client.get("/metrics").text
    names = {line.split()[2] for line in found.splitlines() if line.startswith("# TYPE")}
    assert {"millrace_api_requests_total", "millrace_api_streams", "process_cpu_seconds_total"} <= names
    assert not [name for name in names if name.startswith("millrace_") and not name.startswith("millrace_api_")]
