"""Recommender: what is recommended, by whom, and that batches, policy and fallbacks keep their word."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from models.recommender import Queries, Recommender, queries_of
from models.recommender.clicks import feed_items
from models.recommender.features import ITEM_AGE
from schemas import Click, Item
from tests.models.recommender.inside import evidence_of
from tests.models.recommender.shoppers import START, Shop, lived, shopping, small


@pytest.fixture(params=["shop", "portal"])
def shop(request: pytest.FixtureRequest) -> Shop:
    return lived(request.param)


def ask(shop: Shop, *items: str, user: str = "visitor") -> tuple[list[str], str]:
    """The recommendation after the clicks on `items`, none of which reaches the view."""
    clicks = [
        Click(event_id=f"{user}-{n}", event_time=START + timedelta(hours=3, seconds=n), user_id=user, item_id=item)
        for n, item in enumerate(items)
    ]
    rankings = shop.recommender.rank(shop.view, queries_of(*shop.step(clicks)))
    last = [shop.view.item_ids[row] for row in rankings.items[-1, : rankings.counts[-1]]]
    return last, rankings.strategies[-1]


def test_items_of_the_same_taste_come_first(shop: Shop) -> None:
    items, strategy = ask(shop, "item-5-3", "item-5-4")
    assert strategy == "blend"
    assert len(items) == len(set(items)) == 20
    others = [item for item in items if item not in ("item-5-3", "item-5-4")]
    assert sum(item.startswith("item-5-") for item in others[:5]) >= 4
    assert others[0] in ("item-5-5", "item-5-6")


def test_own_items_are_recommended_where_the_profile_says_so(shop: Shop) -> None:
    items, _ = ask(shop, "item-5-3", "item-5-4")
    assert ("item-5-3" in items) == shop.recommender.profile.own_items


def test_what_is_not_available_is_not_recommended_until_it_is_again(shop: Shop) -> None:
    before, _ = ask(shop, "item-5-3", user="a")
    gone = before[1]
    for offset, is_available in enumerate((False, True)):
        item = Item(item_id=gone, event_time=START, available=is_available)
        shop.view.apply(feed_items([(gone, item)], 1, np.array([offset]), START.timestamp()))
        now, _ = ask(shop, "item-5-3", user=f"b-{offset}")
        assert (gone in now) == is_available
    assert gone in [item for item, _ in shop.view.trending(200)]


def test_an_unknown_item_gets_what_is_trending(shop: Shop) -> None:
    items, strategy = ask(shop, "never seen")
    assert strategy == "trending"
    assert len(items) == 20
    assert items[0] in [i for i, _ in shop.view.trending(5)]


def test_an_empty_shop_recommends_what_was_announced() -> None:
    shop = Shop(small("shop"))
    assert ask(shop, "a") == ([], "trending")
    changes = [(f"new-{n}", Item(item_id=f"new-{n}", event_time=START)) for n in range(30)]
    shop.view.apply(feed_items(changes, 0, np.arange(30), START.timestamp()))
    items, strategy = ask(shop, "a", user="another")
    assert strategy == "trending"
    assert items[:2] == ["new-29", "new-28"]


def test_a_batch_ranks_as_single_queries_do(shop: Shop) -> None:
    queries = queries_of(*shop.step(shopping(60, seed=7)))
    together = shop.recommender.rank(shop.view, queries)
    for n in range(len(queries.lengths)):
        alone = shop.recommender.rank(shop.view, type(queries)(*(column[n : n + 1] for column in queries)))
        assert np.array_equal(alone.items[0], together.items[n])
        assert np.array_equal(alone.scores[0], together.scores[n])


def test_features_have_names_and_are_finite_where_they_must_be(shop: Shop) -> None:
    found = shop.recommender.candidates(shop.view, queries_of(*shop.step(shopping(60, seed=8))))
    assert found.rows.shape == (found.counts.sum(), len(shop.recommender.features))
    assert len(set(shop.recommender.features)) == found.rows.shape[1]
    may_be_missing = [n for n, name in enumerate(shop.recommender.features) if name.startswith(("context_", "lift_"))]
    rest = np.delete(found.rows, may_be_missing, axis=1)
    assert np.isfinite(rest).all()
    assert (rest.std(axis=0) > 0).sum() > 45


def test_ties_are_broken_by_the_hash_of_the_id(shop: Shop) -> None:
    """Where the profile has a bonus the fresh ones come first, and have ties of their own."""
    found = shop.recommender.candidates(shop.view, queries_of(*shop.step(shopping(20, seed=9))))
    age, profile = found.rows[:, ITEM_AGE], shop.recommender.profile
    profile = profile.model_copy(update={"fresh_age": float(np.median(age))})
    places, scores = Recommender(None, profile).best(found, np.zeros(len(found.items)))
    bonus = np.where(age < profile.fresh_age, profile.fresh_bonus, 0.0)
    for query, end in enumerate(np.cumsum(found.counts).tolist()):
        own = range(end - int(found.counts[query]), end)
        expected = sorted(own, key=lambda place: (-bonus[place], found.keys[place]))[:20]
        assert places[query, : len(expected)].tolist() == expected
        assert scores[query, : len(expected)].tolist() == bonus[expected].tolist()
    assert len(set(bonus.tolist())) == (2 if profile.name == "portal" else 1)


def test_fresh_items_get_the_bonus() -> None:
    shop = Shop(small("portal", fresh_bonus=100.0))
    shop.live(shopping(3000))
    late = [
        Click(
            event_id=f"late-{n}",
            event_time=START + timedelta(hours=3, minutes=n),
            user_id=f"user-{n}",
            item_id="item-late" if n % 2 else "item-5-3",
            session_id=f"late-{n // 2}",
        )
        for n in range(20)
    ]
    shop.live(late)
    click = Click(event_id="x", event_time=START + timedelta(hours=3, minutes=30), user_id="v", item_id="item-5-3")
    rankings = shop.recommender.rank(shop.view, queries_of(*shop.step([click])))
    assert shop.view.item_ids[rankings.items[0, 0]] == "item-late"
    assert rankings.scores[0, 0] > 99


def test_similar_items_share_the_taste(shop: Shop) -> None:
    similar = shop.recommender.similar(shop.view, shop.view.row_of("item-5-3"), 5)
    assert "item-5-3" not in [item for item, _ in similar]
    assert sum(item.startswith("item-5-") for item, _ in similar) >= 4
    shares = [share for _, share in similar]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[0] <= 1


@pytest.mark.parametrize("profile", ["shop", "portal"])
def test_features_have_names_of_their_own(profile: str) -> None:
    names = Recommender(None, small(profile)).features
    assert len(set(names)) == len(names)
    assert names[:3] == ["neighbours_relative", "neighbours_recent_relative", "neighbours_after_relative"]
    assert names[15:17] == ["second_order_relative", "neighbours"]


def test_a_question_reads_no_more_than_it_may_however_dense_the_log_is() -> None:
    met = {}
    for most in (12, 3072):
        shop = Shop(small("shop", all_reads=most))
        shop.live(shopping(3000))
        visit = [
            click.model_copy(update={"item_id": f"item-5-{n}", "user_id": "v"}) for n, click in enumerate(shopping(3))
        ]
        queries = queries_of(*shop.step(visit))
        _, _, met[most] = evidence_of(shop.view, shop.recommender.profile, Queries._make(c[-1:] for c in queries))
    assert 4 < met[12] <= 12 < met[3072]
