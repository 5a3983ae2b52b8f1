"""Items: shown when they are published and not before, forgotten when removed, not made popular by one visitor."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommender import snapshot
from models.recommender.catalogue import CatalogueView
from models.recommender.clicks import feed_items
from models.recommender.feed import decode_record, encode_record
from models.recommender.queries import queries_of
from models.recommender.recommender import Recommender
from models.recommender.snapshot import SnapshotError
from tests.models.recommender.changes import LATER, Changes, click, lists
from tests.models.recommender.shoppers import START, Shop, lived, shopping, small


@pytest.fixture(params=["shop", "portal"])
def shop(request: pytest.FixtureRequest) -> Shop:
    return lived(request.param)


def where(found: dict[str, list[str]], item: str) -> set[str]:
    return {name for name, items in found.items() if item in items}


def test_an_unpublished_item_is_in_no_list_though_it_is_clicked_and_new_from_the_moment_on(shop: Shop) -> None:
    changes, published = Changes(shop), LATER + timedelta(hours=5)
    changes.announce("next", LATER, published)
    previews = [click(f"editor-{n}", item, LATER + timedelta(seconds=n), f"preview-{n}")
                for n in range(40) for item in ("item-5-3", "next")]  # fmt: skip
    shop.live(previews)
    assert where(lists(shop, LATER + timedelta(minutes=1)), "next") == set()
    shop.live([click("a", "item-5-3", published - timedelta(seconds=1))])
    assert where(lists(shop, published - timedelta(seconds=1)), "next") == set()
    shop.live([click("b", "item-5-3", published)])
    assert where(lists(shop, published), "next") == {
        "recommended", "candidates", "trending", "fallback", "hot", "similar",
    }  # fmt: skip
    item = shop.view.arrays.items[shop.view.row_of("next")]
    assert item["first"] == (shop.view.time if shop.view.profile.clock == "sessions" else published.timestamp())


def test_the_one_who_asks_at_the_moment_of_publication_is_not_told_before(shop: Shop) -> None:
    changes, published = Changes(shop), LATER + timedelta(hours=1)
    changes.announce("item-5-4", LATER, published)  # an old item that shall be back then
    assert "recommended" not in where(lists(shop, published - timedelta(seconds=1)), "item-5-4")
    assert "recommended" in where(lists(shop, published), "item-5-4")


def test_a_publication_can_be_postponed_lifted_and_withdrawn(shop: Shop) -> None:
    changes, hour = Changes(shop), timedelta(hours=1)
    for item, then in (("postponed", LATER + 9 * hour), ("lifted", None), ("withdrawn", LATER + hour)):
        changes.announce(item, LATER, LATER + hour)
        changes.announce(item, LATER, then, available=item != "withdrawn")
    shop.live([click("a", "item-5-3", LATER)])
    assert "trending" in where(lists(shop, LATER), "lifted")
    shop.live([click("b", "item-5-3", LATER + 2 * hour)])
    found = lists(shop, LATER + 2 * hour)
    assert where(found, "postponed") == where(found, "withdrawn") == set()
    changes.announce("withdrawn", LATER + 3 * hour, LATER + hour)
    shop.live([click("c", "item-5-3", LATER + 10 * hour)])
    found = lists(shop, LATER + 10 * hour)
    assert "trending" in where(found, "postponed") & where(found, "withdrawn") & where(found, "lifted")


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 12), st.booleans(), st.integers(0, 2)), max_size=40))
def test_whatever_is_said_of_items_what_waits_is_each_once_and_not_yet_due(
    said: list[tuple[int, int, bool, int]],
) -> None:
    shop = Shop(small("shop"))
    changes = Changes(shop)
    for n, (item, after, available, kind) in enumerate(said):
        at = START + timedelta(hours=n)
        if kind == 2:
            changes.say(f"i{item}", at, None)
        else:
            changes.announce(f"i{item}", at, at + timedelta(hours=after) if kind else None, available)
        arrays = shop.view.arrays
        waiting = arrays.waiting[: arrays.counters[4]].tolist()
        assert len(set(waiting)) == len(waiting)
        assert set(waiting) == set(np.flatnonzero(arrays.items["is_waiting"]).tolist())
        assert (arrays.items["published"][waiting] > at.timestamp()).all()
        times = arrays.items["published"][waiting]
        assert arrays.clocks[5] <= (times.min() if len(waiting) else np.inf)


def test_waiting_items_outlive_snapshots_and_forgetting(tmp_path: Path) -> None:
    shop = Shop(small("shop", max_items=64))
    changes = Changes(shop)
    changes.announce("next", START, START + timedelta(hours=5))
    for n in range(60):
        shop.live([click("u", f"old-{n}", START + timedelta(seconds=n), f"s{n}")])
    changes.announce("next", START + timedelta(minutes=2), START + timedelta(hours=5))
    shop.live([click("u", f"new-{n}", START + timedelta(minutes=3), f"n{n}") for n in range(10)])
    shop.view.save(tmp_path / "view.npz")
    shop.view = CatalogueView.load(tmp_path / "view.npz", shop.view.profile)
    if shop.view.row_of("next") >= 0:
        assert "next" not in [item for item, _ in shop.view.trending(100)]
    shop.live([click("v", "new-1", START + timedelta(hours=5))])
    waiting = shop.view.arrays.counters[4]
    assert waiting == 0
    assert shop.view.row_of("next") < 0 or "next" in [item for item, _ in shop.view.trending(100)]


def test_a_removed_item_that_is_back_begins_anew(shop: Shop) -> None:
    changes, gone = Changes(shop), "item-5-4"
    assert gone in lists(shop, LATER)["similar"][:3]
    changes.say(gone, LATER, None)
    assert where(lists(shop, LATER), gone) == set()
    shop.live([click(f"late-{n}", gone, LATER, f"late-{n}") for n in range(30)])  # of pages that are still open
    assert where(lists(shop, LATER + timedelta(seconds=1)), gone) == set()
    changes.announce(gone, LATER + timedelta(seconds=2))
    view = shop.view
    row = view.row_of(gone)
    assert view.item_ids[row] == gone
    assert view.item_ids.count(gone) == 1
    item = view.arrays.items[row]
    assert (item["clicks"], item["repeats"], item["head"], item["is_announced"]) == (0, 0, 0, 1)
    assert not view.arrays.popularity[row].any()
    assert not view.arrays.context[row].any()
    assert not (view.arrays.session_items == row).any()
    found = lists(shop, LATER + timedelta(seconds=3))
    assert gone not in found["similar"]
    assert gone in found["trending"]  # as one of the new


def test_a_removed_item_leaves_what_is_known_of_others(shop: Shop) -> None:
    before = {name: shop.view.arrays._asdict()[name].copy() for name in ("items", "popularity", "context")}
    row = shop.view.row_of("item-5-4")
    Changes(shop).say("item-5-4", LATER, None)
    for name, array in before.items():
        others = np.arange(len(array)) != row
        assert array[others].tobytes() == shop.view.arrays._asdict()[name][others].tobytes()


def test_a_removal_is_not_available_for_workers_of_before_and_an_unavailable_item_keeps_what_is_known(
    shop: Shop,
) -> None:
    told = decode_record(encode_record(feed_items([("i", None)], 0, np.array([1]), 5.0)))
    assert told.is_available.tolist() == [0]  # type: ignore[union-attr]
    clicks = int(shop.view.arrays.items["clicks"][shop.view.row_of("item-5-4")])
    changes = Changes(shop)
    changes.announce("item-5-4", LATER, available=False)
    assert where(lists(shop, LATER), "item-5-4") <= {"hot"}  # until it is computed; nobody is shown what is not there
    changes.announce("item-5-4", LATER)
    assert shop.view.arrays.items["clicks"][shop.view.row_of("item-5-4")] == clicks
    assert "item-5-4" in lists(shop, LATER)["similar"]


@pytest.mark.long
@pytest.mark.parametrize("sessions", ["none", "one", "of each click"])
@pytest.mark.parametrize("items", [1, 2, 7, 30])
@pytest.mark.parametrize("among_others", [False, True])
def test_one_visitor_makes_nothing_popular(shop: Shop, sessions: str, items: int, among_others: bool) -> None:
    before = shop.view.trending(500)
    dice = random.Random(1)
    log, step = [], timedelta(seconds=0.45)
    for n in range(2000):
        session = {"none": None, "one": "s", "of each click": f"s{n}"}[sessions]
        log.append(click("bot", f"spam-{n % items}", LATER + n * step, session, f"bot-{n}"))
        if among_others and n % 20 == 0:
            visitor = f"visitor-{n}"
            log.append(click(visitor, f"item-{dice.randrange(12)}-{n % 10}", LATER + n * step, visitor))
    shop.live(log)
    spam = {f"spam-{n}" for n in range(items)}
    found = lists(shop, LATER + timedelta(minutes=16))
    assert not spam & {*found["recommended"], *found["hot"], *found["trending"], *found["fallback"]}
    rows = [shop.view.row_of(item) for item in sorted(spam)]
    assert shop.view.arrays.popularity[rows].max() <= 6  # three in ten minutes
    assert next(item for item, _ in shop.view.trending(3)) in [item for item, _ in before[:12]]


def test_one_visitor_does_not_make_a_known_item_the_first(shop: Shop) -> None:
    quiet = shop.view.trending(500)[-1][0]
    before = dict(shop.view.trending(500))[quiet]
    shop.live([click("bot", quiet, LATER + timedelta(seconds=n / 3), f"s{n}", f"b{n}") for n in range(2000)])
    assert dict(shop.view.trending(500))[quiet] <= before + 6


def test_many_visitors_still_do(shop: Shop) -> None:
    shop.live([click(f"visitor-{n}", "hit", LATER + timedelta(seconds=n), f"s{n}") for n in range(300)])
    assert shop.view.trending(1)[0][0] == "hit"


def test_a_new_item_with_few_clicks_of_one_visitor_is_not_held_back(shop: Shop) -> None:
    shop.live([click("author", "fresh", LATER + timedelta(seconds=n), "s", f"f{n}") for n in range(3)])
    shop.live(
        [click("other", "item-5-3", LATER + timedelta(minutes=3, seconds=n), f"o{n}", f"o{n}") for n in range(150)]
    )
    assert "fresh" in lists(shop, LATER + timedelta(minutes=6))["trending"]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["shop", "portal"])
def test_trending_is_in_the_order_of_its_scores_at_every_moment(name: str, seed: int) -> None:
    shop, dice = Shop(small(name)), random.Random(seed)
    for n, (_, _, record) in enumerate(shop.batches(shopping(1500, seed), size=17)):
        shop.view.apply(record)
        found = shop.view.trending(dice.choice([1, 5, 20, 100]))
        scores = [score for _, score in found]
        assert scores == sorted(scores, reverse=True), n
        assert [shop.view.item_ids[row] for row in shop.view.trending_rows(len(found))] == [item for item, _ in found]
        assert len({item for item, _ in found}) == len(found)


@pytest.mark.parametrize("name", ["shop", "portal"])
def test_clicks_from_the_past_move_no_clock_and_wipe_no_decay(name: str) -> None:
    shop = Shop(small(name))
    shop.live(shopping(2500))
    view = shop.view
    arrays, time, scores = view.arrays, view.time, dict(view.trending(20))
    clocks = arrays.clocks.copy()
    shop.live([click(f"late-{n}", "item-late", START - timedelta(days=3), f"l{n}") for n in range(400)])
    assert (arrays.clocks[[0, 4]] >= clocks[[0, 4]]).all()
    assert view.time == (time + 400 if view.profile.clock == "sessions" else time)
    after = dict(view.trending(500))
    for item, score in scores.items():
        assert after[item] == pytest.approx(score * (0.5 ** (400 / 10_000) if name == "shop" else 1), rel=1e-4)
    late = click("asker", "item-5-3", START - timedelta(days=3), "late-asker")
    on_time = click("other", "item-5-3", datetime.fromtimestamp(view.event_time, UTC), "asker")
    queries = [queries_of(*shop.step([asked])) for asked in (late, on_time)]
    rows = [Recommender(None, view.profile).candidates(view, query).rows.copy() for query in queries]
    hours = [n for n, feature in enumerate(shop.recommender.features) if feature == "context_hour"]
    assert np.allclose(np.delete(rows[0], hours, 1), np.delete(rows[1], hours, 1), equal_nan=True)


def test_a_snapshot_of_the_format_before_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(small("shop"))
    shop.live(shopping(200))
    with monkeypatch.context() as patched:
        patched.setattr(snapshot, "FORMAT", 1)
        shop.view.save(tmp_path / "view.npz")
    with pytest.raises(SnapshotError):
        CatalogueView.load(tmp_path / "view.npz", shop.view.profile)
