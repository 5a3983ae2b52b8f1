"""What was decided is served, page by page; what is not there or not allowed is a problem that says what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api import PROBLEM_TYPES
from schemas import Asset, Notification, Telemetry
from storage import Decision, NotificationStore, Placed, Store
from tests.storage.test_kept import letter
from tests.support.decisions import alert, at, catalogue_entry, data_alert, recommendation, score, worker_status
from tests.support.postgres import Postgres


def _problem(response: httpx2.Response, slug: str) -> dict[str, Any]:
    """The answer is this problem, completely, and its type resolves to its page."""
    body: dict[str, Any] = response.json()
    kind = PROBLEM_TYPES[slug]
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, body["status"], body["title"]) == (kind.status, kind.status, kind.title)
    assert body["type"] == f"/problems/{slug}"
    assert body["detail"]
    return body


def test_recommendations_of_known_and_unknown_users(client: httpx2.Client, store: Store) -> None:
    empty = client.get("/v1/users/eve/recommendations").json()
    assert (empty["strategy"], empty["event_time"], empty["items"]) == ("trending", None, [])
    store.write([recommendation("ann", 3, ["a", "b", "c"]), catalogue_entry("trending", 1, ["x", "y", "z"])], [])
    known = client.get("/v1/users/ann/recommendations", params={"limit": 2}).json()
    assert (known["strategy"], known["recommendation_id"]) == ("ranker", "ann-3")
    assert [i["item_id"] for i in known["items"]] == ["a", "b"]
    assert known["caused_by"] == {"topic": "clicks.v1", "partition": 0, "offset": 3, "event_id": "e3"}
    unknown = client.get("/v1/users/eve/recommendations").json()
    assert (unknown["strategy"], unknown["recommendation_id"]) == ("trending", None)
    assert [i["item_id"] for i in unknown["items"]] == ["x", "y", "z"]
    trending = client.get("/v1/items/trending", params={"limit": 1}).json()
    assert trending["event_time"] == "2026-05-01T12:00:01Z"
    assert trending["items"] == [{"item_id": "x", "score": 1.0, "title": None, "category": None, "available": True}]


def test_ids_may_hold_anything_printable(client: httpx2.Client, store: Store) -> None:
    store.write([recommendation("Zoë K.+%/?", 3), score(1, asset="plant/line 1/pump"), score(2, asset="a/scores")], [])
    found = client.get("/v1/users/Zo%C3%AB%20K.+%25%2F%3F/recommendations").json()
    assert (found["user_id"], found["strategy"]) == ("Zoë K.+%/?", "ranker")
    assert client.get("/v1/assets/plant%2Fline%201%2Fpump").json()["asset_id"] == "plant/line 1/pump"
    assert len(client.get("/v1/assets/plant/line%201/pump/scores").json()["items"]) == 1


def test_assets_page_by_page(client: httpx2.Client, store: Store) -> None:
    store.write([score(n, asset=f"pump-{n}", asset_class="pump" if n % 2 else "press") for n in range(7)], [])
    seen, after = [], None
    for _ in range(4):
        page = client.get("/v1/assets", params={"limit": 2} | ({"after": after} if after else {})).json()
        seen += [a["asset_id"] for a in page["items"]]
        after = page["next"]
    assert seen == [f"pump-{n}" for n in (0, 2, 4, 6, 1, 3, 5)], "by class, then by id"
    assert after is None
    pumps = client.get("/v1/assets", params={"asset_class": "pump"}).json()
    assert [a["asset_id"] for a in pumps["items"]] == ["pump-1", "pump-3", "pump-5"]


def test_assets_and_alerts_by_where_they_stand(client: httpx2.Client, store: Store) -> None:
    for n, site in enumerate(("north", "north", "south")):
        told = {"site": site, "line": f"l{n}", "labels": {"t": "x y"}}
        place = Asset(asset_id=f"p{n}", asset_class="pump", event_time=at(0), **told)
        store.write([Placed(0, n, place), score(n, f"p{n}"), alert(f"a{n}", 0, n, asset_id=f"p{n}")], [])
    store.write([score(9, "p9"), alert("a9", 0, 9, asset_id="p9")], [])
    for path, names in (("/v1/assets", ["p0", "p1"]), ("/v1/alerts", ["p1", "p0"])):
        found = client.get(path, params={"site": "north"}).json()["items"]
        assert [one["asset_id"] for one in found] == names
        assert found[0]["site"] == "north"
        assert found[0]["labels"] == {"t": "x y"}
        first = client.get(path, params={"site": "north", "limit": 1}).json()
        after = client.get(path, params={"site": "north", "limit": 1, "after": first["next"]}).json()["items"]
        assert [one["asset_id"] for one in after] == names[1:]
        assert [one["line"] for one in client.get(path, params={"line": "l2"}).json()["items"]] == ["l2"]
        assert len(client.get(path, params={"label": ["t:x y"]}).json()["items"]) == 3
        assert client.get(path, params={"label": ["t:x y", "u:v"]}).json()["items"] == []
        refused = client.get(path, params={"label": "team"})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "query.label.0"
    assert client.get("/v1/assets/p2").json()["site"] == "south"


def test_one_id_in_two_classes(client: httpx2.Client, store: Store) -> None:
    store.write([score(1, "1", 10.0), score(2, "1", 99.0, asset_class="fan"), score(3, "a/scores"), score(4, "a")], [])
    for path in ("/v1/assets/1", "/v1/assets/1/scores"):
        assert "fan, pump" in _problem(client.get(path), "ambiguous-asset")["detail"]
        assert "pump" in _problem(client.get(path, params={"asset_class": "press"}), "unknown-asset")["detail"]
    lost = Telemetry(event_id="t", event_time=at(0), asset_id="m", asset_class="mystery", readings={"s": 1.0})
    store.write([Placed(0, 0, lost), data_alert("d", asset_id="m", asset_class="mystery")], [])
    said = _problem(client.get("/v1/assets/m", params={"asset_class": "pump"}), "unknown-asset")["detail"]
    assert said.endswith("There is one of mystery.")
    for asset_class, value in (("pump", 10.0), ("fan", 99.0)):
        which = {"asset_class": asset_class}
        asset = client.get("/v1/assets/1", params=which).json()
        assert (asset["asset_class"], [s["value"] for s in asset["latest_scores"]]) == (asset_class, [value])
        assert [s["value"] for s in client.get("/v1/assets/1/scores", params=which).json()["items"]] == [value]
    assert client.get("/v1/assets/a").json()["asset_class"] == "pump"


def test_an_asset_with_scores_and_alerts(client: httpx2.Client, store: Store) -> None:
    store.write([score(n) for n in range(5)] + [alert("a", 0, 4), alert("b", 0, 2, state="cleared")], [])
    asset = client.get("/v1/assets/pump-1").json()
    assert asset["latest_scores"] == [score(4).model_dump(mode="json")]
    assert [a["alert_id"] for a in asset["open_alerts"]] == ["a"]
    first = client.get("/v1/assets/pump-1/scores", params={"limit": 3}).json()
    rest = client.get("/v1/assets/pump-1/scores", params={"limit": 3, "after": first["next"]}).json()
    assert [s["value"] for s in first["items"] + rest["items"]] == [50.0] * 5
    assert [s["score_id"] for s in first["items"] + rest["items"]] == [f"score-{n:06}" for n in (4, 3, 2, 1, 0)]
    assert rest["next"] is None
    some = client.get("/v1/assets/pump-1/scores", params={"since": at(1).isoformat(), "until": "2026-05-01T12:00:03Z"})
    assert [s["score_id"] for s in some.json()["items"]] == ["score-000002", "score-000001"]
    later = client.get("/v1/assets/pump-1/scores", params={"since": at(100).isoformat()})
    assert later.json() == {"items": [], "next": None}


def test_alerts_are_listed_shown_and_acknowledged(client: httpx2.Client, store: Store) -> None:
    store.write([alert("a", 0, 1), alert("a", 1, 2, severity="critical"), alert("b", 0, 3, asset_id="pump-2")], [])
    assert [a["alert_id"] for a in client.get("/v1/alerts").json()["items"]] == ["b", "a"]
    for filters, expected in (
        ({"severity": "critical"}, ["a"]),
        ({"asset_id": "pump-2"}, ["b"]),
        ({"asset_class": "press"}, []),
        ({"state": "cleared"}, []),
        ({"state": "raised", "limit": 1}, ["b"]),
    ):
        assert [a["alert_id"] for a in client.get("/v1/alerts", params=filters).json()["items"]] == expected
    shown = client.get("/v1/alerts/a").json()
    assert [t["severity"] for t in shown["transitions"]] == ["warning", "critical"]
    assert shown["transitions"][0]["evidence"]["threshold"] == 20.0
    assert shown["acknowledgement"] is None
    first = client.post("/v1/alerts/a/acknowledge", json={"by": "jo", "comment": "bearing ordered"})
    again = client.post("/v1/alerts/a/acknowledge", json={"by": "al"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["acknowledgement"]["by"] == "jo"
    assert first.json() == again.json() == client.get("/v1/alerts/a").json()


def test_what_people_do_about_an_alert_is_answered_and_listed(client: httpx2.Client, store: Store) -> None:
    store.write([alert("a", 0, 1), alert("b", 0, 3, asset_id="pump-2")], [])
    until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    for action, body, field, expected in (
        ("shelve", {"reason": "part on Monday", "until": until}, "shelving", "part on Monday"),
        ("unshelve", {"reason": "it came"}, "shelving", None),
        ("assign", {"assignee": "night shift"}, "assignee", "night shift"),
        ("comment", {"comment": "hot"}, None, None),
        ("outcome", {"verdict": "true_alarm", "found": "worn"}, "outcome", "worn"),
        ("close", {"reason": "scrapped"}, "closing", "scrapped"),
    ):  # fmt: skip
        nobody = client.post(f"/v1/alerts/a/{action}", json=body)
        assert (nobody.status_code, nobody.json()["errors"][0]["field"]) == (422, "body.by")
        answer = client.post(f"/v1/alerts/a/{action}", json={"by": "jo", **body})
        assert answer.status_code == 200, answer.text
        assert client.post(f"/v1/alerts/a/{action}", json={"by": "jo", **body}).json() == answer.json(), "again"
        found = answer.json()[field] if field else None
        assert (found.get("reason") or found["found"] if isinstance(found, dict) else found) == expected
        assert client.post(f"/v1/alerts/none/{action}", json={"by": "jo", **body}).status_code == 404
    shown = client.get("/v1/alerts/a").json()
    assert [one["kind"] for one in shown["actions"]] == [
        "shelved", "unshelved", "assigned", "commented", "outcome", "closed"
    ]  # fmt: skip
    assert client.get("/v1/alerts?assignee=night%20shift").json()["items"][0]["alert_id"] == "a"
    assert client.get("/v1/alerts?shelved=true").json()["items"] == []
    closed = client.post("/v1/alerts/a/shelve", json={"by": "jo", "reason": "x", "until": until})
    assert (closed.status_code, closed.json()["type"]) == (409, "/problems/not-open")


@pytest.mark.parametrize("days", [-1, 31])
def test_a_shelf_has_an_end_that_is_near(client: httpx2.Client, store: Store, days: int) -> None:
    store.write([alert("a", 0, 1)], [])
    until = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    answer = client.post("/v1/alerts/a/shelve", json={"by": "jo", "reason": "x", "until": until})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.until")


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("comment", {"comment": "a\0b"}, "body.comment"), ("comment", {"comment": " "}, "body.comment"),
        ("close", {"reason": "\0"}, "body.reason"), ("assign", {"assignee": "  "}, "body.assignee"),
        ("assign", {"assignee": "a\nb"}, "body.assignee"), ("assign", {}, "body.assignee"),
        ("comment", {"by": " ", "comment": "x"}, "body.by"), ("close", {"by": "Millrace", "reason": "x"}, "body.by"),
        ("outcome", {"verdict": "maybe"}, "body.verdict"), ("shelve", {"reason": "x"}, "body.until"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_of_an_alert_is_refused(
    client: httpx2.Client, store: Store, action: str, body: dict[str, Any], field: str
) -> None:
    store.write([alert("a", 0, 1)], [])
    answer = client.post(f"/v1/alerts/a/{action}", json={"by": "jo", **body})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert client.get("/v1/alerts/a").json()["actions"] == []


def test_a_request_with_an_idempotency_key_is_one(client: httpx2.Client, store: Store) -> None:
    store.write([alert("a", 0, 1)], [])
    key = {"Idempotency-Key": "k-1"}
    client.post("/v1/alerts/a/assign", json={"by": "jo", "assignee": "al"}, headers=key)
    client.post("/v1/alerts/a/assign", json={"by": "jo", "assignee": "bo"})
    again = client.post("/v1/alerts/a/assign", json={"by": "jo", "assignee": "al"}, headers=key)
    assert again.json()["assignee"] == "bo"
    other = client.post("/v1/alerts/a/close", json={"by": "jo", "reason": "x"}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/key-reused")
    assert len(again.json()["actions"]) == 2


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/assets?limit=0", "query.limit"),
        ("/v1/assets?limit=201", "query.limit"),
        ("/v1/assets?limit=many", "query.limit"),
        ("/v1/users/ann/recommendations?limit=101", "query.limit"),
        ("/v1/users/a%00b/recommendations", "path.user_id"),
        (f"/v1/users/{'x' * 201}/recommendations", "path.user_id"),
        ("/v1/assets?asset_class=a%20b", "query.asset_class"),
        ("/v1/assets/p/scores?since=yesterday", "query.since"),
        ("/v1/assets/p/scores?since=0001-01-01T00:00:00%2B14:00", "query.since"),
        ("/v1/assets/p/scores?since=2026-05-01T12:00:00", "query.since"),
        ("/v1/alerts?state=open", "query.state"),
        ("/v1/alerts?severity=bad", "query.severity.0"),
        ("/v1/alerts?after=nonsense", "query.after"),
        ("/v1/alerts?after=", "query.after"),
        ("/v1/alerts?after=W10", "query.after"),
    ],
)
def test_what_cannot_be_used_is_named(shared_client: httpx2.Client, path: str, field: str) -> None:
    problem = _problem(shared_client.get(path), "invalid-request")
    assert [e["field"] for e in problem["errors"]] == [field]
    assert field in problem["detail"]


def test_a_cursor_is_good_for_its_list_only(sqlite_client: httpx2.Client, sqlite_store: Store) -> None:
    sqlite_store.write([score(1, asset="p1"), score(2, asset="p2")], [])
    cursor = sqlite_client.get("/v1/assets?limit=1").json()["next"]
    assert cursor is not None
    problem = _problem(sqlite_client.get("/v1/alerts", params={"after": cursor}), "invalid-request")
    assert problem["errors"][0]["field"] == "query.after"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"{}", "body.by"),
        (b'{"by": 1}', "body.by"),
        (b'{"by": ""}', "body.by"),
        (b'{"by": "a\\u0000b"}', "body.by"),
        (b'{"by": "jo", "comment": "a\\u0000b"}', "body.comment"),
        (b'{"by": "jo", "until": 1}', "body.until"),
        (b"{", "body.1"),
        (b"", "body"),
        (b"[" * 30_000, "body"),
    ],
)
def test_a_bad_body_is_named(shared_client: httpx2.Client, content: bytes, field: str) -> None:
    response = shared_client.post(
        "/v1/alerts/a/acknowledge", content=content, headers={"content-type": "application/json"}
    )
    problem = _problem(response, "invalid-request")
    assert problem["errors"][0]["field"].split(".")[0] == "body"
    if not field[-1].isdigit():
        assert [e["field"] for e in problem["errors"]] == [field]


def test_a_body_that_is_too_large(shared_client: httpx2.Client) -> None:
    def drops() -> Any:
        for _ in range(70):
            yield b" " * 1000

    for content in (b" " * 70_000, drops()):
        response = shared_client.post(
            "/v1/alerts/a/acknowledge", content=content, headers={"content-type": "application/json"}
        )
        _problem(response, "too-large")


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (
            "/v1/alerts/a/acknowledge",
            {"comments": "seen"},
            "body.comments: is not a field of this body; did you mean `comment`?",
        ),
        ("/v1/alerts/a/acknowledge", {"xyz": 1}, "body.xyz: is not a field of this body; it takes `by`, `comment`."),
        ("/v1/rank", {"item": ["a"], "items": ["a"]}, "body.item: is not a field of this body; did you mean `items`?"),
        (
            "/v1/rank",
            {"items": ["a"], "context": {"shop": {"id": 1}}, "item": 1},
            "body.context.shop: must be a text, not an object, or must be a number, not an object; "
            "body.item: is not a field of this body; did you mean `items`?",
        ),
    ],
)
def test_a_field_of_a_body_that_cannot_be_used_is_told_with_the_nearest(
    shared_client: httpx2.Client, path: str, body: dict[str, Any], said: str
) -> None:
    assert _problem(shared_client.post(path, json=body), "invalid-request")["detail"] == said


def test_dead_letters_are_of_topics_that_have_some(client: httpx2.Client, store: Store) -> None:
    store.write([letter(3), letter(4, "items.v1")], [])
    for name in ("clicks.v1", "clicks.v1.dlq", "clicks"):
        [found] = client.get("/v1/dead-letters", params={"topic": name}).json()["items"]
        assert (found["topic"], found["offset"]) == ("clicks.v1", 3)
        assert client.get(f"/v1/dead-letters/{name}/0/3").json()["reason"] == found["reason"]
    for answer in (client.get("/v1/dead-letters?topic=scores.v1"), client.get("/v1/dead-letters/click/0/3")):
        detail = _problem(answer, "invalid-request")["detail"]
        assert "clicks.v1, items.v1, telemetry.v1, maintenance.v1" in detail


def test_a_worker_that_is_unknown_has_no_figures(client: httpx2.Client, store: Store) -> None:
    _problem(client.get("/v1/workers/nobody/figures"), "unknown-worker")
    store.write([worker_status("w1", at(0))], [])
    assert client.get("/v1/workers/w1/figures").json()["items"] == [], "it has told of itself, and of no figures yet"


def test_what_is_not_there(shared_client: httpx2.Client) -> None:
    assert "press-9" in _problem(shared_client.get("/v1/assets/press-9"), "unknown-asset")["detail"]
    _problem(shared_client.get("/v1/assets/press-9/scores"), "unknown-asset")
    _problem(shared_client.get("/v1/alerts/none"), "unknown-alert")
    _problem(shared_client.post("/v1/alerts/none/acknowledge", json={"by": "jo"}), "unknown-alert")
    _problem(shared_client.get("/v1/nothing"), "not-found")
    _problem(shared_client.get("/problems/none"), "not-found")
    refused = shared_client.delete("/v1/alerts")
    _problem(refused, "method-not-allowed")
    assert refused.headers["allow"] == "GET, HEAD"


def test_every_problem_type_resolves_to_its_page(shared_client: httpx2.Client) -> None:
    for slug, kind in PROBLEM_TYPES.items():
        page = shared_client.get(f"/problems/{slug}")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert kind.title in page.text


def test_a_bug_is_a_problem_that_gives_nothing_away(
    shared_client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the secret")

    monkeypatch.setattr("storage.read.Reader.alert", fail)
    response = shared_client.get("/v1/alerts/a")
    _problem(response, "internal")
    assert "secret" not in response.text


def test_probes_metrics_and_documents(client: httpx2.Client, store: Store) -> None:
    assert client.get("/livez").json()["status"] == "alive"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]) == (200, {"database": store.check(), "sink": {"workers": 0}})
    client.get("/v1/assets/some-id")
    metrics = client.get("/metrics").text
    assert 'millrace_api_requests_total{method="GET",route="/v1/assets/{asset_id}",status="404"}' in metrics
    assert "some-id" not in metrics
    assert client.get("/asyncapi.json").json()["asyncapi"] == "3.0.0"


def test_openapi_is_complete(shared_client: httpx2.Client) -> None:
    document = shared_client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    operations = [o for path in document["paths"].values() for o in path.values()]
    assert len({o["operationId"] for o in operations}) == len(operations)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["description"], path
            if path.startswith("/v1"):
                assert {"401", "403", "422", "500", "503"} <= set(operation["responses"]), path
                content = (operation["responses"].get("200") or operation["responses"]["202"])["content"]
                is_bytes = bool({"text/event-stream", "application/octet-stream"} & content.keys())
                assert is_bytes or "example" in content["application/json"], path
    text = json.dumps(document)
    assert "HTTPValidationError" not in text
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in document["components"]["schemas"]


def test_models_are_listed_from_their_folders(sqlite_client: httpx2.Client, tmp_path: Path) -> None:
    assert sqlite_client.get("/v1/models").json() == {"items": [], "next": None}
    for version, created in (("1", "2026-03-01T00:00:00Z"), ("2", "2026-04-01T00:00:00Z")):
        write_manifest(tmp_path, version, created)
    (tmp_path / "models" / "pump" / "3").mkdir()
    (tmp_path / "models" / "pump" / "3" / "manifest.json").write_text("{")
    aliases = {"models": {"pump": {"champion": "1"}}, "history": {"pump": {"champion": ["2", "0"]}}}
    (tmp_path / "models" / "aliases.json").write_text(json.dumps(aliases))
    [model] = sqlite_client.get("/v1/models").json()["items"]
    assert (model["name"], model["aliases"], model["previous"]) == ("pump", {"champion": "1"}, {"champion": "2"})
    assert [(v["version"], v["card"]) for v in model["versions"]] == [("2", "# pump 2\n"), ("1", "# pump 1\n")]


def test_models_tell_which_workers_run_and_refuse_them(
    sqlite_client: httpx2.Client, sqlite_store: Store, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    old, new = worker_status("old", now - timedelta(minutes=5)), worker_status("new", now, refused="9")
    sqlite_store.write([old, new], [])
    [model] = sqlite_client.get("/v1/models").json()["items"]
    assert (model["name"], model["versions"]) == ("pump", [])  # this machine has none of it
    assert [(r["worker"], r["version"], r["reason"]) for r in model["refused"]] == [("new", "9", "it is bad")]
    write_manifest(tmp_path, "1", "2026-03-01T00:00:00Z")
    [model] = sqlite_client.get("/v1/models").json()["items"]
    [version] = model["versions"]
    assert [(r["worker"], r["alias"], r["is_signed"]) for r in version["running_on"]] == [("new", "champion", True)]


def write_manifest(home: Path, version: str, created: str) -> None:
    training = {"first_event": "2026-01-01T00:00:00Z", "last_event": "2026-02-01T00:00:00Z", "events": 1, "rows": 1}
    folder = home / "models" / "pump" / version
    folder.mkdir(parents=True)
    manifest = {
        "name": "pump", "version": version, "kind": "rul", "created_at": created, "features": ["a"], "packs": {},
        "training": {**training, "seconds": 1}, "metrics": {"rmse": 9.7}, "libraries": {},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "card.md").write_text(f"# pump {version}\n")


def test_a_database_that_is_away_and_back(postgres: Postgres, postgres_client: httpx2.Client) -> None:
    assert postgres_client.get("/readyz").status_code == 200
    postgres.stop()
    try:
        for path in ("/readyz", "/v1/assets"):
            response = postgres_client.get(path)
            _problem(response, "unavailable")
            assert int(response.headers["retry-after"]) > 0
        assert postgres_client.get("/livez").status_code == 200
    finally:
        postgres.start()
    assert postgres_client.get("/readyz").status_code == 200
    assert postgres_client.get("/v1/assets").status_code == 200


def test_notifications_are_listed_and_one_that_failed_is_retried(client: httpx2.Client, database_url: str) -> None:
    notifying, now = NotificationStore(database_url), datetime.now(UTC)
    notifying.begin()
    told = [
        Notification(**Notification.EXAMPLE | {"notification_id": f"n{n}", "channel": f"c{n % 2}", "created_at": now})
        for n in range(5)
    ]
    assert notifying.commit(0, Decision(0, {}, told, now + timedelta(hours=1)))
    assert not notifying.commit(0, Decision(0, {}, told, now)), "another one was first"
    notifying.tell_channels({f"c{n}": {"service": "E-Mail", "rules": ["r"], "is_quiet": False} for n in (0, 1)}, now)
    claimed = notifying.claim("c0", now, now, 10, now)
    assert claimed is not None
    notifying.failed(claimed, "answered 404")
    found = client.get("/v1/notifications", params={"channel": "c0", "limit": 2}).json()
    assert [one["notification_id"] for one in found["items"]] == ["n4", "n2"]
    more = client.get("/v1/notifications", params={"channel": "c0", "after": found["next"]}).json()
    assert [(one["state"], one.get("reason")) for one in more["items"]] == [("failed", "answered 404")]
    assert [one["notification_id"] for one in client.get("/v1/notifications?state=failed").json()["items"]] == ["n0"]
    channels = client.get("/v1/notifications/channels").json()["items"]
    assert [(one["name"], one["waiting"], one["failed"]) for one in channels] == [("c0", 2, 1), ("c1", 2, 0)]
    retried = client.post("/v1/notifications/n0/retry")
    assert (retried.status_code, retried.json()["state"]) == (200, "waiting")
    for path, status, slug in (("n0", 409, "not-failed"), ("none", 404, "unknown-notification")):
        refused = client.post(f"/v1/notifications/{path}/retry")
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (status, slug)
    one = client.get("/v1/notifications/n0").json()["notification"]
    assert one["title"] == "Warning: pump-7, wear (pump, north)"
    assert one["alerts"][0]["reason"] == "reached the warning level"
    assert client.get("/v1/notifications/none").status_code == 404
    notifying.close()
