"""Dense items: their summaries are what was counted by hand, a pure function of the feed, forgotten with the item, and
they bound the work of a question on any log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from models.recommender import CatalogueView
from models.recommender.arrays import PAIRS_SINCE, PAIRS_WORN, SESSION_ITEMS, SESSIONS, SUMMARIES, SUMMARY
from models.recommender.clicks import feed_items
from models.recommender.feed import encode_record
from models.recommender.hashing import stable_hash
from models.recommender.kernel import ALL_PAIRS, ALL_READS, CO_VISITS, COLUMNS, DENSE
from models.recommender.settings import settings_of
from models.recommender.snapshot import SnapshotError
from schemas import Click, Item, RecommenderProfile
from tests.models.recommender.inside import evidence_of, question
from tests.models.recommender.shoppers import START, Shop, browsing, shopping, small
from tests.models.recommender.summaries_by_hand import Summaries
from tests.models.recommender.test_catalogue import assert_equal

TINY = {"click_log": 1024, "recent_sessions": 256, "max_items": 64, "unknown_items": True}
BEFORE = Path(__file__).with_name("view_before.npz")  # of FORMAT 4: shopping(1500, tastes=1, items=4), 6 dense items


def dense_items(view: CatalogueView) -> set[str]:
    rows = view.arrays.summaries["item"][: view.arrays.counters[SUMMARIES]]
    return {view.item_ids[row - 1] for row in rows.tolist() if row}


def last_columns(view: CatalogueView, item: str, time: float) -> dict[str, dict[str, float]]:
    items, evidence, _ = evidence_of(view, view.profile, question([stable_hash(item)], time=time))
    names = [name for name in COLUMNS if name.endswith("_last")]
    rows = evidence[:, [COLUMNS.index(name) for name in names]].tolist()
    found = {view.item_ids[item]: dict(zip(names, row, strict=True)) for item, row in zip(items, rows, strict=True)}
    return {name: columns for name, columns in found.items() if columns["together_last"]}


@pytest.mark.parametrize("name", ["shop", "portal"])
def test_a_summary_has_the_sums_counted_by_hand(name: str) -> None:
    """Fast decays, so that the sums are divided on the way."""
    profile = small(name, reads=25, fast=20.0 if name == "shop" else 300.0, slow=300.0 if name == "shop" else 9e3)
    log = [
        click.model_copy(update={"action": ("view", "cart", "view")[n % 3]})
        for n, click in enumerate(browsing(2500, seed=4, items=9))
    ]
    shop, by_hand = Shop(profile), Summaries(profile)
    shop.rows = np.zeros(len(log), shop.rows.dtype)
    shop.live(log)
    for click in log:
        by_hand.click(click)
    assert set(by_hand.pairs) == dense_items(shop.view) > {"item-0", "item-1"}
    time = shop.view.time + 3
    for item in by_hand.pairs:
        found, expected = last_columns(shop.view, item, time), by_hand.sums(item, time)
        assert set(found) == set(expected)
        for other, columns in found.items():
            assert columns == pytest.approx({n: expected[other][n] for n in columns}, rel=2e-3, abs=1e-9), (item, other)


def eventful(clicks: int, seed: int) -> Iterator[bytes]:
    """The feed of a few dense items among rare ones; now and then an item is removed, and some come back."""
    shop, random = Shop(small("portal", **TINY)), np.random.default_rng(seed)
    log = [
        click.model_copy(update={"item_id": f"rare-{n}"} if random.random() < 0.15 else {})
        for n, click in enumerate(shopping(clicks, seed, tastes=2, items=2, users=30))
    ]
    for number, (_, _, record) in enumerate(shop.batches(log, size=40)):
        yield encode_record(record)
        if number % 9 == 8:
            at, name = log[40 * number].event_time, f"item-{random.integers(2)}-{random.integers(2)}"
            item = None if random.random() < 0.7 else Item(item_id=name, event_time=at + timedelta(hours=1))
            yield encode_record(feed_items([(name, item)], 1, np.array([number]), at.timestamp()))


@pytest.mark.parametrize("seed", range(2))
def test_a_view_with_summaries_is_the_same_wherever_it_came_through_a_snapshot(tmp_path: Path, seed: int) -> None:
    profile, feed = small("portal", **TINY), [*eventful(4000, seed)]
    whole, through, seen = CatalogueView(profile), CatalogueView(profile), set()
    for offset, record in enumerate(feed):
        whole.apply(record, offset)
        through.apply(record, offset)
        seen.add(len(dense_items(whole)))
        if offset % (3 + seed) == 0:
            through.save(tmp_path / "view.npz")
            through = CatalogueView.load(tmp_path / "view.npz", profile)
    assert len(seen) > 3
    assert whole.clicks > 2 * profile.click_log
    assert_equal(whole, through)
    assert not whole.arrays.summaries["item"][whole.arrays.counters[SUMMARIES] :].any()


def test_co_visits_follow_items_whose_rows_change() -> None:
    view = CatalogueView(small("portal", **TINY))
    for record in eventful(3000, 5):
        view.apply(record)
        for place in range(view.arrays.counters[SUMMARIES]):
            summary = view.arrays.summaries[place]
            rows = view.arrays.co_visits[place]["item"][: summary["count"]]
            assert len(set(rows.tolist())) == summary["count"]
            assert summary["count"] == 0 or rows.max() < view.items
            assert summary["item"] == 0 or summary["item"] <= view.items
    assert view.items <= 64
    assert dense_items(view)


def test_a_removed_item_is_in_no_summary() -> None:
    shop = Shop(small("shop", unknown_items=True))
    shop.live(shopping(2000, tastes=1, items=6))
    assert "item-0-2" in dense_items(shop.view)
    row, arrays = shop.view.row_of("item-0-2"), shop.view.arrays
    assert (arrays.co_visits["item"] == row).sum() > 2
    record = feed_items([("item-0-2", None)], 1, np.array([1]), shop.view.event_time)
    shop.view.apply(encode_record(record))
    assert "item-0-2" not in dense_items(shop.view)
    counted = np.arange(CO_VISITS) < arrays.summaries["count"][:, None]
    assert not (arrays.co_visits["item"] == row)[counted].any()
    assert last_columns(shop.view, "item-0-2", shop.view.time) == {}
    others = last_columns(shop.view, "item-0-1", shop.view.time)
    assert "item-0-3" in others
    assert "item-0-2" not in others


def test_an_item_that_has_left_the_log_is_dense_no_more_and_leaves_its_place() -> None:
    shop = Shop(small("portal", click_log=1024, recent_sessions=256))
    room, places = len(shop.view.arrays.summaries), []
    assert room == 2 * 1024 // DENSE
    for wave in range(2 * room):
        shop.live([
            click.model_copy(update={
                "item_id": f"wave-{wave}-{n % 2}", "session_id": f"{wave}-{n // 9}",
                "event_time": click.event_time + timedelta(hours=wave),
            })
            for n, click in enumerate(shopping(3 * DENSE, seed=wave, tastes=1, items=1, users=20))
        ])  # fmt: skip
        assert {f"wave-{wave}-0", f"wave-{wave}-1"} <= dense_items(shop.view)
        assert last_columns(shop.view, f"wave-{wave}-0", shop.view.time)
        places.append(int(shop.view.arrays.counters[SUMMARIES]))
    assert places[0] < places[-1] == places[6] <= room
    assert last_columns(shop.view, "wave-0-0", shop.view.time) == {}


def test_a_snapshot_of_the_version_before_is_read_and_gets_its_summaries() -> None:
    """Recorded with the code of before. Its summaries are those of the log, and the same for all who read it."""
    profile = small("shop", click_log=2048, recent_sessions=512)
    view, other = CatalogueView.load(BEFORE, profile), CatalogueView.load(BEFORE, profile)
    fresh = Shop(profile)
    log = shopping(1500, tastes=1, items=4)
    fresh.live(log)
    assert (view.clicks, view.item_ids) == (1500, fresh.view.item_ids)
    assert dense_items(view) == dense_items(fresh.view) == {f"item-0-{n}" for n in range(4)}
    for item in dense_items(view):
        found, expected = (last_columns(of, item, of.time) for of in (view, fresh.view))
        for name, columns in expected.items():
            assert found[name] == pytest.approx(columns, rel=0.25), name
    assert_equal(view, other)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("summaries", "item", 2000),
        ("summaries", "item", -1),
        ("summaries", "count", 257),
        ("summaries", "dense_at", 1 << 40),
        ("co_visits", "item", 2000),
        ("co_visits", "item", -1),
    ],
)
def test_a_snapshot_of_summaries_that_lead_nowhere_is_refused(
    tmp_path: Path, name: str, field: str, value: int
) -> None:
    shop = Shop(small("shop"))
    shop.live(shopping(1500, tastes=1, items=4))
    getattr(shop.view.arrays, name)[field].flat[0] = value
    shop.view.save(tmp_path / "view.npz")
    with pytest.raises(SnapshotError, match=f"damaged: {name}"):
        CatalogueView.load(tmp_path / "view.npz", shop.view.profile)


def test_a_snapshot_with_more_summaries_than_there_is_room_for_is_refused(tmp_path: Path) -> None:
    shop = Shop(small("shop"))
    shop.live(shopping(1500, tastes=1, items=4))
    for name in ("summaries", "co_visits"):
        array = getattr(shop.view.arrays, name)
        shop.view.arrays = shop.view.arrays._replace(**{name: np.concatenate([array, array])})
    shop.view.arrays.counters[SUMMARIES] = len(shop.view.arrays.summaries)
    shop.view.save(tmp_path / "view.npz")
    with pytest.raises(SnapshotError, match="damaged"):
        CatalogueView.load(tmp_path / "view.npz", shop.view.profile)


# ---- the work of a question

Draw = Callable[[np.random.Generator, int], str]
HOSTILE: dict[str, tuple[Draw, int | None]] = {  # item of a click; clicks of a session (None: one user, no end)
    "three items": (lambda chance, _: f"i{chance.integers(3)}", 20),
    "ten items": (lambda chance, _: f"i{chance.integers(10)}", 20),
    "one user and one item": (lambda _, n: "i0", None),
    "one user and ten items": (lambda _, n: f"i{n % 10}", None),
    "just not dense": (lambda chance, n: f"i{n // 1250}-{n % 10}", 20),
    "each list alike": (lambda _, n: f"rare-{n}" if n % 20 else "i0", 20),
    "Pareto .6": (lambda chance, _: f"i{min(9999, int(1 + chance.pareto(0.6)))}", 20),
}


def most_work(profile: RecommenderProfile, items: int) -> int:
    """What docs/performance.md says of the rows of evidence that a question after so many items touches."""
    reads = min(ALL_READS, items * 2 * DENSE)
    pairs = min(ALL_PAIRS + items * 2 * SESSION_ITEMS, reads * 2 * profile.window)
    lists = profile.neighbours + max(profile.neighbours // 5, 1)
    second = profile.second_order_items * profile.second_order_reads * 9
    return reads + pairs + items * CO_VISITS + lists * SESSION_ITEMS + second


def hostile(draw: Draw, length: int | None, clicks: int) -> list[Click]:
    """Sessions that are all full and at the same moment: in the clock of a portal each is as near as the others."""
    chance = np.random.default_rng(1)
    return [
        Click(
            event_id=str(n), event_time=START, item_id=draw(chance, n),
            user_id="u" if length is None else f"u{n // length}",
        )
        for n in range(clicks)
    ]  # fmt: skip


@pytest.mark.parametrize("limits", [{}, {"neighbours": 5, "second_order_items": 0}], ids=["as it is", "few neighbours"])
@pytest.mark.parametrize("name", ["shop", "portal"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_the_work_of_a_question_is_bounded_on_hostile_logs(name: str, kind: str, limits: dict[str, int]) -> None:
    profile = small(name, click_log=1 << 15, recent_sessions=1 << 12, session_silence_s=1e9, **limits)
    shop, log = Shop(profile), hostile(*HOSTILE[kind], 12_500)
    shop.rows = np.zeros(len(log), shop.rows.dtype)
    shop.live(log)
    clicks = Counter(click.item_id for click in log)
    most = [item for item, count in clicks.most_common(profile.prefix_items) if count > 1]
    query = question([stable_hash(item) for item in most], time=shop.view.time)
    room = np.zeros(shop.view.items, np.int32), np.zeros((shop.view.items, len(COLUMNS)), np.float32)
    settings = settings_of(profile)
    settings["reads"] = settings["all_reads"] = 1 << 30  # whatever a profile wants to read
    _, _, work = shop.view.kernels.evidence(settings, *query, query.times, *room)
    assert 0 < work <= most_work(profile, len(most))


@pytest.mark.parametrize(("name", "sessions"), [("portal", 0), ("shop", 5_000_000)])
def test_summaries_of_a_log_are_those_of_the_clicks_whatever_the_clock_says(name: str, sessions: int) -> None:
    """In a snapshot of the version before times are as far from 0 as the shop is old."""
    shop = Shop(small(name))
    shop.view.arrays.counters[SESSIONS] = sessions
    shop.live(shopping(1500, tastes=1, items=4))
    view, items = shop.view, dense_items(shop.view)
    expected = {item: last_columns(view, item, view.time) for item in items}
    view.arrays.summaries[:] = np.zeros((), SUMMARY)
    view.arrays.counters[SUMMARIES] = 0
    view.arrays.clocks[[PAIRS_SINCE, PAIRS_WORN]] = 0.0
    view.arrays = view.arrays._replace(hot=view.arrays.hot.copy())  # kernels on arrays that were loaded
    view.kernels.summarise()
    assert dense_items(view) == items
    for item in items:
        found = last_columns(view, item, view.time)
        for other, columns in expected[item].items():
            assert found[other] == pytest.approx(columns, rel=0.25), (item, other)
