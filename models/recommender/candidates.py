"""Candidates: the items that are worth a score, chosen from the evidence by quotas, then from the hot lists.

evidence ─► own items in or out ─► best of each generator ─► hot and new items ─► rows in the catalogue
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.jit import borrowing
from models.recommender.arrays import HOT_LENGTH, HOT_LISTS
from models.recommender.evidence import (
    AFTER,
    AFTER_LAST,
    COLUMNS,
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

LIST_LENGTH = 20  # items of a recommendation
FURTHER_ROWS = HOT_LISTS * HOT_LENGTH + PREFIX  # items that `choose` may be the first to touch


class CandidateSettings(NamedTuple):
    """The part of the profile that choosing needs, under the profile's names; quotas in the order of GENERATORS."""

    max_candidates: int
    min_candidates: int
    own_items: bool
    hot_items: int
    new_items: int
    quotas: tuple[int, ...]


def candidate_settings(profile: RecommenderProfile) -> CandidateSettings:
    quotas = tuple(getattr(profile.quotas, COLUMNS[generator]) for generator in GENERATORS.tolist())
    return CandidateSettings._make([*(getattr(profile, name) for name in CandidateSettings._fields[:-1]), quotas])


@borrowing(inline="always")
def may_be_recommended(view, item, query):
    """May be shown, and to this user."""
    if not may_be_shown(view, item, query.now):
        return False
    half = np.uint32(view.items[item].key >> np.uint64(32))
    for place in range(len(query.turned_down)):
        if query.turned_down[place] == 0:
            break
        if query.turned_down[place] == half:
            return False
    return True


@borrowing(inline="always")
def take(view, scratch, item, query, chosen, count):
    """Add the item to the chosen ones, if it may be and is not yet. Returns the new count."""
    row = row_of(scratch.place, scratch.evidence, scratch.touched, scratch.state, item)
    if row == len(scratch.evidence) - 1 or scratch.chosen[row] != 0 or not may_be_recommended(view, item, query):
        return count
    scratch.chosen[row] = 1
    chosen[count] = item
    return count + 1


@borrowing()
def settle_own_items(view, settings, scratch, query, chosen):
    """The session's own items are the first candidates, newest first, or none at all."""
    count = 0
    for age in range(query.length):
        item = query.prefix[query.length - 1 - age]
        if item < 0:
            continue
        if settings.own_items:
            count = take(view, scratch, item, query, chosen, count)
        else:
            scratch.chosen[row_of(scratch.place, scratch.evidence, scratch.touched, scratch.state, item)] = 1
    return count


@borrowing()
def choose_by_evidence(view, settings, scratch, query, chosen, count):
    """The best of each generator that no earlier one chose."""
    best, rows = scratch.top_scores, scratch.top_rows
    for generator in range(len(settings.quotas)):
        quota = min(settings.quotas[generator], settings.max_candidates - count)
        if quota <= 0:
            continue
        column, found = GENERATORS[generator], 0
        for row in range(scratch.state[ROWS]):
            score = scratch.evidence[row, column]
            if score > 0 and (found < quota or score > best[0]) and scratch.chosen[row] == 0:
                found = push_top(best, rows, found, quota, score, row)
        for place in range(found):
            count = take(view, scratch, scratch.touched[rows[place]], query, chosen, count)
    return count


@borrowing()
def choose_hot(view, scratch, kind, query, goal, is_unclicked_wanted, chosen, count):
    """Further items of a hot list, until there are `goal` candidates."""
    for place in range(view.hot_length[kind]):
        if count >= goal:
            break
        item = view.hot[kind, place]
        if is_unclicked_wanted or view.items[item].clicks > 0:
            count = take(view, scratch, item, query, chosen, count)
    return count


@borrowing()
def fill_up(view, settings, scratch, query, chosen, count):
    """From the new ones down to the popular ones. Where the profile wants no new items, those that nobody has clicked
    only fill a list that would be too short: a ranker, which learns from clicks, may well put them first."""
    goal = min(settings.min_candidates, settings.max_candidates)
    for kind in range(3, -1, -1):
        count = choose_hot(view, scratch, kind, query, goal, settings.new_items > 0, chosen, count)
    return choose_hot(view, scratch, 3, query, min(goal, LIST_LENGTH), True, chosen, count)


@borrowing()
def choose(view, settings, scratch, query, chosen):
    """Write the candidates (rows in the catalogue, at most `maximum`) to `chosen`; returns how many."""
    scratch.chosen[: scratch.state[ROWS] + FURTHER_ROWS] = 0  # not all of it: that would sweep the cache
    for row in range(scratch.state[ROWS]):  # what may not be shown must not use up a quota
        scratch.chosen[row] = not may_be_recommended(view, scratch.touched[row], query)
    count = settle_own_items(view, settings, scratch, query, chosen)
    count = choose_by_evidence(view, settings, scratch, query, chosen, count)
    for kind in range(4):
        quota = settings.hot_items if kind < 3 else settings.new_items
        goal = min(count + quota, settings.max_candidates)
        count = choose_hot(view, scratch, kind, query, goal, True, chosen, count)
    return fill_up(view, settings, scratch, query, chosen, count)


@borrowing()
def choose_given(view, scratch, query, given, chosen, count):
    """Add the items that somebody asked for, also those of the session, if they may be shown and are not chosen yet."""
    for item in given:
        is_chosen = False
        for place in range(count):
            is_chosen |= chosen[place] == item
        if is_chosen or not may_be_recommended(view, item, query):
            continue
        row = row_of(scratch.place, scratch.evidence, scratch.touched, scratch.state, item)
        if row < len(scratch.evidence) - 1:
            chosen[count] = item
            count += 1
    return count
