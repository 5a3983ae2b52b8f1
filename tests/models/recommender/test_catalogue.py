"""The catalogue view: a pure function of the feed, equal bit for bit however it came about, and bounded."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.recommender.arrays import SESSION_ITEMS
from models.recommender.catalogue import CatalogueView
from models.recommender.feed import ClickRecord, FeedError, encode_record
from models.recommender.hashing import stable_hash
from models.recommender.snapshot import SnapshotError
from tests.models.recommender.shoppers import Shop, shopping, small

PROFILE = small("portal")


def feed(clicks: int, seed: int = 0, **log: int) -> list[ClickRecord]:
    return [record for _, _, record in Shop(PROFILE).batches(shopping(clicks, seed, **log))]


def built(records: list[ClickRecord], view: CatalogueView | None = None) -> CatalogueView:
    view = view or CatalogueView(PROFILE)
    for offset, record in enumerate(records):
        view.apply(encode_record(record), offset)
    return view


def assert_equal(a: CatalogueView, b: CatalogueView) -> None:
    assert (a.item_ids, a.positions, a.feed_offset) == (b.item_ids, b.positions, b.feed_offset)
    for name, array in a.arrays._asdict().items():
        if name in ("items", "popularity", "context"):
            assert array[: a.items].tobytes() == getattr(b.arrays, name)[: b.items].tobytes(), name
        elif name != "item_table":
            assert array.tobytes() == getattr(b.arrays, name).tobytes(), name


def test_it_counts_what_happened() -> None:
    log = shopping(2000)
    view = built(feed(2000))
    clicks = Counter(click.item_id for click in log)
    assert {view.item_ids[n]: int(view.arrays.items["clicks"][n]) for n in range(view.items)} == dict(clicks)
    assert view.item_ids == list(dict.fromkeys(click.item_id for click in log))
    assert all(view.row_of(item) == n for n, item in enumerate(view.item_ids))
    assert view.clicks == 2000
    assert view.time == log[-1].event_time.timestamp()


def test_the_log_is_threaded_by_item() -> None:
    log = shopping(1500)
    view = built(feed(1500))
    for item in ("item-3-4", "item-0-1"):
        entries, entry = [], int(view.arrays.items["head"][view.row_of(item)])
        while entry > 0:
            entries.append(entry - 1)
            entry = int(view.arrays.log[entry - 1, 1])
        assert entries[::-1] == [n for n, click in enumerate(log) if click.item_id == item]


def test_decayed_popularity_is_the_sum_over_clicks() -> None:
    log = shopping(1500)
    view = built(feed(1500))
    times = np.array([c.event_time.timestamp() for c in log if c.item_id == "item-3-4"])
    for column, half_life in enumerate(PROFILE.popularity_half_lives):
        expected = (0.5 ** ((times[-1] - times) / half_life)).sum()
        assert view.arrays.popularity[view.row_of("item-3-4"), column] == pytest.approx(expected, rel=1e-4)


@pytest.mark.long
def test_a_snapshot_continued_equals_a_view_rebuilt(tmp_path: Path) -> None:
    records = feed(6000)
    part = built(records[:70])
    part.save(tmp_path / "view.npz")
    continued = CatalogueView.load(tmp_path / "view.npz", PROFILE)
    assert_equal(part, continued)
    assert continued.feed_offset == 70
    for offset, record in enumerate(records[70:], 70):
        continued.apply(record, offset)
    assert_equal(built(records), continued)


def test_repeated_and_overlapping_records_change_nothing() -> None:
    records = feed(1000)
    view, again = built(records), built(records)
    for record in records[5:]:
        assert again.apply(record) == 0
    wider = [record for _, _, record in Shop(PROFILE).batches(shopping(1000), size=300)]
    assert [again.apply(record) for record in wider] == [0, 0, 0, 0]
    assert_equal(view, again)


def test_a_record_is_applied_from_where_the_last_one_ended() -> None:
    view = built(feed(1000)[:3])
    wider = [record for _, _, record in Shop(PROFILE).batches(shopping(1000), size=200)]
    assert [view.apply(record) for record in wider] == [50, 200, 200, 200, 200]
    other = built(feed(1000))
    other.feed_offset = view.feed_offset
    assert_equal(view, other)


@pytest.mark.parametrize("place", [0.01, 0.3, 0.6, 0.95])
def test_a_damaged_snapshot_is_refused(tmp_path: Path, place: float) -> None:
    path = tmp_path / "view.npz"
    built(feed(500)).save(path)
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 16
    path.write_bytes(bytes(data))
    with pytest.raises(SnapshotError):
        CatalogueView.load(path, PROFILE)


def test_a_snapshot_of_other_settings_is_refused(tmp_path: Path) -> None:
    built(feed(100)).save(tmp_path / "view.npz")
    with pytest.raises(SnapshotError, match="other settings"):
        CatalogueView.load(tmp_path / "view.npz", small("portal", fast=1.0))
    (tmp_path / "foreign").write_bytes(b"something else")
    for name in ("foreign", "missing"):
        with pytest.raises(SnapshotError):
            CatalogueView.load(tmp_path / name, PROFILE)


def test_foreign_bytes_are_refused_and_change_nothing() -> None:
    view = built(feed(100))
    with pytest.raises(FeedError):
        view.apply(b"not a record")
    assert_equal(view, built(feed(100)))


def test_items_are_bounded_and_the_ones_seen_last_are_kept() -> None:
    profile = small("portal", max_items=100)
    shop = Shop(profile)
    early, late = shopping(1500, seed=1, tastes=5), shopping(1500, seed=2, tastes=20)
    shop.live(early)
    shop.live([c.model_copy(update={"event_time": c.event_time.replace(day=2)}) for c in late])
    view = shop.view
    assert view.items <= 100
    assert len(set(view.item_ids)) == view.items
    assert all(view.row_of(item) == n for n, item in enumerate(view.item_ids))
    assert [int(key) for key in view.arrays.items["key"][: view.items]] == [stable_hash(i) for i in view.item_ids]
    assert {c.item_id for c in late[-50:]} <= set(view.item_ids)
    remembered = view.arrays.session_items[view.arrays.session_items >= 0]
    assert remembered.max() < view.items


def test_records_of_before_are_read() -> None:
    view, before = built(feed(1000)), CatalogueView(PROFILE)
    for offset, record in enumerate(feed(1000)):
        before.apply(encode_record(dataclasses.replace(record, users=None, is_repeated=None)), offset)
    assert (view.item_ids, view.clicks, view.time) == (before.item_ids, before.clicks, before.time)
    for name in ("log", "session_items", "sessions", "counters"):
        assert getattr(view.arrays, name).tobytes() == getattr(before.arrays, name).tobytes(), name


def test_long_sessions_go_on_in_a_second_list() -> None:
    shop = Shop(PROFILE)
    template = shopping(1)[0]
    shop.live([template.model_copy(update={"event_id": f"e{n}", "item_id": f"i{n}"}) for n in range(45)])
    lengths = shop.view.arrays.sessions["length"][:3].tolist()
    assert lengths == [SESSION_ITEMS, SESSION_ITEMS, 5]


def test_an_event_from_the_future_does_not_stop_the_hot_lists() -> None:
    shop = Shop(PROFILE)
    log = shopping(2000)
    future = log[1000].model_copy(
        update={"event_time": log[1000].event_time.replace(day=2), "item_id": "item-future", "user_id": "a"}
    )
    shop.live([*log[:1000], future, *log[1001:]])
    other = Shop(PROFILE)
    other.live([*log[:1000], *log[1001:]])
    names = [item for item, _ in shop.view.trending(10)]
    assert len(set(names) & {item for item, _ in other.view.trending(10)}) >= 9


def test_trending_is_what_was_clicked_most_of_late() -> None:
    log = shopping(3000)
    view = built(feed(3000))
    now = log[-1].event_time.timestamp()
    weights: Counter[str] = Counter()
    for click in log:
        weights[click.item_id] += 0.5 ** ((now - click.event_time.timestamp()) / 3600)  # type: ignore[assignment]
    best = [item for item, _ in weights.most_common(5)]
    assert set(best) & {item for item, _ in view.trending(8)} == set(best)
    scores = dict(view.trending(8))
    assert scores[best[0]] == pytest.approx(weights[best[0]], rel=1e-3)


def test_the_table_of_sessions_holds_the_newest_list_of_each_that_is_remembered() -> None:
    shop = Shop(small("portal", recent_sessions=256))
    template, random = shopping(1)[0], np.random.default_rng(0)
    for batch in range(30):  # sessions come back, go on in a second list, and are overwritten in the ring
        sessions = random.integers(0, 40 * (batch + 1), 100)
        shop.live([
            template.model_copy(update={"event_id": f"e{batch}-{n}", "user_id": f"u{n}", "session_id": f"s{session}"})
            for n, session in enumerate(np.minimum(sessions, sessions.min() + 300).tolist())
        ])  # fmt: skip
        sessions, table = shop.view.arrays.sessions, shop.view.arrays.session_table
        newest: dict[int, int] = {}
        for slot in np.argsort(sessions["number"], kind="stable").tolist():
            if sessions["length"][slot]:
                newest[int(sessions["key"][slot])] = slot
        assert np.count_nonzero(table) == len(newest)
        assert {key: found(table, sessions["key"], key) for key in newest} == newest


def found(table: np.ndarray, keys: np.ndarray, key: int) -> int:
    place = key % len(table)
    while table[place]:
        if int(keys[table[place] - 1]) == key:
            return int(table[place]) - 1
        place = (place + 1) % len(table)
    return -1


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("session_items", (3, 0), 2**20),
        ("session_items", (3, 0), -2),
        ("session_actions", (3, 0), 77),
        ("new_ring", 0, 2**30),
        ("log", (5, 0), 31),
        ("log", (5, 1), 500),
        ("counters", 0, -1),
        ("counters", 4, 2**20),
        ("hot", (0, 0), -1),
        ("hot_length", 0, 129),
        ("session_table", 0, 2**20),
        ("session_table", slice(None), 1),
    ],
)
def test_a_snapshot_of_rows_that_are_not_there_is_refused(tmp_path: Path, name: str, place: Any, value: Any) -> None:
    """Its checksum is right: whoever wrote it was wrong."""
    view = built(feed(500))
    getattr(view.arrays, name)[place] = value
    view.save(tmp_path / "view.npz")
    with pytest.raises(SnapshotError, match=f"damaged: .*{name}"):
        CatalogueView.load(tmp_path / "view.npz", PROFILE)


def test_a_snapshot_of_an_item_whose_clicks_go_in_a_circle_is_refused(tmp_path: Path) -> None:
    view = built(feed(500))
    view.arrays.items["head"][3] = 501
    view.save(tmp_path / "view.npz")
    with pytest.raises(SnapshotError, match="damaged: items"):
        CatalogueView.load(tmp_path / "view.npz", PROFILE)
