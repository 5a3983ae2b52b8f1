"""What is said of items: the newest word counts, partial or whole; who was never told of, and who was never clicked."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommender.queries import queries_of
from schemas import Item
from tests.models.recommender.changes import LATER, Changes, click, lists
from tests.models.recommender.shoppers import START, Shop, lived


@pytest.fixture(params=["shop", "portal"])
def shop(request: pytest.FixtureRequest) -> Shop:
    return lived(request.param)


WORDS = st.lists(
    st.tuples(
        st.integers(0, 30),  # event time, minutes
        st.sampled_from(["available", "unavailable", "silent"]),
        st.sampled_from(["now", "later", "silent"]),
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=25)
@given(WORDS, st.randoms(use_true_random=False))
def test_the_newest_word_on_each_thing_counts_in_whatever_order_words_arrive(
    words: list, chance: random.Random
) -> None:
    """Against the plain definition; equal times are told apart by nothing, so each time is used once."""
    words = list({minute: (minute, available, published) for minute, available, published in words}.values())
    shop = lived("shop")
    says = [
        (START + timedelta(hours=4, minutes=minute), available, published) for minute, available, published in words
    ]
    arrival = says.copy()
    chance.shuffle(arrival)
    changes, far = Changes(shop), LATER + timedelta(days=30)
    for at, available, published in arrival:
        named = {} if available == "silent" else {"available": available == "available"}
        named |= {} if published == "silent" else {"published_at": far if published == "later" else None}
        changes.say("item-5-4", at, Item(item_id="item-5-4", event_time=at, **named))
    in_time = sorted(says)
    last_available = ([word for _, word, _ in in_time if word != "silent"] or ["available"])[-1]
    last_published = ([word for _, _, word in in_time if word != "silent"] or ["now"])[-1]
    is_shown = last_available == "available" and last_published == "now"
    assert ("item-5-4" in lists(shop, LATER + timedelta(hours=2), "item-5-4", "item-5-3")["candidates"]) == is_shown


def test_what_was_said_before_a_removal_does_not_bring_the_item_back(shop: Shop) -> None:
    changes = Changes(shop)
    changes.announce("item-5-4", LATER)
    changes.say("item-5-4", LATER + timedelta(hours=1), None)
    changes.announce("item-5-4", LATER + timedelta(minutes=30))
    assert "item-5-4" not in shop.view.trending_rows(200)
    row = shop.view.arrays.items[shop.view.row_of("item-5-4")]
    assert (row["is_removed"], row["is_available"]) == (1, 0)
    changes.say("item-5-4", LATER, Item(item_id="item-5-4", event_time=LATER + timedelta(hours=2), title="new"))
    row = shop.view.arrays.items[shop.view.row_of("item-5-4")]
    assert (row["is_removed"], row["is_available"], row["clicks"]) == (0, 1, 0)


@pytest.mark.parametrize(
    ("unknown", "before", "after"), [(None, True, False), (True, True, True), (False, False, False)]
)
def test_items_nobody_told_of_are_shown_as_the_profile_says(unknown: bool | None, before: bool, after: bool) -> None:
    shop = lived("shop", unknown_items=unknown)

    def has_unknown() -> bool:
        found = lists(shop, LATER, "item-5-3")
        del found["hot"]  # as they were computed; whoever uses one asks again
        return any(item.startswith("item-") for items in found.values() for item in items)

    assert has_unknown() == before
    Changes(shop).announce("told", LATER)
    assert has_unknown() == after
    assert shop.view.row_of("told") >= 0


def test_new_items_that_nobody_clicked_get_their_share_of_the_places() -> None:
    shop = lived("shop", exploration=0.1, unknown_items=True)
    changes = Changes(shop)
    for n in range(30):
        changes.announce(f"new-{n}", LATER)
    changes.announce("new-not-yet", LATER, published=LATER + timedelta(days=9))
    asked = [click(f"asker-{n}", "item-5-3", LATER + timedelta(minutes=1)) for n in range(200)]
    queries = queries_of(*shop.step(asked))
    ranked = shop.recommender.rank(shop.view, queries)
    shown: list[str] = []
    for rows, scores, count in zip(ranked.items.tolist(), ranked.scores.tolist(), ranked.counts.tolist(), strict=True):
        items = [shop.view.item_ids[row] for row in rows[:count]]
        new = [item for item in items if item.startswith("new-")]
        assert len(items) == len(set(items)) == 20
        assert len(new) == 2
        assert not any(item.startswith("new-") for item in items[:3])
        assert scores[:count] == sorted(scores[:count], reverse=True)
        shown += new
    assert "new-not-yet" not in shown
    assert len(set(shown)) == 30  # each has its turn
    again = shop.recommender.rank(shop.view, queries)
    assert (again.items == ranked.items).all()
