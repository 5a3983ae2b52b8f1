"""Partition state: the rows of one input partition, numpy structured rows in slots, and which of them changed.

key ─► slot ─► array[slot] ─► touch ─► changes since the last checkpoint
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

FIRST_CAPACITY = 1024


@dataclass(frozen=True)
class Layout:
    """Shape of the rows of one table. Raise `version` whenever `dtype` or the meaning of a field changes."""

    dtype: np.dtype
    version: int = 1


@dataclass(frozen=True)
class Changes:
    """What a checkpoint saves of one table: `rows[i]` belongs to `keys[i]`; `removed` are gone."""

    keys: list[bytes]
    rows: np.ndarray
    removed: list[bytes]


class Rows:
    """One table of one partition.

    `array` has shape (capacity,) and is replaced by a longer one when it is full, so handlers read it again after
    `slots`. A slot belongs to its key until the key is removed or the partition is opened again: slots are never
    kept in rows, and results must not depend on their numbers.
    """

    def __init__(self, dtype: np.dtype, layout: int) -> None:
        self.array: np.ndarray = np.zeros(FIRST_CAPACITY, dtype)
        self.layout = layout
        self.rebuilding = 0  # rows of another layout that were not loaded
        self._slot_of: dict[bytes, int] = {}
        self._keys: list[bytes | None] = []
        self._free: list[int] = []
        self._touched = np.zeros(FIRST_CAPACITY, np.bool_)
        self._removed: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._slot_of)

    def __contains__(self, key: bytes) -> bool:
        return key in self._slot_of

    def keys(self) -> list[bytes]:
        return list(self._slot_of)

    def find(self, key: bytes) -> int:
        """Slot of a key, -1 when it has none."""
        return self._slot_of.get(key, -1)

    def slots(self, keys: Sequence[bytes]) -> np.ndarray:
        """Slots of the keys, int64 (n,). New keys get rows of zeros, which count as changed."""
        find = self._slot_of.get
        slots = np.fromiter((find(key, -1) for key in keys), np.int64, len(keys))
        for i in np.flatnonzero(slots < 0).tolist():
            slots[i] = self._slot_of.get(keys[i], -1)  # the batch may name a new key twice
            if slots[i] < 0:
                slots[i] = self._add(keys[i])
        return slots

    def touch(self, slots: np.ndarray | int) -> None:
        """These rows changed: the next checkpoint saves them."""
        self._touched[slots] = True

    def remove(self, key: bytes) -> None:
        """Forget a key, in the changelog too. Without effect when there is none."""
        slot = self._slot_of.pop(key, None)
        if slot is not None:
            self._keys[slot] = None
            self._touched[slot] = False
            self._free.append(slot)
            self._removed.add(key)

    def load(self, saved: Mapping[bytes, bytes], stale: Sequence[bytes] = ()) -> None:
        """Fill an empty table with the raw bytes of rows; the next checkpoint deletes the `stale` keys."""
        self._keys = list(saved)
        self._slot_of = {key: slot for slot, key in enumerate(saved)}
        self._resize(max(FIRST_CAPACITY, len(saved) * 5 // 4))
        if saved:
            self.array[: len(saved)] = np.frombuffer(b"".join(saved.values()), self.array.dtype)
        self._removed = set(stale)
        self.rebuilding = len(stale)

    def take_changes(self) -> Changes:
        """Copies of what changed since the last call."""
        slots = np.flatnonzero(self._touched)
        self._touched[slots] = False
        keys = [key for key in map(self._keys.__getitem__, slots.tolist()) if key is not None]
        removed, self._removed = self._removed, set()
        return Changes(keys, self.array[slots], list(removed))

    def _add(self, key: bytes) -> int:
        if self._free:
            slot = self._free.pop()
            self.array[slot] = np.zeros((), self.array.dtype)
            self._keys[slot] = key
        else:
            slot = len(self._keys)
            if slot == len(self.array):
                self._resize(2 * slot)
            self._keys.append(key)
        self._slot_of[key] = slot
        self._removed.discard(key)
        self._touched[slot] = True
        return slot

    def _resize(self, capacity: int) -> None:
        array, touched = np.zeros(capacity, self.array.dtype), np.zeros(capacity, np.bool_)
        kept = min(capacity, len(self.array))
        array[:kept], touched[:kept] = self.array[:kept], self._touched[:kept]
        self.array, self._touched = array, touched


def adopt(layout: Layout, old: Rows, source: Rows) -> Rows:
    """The rows of `source` as a table of another layout version; the next checkpoint saves all of them.

    Keys that only `old` had are gone, in the changelog too.
    """
    rows = Rows(layout.dtype, layout.version)
    kept = {key: source.array[source.find(key)].tobytes() for key in source.keys()}  # noqa: SIM118 - not a mapping
    rows.load(kept, [key for key in old.keys() if key not in source])  # noqa: SIM118
    rows.touch(np.arange(len(kept)))
    return rows


@dataclass
class PartitionState:
    """What a handler sees of its partition: the tables that it declared in `layouts`."""

    number: int
    tables: dict[str, Rows] = field(default_factory=dict)


def fits(state: PartitionState, layouts: Mapping[str, Layout]) -> bool:
    """Whether the tables are those of a handler."""
    found = {name: Layout(rows.array.dtype, rows.layout) for name, rows in state.tables.items()}
    return found == dict(layouts)


def empty_state(number: int, layouts: Mapping[str, Layout]) -> PartitionState:
    return PartitionState(number, {name: Rows(layout.dtype, layout.version) for name, layout in layouts.items()})
