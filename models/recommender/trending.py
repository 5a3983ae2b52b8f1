"""Trending: the most clicked items as they stand now, in the order of the scores beside them.

hot list, of some time ago ─► (too short: what was seen last) ─► clicks decayed until now ─► order
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.recommender.arrays import NEW, NEW_RING, Arrays
from models.recommender.kernel import View


def _shown(view: View, rows: npt.NDArray[np.int32], now: float) -> npt.NDArray[np.int64]:
    """Those that may be in a list for everybody, each once, in their order."""
    kept = np.empty(len(rows), np.int64)
    return kept[: view.shown_once(now, rows, kept)]


def trending(
    arrays: Arrays, view: View, count: int, time: float, now: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Rows of the most clicked items, best first, and their decayed clicks.

    Args:
        view: the kernels on the arrays.
        time: in the clock of the profile.
        now: epoch seconds: items that are published later are not there.
    """
    rows = _shown(view, arrays.hot[0, : arrays.hot_length[0]], now)
    if len(rows) < count:  # an empty shop is filled up
        newest = int(arrays.counters[NEW])
        ring = arrays.new_ring[np.arange(newest - 1, max(-1, newest - NEW_RING - 1), -1) % NEW_RING]
        rows = _shown(view, np.concatenate([rows.astype(np.int32), ring]), now)
    passed = np.maximum(time - arrays.items["last"][rows], 0.0)
    scores = arrays.popularity[rows, 1] * np.exp(-arrays.rates[1] * passed)
    order = np.argsort(-scores, kind="stable")[:count]
    return rows[order], scores[order]
