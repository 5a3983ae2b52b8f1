"""Evidence: every column of every item that is met, against the same counted by hand from the list of clicks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.recommender.hashing import stable_hash
from models.recommender.kernel import COLUMNS, threshold
from schemas import RecommenderProfile
from tests.models.recommender.by_hand import History, evidence
from tests.models.recommender.inside import evidence_of, question
from tests.models.recommender.shoppers import Shop, browsing, small

INSIDE = {"age_counted", "cosine_part", "pairs"}  # what the pass keeps for itself
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "few neighbours": {"neighbours": 5, "prefix_decay": 1.0},
    "near and short": {"window": 2, "prefix_items": 3, "age_decay": 0.3, "distance_decay": 1.0},
    "soon forgotten": {"fast": 2e3, "slow": 3e3, "neighbour_recency": 4e3, "neighbour_recency_short": 2e3},
    "second order of three": {"second_order_items": 3},
    "the newest eight": {"reads": 8, "second_order_items": 4, "second_order_reads": 5},
}


@pytest.fixture(params=["shop", "portal"])
def profile(request: pytest.FixtureRequest) -> str:
    return request.param


def gathered(shop: Shop, prefix: list[str], own: str | None, time: float) -> dict[str, dict[str, float]]:
    """Columns by item."""
    session = 0 if own is None else int(shop.rows[shop.slots[own]]["session"])
    query = question([stable_hash(item) for item in prefix], session, time)
    items, evidence, _ = evidence_of(shop.view, shop.recommender.profile, query)
    return {
        shop.view.item_ids[item]: dict(zip(COLUMNS, row.tolist(), strict=True))
        for item, row in zip(items, evidence, strict=True)
    }


def assert_as_by_hand(
    profile: RecommenderProfile, seed: int, prefix: list[str], is_own: bool, later_s: float = 0.0
) -> None:
    log = browsing(260, seed)
    shop = Shop(profile)
    shop.live(log)
    own = log[-1].session_id if is_own else None
    time = History(profile, log).now + later_s
    found, expected = gathered(shop, prefix, own, time), evidence(History(profile, log), prefix, own, time)
    assert set(found) == set(expected)
    assert len(found) > 3
    for item, columns in found.items():
        for name in set(columns) - INSIDE:
            assert columns[name] == pytest.approx(expected[item][name], rel=1e-4, abs=1e-6), (item, name)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", range(3))
def test_all_columns_are_those_counted_by_hand(profile: str, variant: str, seed: int) -> None:
    changed = small(profile, **VARIANTS[variant])
    assert_as_by_hand(changed, seed, ["item-1", "item-9", "item-0", "item-3"], is_own=False)
    assert_as_by_hand(changed, seed, ["item-2", "item-4", "item-2"], is_own=True, later_s=50.0)


def test_one_item_is_enough_and_unknown_ones_are_passed_over(profile: str) -> None:
    assert_as_by_hand(small(profile), 5, ["item-6"], is_own=False)
    assert_as_by_hand(small(profile), 5, ["item-6", "never seen", "item-0"], is_own=False)


def test_a_long_prefix_is_read_from_its_newest_end(profile: str) -> None:
    prefix = [f"item-{n % 13}" for n in range(18)]
    assert_as_by_hand(small(profile), 6, prefix, is_own=False)


def test_questions_do_not_disturb_each_other(profile: str) -> None:
    shop = Shop(small(profile))
    shop.live(browsing(260))
    one, other = (["item-1", "item-2"], None, 0.0), (["item-5"], None, 0.0)
    before = gathered(shop, *one)
    assert gathered(shop, *other) != before
    assert gathered(shop, *one) == before


def test_nobody_knows_anything(profile: str) -> None:
    shop = Shop(small(profile))
    shop.live(browsing(50))
    assert gathered(shop, ["never seen"], None, 0.0) == {}
    assert stable_hash("never seen") not in shop.view.arrays.items["key"]


@given(st.lists(st.floats(0, 1, width=32), max_size=60), st.integers(1, 40))
def test_the_threshold_is_the_nth_largest(scores: list[float], count: int) -> None:
    array = np.array(scores, np.float32)
    expected = sorted(scores, reverse=True)[count - 1] if len(scores) > count else 0.0
    assert threshold(count, array, np.empty_like(array)) == np.float32(expected)
    assert array.tolist() == np.array(scores, np.float32).tolist()  # not sorted in place
