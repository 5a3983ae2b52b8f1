"""Actions: what is stronger than a view counts more, what a user turns down is in none of that user's lists."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from models.recommender import CatalogueView, feed_clicks, queries_of
from models.recommender.feed import decode_record, encode_record
from models.recommender.users import EARLIER_USERS as EARLIER
from models.recommender.users import RECENT_EVENTS, TURNED_DOWN, USER
from schemas import Click
from tests.models.recommender.shoppers import START, Shop, lived, shopping, small


@pytest.fixture(params=["shop", "portal"])
def shop(request: pytest.FixtureRequest) -> Shop:
    return lived(request.param)


def click(user: str, item: str, second: float, action: Any = "view") -> Click:
    at = START + timedelta(hours=3, seconds=second)
    return Click(event_id=f"{user}-{second}", event_time=at, user_id=user, item_id=item, action=action)


def take(shop: Shop, *some: Click) -> list[list[str]]:
    """The lists that answer the clicks; the view is told of them, as by the feed."""
    clicks = list(some)
    arrays, steps = shop.step(clicks)
    ranked = shop.recommender.rank(shop.view, queries_of(arrays, steps))
    lists = [
        [shop.view.item_ids[row] for row in rows[:count]]
        for rows, count in zip(ranked.items.tolist(), ranked.counts.tolist(), strict=True)
    ]
    record = feed_clicks(arrays, steps, 0, np.arange(len(clicks)) + 1 + max(shop.view.positions.values(), default=0))
    shop.view.apply(decode_record(encode_record(record)))
    return lists


@pytest.mark.parametrize("action", ["remove", "dislike"])
def test_what_is_turned_down_is_in_no_list_of_that_user_until_it_is_taken_back(shop: Shop, action: str) -> None:
    (before,) = take(shop, click("ann", "item-5-3", 0))
    down = before[1]
    clicks = shop.view.clicks
    for second, answer in enumerate(take(shop, click("ann", down, 1, action), click("ann", "item-5-3", 2)), 1):
        assert len(answer) == 20, second
        assert down not in answer
    assert shop.view.clicks == clicks + 1  # nobody clicked it
    assert down in take(shop, click("bob", "item-5-3", 3))[0]
    assert down not in take(shop, click("ann", down, 4))[0]  # to look at it takes nothing back
    take(shop, click("ann", down, 5, "like"))
    assert down in take(shop, click("ann", "item-5-3", 4000))[0]


def test_who_turns_down_first_of_all_gets_a_list_without_it(shop: Shop) -> None:
    trending = [item for item, _ in shop.view.trending(5)]
    first, second = take(shop, click("new", trending[0], 0, "dislike"), click("new", trending[1], 1, "remove"))
    assert trending[0] not in first
    assert not set(trending[:2]) & set(second)
    assert len(second) == 20


def test_the_newest_that_were_turned_down_are_known() -> None:
    shop = lived("shop")
    down = [f"item-1-{n}" for n in range(10)] + [f"item-2-{n}" for n in range(10)] + [f"item-3-{n}" for n in range(10)]
    for second, item in enumerate([*down, down[-1]]):
        take(shop, click("ann", item, second, "dislike"))
    known = shop.rows[shop.slots["ann"]]["turned_down"]
    assert np.count_nonzero(known) == len(set(known.tolist())) == TURNED_DOWN
    answer = set(take(shop, click("ann", "item-3-1", 100))[0])
    assert not answer & set(down[-TURNED_DOWN:])


def popularity(view: CatalogueView, item: str) -> float:
    return float(view.arrays.popularity[view.row_of(item), 1])


@pytest.mark.parametrize("action", ["view", "cart", "purchase", "like", "share"])
def test_popularity_counts_by_the_weights_of_the_profile(shop: Shop, action: str) -> None:
    shop.view.start_over()
    weight = getattr(shop.recommender.profile.action_weights, action)
    take(shop, click("ann", "item-0-0", 0, action))
    assert popularity(shop.view, "item-0-0") == pytest.approx(weight)


def test_who_bought_together_is_nearer_than_who_looked(shop: Shop) -> None:
    shop.view.start_over()
    for n in range(40):
        other, action = (("bought", "purchase"), ("seen", "view"))[n % 2]
        take(shop, click(f"u{n}", "first", 10 * n), click(f"u{n}", other, 10 * n + 1, action))
    rows = [shop.view.item_ids[row] for row in range(shop.view.items)]
    asked = queries_of(*shop.step([click("asker", "first", 500)]))
    found = shop.recommender.candidates(shop.view, asked)
    names = shop.recommender.features
    by_name = {rows[item]: row for item, row in zip(found.items.tolist(), found.rows, strict=True)}
    for feature in ("after", "recent", "directed"):
        bought, seen = (float(by_name[item][names.index(feature)]) for item in ("bought", "seen"))
        assert bought > 2 * seen > 0, feature


def test_views_alone_are_as_they_ever_were() -> None:
    """Records of before have no actions: they and views without them lead to the same arrays."""
    clicks = shopping(500)
    views = []
    for drops in (False, True):
        shop = Shop(small("shop"))
        arrays, steps = shop.step(clicks)
        record = feed_clicks(arrays, steps, 0, np.arange(len(clicks)))
        data = encode_record(record)
        assert getattr(decode_record(data), "actions", None) is None  # not a byte is spent
        shop.view.apply(record if not drops else decode_record(data))
        views.append(shop.view)
    for name, array in views[0].arrays._asdict().items():
        assert array.tobytes() == getattr(views[1].arrays, name).tobytes(), name


def test_actions_of_a_newer_worker_are_views() -> None:
    shop = Shop(small("shop"))
    arrays, steps = shop.step([click("ann", "a", 0, "share")])
    arrays.moves.actions[:] = 77
    shop.view.apply(encode_record(feed_clicks(arrays, steps, 0, np.arange(1))))
    assert popularity(shop.view, "a") == 1.0


@pytest.mark.parametrize("version", [1, 2])
def test_rows_of_before_keep_what_they_knew(version: int) -> None:
    convert, chance = EARLIER[version], random.Random(version)
    rows = np.zeros(3, convert.dtype)
    for row, written in zip(rows, (5, 64, 100), strict=True):
        row["last"], row["sessions"], row["length"] = chance.random(), written, 3
        row["prefix"][:3] = [7, 8, written]
        for event in range(1, written + 1):
            row["events"][row["event"]] = event
            row["event"] = (row["event"] + 1) % 64
    wider = convert(rows)
    assert wider.dtype == USER
    for row, old, written in zip(wider, rows, (5, 64, 100), strict=True):
        newest = list(range(1, written + 1))[-RECENT_EVENTS:]
        assert [event for event in row["events"].tolist() if event] == newest  # oldest first, written over from there
        assert row["event"] == 0
        assert row["prefix"].tolist() == old["prefix"].tolist()
        assert (row["last"], row["sessions"]) == (old["last"], old["sessions"])
        assert not row["turned_down"].any()
