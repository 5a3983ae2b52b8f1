"""Candidates: which items are scored, of evidence that is given, by quotas, limits and what may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommender.catalogue import CatalogueView
from models.recommender.kernel import GENERATORS, LIST_LENGTH
from models.recommender.settings import SETTINGS, settings_of
from schemas import PROFILES
from tests.models.recommender.inside import chosen_of, question
from tests.models.recommender.shoppers import small

ITEMS = 40
NAMES = GENERATORS
NOW = 1e9
NONE: dict[str, dict[int, float]] = {}


class Shelf:
    """A catalogue of 40 items, and evidence for some of them as if the log had been read."""

    def __init__(self, evidence: dict[str, dict[int, float]]) -> None:
        self.view = CatalogueView(small("shop"))
        keys, rows = np.arange(1, ITEMS + 1, dtype=np.uint64), np.zeros((2, ITEMS), np.int64)
        assert self.view.kernels.register(keys, *rows) == ITEMS
        self.view.arrays.items["clicks"][:ITEMS] = 1
        self.evidence: dict[int, dict[str, float]] = {}
        for name, values in evidence.items():
            for item, value in values.items():
                self.evidence.setdefault(item, {})[name] = value

    def hot(self, kind: int, items: Sequence[int]) -> None:
        self.view.arrays.hot[kind, : len(items)] = items
        self.view.arrays.hot_length[kind] = len(items)

    def choose(self, prefix: Sequence[int] = (), **changes: Any) -> list[int]:
        quotas = changes.pop("quotas", {})
        made: dict[str, Any] = {"max_candidates": 30, "own_items": True} | changes
        settings = np.zeros(1, SETTINGS)
        for name, value in made.items():
            settings[name] = value
        settings["quotas"] = [quotas.get(name, 0) for name in NAMES]
        query = question([item + 1 if item >= 0 else 10**6 for item in prefix], time=NOW)
        everything = {item: dict.fromkeys(NAMES, 1.0) for item in range(ITEMS)}
        chosen_of(self.view, settings, query, everything)  # a question before
        found: list[int] = chosen_of(self.view, settings, query, self.evidence)
        return found


EVIDENCE = st.dictionaries(
    st.sampled_from(NAMES),
    st.dictionaries(st.integers(0, ITEMS - 1), st.integers(1, 1000).map(float), max_size=ITEMS),
    max_size=4,
)


@settings(max_examples=60)
@given(EVIDENCE, st.dictionaries(st.sampled_from(NAMES), st.integers(0, 8)), st.integers(1, 20))
def test_each_generator_gives_its_best_that_no_earlier_one_gave(
    evidence: dict[str, dict[int, float]], quotas: dict[str, int], maximum: int
) -> None:
    found = Shelf(evidence).choose(quotas=quotas, max_candidates=maximum)
    assert len(found) == len(set(found))
    taken: list[int] = []
    for name in NAMES:
        left = {item: value for item, value in evidence.get(name, {}).items() if item not in taken}
        goal = min(quotas.get(name, 0), maximum - len(taken), len(left))
        own = found[len(taken) : len(taken) + goal]
        assert len(own) == goal
        assert sorted((left[item] for item in own), reverse=True) == sorted(left.values(), reverse=True)[:goal]
        taken += own
    assert found == taken


@pytest.mark.parametrize("name", NAMES)
def test_a_quota_is_of_the_generator_that_it_names(name: str) -> None:
    """The fields of the profile and the columns of the evidence are in one order."""
    quotas = {other: int(other == name) for other in NAMES}
    assert tuple(PROFILES["shop"].quotas.model_dump()) == NAMES
    assert settings_of(small("shop", quotas=quotas))["quotas"][0].tolist() == [*quotas.values()]
    every = {other: {place: 1.0} for place, other in enumerate(NAMES)}
    assert Shelf(every).choose(quotas=quotas) == [NAMES.index(name)]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_choice_is_that_of_the_profile(profile: str) -> None:
    choice, of = settings_of(PROFILES[profile])[0], PROFILES[profile]
    assert choice["quotas"].tolist() == [*of.quotas.model_dump().values()]
    for name in set(SETTINGS.names or ()) - {"quotas", "weights"}:
        assert choice[name] == getattr(of, name), name
    assert choice["weights"][:6].tolist() == [*of.action_weights.model_dump().values(), 0.0]


def test_own_items_come_first_newest_first_or_not_at_all() -> None:
    evidence = {"after": {3: 5.0, 4: 4.0, 9: 2.0, 5: 1.0}}
    assert Shelf(evidence).choose([9, 3, -1, 9, 7], quotas={"after": 1}) == [7, 9, 3, 4]
    assert Shelf(evidence).choose([9, 3, -1, 9, 7], quotas={"after": 1}, own_items=False) == [4]
    only = Shelf(NONE)
    only.hot(0, [7, 8])
    assert only.choose([7], hot_items=2, own_items=False) == [8]


def test_what_may_not_be_shown_uses_up_no_quota() -> None:
    shelf = Shelf({"after": {3: 5.0, 4: 4.0, 5: 3.0, 6: 2.0}})
    shelf.view.arrays.items["is_available"][3] = 0
    shelf.view.arrays.items["published"][4] = NOW + 1
    shelf.view.arrays.items["published"][5] = NOW
    assert set(shelf.choose([3, 4], quotas={"after": 2})) == {5, 6}


def test_hot_lists_give_further_items_each_its_share() -> None:
    shelf = Shelf({"after": {3: 5.0}})
    for kind, items in enumerate([[3, 10, 11, 12], [10, 13, 14], [15, 11, 16], [17, 13, 18, 19]]):
        shelf.hot(kind, items)
    found = shelf.choose(quotas={"after": 1}, hot_items=2, new_items=3)
    assert found == [3, 10, 11, 13, 14, 15, 16, 17, 18, 19]
    assert shelf.choose(hot_items=2, max_candidates=5) == [3, 10, 13, 14, 15]


def test_few_candidates_are_filled_up_from_the_new_ones_down_to_the_popular_ones() -> None:
    shelf = Shelf({"after": {3: 5.0}})
    for kind, items in enumerate([[3, 10], [11], [], [12, 13]]):
        shelf.hot(kind, items)
    assert shelf.choose(quotas={"after": 1}, min_candidates=3) == [3, 12, 13]
    assert shelf.choose(quotas={"after": 1}, min_candidates=5) == [3, 12, 13, 11, 10]
    assert shelf.choose(quotas={"after": 1}, min_candidates=9) == [3, 12, 13, 11, 10]
    assert shelf.choose(quotas={"after": 1}, min_candidates=1) == [3]
    assert shelf.choose([10, 11], min_candidates=1, max_candidates=2) == [11, 10]


def test_what_nobody_clicked_only_fills_a_list_where_the_profile_wants_no_new_items() -> None:
    shelf = Shelf({"after": {3: 5.0}})
    for kind, items in enumerate([[3, 10], [11], [], [12, 13, *range(20, 40)]]):
        shelf.hot(kind, items)
    shelf.view.arrays.items["clicks"][13:ITEMS] = 0
    assert shelf.choose(quotas={"after": 1}, min_candidates=4) == [3, 12, 11, 10]
    assert shelf.choose(quotas={"after": 1}, min_candidates=5) == [3, 12, 11, 10, 13]
    assert len(shelf.choose(min_candidates=30)) == LIST_LENGTH  # and none is left to push out what was clicked
    assert shelf.choose(quotas={"after": 1}, new_items=3, min_candidates=4) == [3, 12, 13, 20]
