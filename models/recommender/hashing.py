"""Stable 64-bit hashes of ids, and the open-addressing tables that turn them into row numbers.

id ─► stable_hash ─► u64 ─► find / insert ─► row

A hash is the first 8 bytes (little endian) of BLAKE2b of the UTF-8 text; 0 means none. Two of a million ids share one
with a probability of 3e-8. A table is an int32 array, its length a power of two, of row + 1 (0: empty), probed
linearly; the rows it points to are records with a field `key`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from models.jit import borrowing, njit


@lru_cache(maxsize=1 << 16)
def stable_hash(text: str) -> int:
    """The hash of an id: the same on every machine and in every run; never 0."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") or 1


def halves(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
    """(n,) u4: enough to tell two users of one item apart."""
    return (hashes >> np.uint64(32)).astype(np.uint32)


@borrowing()
def mixed(a, b):
    """One u64 from two, never 0 (finaliser of splitmix64)."""
    x = np.uint64(a) ^ (np.uint64(b) * np.uint64(0x9E3779B97F4A7C15))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return x if x != 0 else np.uint64(1)


@borrowing()
def find(table, records, key):
    """Row of the record with this key, or -1."""
    mask = len(table) - 1
    place = np.int64(key & np.uint64(mask))
    while table[place] != 0:
        row = table[place] - 1
        if records[row].key == key:
            return np.int64(row)
        place = (place + 1) & mask
    return np.int64(-1)


@borrowing()
def insert(table, key, row):
    """Let the table point to `row`, whose key is not yet in it. The table must have room."""
    mask = len(table) - 1
    place = np.int64(key & np.uint64(mask))
    while table[place] != 0:
        place = (place + 1) & mask
    table[place] = row + 1


@borrowing()
def remove(table, records, row):
    """Take `row` out of the table, closing the gap (Knuth 6.4, algorithm R). It must be in it, with its key."""
    mask = len(table) - 1
    gap = np.int64(records[row].key & np.uint64(mask))
    while table[gap] != row + 1:
        gap = (gap + 1) & mask
    place = gap
    while True:
        place = (place + 1) & mask
        if table[place] == 0:
            break
        home = np.int64(records[table[place] - 1].key & np.uint64(mask))
        if ((place - home) & mask) >= ((place - gap) & mask):
            table[gap] = table[place]
            gap = place
    table[gap] = 0


@njit(cache=True)
def rebuilt(capacity, records, count):
    """A table of `capacity` places that points to the first `count` records."""
    table = np.zeros(capacity, np.int32)
    for row in range(count):
        insert(table, records[row].key, row)
    return table
