"""Repeats: a memory of the newest events, whoever's they are, against what a producer sends again.

(user, event) ─► key ─► in the index? ─► repeated; else ─► ring, where the oldest leaves ─► index

A partition has one beside the short memory of each user: a producer that repeats its last batch repeats the clicks of
all users, or many of one that is shared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.jit import njit
from models.recommender.hashing import find, insert, mixed, remove

REMEMBERED = 1 << 16  # remembered
KEY = np.dtype([("key", "u8")])


@njit(cache=True)
def _index(ring):
    table = np.zeros(4 * len(ring), np.int32)
    for place in range(len(ring)):
        if ring[place].key != 0:
            insert(table, ring[place].key, place)
    return table


@njit(cache=True)
def _take(ring, table, until, users, events):
    is_known = np.zeros(len(events), np.bool_)
    for event in range(len(events)):
        key = mixed(users[event], events[event])
        if find(table, ring, key) >= 0:
            is_known[event] = True
            continue
        place = until & (len(ring) - 1)
        if ring[place].key != 0:
            remove(table, ring, place)
        ring[place].key = key
        insert(table, key, place)
        until += 1
    return is_known, until


class Repeats:
    """The newest events.

    Args:
        keys: (n,) u8, a ring as `keys` of another one gave it; 0: nothing there. n is a power of two.
        until: how many events were ever put in it.
    """

    def __init__(self, keys: npt.NDArray[np.uint64] | None = None, until: int = 0) -> None:
        self._ring: Any = (np.zeros(REMEMBERED, np.uint64) if keys is None else keys.copy()).view(KEY)
        self._table = _index(self._ring)
        self.until = until

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        """(n,) the n-th event is at place n modulo their number."""
        keys: npt.NDArray[np.uint64] = self._ring["key"]
        return keys

    def take(self, users: npt.NDArray[np.uint64], events: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which of the events are known, repeats within the batch too; the others are remembered from now on.

        Args:
            users, events: (n,) stable hashes of user id and event id.
        """
        is_known, until = _take(self._ring, self._table, self.until, users, events)
        self.until = int(until)
        known: npt.NDArray[np.bool_] = is_known
        return known
