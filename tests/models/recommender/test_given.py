"""Given items: scored as the user's own list would score them, and nothing is changed by asking."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import settings as limits
from hypothesis import strategies as st

from models.recommender import GivenRanking, contributions, queries_of, question, rank_given
from models.recommender.clicks import feed_items
from schemas import Click, Item
from tests.models.recommender.shoppers import START, Shop, lived

NOW = START + timedelta(hours=3)


@pytest.fixture(params=["shop", "portal"])
def shop(request: pytest.FixtureRequest) -> Shop:
    return lived(request.param, own_items=True)


def clicked(item: str, number: int = 0, action: str = "view") -> Click:
    return Click(
        event_id=f"e-{number}", event_time=NOW, user_id="me", item_id=item, action=action,
        context={"region": 3, "device": "phone"},
    )  # fmt: skip


def ask(shop: Shop, *items: str, session: list[str] | None = None, user: bool = True) -> GivenRanking:
    row = shop.rows[shop.slots["me"]] if user and "me" in shop.slots else None
    return rank_given(shop.recommender, shop.view, question(shop.recommender, clicked("x"), session, row), items)


def test_the_items_of_the_users_own_list_keep_their_scores_and_order(shop: Shop) -> None:
    ranked = shop.recommender.rank(shop.view, queries_of(*shop.step([clicked("item-5-3", 1), clicked("item-5-4", 2)])))
    listed = [shop.view.item_ids[row] for row in ranked.items[-1]]
    scores, strategy = ranked.scores[-1].tolist(), ranked.strategies[-1]
    found = ask(shop, *sorted(listed))
    assert (found.item_ids, found.scores.tolist(), found.strategy) == (listed, scores, strategy)
    by_session = ask(shop, *listed[::-1], session=["item-5-3", "item-5-4"], user=False)
    assert (by_session.item_ids, by_session.scores.tolist()) == (listed, scores)


@limits(max_examples=30)
@examples(st.sets(st.tuples(st.integers(0, 11), st.integers(0, 9)), min_size=1), st.randoms())
def test_a_score_does_not_depend_on_what_else_is_asked_for(few: set[tuple[int, int]], random: object) -> None:
    shop = lived("shop")
    shop.step([clicked("item-5-3", 1)])
    everything = [f"item-{taste}-{number}" for taste in range(12) for number in range(10)]
    asked = [f"item-{taste}-{number}" for taste, number in few]
    random.shuffle(everything)  # type: ignore[attr-defined]
    whole = ask(shop, *everything)
    score = dict(zip(whole.item_ids, whole.scores.tolist(), strict=True))
    found = ask(shop, *asked)
    assert sorted(found.item_ids) == sorted(asked)
    assert found.scores.tolist() == [score[item] for item in found.item_ids]
    assert found.item_ids == [item for item in whole.item_ids if item in asked]


def test_what_is_not_for_this_user_is_named_with_its_reason(shop: Shop) -> None:
    shop.step([clicked("item-5-3", 1), clicked("item-5-4", 2, action="dislike")])
    gone = Item(item_id="item-6-1", event_time=NOW, available=False)
    later = Item(item_id="item-6-2", event_time=NOW, published_at=NOW + timedelta(days=1))
    told = Item(item_id="item-5-5", event_time=NOW)
    changes = [("item-6-1", gone), ("item-6-2", later), ("item-6-3", None), ("item-5-5", told)]
    shop.view.apply(feed_items(changes, 1, np.arange(4), NOW.timestamp()))
    found = ask(shop, "item-5-4", "item-6-1", "never", "item-6-2", "item-6-3", "item-5-5", "item-7-7")
    assert found.item_ids == ["item-5-5"]
    reasons = {"item-5-4": "turned_down", "never": "unknown"}
    reasons |= dict.fromkeys(["item-6-1", "item-6-2", "item-6-3", "item-7-7"], "unavailable")  # the last: never told
    assert dict(found.left_out) == reasons


def test_asking_changes_nothing(shop: Shop) -> None:
    shop.step([clicked("item-5-3", 1)])
    row, arrays = shop.rows[shop.slots["me"]].copy(), [a.copy() for a in shop.view.arrays]
    ask(shop, "item-5-4", "item-1-1", "never")
    assert shop.rows[shop.slots["me"]] == row
    assert [a.tobytes() for a in arrays] == [a.tobytes() for a in shop.view.arrays]


def test_contributions_without_a_forest_sum_to_the_score(shop: Shop) -> None:
    shop.step([clicked("item-5-3", 1)])
    found = ask(shop, "item-5-3", "item-5-4", "item-1-1")
    for place, score in enumerate(found.scores.tolist()):
        assert sum(contributions(shop.recommender, found, place).values()) == pytest.approx(score, abs=1e-12)


def test_nobody_and_no_session_is_a_question_too(shop: Shop) -> None:
    found = ask(shop, "item-5-3", "item-1-1", user=False)
    assert len(found.item_ids) == 2
    assert found.strategy == "trending"
