"""Exploration: some places of a list are for new items that nobody has clicked, or they would never be clicked at all.

new items without a click ─► may be shown to this user, not in the list ─► by the luck of the session ─► places 4 to 20
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.recommender.arrays import NEW, NEW_RING
from models.recommender.catalogue import CatalogueView
from models.recommender.queries import Queries
from schemas import RecommenderProfile

FIRST_PLACE = 3  # the best three stay
Lists = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.int64]]


def explore(view: CatalogueView, queries: Queries, profile: RecommenderProfile, lists: Lists) -> None:
    """Put new items into the lists, in place; what falls off their ends is gone.

    Which ones, and where, follows from the session and how far it is: the same question has the same answer.

    Args:
        lists: rows (n, 20), scores (n, 20), counts (n,). A new item has the score of the one before it.
    """
    items, scores, counts = lists
    share = round(profile.exploration * items.shape[1])
    new = _unclicked(view, profile)
    if share == 0 or not len(new):
        return
    halves = (view.arrays.items["key"][new] >> np.uint64(32)).astype(np.uint32)
    for query in range(len(counts)):
        now = max(float(queries.times[query]), view.event_time)
        free = ~np.isin(halves, queries.turned_down[query]) & ~np.isin(new, items[query, : counts[query]])
        rows = [row for row in new[free].tolist() if view.kernels.may_be_shown(row, now)]
        chance = np.random.default_rng([int(queries.sessions[query]), int(queries.lengths[query])])
        places = np.sort(chance.choice(np.arange(FIRST_PLACE, items.shape[1]), share, replace=False))
        for row, place in zip(chance.permutation(rows)[:share].tolist(), places.tolist(), strict=False):
            _insert(items[query], scores[query], row, min(place, int(counts[query])))
            counts[query] = min(counts[query] + 1, items.shape[1])


def _unclicked(view: CatalogueView, profile: RecommenderProfile) -> npt.NDArray[np.int64]:
    """Rows of items that were announced of late and have no click, newest first."""
    newest = int(view.arrays.counters[NEW])
    ring = view.arrays.new_ring[np.arange(newest - 1, max(-1, newest - NEW_RING - 1), -1) % NEW_RING]
    rows = np.unique(ring[ring >= 0]).astype(np.int64)
    known = view.arrays.items[rows]
    is_new = (known["clicks"] == 0) & (view.time - known["first"] < profile.new_age)
    unclicked: npt.NDArray[np.int64] = rows[is_new]
    return unclicked


def _insert(items: npt.NDArray[np.int32], scores: npt.NDArray[np.float64], row: int, place: int) -> None:
    items[place + 1 :], scores[place + 1 :] = items[place:-1].copy(), scores[place:-1].copy()
    items[place], scores[place] = row, scores[place - 1] if place else 0.0
