"""Candidates: the items that are worth a score, chosen from the evidence by quotas, then from the hot lists.

evidence ─► own items in or out ─► best of each generator ─► hot and new items ─► rows in the catalogue
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.jit import njit
from models.recommender.arrays import HOT_LENGTH, HOT_LISTS
from models.recommender.evidence import (
    AFTER,
    AFTER_LAST,
    COSINE,
    DIRECTED,
    NEIGHBOURS,
    NEIGHBOURS_AFTER,
    NEIGHBOURS_RECENT,
    RECENT,
    ROWS,
    SECOND_ORDER,
    TOGETHER_LAST,
    row_of,
)
from models.recommender.hot_lists import push_top
from models.recommender.item_life import may_be_shown
from models.recommender.users import PREFIX
from schemas import RecommenderProfile

GENERATORS = np.array(
    [
        NEIGHBOURS,
        NEIGHBOURS_RECENT,
        NEIGHBOURS_AFTER,
        AFTER,
        COSINE,
        AFTER_LAST,
        RECENT,
        TOGETHER_LAST,
        DIRECTED,
        SECOND_ORDER,
    ]
)

FURTHER_ROWS = HOT_LISTS * HOT_LENGTH + PREFIX  # items that `choose` may be the first to touch


class Choice(NamedTuple):
    """The part of the profile that choosing needs."""

    quotas: tuple[int, ...]  # by GENERATORS
    maximum: int
    minimum: int
    own_items: bool
    hot_items: int
    new_items: int


def build_choice(profile: RecommenderProfile) -> Choice:
    q = profile.quotas
    quotas = (
        q.neighbours,
        q.neighbours_recent,
        q.neighbours_after,
        q.after,
        q.cosine,
        q.after_last,
        q.recent,
        q.together_last,
        q.directed,
        q.second_order,
    )
    return Choice(
        quotas,
        profile.max_candidates,
        profile.min_candidates,
        profile.own_items,
        profile.hot_items,
        profile.new_items,
    )


@njit(cache=True, inline="always")
def take(v, w, item, now, chosen, count):  # type: ignore[no-untyped-def]
    """Add the item to the chosen ones, if it may be and is not yet. Returns the new count."""
    row = row_of(w.place, w.evidence, w.touched, w.state, item)
    if row == len(w.evidence) - 1 or w.chosen[row] != 0 or not may_be_shown(v.items, item, now):
        return count
    w.chosen[row] = 1
    chosen[count] = item
    return count + 1


@njit(cache=True)
def settle_own_items(v, choice, w, query, chosen):  # type: ignore[no-untyped-def]
    """The session's own items are the first candidates, newest first, or none at all."""
    count = 0
    for age in range(query.length):
        item = query.prefix[query.length - 1 - age]
        if item < 0:
            continue
        if choice.own_items:
            count = take(v, w, item, query.now, chosen, count)
        else:
            w.chosen[row_of(w.place, w.evidence, w.touched, w.state, item)] = 1
    return count


@njit(cache=True)
def choose_by_evidence(v, choice, w, now, chosen, count):  # type: ignore[no-untyped-def]
    """The best of each generator that no earlier one chose."""
    best = np.empty(choice.maximum, np.float32)
    rows = np.empty(choice.maximum, np.int32)
    for generator in range(len(choice.quotas)):
        quota = min(choice.quotas[generator], choice.maximum - count)
        if quota <= 0:
            continue
        column, found = GENERATORS[generator], 0
        for row in range(w.state[ROWS]):
            score = w.evidence[row, column]
            if score > 0 and (found < quota or score > best[0]) and w.chosen[row] == 0:
                found = push_top(best, rows, found, quota, score, row)
        for place in range(found):
            count = take(v, w, w.touched[rows[place]], now, chosen, count)
    return count


@njit(cache=True)
def choose_hot(v, w, kind, now, quota, maximum, chosen, count):  # type: ignore[no-untyped-def]
    """Up to `quota` further items of a hot list."""
    goal = min(count + quota, maximum)
    for place in range(v.hot_length[kind]):
        if count >= goal:
            break
        count = take(v, w, v.hot[kind, place], now, chosen, count)
    return count


@njit(cache=True)
def choose(v, choice, w, query, chosen):  # type: ignore[no-untyped-def]
    """Write the candidates (rows in the catalogue, at most `maximum`) to `chosen`; returns how many."""
    w.chosen[: w.state[ROWS] + FURTHER_ROWS] = 0  # not all of it: that would sweep the cache
    now = query.now
    for row in range(w.state[ROWS]):  # what may not be shown must not use up a quota
        w.chosen[row] = not may_be_shown(v.items, w.touched[row], now)
    count = settle_own_items(v, choice, w, query, chosen)
    count = choose_by_evidence(v, choice, w, now, chosen, count)
    for kind in range(3):
        count = choose_hot(v, w, kind, now, choice.hot_items, choice.maximum, chosen, count)
    count = choose_hot(v, w, 3, now, choice.new_items, choice.maximum, chosen, count)
    for kind in range(3, -1, -1):
        count = choose_hot(v, w, kind, now, choice.minimum - count, choice.maximum, chosen, count)
    return count
