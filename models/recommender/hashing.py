"""Stable 64-bit hashes of ids, and the open-addressing tables that turn them into row numbers (kernel/tables.c).

id ─► stable_hash ─► u64 ─► table ─► row

A hash is the first 8 bytes (little endian) of BLAKE2b of the UTF-8 text; 0 means none. Two of a million ids share one
with a probability of 3e-8. A table is an int32 array, its length a power of two, of row + 1 (0: empty), probed
linearly; the rows it points to are records that begin with a field `key`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from models.recommender.kernel import index


@lru_cache(maxsize=1 << 16)
def stable_hash(text: str) -> int:
    """The hash of an id: the same on every machine and in every run; never 0."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") or 1


def halves(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
    """(n,) u4: enough to tell two users of one item apart."""
    return (hashes >> np.uint64(32)).astype(np.uint32)


def indexed(capacity: int, records: npt.NDArray[Any], count: int) -> npt.NDArray[np.int32]:
    """A table of `capacity` places that points to the first `count` records."""
    table = np.zeros(capacity, np.int32)
    index(count, table, records)
    return table
