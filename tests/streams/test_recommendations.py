"""Recommendations that are written in bulk are the records of recommendations one by one, byte for byte."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.recommender import STRATEGIES, Rankings
from schemas import RECOMMENDATIONS, Click, ModelRef
from streams.agent import Outputs
from streams.recommendations import Recommendations
from streams.wire import RANKED, write_recommendations
from tests.streams.batches import FLOATS, PARTITION, TEXTS, TIMES, TRACES, packed

MOST_ITEMS = 20
ITEMS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.sampled_from(["\x00\x1f\b\v\f"])
CLICKS_MADE = st.lists(
    st.tuples(
        st.integers(0, 2**62), TEXTS, TEXTS, TIMES, TRACES, st.sampled_from(STRATEGIES),
        st.lists(st.tuples(ITEMS, FLOATS), max_size=5) | st.lists(st.tuples(ITEMS, FLOATS), min_size=20, max_size=20),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


def recommended(clicks: list[Any]) -> Recommendations:
    """As if the view had those items, and the ranker had found them."""
    names = [name for *_, items in clicks for name, _ in items]
    rows = iter(range(len(names)))
    items, scores = np.full((len(clicks), MOST_ITEMS), -1, np.int32), np.zeros((len(clicks), MOST_ITEMS))
    decoded = []
    for place, (offset, user, event_id, time, headers, _, found) in enumerate(clicks):
        record = SimpleNamespace(partition=PARTITION, offset=offset, key=user.encode(), headers=headers)
        click = Click.model_construct(event_id=event_id, event_time=time, user_id=user, item_id="i")
        decoded.append((record, click))
        items[place, : len(found)] = [next(rows) for _ in found]
        scores[place, : len(found)] = [score for _, score in found]
    counts = np.array([len(found) for *_, found in clicks])
    ranked = Rankings(items, scores, counts, [one[5] for one in clicks], None)  # type: ignore[arg-type]  # not read
    return Recommendations(decoded, ranked, names, 160_233, ModelRef(name="shop é", version="v"), "clicks.v1@9")


@given(CLICKS_MADE, st.integers(1, 5000))
def test_in_bulk_they_are_what_they_are_one_by_one(clicks: list[Any], most: int) -> None:
    made, outputs = recommended(clicks), Outputs()
    outputs.add_bulk(made)
    each = list(made)
    assert len(each) == len(made) == len(clicks)
    assert asyncio.run(packed(outputs, RECOMMENDATIONS, most)) == asyncio.run(packed(each, RECOMMENDATIONS, most))


def test_items_are_named_as_the_view_was_when_it_was_asked() -> None:
    """A broker that is away lets the view go on, which removes items, before it takes what was decided."""
    click = (1, "ann", "e", datetime(2026, 1, 1, tzinfo=UTC), [], "ranker", [("a", 1.5), ("b", 0.5)])
    made = recommended([click])
    names = ["a", "b"]
    ranked = Rankings(np.array([[0, 1]], np.int32), np.array([[1.5, 0.5]]), np.array([2]), ["ranker"], None)  # type: ignore[arg-type]
    again = Recommendations(made._decoded, ranked, names, 160_233, ModelRef(name="shop é", version="v"), "clicks.v1@9")
    names[:] = ["x"]
    assert list(again) == list(made)


def test_more_items_than_names_are_refused() -> None:
    ranked = np.zeros(1, RANKED)
    ranked["items"] = 2
    with pytest.raises(ValueError, match="more items than there are names"):
        write_recommendations((b"", b"", b"", b""), [b"a"], [b"e"], ["s"], None, ranked, ["one"], b"[1.0]", 1000, 1000)
