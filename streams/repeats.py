"""Repeats in the state: the memory of the newest clicks of a partition, as rows of a table that is checkpointed.

clicks ─► index, kept beside the rows ─► known ones, and blocks of the ring that changed ─► rows

The rows are the truth; the index is made of them again whenever they were loaded or undone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.recommender import REMEMBERED, Repeats
from streams.agent import Layout, PartitionState, Rows

RECENT = "recent"
BLOCK = 256  # clicks a row: 2 KB, a checkpoint saves those that changed
BLOCKS = REMEMBERED // BLOCK
ROW = np.dtype([("until", "i8"), ("keys", "u8", (BLOCK,))])  # clicks ever, as of the newest in the block; the ring
RECENT_LAYOUT = Layout(ROW, 1)


def known_before(
    state: PartitionState, users: npt.NDArray[np.uint64], events: npt.NDArray[np.uint64]
) -> npt.NDArray[np.bool_]:
    """Which clicks of a batch are repeated; the others are remembered.

    Args:
        users, events: (n,) stable hashes.
    """
    rows = state.tables[RECENT]
    memory: Repeats | None = state.memo.get(RECENT)
    if memory is None:
        memory = state.memo[RECENT] = _load(rows)
    first = memory.until
    is_known = memory.take(users, events)
    if memory.until > first:
        _write(rows, memory, first)
    return is_known


def _load(rows: Rows) -> Repeats:
    ring, until = np.zeros(REMEMBERED, np.uint64), 0
    for key in rows.keys():  # noqa: SIM118 - not a mapping
        row: Any = rows.array[rows.find(key)]
        first = int(key) * BLOCK
        ring[first : first + BLOCK] = row["keys"]
        until = max(until, int(row["until"]))
    return Repeats(ring, until)


def _write(rows: Rows, memory: Repeats, first: int) -> None:
    """The blocks that hold the clicks from the `first` on."""
    blocks = range(max(first // BLOCK, (memory.until - 1) // BLOCK - BLOCKS + 1), (memory.until - 1) // BLOCK + 1)
    slots = rows.slots([b"%d" % (block % BLOCKS) for block in blocks])
    for slot, block in zip(slots.tolist(), blocks, strict=True):
        at = block % BLOCKS * BLOCK
        rows.array[slot]["until"] = min(memory.until, (block + 1) * BLOCK)
        rows.array[slot]["keys"] = memory.keys[at : at + BLOCK]
    rows.touch(slots)
