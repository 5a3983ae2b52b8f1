"""Assets in order: by name, worst first, last seen first, page by page, by each filter; and how many there are."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from schemas import AssetBody, Evidence
from storage import AlertFilter, AssetFilter, Store, place_of
from storage.counting import AssetCounts, Counts
from storage.database import transaction
from storage.read_assets import Order
from tests.storage.test_kept import entry, reading
from tests.support.decisions import alert, at, score

RANKS = (None, "advisory", "warning", "critical")
ORDERS: dict[Order, Callable[[AssetBody], Any]] = {
    "id": lambda a: (a.asset_class, a.asset_id),
    "worst": lambda a: (-RANKS.index(a.severity), a.health, a.asset_class, a.asset_id),
    "last_seen": lambda a: (-a.last_seen.timestamp(), -int(a.asset_class == "pump"), -int(a.asset_id[1:])),
}


def test_assets_in_each_order_by_each_filter_page_by_page(store: Store) -> None:
    chance, events = random.Random(7), []
    units = {"pump": {}, "fan": {"kind": "failure_probability", "unit": "probability", "low": None, "high": None}}
    for n in range(60):
        of_class = {"asset_class": chance.choice(["pump", "fan"]), "asset_id": f"p{chance.randrange(9)}"}
        health = chance.choice([0.0, 0.25, 0.5, 1.0])
        value = 200 * health if of_class["asset_class"] == "pump" else 1 - health
        events.append(score(n, value=value, health=health, **of_class, **units[of_class["asset_class"]]))
        if n % 3 == 0:
            severity, state = chance.choice(["advisory", "warning", "critical"]), chance.choice(["raised", "cleared"])
            events.append(alert(f"a{n}", 0, n, severity=severity, state=state, **of_class))
    for start in range(0, len(events), 17):
        store.write(events[start : start + 17], [])
    with store.reading() as reader:
        known = reader.assets(AssetFilter(), None, 99)
        assert {a.health for a in known} == {0.0, 0.25, 0.5, 1.0}
        assert all(a.health == a.latest_scores[0].health for a in known)
        for order, of_class, severity in itertools.product(ORDERS, (None, "pump"), (None, "advisory", "critical")):
            which = AssetFilter(of_class, severity)
            wanted = [a for a in known if of_class in (None, a.asset_class) and severity in (None, a.severity)]
            pages: list[AssetBody] = []
            while found := reader.assets(which, place_of(pages[-1], order) if pages else None, 2, order):
                pages += found
            assert pages == sorted(wanted, key=ORDERS[order]), (order, which)
            counts = reader.count_assets(which)
            assert counts.total == sum(of_class in (None, a.asset_class) for a in known)
            assert counts.critical == sum(a.severity == "critical" and of_class in (None, a.asset_class) for a in known)
            assert counts.classes == Counter(a.asset_class for a in known if severity in (None, a.severity))


def test_the_health_of_an_asset_is_the_least_of_its_newest_scores(store: Store) -> None:
    def health() -> float | None:
        with store.reading() as reader:
            asset = reader.asset("p1", "pump")
        return asset and asset.health

    wheel, belt = (
        {"kind": "failure_probability", "component": name, "unit": "probability"} for name in ("wheel", "belt")
    )
    store.write([score(1, "p1", 0.25, **wheel)], [])  # told by a version that did not say how much is left
    assert health() == 0.75
    store.write([score(1, "p1", 0.5, health=0.5, score_id="b", **belt)], [])  # of the same reading, in the next batch
    assert health() == 0.5
    store.write([alert("a", 0, 9, asset_id="p1")], [])
    assert health() == 0.5, "an alert says nothing of it"
    store.write([score(5, "p1", 0.1, health=0.9, **belt)], [])
    assert health() == 0.75
    cause = score(9).caused_by
    store.write([score(2, "p1", 0.9, health=0.1, score_id="back", caused_by=cause, **belt)], [])
    assert health() == 0.1, "the asset's clock was set back, and is followed"
    store.write([score(20, "p2", 30.0)], [])
    with store.reading() as reader:
        assert reader.assets(AssetFilter(), None, 9)[1].health == 1, "a life of which nobody said how long it can be"


def test_counts_of_a_large_fleet_are_taken_anew_beside_those_who_ask(store: Store) -> None:
    """By hand: each count takes as long as it is let, and the clock says how long that was."""
    counted, go = [0], threading.Event()

    def count(_: Connection) -> Counts:
        counted[0] += 1
        assert go.wait(30)
        return {("pump", 0): counted[0]}

    counts = AssetCounts(store._reading, count)
    go.set()
    with transaction(store._reading) as connection:
        assert counts.get(connection) == {("pump", 0): 1}
        counts._took_s, counts._counted_at = 0.5, counts._counted_at - 51
        go.clear()
        for _ in range(3):
            assert counts.get(connection) == {("pump", 0): 1}, "that of a minute ago, at once"
        go.set()
        counts.close()
        assert counted == [2], "one thread counts, however many ask"
        assert counts.get(connection) == {("pump", 0): 2 + int(counts._took_s <= 0.002)}
        counts._took_s, counts._counted_at = 0.5, counts._counted_at - 61
        before = counted[0]
        counts._took_s, counts._counted_at = 30.0, counts._counted_at + 50  # ten seconds ago, and it waited long
        counts.get(connection)
        counts.close()
        assert counted[0] == before + 1, "counted anew, however long it took"
        counts._took_s, counts._counted_at, before = 0.5, counts._counted_at - 61, counted[0]
        assert counts.get(connection) == {("pump", 0): before + 1}, "nobody has asked for long: counted now"


def test_what_says_that_an_asset_is_silent_is_not_seen_of_it(store: Store) -> None:
    silent = Evidence(reason="cannot be relied on", value=75.0, threshold=60.0)
    data = {"failure_mode": "data", "kind": "data", "score": None}
    store.write([score(10), alert("d", 0, 70, evidence=silent, **data), alert("w", 0, 5)], [])
    with store.reading() as reader:
        asset = reader.asset("pump-1", "pump")
        assert asset is not None
        assert asset.last_seen == at(10)
        assert [one.alert_id for one in reader.alerts(AlertFilter(kind="machine"), None, 9)] == ["w"]
        assert [one.alert_id for one in reader.alerts(AlertFilter(kind="data"), None, 9)] == ["d"]
        assert {one.alert_id: one.kind for one in reader.alerts(AlertFilter(), None, 9)} == {
            "w": "machine",
            "d": "data",
        }
    store.write([alert("d", 1, 90, state="cleared", **data)], [])
    with store.reading() as reader:
        assert reader.asset("pump-1", "pump").last_seen == at(90), "it sends again"


def test_assets_that_nobody_scores_are_listed_and_seen_by_what_is_pushed(store: Store) -> None:
    store.write([reading(20, 0.5), entry(30, asset="p9"), score(1, "other", asset_class="fan")], [])
    store.write([reading(40, 0.7), reading(10, 0.7)], [])
    with store.reading() as reader:
        found = {one.asset_id: (one.first_seen, one.last_seen, one.health) for one in reader.assets(None, None, 9)}
        assert found == {"other": (at(1), at(1), 1.0), "p1": (at(20), at(40), None), "p9": (at(30), at(30), None)}
        assert [one.asset_id for one in reader.assets(AssetFilter(words=("p9",)), None, 9)] == ["p9"]
        counts = reader.count_assets()
        assert (counts.total, counts.classes, counts.without_model) == (3, {"pump": 2, "fan": 1}, {"pump": 2})


def test_once_an_asset_is_scored_its_scores_say_when_it_was_seen(store: Store) -> None:
    store.write([reading(20, 0.5)], [])
    store.write([reading(31, 0.5), score(30, "p1", health=0.4)], [])
    store.write([reading(50, 0.5)], [])
    with store.reading() as reader:
        (asset,) = reader.assets(None, None, 9)
        assert (asset.first_seen, asset.last_seen, asset.health) == (at(20), at(30), 0.4)
        assert reader.count_assets().without_model == {}
    with store.reading() as reader:
        assert reader.silent_assets(at(40), at(60)) == {"pump": 0}
