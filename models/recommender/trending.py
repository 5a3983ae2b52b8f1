"""Trending: the most clicked items as they stand now, in the order of the scores beside them.

hot list, of some time ago ─► (too short: what was seen last) ─► clicks decayed until now ─► order
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.jit import njit
from models.recommender.arrays import NEW, NEW_RING, Arrays
from models.recommender.item_life import may_be_hot


@njit(cache=True)
def _shown(view, rows, now):
    """Those that may be in a list, each once, in their order."""
    kept, seen = np.empty(len(rows), np.int64), {np.int64(-1)}
    count = 0
    for row in rows:
        if np.int64(row) not in seen and may_be_hot(view, row, now):
            kept[count] = row
            count += 1
        seen.add(np.int64(row))
    return kept[:count]


def trending(
    arrays: Arrays, count: int, time: float, now: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Rows of the most clicked items, best first, and their decayed clicks.

    Args:
        time: in the clock of the profile.
        now: epoch seconds: items that are published later are not there.
    """
    rows: Any = _shown(arrays, arrays.hot[0, : arrays.hot_length[0]], now)
    if len(rows) < count:  # an empty shop is filled up
        newest = int(arrays.counters[NEW])
        ring = arrays.new_ring[np.arange(newest - 1, max(-1, newest - NEW_RING - 1), -1) % NEW_RING]
        rows = _shown(arrays, np.concatenate([rows.astype(np.int32), ring]), now)
    passed = np.maximum(time - arrays.items["last"][rows], 0.0)
    scores = arrays.popularity[rows, 1] * np.exp(-arrays.rates[1] * passed)
    order = np.argsort(-scores, kind="stable")[:count]
    return rows[order], scores[order]
