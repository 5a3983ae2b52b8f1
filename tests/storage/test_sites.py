"""Where assets stand: what was told last is found by site, line and labels, in every list, whatever the order."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from schemas import Asset
from storage import AlertFilter, AssetFilter, Place, Placed, PlaceFilter, Removal, Store
from tests.storage.test_migration import at_revision, empty_url
from tests.support.decisions import alert, at, score

__all__ = ["empty_url"]


def told(asset_id: str, seconds: float, asset_class: str = "pump", **fields: Any) -> Placed:
    return Placed(0, 0, Asset(asset_id=asset_id, asset_class=asset_class, event_time=at(seconds), **fields))


def places(store: Store, *keys: tuple[str, str]) -> dict[tuple[str, str], Place]:
    with store.reading() as reader:
        return reader.places_of(keys)


def test_the_newest_event_time_stands_whole_and_a_null_takes_it_back(store: Store) -> None:
    key = ("pump", "p1")
    store.write([told("p1", 5, site="north", line="l1", labels={"team": "a"}), told("p1", 4, site="old")], [])
    assert places(store, key) == {key: Place("north", "l1", {"team": "a"})}
    assert store.write([told("p1", 5, site="north", line="l1", labels={"team": "a"})], []).rows == 0
    store.write([told("p1", 6, site="south"), told("p1", 6, "fan", line="l9")], [])
    assert places(store, key, ("fan", "p1")) == {key: Place("south"), ("fan", "p1"): Place(None, "l9")}
    store.write([Removal("assets.v1", "p1", at(9)), told("p1", 8, site="late")], [])
    assert places(store, key, ("fan", "p1")) == {}
    with store.reading() as reader:
        assert reader.site_names() == []
    store.write([told("p1", 10, site="east")], [])
    assert places(store, key) == {key: Place("east")}


def test_an_asset_is_told_with_where_it_stands_whichever_came_first(store: Store) -> None:
    store.write([told("p1", 1, site="north", commissioned_at=at(0))], [])
    store.write([score(2, "p1"), score(3, "p2"), alert("a", 0, asset_id="p2")], [])
    store.write([told("p2", 4, site="north", labels={"team": "a"})], [])
    with store.reading() as reader:
        found = reader.assets(AssetFilter(place=PlaceFilter("north")), None, 9)
        assert [(one.asset_id, one.site, one.commissioned_at) for one in found] == [
            ("p1", "north", at(0)), ("p2", "north", None),
        ]  # fmt: skip
        [one] = reader.alerts(AlertFilter(place=PlaceFilter(labels=("team:a",))), None, 9)
        detail, asset = reader.alert("a"), reader.asset("p2", "pump")
    assert (one.site, one.labels) == ("north", {"team": "a"})
    assert detail is not None
    assert detail.site == "north"
    assert asset is not None
    assert asset.open_alerts[0].site == asset.site == "north"


@pytest.mark.parametrize("most", [2000, 1])
def test_lists_by_place_are_those_of_a_plain_search(store: Store, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.read_words.MANY", most)
    chance = random.Random(4)
    keys = [(chance.choice(["pump", "fan"]), f"p{n}") for n in range(60)]
    where = {
        key: {
            "site": chance.choice([None, "north", "south"]), "line": chance.choice([None, "l1", "North"]),
            "labels": dict.fromkeys(chance.sample(["team", "area"], chance.randint(0, 2)), "x y"),
        }
        for key in keys
    }  # fmt: skip
    events = [told(asset_id, 1, of_class, **where[of_class, asset_id]) for of_class, asset_id in keys]
    store.write(events, [])
    store.write([score(n, key[1], asset_class=key[0]) for n, key in enumerate(keys)], [])
    store.write([alert(f"a{key[1]}", 0, n, asset_id=key[1], asset_class=key[0]) for n, key in enumerate(keys)], [])
    for site in (None, "north", "North", "nowhere"):
        for line in (None, "l1", "North"):
            for labels in ((), ("team:x y",), ("team:x y", "area:x y"), ("team:x",)):
                which = PlaceFilter(site, line, labels)
                expected = {
                    key
                    for key, place in where.items()
                    if site in (None, place["site"]) and line in (None, place["line"])
                    if all(label in [f"{k}:{v}" for k, v in place["labels"].items()] for label in labels)
                }
                with store.reading() as reader:
                    for order in ("id", "worst", "last_seen"):
                        found = reader.assets(AssetFilter(place=which), None, 99, order)  # type: ignore[arg-type]
                        assert {(one.asset_class, one.asset_id) for one in found} == expected
                    alerts = reader.alerts(AlertFilter("raised", place=which), None, 99)
                assert {(one.asset_class, one.asset_id) for one in alerts} == expected
                assert len(alerts) == len(expected)


def test_a_site_with_many_assets_in_trouble_suppresses_their_alerts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five of north, four of south, one of nowhere; one of north is cleared after the others."""
    monkeypatch.setattr("storage.counting.QUICK_S", 60.0)  # counted each time, however slow the machine is
    where = dict.fromkeys(range(5), "north") | dict.fromkeys(range(5, 9), "south") | {9: None}
    store.write([told(f"p{n}", 1, site=site) for n, site in where.items()], [])
    store.write([score(n, f"p{n}") for n in where], [])
    severities = {n: "critical" if n == 0 else "advisory" for n in where}
    store.write([alert(f"a{n}", 0, n, asset_id=f"p{n}", severity=severities[n]) for n in where], [])
    suppressed, everything = {f"a{n}" for n in range(5)}, {f"a{n}" for n in where}
    for which in ({}, {"state": "raised"}, {"asset_class": "pump", "state": "raised"}):
        assert_suppressed(store, suppressed, everything, **which)
    with store.reading() as reader:
        north, south = reader.sites_in_trouble()
        detail = reader.alert("a1")
    assert (north.site, north.assets, north.critical, north.advisory, north.suppresses) == ("north", 5, 1, 4, True)
    assert (south.site, south.assets, south.suppresses) == ("south", 4, False)
    assert detail is not None
    assert detail.suppressed_by == "north"

    store.write([alert("a4", 1, 20, asset_id="p4", state="cleared")], [])
    assert_suppressed(store, set(), everything)
    store.write([told("p5", 2, site="north")], [])
    assert_suppressed(store, {"a0", "a1", "a2", "a3", "a5"}, everything)
    store.write([Removal("assets.v1", "p5", at(9))], [])
    assert_suppressed(store, set(), everything)


def assert_suppressed(store: Store, suppressed: set[str], everything: set[str], **which: Any) -> None:
    """Exactly these alerts are, by north, and the filter finds them, the others and all."""
    for wanted, expected in ((True, suppressed), (False, everything - suppressed), (None, everything)):
        with store.reading() as reader:
            shown = reader.alerts(AlertFilter(suppressed=wanted, **which), None, 99)
        assert {one.alert_id for one in shown} == expected
        assert {one.alert_id for one in shown if one.suppressed_by == "north"} == expected & suppressed


def test_a_database_of_the_version_before_takes_places(empty_url: str) -> None:
    with at_revision(empty_url, "0007"):
        pass
    with at_revision(empty_url, "0008"):
        pass
    store = Store(empty_url)
    store.write([told("p1", 1, site="north", line="l", labels={"a": "b"}, commissioned_at=at(0) - timedelta(9))], [])
    assert places(store, ("pump", "p1")) == {("pump", "p1"): Place("north", "l", {"a": "b"})}
    store.close()
