"""Training keeps the types of context values, and learns more from what is stronger than a view."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from models.recommender import Candidates, Recommender, action_weights
from models.recommender.clicks import contexts_as
from models.recommender.training import LogReader, QueryLog
from models.recommender.training.query_log import fit
from schemas import Click
from tests.models.recommender.shoppers import START, batches, small


def click(n: int, item: str = "a", action: Any = "view", **context: Any) -> Click:
    at = START + timedelta(seconds=n)
    who = {"user_id": "u", "session_id": "s", "item_id": item}
    return Click(event_id=f"e{n}", event_time=at, action=action, context=context, **who)


def silent(*_: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("kind", "given", "taken", "left_out"),
    [
        ("number", "3", 3.0, 0), ("number", " 2.5 ", 2.5, 0), ("number", "1e3", 1000.0, 0), ("number", 4, 4.0, 0),
        ("number", "phone", None, 1), ("number", "nan", None, 1), ("number", "inf", None, 1), ("number", "", None, 1),
        ("text", 3, "3", 0), ("text", 2.5, "2.5", 0), ("text", "3", "3", 0), ("text", -0.0, "0", 0),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_taken_as_what_training_saw(
    kind: Any, given: Any, taken: Any, left_out: int
) -> None:
    (context,), unusable = contexts_as({"x": kind}, [click(0, x=given, other="as it is")])
    assert context == {"x": taken, "other": "as it is"}
    assert unusable == left_out


def test_a_text_is_never_hashed_into_a_number_nor_a_number_into_a_text() -> None:
    profile = small("portal")
    recommender = Recommender(None, profile)
    recommender._types = {"region": "number", "device": "text"}
    texts = recommender.encode([click(0, region="7", device="3"), click(1, region=7, device=3)])
    assert texts.codes[0].tolist() == texts.codes[1].tolist()
    fields = len(profile.context)  # behind them is the hour
    assert np.array_equal(texts.context[0, :fields], texts.context[1, :fields], equal_nan=True)
    odd = recommender.encode([click(2, region="north")])
    assert np.isnan(odd.context[0][profile.context.index("region")])
    assert odd.unusable == 1


def test_the_type_is_that_of_most_values_where_the_field_first_occurs() -> None:
    reader = LogReader(small("portal"))
    log = [click(n, device="phone" if n % 3 else 4, region="5" if n % 3 == 0 else n % 7) for n in range(60)]
    log += [click(100 + n, os=n) for n in range(10)]
    found = reader.read(batches(log, 30), silent)
    assert found.context_types == {"device": "text", "region": "number", "os": "number"}


def test_what_was_turned_down_is_no_click_of_the_log_and_actions_are_kept() -> None:
    log = [click(0), click(1, "b", "purchase"), click(2, "c", "dislike"), click(3, "d", "cart")]
    found = LogReader(small("shop")).read(batches(log, 2), silent)
    assert found.item_ids == ["a", "b", "d"]
    assert found.columns.actions.tolist() == [0, 2, 1]
    assert found.target_actions().tolist() == [2, 1, 0]
    assert found.targets()[:2].tolist() == found.columns.items[1:].tolist()
    assert found.duplicates == 0


def test_the_forest_ranks_what_is_bought_above_what_is_seen() -> None:
    """One column says what is bought, one what is seen; both are right as often."""
    weights = action_weights(small("shop"))
    log = QueryLog()
    for n in range(3000):
        rows = np.zeros((2, 2), np.float32)
        rows[0, 0], rows[1, 1] = 1, 1
        keys = np.array([1, 2], np.uint64)
        found = Candidates(np.arange(2, dtype=np.int32), keys, rows, np.array([2]), np.array([2]), np.array([2]))
        is_bought = bool(n % 2)
        log.add(found, keys[0 if is_bought else 1][None], np.array([2 if is_bought else 0], np.uint8))
    booster = fit(*log.arrays(), ["bought", "seen"], 20, weights)
    bought, seen = booster.predict(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert bought > seen
    even = fit(*_views_only(), ["bought", "seen"], 20, weights)
    bought, seen = even.predict(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert abs(bought - seen) < 0.05


def _views_only() -> Any:
    rows = np.tile(np.array([[1, 0], [0, 1]], np.float32), (3000, 1))
    labels = np.zeros(6000, np.int32)
    labels[[2 * n + (n % 2 == 0) for n in range(3000)]] = 1
    return rows, labels, np.full(3000, 2)
