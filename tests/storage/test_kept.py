"""What was pushed is kept as far as people ask for it: merged, thinned, bounded, found by words, forgotten in time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import numpy as np
import orjson
import pytest

from models.recommender import TURNED_DOWN, halves, stable_hash
from schemas import (
    PUT_BACK,
    Asset,
    Click,
    ClickAction,
    Figures,
    Item,
    Letters,
    Maintenance,
    Telemetry,
    WorkerStatus,
    reason_kind,
)
from storage import (
    Ages,
    AlertFilter,
    AssetFilter,
    ItemFilter,
    Keeping,
    Placed,
    Quarantined,
    Removal,
    Store,
    parse_words,
    place_of,
)
from storage.kept_rows import merged, slot_of, words_of
from storage.read_items import MOST_TURNED_DOWN
from tests.models.recommender.shoppers import Shop, small
from tests.support.decisions import alert, at, catalogue_entry, recommendation, score, worker_status

NOW = datetime.now(UTC)


def item(item_id: str, seconds: float = 0, offset: int = 0, **fields: Any) -> Placed:
    return Placed(0, offset, Item.model_validate({"item_id": item_id, "event_time": at(seconds)} | fields))


def click(user: str, number: int, time: datetime | None = None, item_id: str = "i", **fields: Any) -> Placed:
    values = {"event_id": f"c{number}", "event_time": time or at(number), "user_id": user, "item_id": item_id}
    return Placed(0, number, Click.model_validate(values | fields))


def reading(seconds: float, value: Any = 1.0, asset: str = "p1", sensor: str = "vibration") -> Placed:
    event = {"event_id": "t", "event_time": at(seconds), "asset_id": asset, "asset_class": "pump"}
    return Placed(0, 0, Telemetry.model_validate(event | {"readings": {sensor: value}}))


def entry(
    number: int, time: datetime | None = None, kind: str = "error", asset: str = "p1", component: str | None = None
) -> Placed:
    event = {"event_id": f"m{number}", "event_time": time or at(number), "asset_id": asset, "asset_class": "pump"}
    return Placed(0, number, Maintenance.model_validate(event | {"kind": kind, "code": "e7", "component": component}))


def letter(offset: int, topic: str = "clicks.v1", value: bytes | None = b"bad", time: datetime = NOW) -> Quarantined:
    return Quarantined(topic, 0, offset, time, 0, offset + 100, "E", "why\0", b"k\xff", value, len(value or b""))


def test_an_update_changes_the_fields_that_it_names(store: Store) -> None:
    store.write([item("a", 1, title="Shoe", category="shoes", attributes={"price": 3}, available=False)], [])
    store.write([item("a", 2, title="Boot")], [])
    with store.reading() as reader:
        found = reader.items_of(["a", "none"])
    assert list(found) == ["a"]
    assert (found["a"].title, found["a"].category, found["a"].available) == ("Boot", "shoes", False)
    assert (found["a"].attributes, found["a"].updated_at) == ({"price": 3}, at(2))
    store.write([item("a", 3, category=None)], [])
    store.write([Removal("items.v1", "a", at(4))], [])
    with store.reading() as reader:
        gone = reader.items_of(["a"])["a"]
        assert reader.items(ItemFilter(), None, 9) == []
    assert (gone.title, gone.removed_at, gone.attributes) == (None, at(4), {})
    store.write([item("a", 5, title="Sandal")], [])
    with store.reading() as reader:
        back = reader.items_of(["a"])["a"]
    assert (back.title, back.category, back.removed_at, back.available) == ("Sandal", None, None, True)


def test_the_newest_of_each_field_stands_in_whatever_order_updates_come() -> None:
    names = {"title": ["A", "B"], "category": ["x", "y", None], "available": [True, False]}
    chance = random.Random(7)
    for _ in range(200):
        events = []
        for second in range(6):
            chosen = {name: chance.choice(values) for name, values in names.items() if chance.random() < 0.5}
            events.append(item("a", second, **chosen).event)
        expected = {}
        for event in events:
            expected |= {name: getattr(event, name) for name in event.model_fields_set & names.keys()}
        chance.shuffle(events)
        cut = chance.randrange(7)
        row = merged(merged(None, events[:cut], "a") if cut else None, events[cut:], "a")
        assert {name: row[name] for name in expected} == expected


def test_what_the_databases_cannot_hold_is_kept_as_far_as_they_can(store: Store) -> None:
    odd = {"big": 2**64 - 1, "nul": "a\0b", "deep": [{"n\0": -(2**63)}]}
    written = store.write([item("a", title="Sh\0oe", attributes=odd)], [])
    assert written.rows == 1
    with store.reading() as reader:
        found = reader.items_of(["a"])["a"]
    assert found.title == "Shoe"
    assert found.attributes == {"big": 2**64 - 1, "nul": "ab", "deep": [{"n": -(2**63)}]}


def test_items_are_found_by_words_and_category_page_by_page(store: Store) -> None:
    titles = ["Trail shoe", "Road SHOE, blue", "Shoelace", "Blaue Schuhe für Zoë", "Hat"]
    store.write([item(f"sku-{n}", n, title=t, category="feet" if n < 4 else "head") for n, t in enumerate(titles)], [])

    def found(text: str, **fields: Any) -> list[str]:
        with store.reading() as reader:
            return [i.item_id for i in reader.items(ItemFilter(parse_words(text), **fields), None, 9)]

    assert found("shoe") == ["sku-0", "sku-1", "sku-2"]
    assert found("SHOE blue") == found("blu sh") == ["sku-1"]
    assert found("zoë") == ["sku-3"]
    assert found("sku-4") == ["sku-4"]
    assert found("%") == found("") == [f"sku-{n}" for n in range(5)], "a text without words limits nothing here"
    assert found("s", category="head") == ["sku-4"]
    store.write([item("sku-0", 9, title="Glove", available=False)], [])
    assert found("shoe") == ["sku-1", "sku-2"]
    assert found("sku", available=False) == ["sku-0"]
    with store.reading() as reader:
        pages = [reader.items(ItemFilter(), after, 2) for after in (None, "sku-1", "sku-3")]
    assert [i.item_id for page in pages for i in page] == [f"sku-{n}" for n in range(5)]


def test_a_word_that_many_have_finds_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write([item(f"sku-{n}", title=f"Shoe {n % 3}") for n in range(20)], [])
    store.write([score(n, f"p-{n % 7}-{n}") for n in range(20)] + [alert("a", 0, asset_id="p-3-10")], [])
    for text, found in (("shoe 2", 6), ("sku", 20), ("none", 0)):
        for most in (2000, 1):
            monkeypatch.setattr("storage.read_words.MANY", most)
            with store.reading() as reader:
                assert len(reader.items(ItemFilter(parse_words(text)), None, 50)) == found
                assert len(reader.assets(AssetFilter(words=parse_words("p 3")), None, 50)) == 3
                assert len(reader.alerts(AlertFilter("raised", words=parse_words("p 10")), None, 50)) == 1


def test_so_many_clicks_of_a_user_are_kept(database_url: str) -> None:
    store = Store(database_url, Keeping(clicks_per_user=3))
    store.write([click("ann", n) for n in range(5)] + [click("bob", 9)], [])
    store.write([click("ann", 20, at(2.5), "late"), click("ann", 3)], [])
    store.write([click("one", n, at(0)) for n in range(30, 40)], [])
    with store.reading() as reader:
        assert [c.event_time for c in reader.clicks("ann", 9)] == [at(4), at(3), at(2.5)]
        assert [c.event_time for c in reader.clicks("bob", 9)] == [at(9)]
        assert len(reader.clicks("one", 9)) == 3, "of one time too"
        assert reader.clicks("eve", 9) == []
    store.close()


def test_what_is_more_than_a_view_is_kept_beyond_so_many_clicks(database_url: str) -> None:
    store = Store(database_url, Keeping(clicks_per_user=3))
    store.write([click("ann", n, item_id=f"d{n}", action="dislike") for n in range(5)], [])
    store.write([click("ann", n) for n in range(9, 30)], [])
    with store.reading() as reader:
        assert reader.turned_down("ann") == {"d2", "d3", "d4"}
        assert [c.action for c in reader.clicks("ann", 99)] == ["view"] * 3 + ["dislike"] * 3
    store.close()


@pytest.mark.parametrize("seed", range(4))
def test_what_a_user_turned_down_is_what_a_worker_takes_it_for(store: Store, seed: int) -> None:
    lot, shop = random.Random(seed), Shop(small("shop"))
    actions, items = get_args(ClickAction), [f"i{n}" for n in range(TURNED_DOWN)]
    placed = [click("ann", n, item_id=lot.choice(items), action=lot.choice(actions)) for n in range(60)]
    store.write(placed, [])
    clicks = [one.event for one in placed if isinstance(one.event, Click)]
    _, steps = shop.step(clicks)
    with store.reading() as reader:
        unwanted = reader.turned_down("ann")
    named = dict(zip(halves(np.array([stable_hash(one) for one in items], "u8")).tolist(), items, strict=True))
    assert {named[half] for half in steps.turned_down[-1].tolist() if half} == unwanted
    assert MOST_TURNED_DOWN == TURNED_DOWN


def test_one_reading_of_a_slot_is_kept_with_its_parts(store: Store) -> None:
    first = [reading(0.5, 1.0), reading(0.5, 7.0, sensor="temperature"), reading(9, 2.0), reading(10, 3.0)]
    assert store.write(first, []).rows == 2
    assert store.write([reading(0.5, 5.0, sensor="pressure"), reading(3, 9.0), reading(10, 3.0)], []).rows == 1
    with store.reading() as reader:
        series = reader.reading_series(("pump", "p1"), None, None, 100, [])
    assert {s.name: [p.mean for p in s.points] for s in series.series} == {
        "pressure": [5.0], "temperature": [7.0], "vibration": [1.0, 3.0],
    }  # fmt: skip


def test_what_is_no_number_is_left_out_of_readings(store: Store) -> None:
    for n, value in enumerate(["text", None, True, {"x": 1}, float("inf"), 10**400, 4]):
        store.write([reading(10 * n, value)], [])
    store.write([reading(100, 1.0, sensor="a\0b"), reading(110, 2.5, sensor='°C "x" %')], [])
    with store.reading() as reader:
        series = reader.reading_series(("pump", "p1"), None, None, 100, [])
    assert {s.name: [p.mean for p in s.points] for s in series.series} == {"vibration": [4.0], '°C "x" %': [2.5]}


@pytest.mark.parametrize("points", [1, 7, 50, 1000])
def test_a_series_keeps_the_extremes(store: Store, points: int) -> None:
    chance = random.Random(points)
    values = [chance.gauss(0, 1) for _ in range(300)]
    store.write([score(n, value=value) for n, value in enumerate(values)], [])
    store.write([reading(10 * n, value) for n, value in enumerate(values)], [])
    with store.reading() as reader:
        for body in (
            reader.score_series(("pump", "pump-1"), None, None, points),
            reader.reading_series(("pump", "p1"), None, None, points, ["vibration"]),
        ):
            [series] = body.series
            assert len(series.points) <= points
            assert min(p.min for p in series.points) == min(values)
            assert max(p.max for p in series.points) == max(values)
            assert sum(p.count for p in series.points) == 300
            assert series.points == sorted(series.points, key=lambda p: p.time)
            start, end = body.start, body.end
            assert start is not None
            assert end is not None
            assert all(start <= p.time < end for p in series.points)
        part = reader.score_series(("pump", "pump-1"), at(100), at(103), points)
        assert sum(p.count for p in part.series[0].points) == 3
        assert reader.score_series(("pump", "pump-1"), at(1000), None, points).series == []
        assert reader.reading_series(("fan", "p1"), None, None, points, []).series == []


@pytest.mark.parametrize("points", [1, 3, 7, 200])
def test_the_regime_of_a_bucket_is_that_of_most_scores(store: Store, points: int) -> None:
    chance = random.Random(points)
    told = [chance.choice([None, 0, 1, 2]) for _ in range(99)] + [2]
    store.write([score(n, regime=regime) for n, regime in enumerate(told)], [])
    store.write([score(n, "one-way") for n in range(100, 103)], [])
    with store.reading() as reader:
        body = reader.score_series(("pump", "pump-1"), None, None, points)
        assert reader.score_series(("pump", "one-way"), None, None, points).regimes == []
        assert [one.regime for one in reader.scores("pump-1", None, None, None, 200)] == told[::-1]
    buckets: dict[int, list[int]] = {}
    for n, regime in enumerate(told):
        if regime is not None:
            buckets.setdefault(int(n * 1_000_000 // round(body.bucket_s * 1e6)), []).append(regime)
    most = [max(sorted(set(own)), key=own.count) for _, own in sorted(buckets.items())]
    assert [one.regime for one in body.regimes] == most
    assert {one.model.version for one in body.regimes} == {"1"}


@pytest.mark.parametrize("points", [1, 3, 7, 200])
def test_the_quality_of_a_bucket_is_its_worst(store: Store, points: int) -> None:
    chance, ranks = random.Random(points), ["good", "degraded", "poor"]
    told = [chance.choice([None, *ranks]) for _ in range(99)] + ["poor"]
    broken = [{"sensor": "s3", "fault": "stuck"}]
    store.write([score(n, quality=one, sensors=broken if one == "poor" else []) for n, one in enumerate(told)], [])
    store.write([score(n, "well", quality="good") for n in range(100, 103)], [])
    with store.reading() as reader:
        body = reader.score_series(("pump", "pump-1"), None, None, points)
        assert reader.score_series(("pump", "well"), None, None, points).qualities == []
        found = reader.scores("pump-1", None, None, None, 200)[::-1]
        asset = reader.asset("pump-1")
    assert [one.quality for one in found] == told
    assert all(bool(one.sensors) == (one.quality == "poor") for one in found)
    assert found[-1].sensors[0].model_dump() == broken[0]
    assert asset is not None
    assert asset.latest_scores == [found[-1]]
    buckets: dict[int, list[int]] = {}
    for n, quality in enumerate(told):
        if quality is not None:
            buckets.setdefault(int(n * 1_000_000 // round(body.bucket_s * 1e6)), []).append(ranks.index(quality))
    assert [ranks.index(one.quality) for one in body.qualities] == [max(own) for _, own in sorted(buckets.items())]


def test_the_log_of_an_asset(store: Store) -> None:
    store.write([entry(n) for n in range(5)], [])
    store.write([entry(2), entry(9, at(2), "replacement")], [])
    with store.reading() as reader:
        first = reader.log(("pump", "p1"), None, None, None, 3)
        rest = reader.log(("pump", "p1"), None, None, first[-1][0], 9)
        part = reader.log(("pump", "p1"), at(1), at(3), None, 9)
    assert [e.event_time for _, e in first + rest] == [at(4), at(3), at(2), at(2), at(1), at(0)]
    assert [e.kind for _, e in part] == ["replacement", "error", "error"]


def test_dead_letters_with_their_bytes(store: Store) -> None:
    large = letter(3, "telemetry.v1", b"x" * 100_000, NOW + timedelta(seconds=1))
    store.write([letter(1), letter(2, value=None), large], [])
    store.write([letter(1)], [])
    with store.reading() as reader:
        assert [(one.topic, one.offset) for one in reader.dead_letters(None, None, 9)] == [
            ("telemetry.v1", 3), ("clicks.v1", 2), ("clicks.v1", 1),
        ]  # fmt: skip
        [first] = reader.dead_letters("clicks.v1", None, 1)
        key = (first.quarantined_at, first.topic, first.partition, first.offset)
        assert [one.offset for one in reader.dead_letters("clicks.v1", key, 9)] == [1]
        whole, cut = reader.dead_letter("clicks.v1", 0, 1), reader.dead_letter("telemetry.v1", 0, 3)
        assert whole is not None
        assert cut is not None
        assert (whole[0].value, whole[0].is_whole, whole[1], whole[0].key) == ("bad", True, b"bad", "k\ufffd")
        assert (cut[0].size, cut[0].is_whole, whole[0].source_offset) == (100_000, False, 101)
        assert reader.dead_letter("clicks.v1", 0, 9) is None
        assert reader.count_dead_letters(NOW - timedelta(hours=1)) == {"clicks.v1": 2, "telemetry.v1": 1}
    store.mark_replayed("clicks.v1", NOW + timedelta(minutes=1))
    with store.reading() as reader:
        marked = {one.offset: one.replayed_at for one in reader.dead_letters(None, None, 9)}
    assert {offset: time is not None for offset, time in marked.items()} == {1: True, 2: True, 3: False}


def told(worker: str, time: datetime, lag: int) -> WorkerStatus:
    figures = {
        "role": "edge", "version": "1", "started_at": NOW, "is_ready": True, "memory_bytes": 1, "cpu_share": 0.1,
        "agents": {"recommend": {"lag": lag, "events_per_s": 1.0}},
    }  # fmt: skip
    return worker_status(worker, time).model_copy(update={"figures": Figures.model_validate(figures)})


def test_figures_by_the_minute(store: Store) -> None:
    minute = NOW.replace(second=0, microsecond=0)
    store.write([told("w", minute + timedelta(seconds=5 * n), n) for n in range(30)] + [worker_status("old", NOW)], [])
    with store.reading() as reader:
        found = reader.figures("w", minute - timedelta(hours=1), 9)
        assert reader.figures("old", minute - timedelta(hours=1), 9) == []
        assert len(reader.workers(minute - timedelta(hours=1))) == 2
    assert [(f.minute, f.figures.agents["recommend"].lag) for f in found] == [
        (minute + timedelta(minutes=n), lag) for n, lag in ((2, 29), (1, 23), (0, 11))
    ]


@pytest.mark.parametrize("at_once", [1, 2, 5, 30])
def test_the_greatest_of_a_minute_stays(store: Store, at_once: int) -> None:
    """However the sink cut it into batches, and when they are written twice."""
    chance, minute = random.Random(at_once), NOW.replace(second=0, microsecond=0)
    lags = [chance.randrange(1000) for _ in range(24)]
    events = [told("w", minute + timedelta(seconds=5 * n), lag) for n, lag in enumerate(lags)]
    for start in range(0, len(events), at_once):
        store.write(events[start : start + at_once], [])
    store.write(events[-3:], [])
    with store.reading() as reader:
        found = reader.figures("w", minute, 9)
    assert [f.peaks["recommend"].lag for f in found] == [max(lags[12:]), max(lags[:12])]
    assert [f.figures.agents["recommend"].lag for f in found] == [lags[-1], lags[11]]
    assert found[0].peaks["recommend"].events_per_s == 1.0
    assert found[0].peaks["recommend"].decision_p99_ms is None


def test_assets_know_their_worst_open_alert(store: Store) -> None:
    store.write([score(1, "p1"), score(2, "p2"), score(3, "p3"), score(4, "p4")], [])
    store.write([alert("a", 0, 5, asset_id="p2"), alert("b", 0, 6, asset_id="p2", severity="critical")], [])
    store.write([alert("c", 0, 5, asset_id="p3", severity="advisory"), alert("d", 0, 5, asset_id="p1")], [])

    def worst() -> list[tuple[str, str | None]]:
        with store.reading() as reader:
            return [(a.asset_id, a.severity) for a in reader.assets(AssetFilter(), None, 9, "worst")]

    assert worst() == [("p2", "critical"), ("p1", "warning"), ("p3", "advisory"), ("p4", None)]
    store.write([alert("b", 1, 7, asset_id="p2", severity="critical", state="cleared")], [])
    store.write([alert("b", 0, 6, asset_id="p2", severity="critical")], [])  # repeated: it stays cleared
    assert worst() == [("p1", "warning"), ("p2", "warning"), ("p3", "advisory"), ("p4", None)]
    with store.reading() as reader:
        pages, after = [], None
        for _ in range(5):
            found = reader.assets(AssetFilter(), after, 1, "worst")
            pages += [a.asset_id for a in found]
            after = place_of(found[0], "worst") if found else after
        assert pages == ["p1", "p2", "p3", "p4"]
        assert [a.asset_id for a in reader.assets(AssetFilter(severity="warning"), None, 9)] == ["p1", "p2"]
        assert [a.asset_id for a in reader.assets(AssetFilter(words=parse_words("P3 pu")), None, 9)] == ["p3"]
        assert [a.asset_id for a in reader.assets(AssetFilter(), None, 2, "last_seen")] == ["p2", "p3"]
        assert reader.assets(AssetFilter(), None, 9)[3].latest_scores == [score(4, "p4")]
        counts = reader.count_assets()
        assert (counts.total, counts.critical, counts.warning, counts.advisory) == (4, 0, 2, 1)
        assert reader.count_open_alerts().model_dump() == {
            "critical": 0, "warning": 2, "advisory": 1, "unacknowledged": 3, "shelved": 0,
        }  # fmt: skip


def test_what_is_old_is_forgotten(store: Store) -> None:
    old, young = NOW - timedelta(days=10), NOW - timedelta(days=1)
    for time in (old, young):
        number = int(time.timestamp())
        fields = {"event_time": time, "asset_id": f"p{number}"}
        store.write(
            [
                click("ann", number, time), letter(number, time=time), told("w", time, 1), entry(number, time),
                Placed(0, number, Telemetry(event_id="t", event_time=time, asset_id="p1", asset_class="pump",
                                            readings={"a": 1.0})),
                recommendation(f"u{number}", number, event_time=time),
                catalogue_entry(f"i{number}", number, ["x"]).model_copy(update={"event_time": time}),
                Placed(0, number, Asset(asset_id=f"p{number}", asset_class="pump", event_time=time, site="north")),
                Removal("assets.v1", f"p{number}", time),
                Removal("items.v1", f"i{number}", time), Removal("clicks.v1", f"eve{number}", time),
                score(number, score_id=f"s{number}", **fields),
                alert(f"c{number}", 0, state="cleared", **fields), alert(f"o{number}", 0, **fields),
            ],
            [],
        )  # fmt: skip
    store.write([catalogue_entry("trending", 1, ["t"]).model_copy(update={"event_time": old})], [])
    counts = store.forget(Ages(*[5.0] * len(Ages._fields)))
    assert counts == dict.fromkeys(
        ("clicks", "forgotten_users", "dead_letters", "worker_figures", "recommendations", "catalogue", "items",
         "readings", "asset_log", "asset_sites", "alerts"), 1
    ) | {"assets": 0, "notifications": 0}  # fmt: skip
    store.write([alert(f"o{int(old.timestamp())}", 1, state="cleared", event_time=old,
                       asset_id=f"p{int(old.timestamp())}")], [])  # fmt: skip
    counts = store.forget(Ages(*[5.0] * len(Ages._fields)))
    assert (counts["alerts"], counts["assets"]) == (1, 1)
    assert not any(store.forget(Ages(*[5.0] * len(Ages._fields))).values())
    with store.reading() as reader:
        assert reader.trending() is not None
        assert len(reader.clicks("ann", 9)) == 1
        assert [a.alert_id[0] for a in reader.alerts(AlertFilter(), None, 9)] == ["o", "c"]
        assert [a.asset_id for a in reader.assets(AssetFilter(words=("pump",)), None, 9)] == ["p1", f"p{number}"]


def test_slots_and_words() -> None:
    assert slot_of(at(19.9), 10) == at(10)
    assert slot_of(at(0.0015), 0.001) == at(0.001)
    assert words_of("Pump-7_a/Ölkühler 7") == {"pump", "7", "a", "ölkühler"}
    assert parse_words("  ") == ()


def test_clicks_of_a_forgotten_user_go_and_later_ones_stay(store: Store) -> None:
    store.write([click("ann", 1), click("bob", 2), recommendation("ann", 3, ["x"])], [])
    forgotten = [click("ann", 4), Removal("clicks.v1", "ann"), click("ann", 5), Removal("recommendations.v1", "ann")]
    store.write(forgotten, [])
    with store.reading() as reader:
        assert [one.event_time for one in reader.clicks("ann", 9)] == [at(5)]
        assert len(reader.clicks("bob", 9)) == 1
        assert reader.recommendation("ann") is None


def test_a_click_that_is_sent_again_is_there_once(store: Store) -> None:
    again = click("ann", 1)._replace(offset=9)
    store.write([click("ann", 1), again, click("bob", 1)._replace(offset=3)], [])
    store.write([again, again._replace(offset=10, partition=1), click("ann", 2)], [])
    with store.reading() as reader:
        assert [one.event_time for one in reader.clicks("ann", 9)] == [at(2), at(1)]
        assert len(reader.clicks("bob", 9)) == 1, "an id is that of a user's event"


def test_no_click_of_before_brings_a_forgotten_user_back(store: Store) -> None:
    """Neither with the request nor later, duplicate or not; what happens after it is kept."""
    forget = Removal("clicks.v1", "ann", at(5))
    store.write([click("ann", 1), forget, click("ann", 1)._replace(offset=6), click("bob", 3)], [])
    store.write([click("ann", 1)._replace(offset=7), click("ann", 4)], [])
    with store.reading() as reader:
        assert reader.clicks("ann", 9) == []
        assert len(reader.clicks("bob", 9)) == 1
    store.write([click("ann", 8)], [])
    store.write([forget._replace(at=at(6)), click("ann", 8)._replace(offset=11), click("ann", 9)], [])
    with store.reading() as reader:
        assert [one.event_time for one in reader.clicks("ann", 9)] == [at(9), at(8)]


def test_what_was_said_before_a_removal_does_not_bring_an_item_back(store: Store) -> None:
    store.write([item("a", 1, title="Shoe"), Removal("items.v1", "a", at(9)), item("a", 5, title="Shoe")], [])
    with store.reading() as reader:
        assert (reader.items_of(["a"])["a"].removed_at, reader.items_of(["a"])["a"].title) == (at(9), None)
    store.write([item("a", 10, title="Boot")], [])
    with store.reading() as reader:
        assert (reader.items_of(["a"])["a"].removed_at, reader.items_of(["a"])["a"].title) == (None, "Boot")


def note(offset: int, offsets: list[list[int]], until: int | None = None, by: str = "jo") -> Quarantined:
    told = {"by": by, "what": "some", "count": 2, "offsets": offsets, "until": until}
    return letter(offset, value=orjson.dumps(told))._replace(exception=PUT_BACK, reason=f"put back by {by}")


def test_dead_letters_by_reason_and_who_put_them_back(store: Store) -> None:
    """A note in the quarantine marks its letters, and is told, but is no letter."""
    reasons = ["value 7 is odd", "Traceback\n  line\nvalue 8 is odd\n", "is missing - at user_id", "value 'x' is odd"]
    store.write([letter(n)._replace(reason=why) for n, why in enumerate(reasons)], [])
    store.write([letter(9, "items.v1")], [])
    with store.reading() as reader:
        found = reader.dead_letter_reasons(None, 9)
        assert [(one.topic, one.count, one.not_replayed, one.newest.offset) for one in found] == [
            ("clicks.v1", 3, 3, 3), ("items.v1", 1, 1, 9), ("clicks.v1", 1, 1, 2),
        ]  # fmt: skip
        assert {one.reason for one in reader.dead_letter_reasons("items.v1", 9)} == {"why\\0"}
    store.mark_replayed("clicks.v1", NOW + timedelta(minutes=1), Letters(kind=reason_kind("value 99 is odd")))
    assert replayed(store) == {0, 1, 3}
    store.mark_replayed("clicks.v1", NOW + timedelta(minutes=1), Letters(0, 2))
    assert replayed(store) == {0, 1, 2, 3}
    store.write([letter(4), note(10, [[3, 4], [7, 7]]), letter(11), letter(12), note(13, [], until=12, by="al")], [])
    store.write([letter(14)._replace(exception=PUT_BACK, value=b"somebody else's")], [])
    assert replayed(store) == {0, 1, 2, 3, 4, 11}
    with store.reading() as reader:
        assert [(one.by, one.count) for one in reader.put_back(None, 9)] == [("al", 2), ("jo", 2)]
        assert reader.put_back("items.v1", 9) == []
        assert {one.offset for one in reader.dead_letters(None, None, 99)} == {0, 1, 2, 3, 4, 9, 11, 12}
        assert reader.count_dead_letters(NOW - timedelta(hours=1)) == {"clicks.v1": 7, "items.v1": 1}


def replayed(store: Store) -> set[int]:
    with store.reading() as reader:
        return {one.offset for one in reader.dead_letters("clicks.v1", None, 99) if one.replayed_at}


def test_the_trend_of_an_item_counts_kept_clicks_beside_all(store: Store) -> None:
    with store.reading() as reader:
        assert reader.item_trend("i").points == []
    noon = NOW.replace(minute=0, second=0, microsecond=0)
    times = [0, 30, 59, 60, 200, 400]  # minutes before noon
    store.write([click(f"u{n}", n, noon - timedelta(minutes=m), "i") for n, m in enumerate(times)], [])
    store.write([click(f"v{n}", 50 + n, noon - timedelta(minutes=m), "other") for n, m in enumerate(times)], [])
    with store.reading() as reader:
        trend, none = reader.item_trend("i"), reader.item_trend("nobody's")
    assert (trend.looked_at, trend.bucket_s) == (12, 900.0)
    assert len(trend.points) == len(none.points) == 400 // 15 + 2
    counted = {(noon - p.time) // timedelta(minutes=1): (p.clicks, p.of) for p in trend.points if p.of}
    assert counted == {0: (1, 2), 30: (1, 2), 60: (2, 4), 210: (1, 2), 405: (1, 2)}
    assert sum(p.clicks for p in none.points) == 0
    store.write([click("w", 99, noon - timedelta(days=400), "i")], [])
    with store.reading() as reader:
        far = reader.item_trend("i")
    assert (far.bucket_s, len(far.points), sum(p.clicks for p in far.points)) == (86_400.0, 60, 6)
