"""Repeats: a memory of the newest events, whoever's they are, against what a producer sends again.

(user, event) ─► key ─► in the index? ─► repeated; else ─► ring, where the oldest leaves ─► index

A partition has one beside the short memory of each user: a producer that repeats its last batch repeats the clicks of
all users, or many of one that is shared.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.recommender import kernel

REMEMBERED = 1 << 16  # remembered


class Repeats:
    """The newest events.

    Args:
        keys: (n,) u8, a ring as `keys` of another one gave it; 0: nothing there. n is a power of two.
        until: how many events were ever put in it.
    """

    def __init__(self, keys: npt.NDArray[np.uint64] | None = None, until: int = 0) -> None:
        self._ring = np.zeros(REMEMBERED, np.uint64) if keys is None else keys.copy()
        self._index = kernel.Repeats(self._ring)
        self.until = until

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        """(n,) the n-th event is at place n modulo their number."""
        return self._ring

    def take(self, users: npt.NDArray[np.uint64], events: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which of the events are known, repeats within the batch too; the others are remembered from now on.

        Args:
            users, events: (n,) stable hashes of user id and event id.
        """
        is_known = np.zeros(len(events), np.bool_)
        self.until = self._index.take(self.until, users, events, is_known)
        return is_known
