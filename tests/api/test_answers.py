"""Every question of a screen has a route: what can be had now, how assets stand, how the service itself is."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from schemas import Figures, Settings, WorkerStatus, rfc3339
from storage import Removal, Store
from tests.api.conftest import serving
from tests.storage.test_kept import click, entry, item, letter, reading, told
from tests.support.decisions import NOON, alert, at, catalogue_entry, recommendation, score, worker_status

NOW = datetime.now(UTC)


def _ids(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["item_id"] for one in answer.json()["items"]]


def test_what_cannot_be_had_is_in_no_list(client: httpx2.Client, store: Store) -> None:
    """The lists were made before the shop said so, and no one has clicked since."""
    store.write([recommendation("ann", 1, list("abcde")), catalogue_entry("trending", 1, list("cxyz"))], [])
    store.write([catalogue_entry("a", 1, list("bde"))], [])
    ann, similar = "/v1/users/ann/recommendations", "/v1/items/a/similar"
    assert _ids(client.get(ann)) == list("abcdexyz"), "filled up from what is trending, each once"
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    store.write(
        [item("a", title="Shoe", category="feet"), item("b", available=False), item("d", published_at=later),
         item("x", available=False), item("e", category="feet"), Removal("items.v1", "c", at(5))], [],
    )  # fmt: skip
    assert _ids(client.get(ann)) == list("aeyz")
    assert _ids(client.get("/v1/users/nobody/recommendations")) == _ids(client.get("/v1/items/trending")) == list("yz")
    assert _ids(client.get(similar)) == ["e"]
    assert client.get(ann).json()["items"][0] | {"score": 0} == {
        "item_id": "a", "score": 0, "title": "Shoe", "category": "feet", "available": True,
    }  # fmt: skip
    store.write([item("b", 9, available=True)], [])
    assert _ids(client.get(ann)) == list("abeyz")
    assert _ids(client.get(ann, params={"limit": 2})) == list("ab")
    assert _ids(client.get(ann, params={"exclude": ["a", "y"]})) == list("bez")
    assert _ids(client.get(ann, params={"category": "feet"})) == list("ae")
    assert _ids(client.get(similar, params={"exclude": "e"})) == ["b"]


def test_what_a_user_turned_down_is_in_no_list(client: httpx2.Client, store: Store) -> None:
    store.write([recommendation("ann", 1, list("ab")), catalogue_entry("trending", 1, list("cdxy"))], [])
    store.write([item(one, category="feet") for one in "abcdxyz"], [])
    ann = "/v1/users/ann/recommendations"
    acted = [("c", "dislike"), ("d", "remove"), ("b", "dislike"), ("d", "cart"), ("c", "view"), ("z", "dislike")]
    for n, (one, action) in enumerate(acted):
        store.write([click("ann", n, item_id=one, action=action)], [])
    assert _ids(client.get(ann)) == list("adxy"), "d was put into the cart since, c was only looked at"
    assert _ids(client.get(ann, params={"category": "feet"})) == list("adxy")
    assert _ids(client.get(ann, params={"exclude": "a", "limit": 2})) == list("dx")
    assert [i["item_id"] for i in client.get("/v1/users/ann").json()["recommendations"]["items"]] == list("adxy")
    assert _ids(client.get("/v1/users/eve/recommendations")) == list("cdxy")
    store.write([click("eve", 9, item_id="x", action="remove")], [])
    assert _ids(client.get("/v1/users/eve/recommendations")) == list("cdy"), "of who has no list of their own too"


def test_a_category_has_its_other_items_after_those_of_the_lists(client: httpx2.Client, store: Store) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    store.write([recommendation("ann", 1, ["i30", "hat"]), catalogue_entry("trending", 1, ["hat", "i20"])], [])
    store.write([item(f"i{n}", category="feet") for n in range(10, 50)] + [item("hat", category="head")], [])
    store.write(
        [item("i10", 9, available=False), item("i11", 9, published_at=later), Removal("items.v1", "i12", at(9))], []
    )
    feet = {"category": "feet", "limit": 100}
    others = [f"i{n}" for n in range(13, 50)]
    ann = client.get("/v1/users/ann/recommendations", params=feet)
    assert _ids(ann) == ["i30", "i20", *(one for one in others if one not in ("i30", "i20"))]
    assert ann.json()["items"][-1] == {
        "item_id": "i49", "score": 0.0, "title": None, "category": "feet", "available": True,
    }  # fmt: skip
    trending = {"category": "feet", "limit": 4, "exclude": ["i13", "i20"]}
    assert _ids(client.get("/v1/items/trending", params=trending)) == ["i14", "i15", "i16", "i17"]
    assert _ids(client.get("/v1/items/trending", params={"category": "none"})) == []


def test_a_user_with_clicks_and_list(client: httpx2.Client, store: Store) -> None:
    store.write([click("a/nn", 1, item_id="i"), click("a/nn", 2, item_id="j", action="view")], [])
    store.write([item("i", title="Shoe"), recommendation("a/nn", 2, ["i", "k"])], [])
    user = client.get("/v1/users/a%2Fnn").json()
    assert [(c["item_id"], c["title"]) for c in user["clicks"]] == [("j", None), ("i", "Shoe")]
    assert (user["user_id"], user["recommendations"]["strategy"]) == ("a/nn", "ranker")
    assert [i["title"] for i in user["recommendations"]["items"]] == ["Shoe", None]
    assert client.get("/v1/users/a/nn", params={"clicks": 1}).json()["clicks"][0]["item_id"] == "j"
    assert client.get("/v1/users/eve").json()["clicks"] == []


def test_items_are_shown_and_searched(client: httpx2.Client, store: Store) -> None:
    store.write([item(f"sku/{n}", title=f"Shoe {n}", category="feet", attributes={"n": n}) for n in range(5)], [])
    shown = client.get("/v1/items/sku%2F3").json()
    assert (shown["item_id"], shown["title"], shown["attributes"]) == ("sku/3", "Shoe 3", {"n": 3})
    assert client.get("/v1/items/none").json()["type"] == "/problems/unknown-item"
    assert _ids(client.get("/v1/items/sku%2F3/similar")) == []
    store.write([catalogue_entry("told", 1, [])], [])
    assert _ids(client.get("/v1/items/told/similar")) == [], "a worker has told of it, though the shop has not"
    assert client.get("/v1/items/none/similar").json()["type"] == "/problems/unknown-item"
    first = client.get("/v1/items", params={"query": "shoe", "limit": 3}).json()
    rest = client.get("/v1/items", params={"query": "shoe", "limit": 3, "after": first["next"]}).json()
    assert [i["item_id"] for i in first["items"] + rest["items"]] == [f"sku/{n}" for n in range(5)]
    assert rest["next"] is None
    assert client.get("/v1/items", params={"query": "?!"}).json()["items"] == []
    assert client.get("/v1/items", params={"available": False}).json()["items"] == []


def test_assets_worst_first_page_by_page(client: httpx2.Client, store: Store) -> None:
    store.write([score(n, asset=f"p{n}") for n in range(6)], [])
    severities = {"a": "warning", "b": "critical", "c": "advisory"}
    store.write([alert(name, 0, asset_id=f"p{n}", severity=s) for n, (name, s) in enumerate(severities.items())], [])
    for sort, expected in (
        ("worst", ["p1", "p0", "p2", "p3", "p4", "p5"]),
        ("last_seen", ["p5", "p4", "p3", "p2", "p1", "p0"]),
        ("id", [f"p{n}" for n in range(6)]),
    ):
        seen, after = [], None
        for _ in range(3):
            given: dict[str, Any] = {"sort": sort, "limit": 2} | ({"after": after} if after else {})
            page = client.get("/v1/assets", params=given).json()
            seen += page["items"]
            after = page["next"]
        assert [asset["asset_id"] for asset in seen] == expected
        assert after is None
    assert [a["severity"] for a in client.get("/v1/assets?sort=worst&limit=4").json()["items"]] == [
        "critical", "warning", "advisory", None,
    ]  # fmt: skip
    [found] = client.get("/v1/assets", params={"query": "P3"}).json()["items"]
    assert found["latest_scores"] == [score(3, asset="p3").model_dump(mode="json")]
    [worst] = client.get("/v1/assets", params={"severity": "critical"}).json()["items"]
    assert worst["asset_id"] == "p1"
    cursor = client.get("/v1/assets?sort=worst&limit=1").json()["next"]
    assert client.get("/v1/assets", params={"after": cursor}).status_code == 422, "of another order"


def test_alerts_worst_first_page_by_page(client: httpx2.Client, store: Store) -> None:
    severities = ["advisory", "critical", "warning", "critical", "advisory"]
    store.write([alert(f"a{n}", 0, n, asset_id=f"p{n}", severity=s) for n, s in enumerate(severities)], [])
    for given, expected in (
        ({"sort": "worst"}, ["a3", "a1", "a2", "a4", "a0"]),
        ({"sort": "worst", "severity": ["advisory", "warning"]}, ["a2", "a4", "a0"]),
        ({"sort": "raised_at"}, ["a4", "a3", "a2", "a1", "a0"]),
    ):
        seen, after = [], None
        while not seen or after:
            page = client.get("/v1/alerts", params={**given, "limit": 2} | ({"after": after} if after else {})).json()
            seen += [one["alert_id"] for one in page["items"]]
            after = page["next"]
        assert seen == expected
    cursor = client.get("/v1/alerts?sort=worst&limit=1").json()["next"]
    assert client.get("/v1/alerts", params={"after": cursor}).status_code == 422, "of another order"
    assert client.get("/v1/alerts?sort=loudest").status_code == 422


def test_scores_readings_and_log_of_a_time(client: httpx2.Client, store: Store) -> None:
    store.write([score(n, "p1", value=float(n)) for n in range(100)] + [reading(10 * n, n) for n in range(100)], [])
    store.write([entry(n) for n in range(4)], [])
    series = client.get("/v1/assets/p1/scores", params={"points": 10}).json()
    [rul] = series["series"]
    assert (rul["name"], rul["unit"], len(rul["points"])) == ("rul", "hour", 10)
    assert [p["min"] for p in rul["points"]] == [10.0 * n for n in range(10)]
    assert [p["high"] for p in rul["points"]] == [10.0 * n + 14 for n in range(10)]
    given = {"from": at(100).isoformat(), "to": at(300).isoformat(), "points": 4, "sensor": ["vibration", "none"]}
    found = client.get("/v1/assets/p1/readings", params=given).json()
    assert (found["bucket_s"], [(p["min"], p["max"]) for p in found["series"][0]["points"]]) == (
        pytest.approx(50), [(10, 14), (15, 19), (20, 24), (25, 29)],
    )  # fmt: skip
    assert client.get("/v1/assets/p1/readings", params={"sensor": "none"}).json()["series"] == []
    log = client.get("/v1/assets/p1/log", params={"limit": 3}).json()
    rest = client.get("/v1/assets/p1/log", params={"limit": 3, "after": log["next"]}).json()
    assert [e["event_time"][-3:-1] for e in log["items"] + rest["items"]] == ["03", "02", "01", "00"]
    assert client.get("/v1/assets/none/log").json()["type"] == "/problems/unknown-asset"
    listed = client.get("/v1/assets/p1/scores", params={"from": at(98).isoformat()}).json()
    assert [s["value"] for s in listed["items"]] == [99.0, 98.0]


def test_alerts_by_several_filters_at_once(client: httpx2.Client, store: Store) -> None:
    severities = ["advisory", "warning", "critical"] * 3
    store.write([alert(f"a{n}", 0, n, severity=s, asset_id=f"p{n % 2}") for n, s in enumerate(severities)], [])
    client.post("/v1/alerts/a5/acknowledge", json={"by": "jo"})

    def found(**params: Any) -> list[str]:
        return [a["alert_id"] for a in client.get("/v1/alerts", params=params).json()["items"]]

    assert found(severity=["warning", "critical"]) == ["a8", "a7", "a5", "a4", "a2", "a1"]
    assert found(acknowledged=True) == ["a5"]
    assert found(severity="critical", acknowledged=False) == ["a8", "a2"]
    assert found(query="p1", severity="critical") == ["a5"]
    assert found(**{"from": at(3).isoformat(), "to": at(5).isoformat()}) == ["a4", "a3"]
    first = client.get("/v1/alerts", params={"severity": ["warning", "critical"], "limit": 4}).json()
    assert found(severity=["warning", "critical"], after=first["next"]) == ["a2", "a1"]
    nobody = client.post("/v1/alerts/a1/acknowledge", json={})
    assert nobody.json()["errors"][0]["field"] == "body.by", "without keys somebody has to say who it is"


def test_an_asset_that_nobody_scored_shows_what_is_kept_of_it(client: httpx2.Client, store: Store) -> None:
    store.write([reading(20, 0.5), entry(1, asset="p9"), score(1, "other")], [])
    for asset, path in (("p1", "readings"), ("p9", "log")):
        for query in ("", "?asset_class=pump"):
            assert client.get(f"/v1/assets/{asset}/{path}{query}").status_code == 200
        shown = client.get(f"/v1/assets/{asset}").json()
        assert (shown["asset_class"], shown["latest_scores"], shown["open_alerts"]) == ("pump", [], [])
        assert client.get(f"/v1/assets/{asset}/scores").json()["items"] == []
        assert client.get(f"/v1/assets/{asset}?asset_class=fan").status_code == 404
    assert client.get("/v1/assets/p1").json()["last_seen"] == rfc3339(at(20))
    listed = client.get("/v1/assets", params={"sort": "worst", "limit": 2}).json()
    rest = client.get("/v1/assets", params={"sort": "worst", "after": listed["next"]}).json()
    found = {one["asset_id"]: one["health"] for one in listed["items"] + rest["items"]}
    assert found == {"other": 1.0, "p1": None, "p9": None}
    assert client.get("/v1/assets/p7").status_code == 404


def test_what_was_removed_or_is_not_published_yet_is_not_available(client: httpx2.Client, store: Store) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    store.write([item("now"), item("soon", published_at=soon), item("no", available=False), item("gone")], [])
    store.write([Removal("items.v1", "gone", at(5))], [])
    assert client.get("/v1/items/gone").json()["available"] is False

    def listed(available: str) -> list[str]:
        return [one["item_id"] for one in client.get(f"/v1/items?available={available}").json()["items"]]

    assert (listed("true"), listed("false")) == (["now"], ["no", "soon"])


def test_how_the_service_is(client: httpx2.Client, store: Store) -> None:
    now = datetime.now(UTC)
    edge, sink = told("edge-1", now, 7), told("sink-1", now, 0)
    agents = {"sink": {"lag": 3, "events_per_s": 2.0}, "history": {"lag": 4, "events_per_s": 1.0}}
    assert sink.figures is not None
    figures = Figures.model_validate(sink.figures.model_dump() | {"role": "sink", "agents": agents})
    sink = sink.model_copy(update={"figures": figures})
    silent = worker_status("old", now - timedelta(minutes=2))
    store.write(
        [edge, told("edge-2", now, 5), sink, silent, score(1), alert("a", 0), letter(1), letter(2, "items.v1")], []
    )
    overview = client.get("/v1/overview").json()
    assert overview["assets"] == {"total": 1, "critical": 0, "warning": 1, "advisory": 0}
    assert overview["alerts"] == {"critical": 0, "warning": 1, "advisory": 0, "unacknowledged": 1, "shelved": 0}
    assert overview["workers"] == {"edge": 2, "sink": 1}
    assert overview["agents"]["recommend"] == {"lag": 12, "events_per_s": 2.0, "outputs_per_s": 0.0}
    assert overview["dead_letters_24h"] == {"clicks.v1": 1, "items.v1": 1}
    workers = client.get("/v1/workers").json()["items"]
    assert [w["worker"] for w in workers] == ["edge-1", "edge-2", "sink-1"]
    assert workers[2]["figures"]["agents"]["history"]["lag"] == 4
    minutes = client.get("/v1/workers/edge-1/figures").json()["items"]
    assert [m["figures"]["agents"]["recommend"]["lag"] for m in minutes] == [7]
    topics = {topic["name"]: topic for topic in client.get("/v1/topics").json()["items"]}
    assert (topics["clicks.v1"]["direction"], topics["clicks.v1"]["dead_letters_24h"]) == ("input", 1)
    assert topics["clicks.v1.dlq"]["direction"] == "quarantine"
    read = {"a": {"lag": {0: 3, 1: 0}, "events_per_s": 2.0}, "b": {"lag": {0: 0, 1: 4}, "events_per_s": 3.0}}
    store.write([telling(f"flow-{name}", one) for name, one in read.items()], [])
    flow = next(t for t in client.get("/v1/topics").json()["items"] if t["name"] == "clicks.v1")
    assert (flow["lag"], flow["events_per_s"]) == ({"recommend": {"0": 3, "1": 4}}, 5.0)
    assert client.get("/readyz").json()["checks"]["sink"]["lag"] == 3


def telling(worker: str, flow: dict[str, Any]) -> WorkerStatus:
    """A worker that tells this of what its agent reads of clicks."""
    figures = {
        "role": "edge", "version": "1", "started_at": NOON, "is_ready": True, "memory_bytes": 1, "cpu_share": 0.1,
        "agents": {"recommend": {"lag": 1, "events_per_s": 1.0, "topics": {"clicks.v1": flow}}},
    }  # fmt: skip
    return worker_status(worker, datetime.now(UTC)).model_copy(update={"figures": Figures.model_validate(figures)})


def test_a_sink_that_is_behind_or_silent_is_not_ready(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=sqlite_url, api_port=0, ready_most_lag=100)
    store = Store(sqlite_url)
    with serving(settings) as client:
        for age_s, lag, status, why in (
            (1, 100, 200, ""),
            (0, 101, 503, "101 decisions behind"),
            (-60, 0, 503, "No sink has told of itself"),
        ):
            one = told("sink", datetime.now(UTC) + timedelta(seconds=age_s), 0)
            assert one.figures is not None
            values = one.figures.model_dump() | {"role": "sink", "agents": {"sink": {"lag": lag, "events_per_s": 0}}}
            store.write([Removal("workers.v1", "sink")], [])
            store.write([one.model_copy(update={"figures": Figures.model_validate(values)})], [])
            answer = client.get("/readyz")
            assert answer.status_code == status, answer.text
            assert why in answer.text
    store.close()


def test_dead_letters_are_listed_and_shown(client: httpx2.Client, store: Store) -> None:
    letters = [letter(n, value=b"\xff%d" % n, time=NOW - timedelta(seconds=n)) for n in range(5)]
    store.write([*letters, letter(9, "items.v1", time=NOW - timedelta(days=1))], [])
    first = client.get("/v1/dead-letters", params={"limit": 4}).json()
    rest = client.get("/v1/dead-letters", params={"limit": 4, "after": first["next"]}).json()
    assert [one["offset"] for one in first["items"] + rest["items"]] == [0, 1, 2, 3, 4, 9]
    assert [one["offset"] for one in client.get("/v1/dead-letters?topic=items.v1").json()["items"]] == [9]
    one = client.get("/v1/dead-letters/clicks.v1/0/3").json()
    assert (one["reason"], one["value"], one["is_whole"], one["source_offset"]) == ("why\\0", "\ufffd3", True, 103)
    assert client.get("/v1/dead-letters/clicks.v1/0/3/value").content == b"\xff3"
    assert client.get("/v1/dead-letters/clicks.v1/0/77").json()["type"] == "/problems/unknown-dead-letter"
    without = client.post("/v1/dead-letters/replay", json={"topic": "clicks.v1"})
    assert without.json()["type"] == "/problems/broker-unavailable"


def test_scores_and_readings_as_csv(client: httpx2.Client, store: Store) -> None:
    """All of a time, the oldest first, however many pages of rows that is; formulas of others stay text."""
    store.write([score(n, "a/b", quality="degraded" if n % 2 else None) for n in range(4500)], [])
    store.write([reading(10 * n, n, asset="a/b", sensor="=cmd()" if n % 2 else "s") for n in range(6)], [])
    answer = client.get("/v1/assets/a%2Fb/scores?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="pump-a_b-scores.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["event_time"] for row in rows] == [rfc3339(at(n)) for n in range(4500)]
    assert {(row["kind"], row["unit"], row["model"]) for row in rows} == {("rul", "hour", "pump")}
    assert [row["quality"] for row in rows[:3]] == ["", "degraded", ""]
    some = client.get("/v1/assets/a%2Fb/scores", params={"from": rfc3339(at(10)), "to": rfc3339(at(12))},
                      headers={"Accept": "text/csv"})  # fmt: skip
    assert len(some.text.splitlines()) == 3
    readings = client.get("/v1/assets/a%2Fb/readings?format=csv").text.splitlines()
    assert readings[0] == "event_time,'=cmd(),s"
    assert [line.split(",")[1:] for line in readings[1:3]] == [["", "0.0"], ["1.0", ""]]
    assert client.get("/v1/assets/a%2Fb/readings?format=csv&sensor=s").text.splitlines()[0] == "event_time,s"
    refused = client.get("/v1/assets/a%2Fb/scores?format=csv&limit=9").json()
    assert refused["errors"][0]["field"] == "query.limit"
    assert client.get("/v1/assets/a%2Fb/scores", headers={"Accept": "text/csv, application/json"}).json()["items"]
    assert client.get("/v1/assets/none/scores?format=csv").status_code == 404


def test_csv_of_too_many_rows_is_refused(client: httpx2.Client, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.csv_rows.MOST_ROWS", 20)
    store.write([score(n, "p1") for n in range(21)] + [reading(10 * n, n) for n in range(21)], [])
    for what in ("scores", "readings"):
        answer = client.get(f"/v1/assets/p1/{what}?format=csv")
        assert (answer.status_code, "more than 20 rows" in answer.text) == (422, True)
        assert client.get(f"/v1/assets/p1/{what}?format=csv&to={quote(rfc3339(at(15)))}").status_code == 200
