"""Partition state: the rows of one input partition, numpy structured rows in slots, and which of them changed.

key ─► slot ─► array[slot] ─► touch ─► changes since the last checkpoint
mark ─► slots, changed rows ─► undo: as they were at the mark
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Protocol

import numpy as np

FIRST_CAPACITY = 1024
Bounds = Mapping[str, tuple[float, float]]  # field -> lowest and highest value of a sound row; both infinite: any, NaN


class Converter(Protocol):
    """From rows (n,) of an earlier layout to rows of the present one."""

    @property
    def dtype(self) -> np.dtype: ...

    def __call__(self, rows: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Layout:
    """Shape of the rows of one table. Raise `version` whenever `dtype` or the meaning of a field changes.

    `bounds` are for finding rows that no sound program could have written; fields without bounds hold anything.
    `earlier` takes over rows of layouts of before, by their version.
    """

    dtype: np.dtype
    version: int = 1
    bounds: Bounds = field(default_factory=dict, compare=False, hash=False)
    earlier: Mapping[int, Converter] = field(default_factory=dict, compare=False, hash=False)


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
    kept in rows, and results must not depend on their numbers. Handlers change only rows that they asked `slots` for:
    these are what `undo` brings back.
    """

    def __init__(self, dtype: np.dtype, layout: int, bounds: Bounds | None = None) -> None:
        self.array = np.zeros(FIRST_CAPACITY, dtype)
        self.layout = layout
        self.bounds: Bounds = bounds or {}
        self._slot_of: dict[bytes, int] = {}
        self._keys: list[bytes | None] = []
        self._free: list[int] = []
        self._touched = np.zeros(FIRST_CAPACITY, np.bool_)
        self._removed: set[bytes] = set()
        self._before: list[tuple[np.ndarray, np.ndarray]] | None = None  # since the mark: slots, and their rows
        self._added: dict[bytes, None] = {}  # since the mark
        self._taken: dict[bytes, int] = {}  # slots of keys that were there at the mark, and are removed

    @property
    def array(self) -> np.ndarray:
        return self._array

    @array.setter
    def array(self, array: np.ndarray) -> None:
        # the same memory as plain bytes: NumPy copies rows of many fields one field at a time, 80 times as long
        self._array, self._bytes = array, array.view(np.dtype((np.void, array.itemsize)))

    def __len__(self) -> int:
        return len(self._slot_of)

    def __contains__(self, key: bytes) -> bool:
        return key in self._slot_of

    def keys(self) -> list[bytes]:
        return list(self._slot_of)

    def key_at(self, slot: int) -> bytes | None:
        """None where the slot is nobody's (any more)."""
        return self._keys[slot] if slot < len(self._keys) else None

    def find(self, key: bytes) -> int:
        """Slot of a key, -1 when it has none."""
        return self._slot_of.get(key, -1)

    def slots(self, keys: Sequence[bytes]) -> np.ndarray:
        """Slots of the keys, int64 (n,). New keys get rows of zeros, which count as changed."""
        slots = np.fromiter(map(self._slot_of.get, keys, repeat(-1)), np.int64, len(keys))
        for i in (slots < 0).nonzero()[0].tolist():
            slots[i] = self._slot_of.get(keys[i], -1)  # the batch may name a new key twice
            if slots[i] < 0:
                slots[i] = self._add(keys[i])
        if self._before is not None:
            self._before.append((slots, self._bytes[slots]))
        return slots

    def mark(self) -> None:
        """From here on changes can be undone."""
        self._before, self._added, self._taken = [], {}, {}

    def undo(self) -> None:
        """Rows and keys as they were at the mark."""
        for slots, rows in reversed(self._before or []):
            self._bytes[slots] = rows
        for key in self._added:
            self.remove(key)
        for key, slot in self._taken.items():
            self._free.remove(slot)
            self._slot_of[key], self._keys[slot], self._touched[slot] = slot, key, True
            self._removed.discard(key)
        self.mark()

    def faults(self) -> list[str]:
        """What is out of bounds in the rows that were asked for since the mark."""
        found: dict[bytes, str] = {}
        for slots, _ in self._before or []:
            wrong = out_of_bounds(self.array[slots], self.bounds)
            keys = {self._keys[slots[place]]: text for place, text in wrong.items()}
            found |= {key: text for key, text in keys.items() if key is not None}
        return [f"the row of {_named(key)}: {text}" for key, text in found.items()]

    def touch(self, slots: np.ndarray | int) -> None:
        """These rows changed: the next checkpoint saves them."""
        self._touched[slots] = True

    def remove(self, key: bytes) -> None:
        """Forget a key, in the changelog too. Without effect when there is none."""
        slot = self._slot_of.pop(key, None)
        if slot is not None:
            if self._before is not None and key not in self._added and key not in self._taken:
                self._taken[key] = slot
                self._before.append((np.array([slot]), self._bytes[[slot]]))  # another key may take the slot
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

    def take_changes(self) -> Changes:
        """Copies of what changed since the last call."""
        slots = np.flatnonzero(self._touched)
        self._touched[slots] = False
        keys = [key for key in map(self._keys.__getitem__, slots.tolist()) if key is not None]
        removed, self._removed = self._removed, set()
        return Changes(keys, self._bytes[slots].view(self.array.dtype), list(removed))

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
        self._added[key] = None
        self._removed.discard(key)
        self._touched[slot] = True
        return slot

    def _resize(self, capacity: int) -> None:
        array, touched = np.zeros(capacity, self.array.dtype), np.zeros(capacity, np.bool_)
        kept = min(capacity, len(self.array))
        array[:kept], touched[:kept] = self.array[:kept], self._touched[:kept]
        self.array, self._touched = array, touched


def out_of_bounds(rows: np.ndarray, bounds: Bounds) -> dict[int, str]:
    """Place of each of the rows (n,) that holds a value beyond its bounds, NaN included, and which one."""
    found: dict[int, str] = {}
    for name, (low, high) in bounds.items():
        if -low == high == np.inf:
            continue
        values = rows[name]
        is_wrong = ~((values >= low) & (values <= high))
        if is_wrong.any():
            for place in np.flatnonzero(is_wrong.reshape(len(rows), -1).any(axis=1)).tolist():
                value = np.atleast_1d(values[place])[np.atleast_1d(is_wrong[place])][0]
                found.setdefault(place, f"{name} is {value}, not within {low:g} to {high:g}")
    return found


def _named(key: bytes | None) -> str:
    return repr((key or b"").decode(errors="replace"))


def adopt(layout: Layout, old: Rows, source: Rows) -> Rows:
    """The rows of `source` as a table of another layout version; the next checkpoint saves all of them.

    Keys that only `old` had are gone, in the changelog too.
    """
    rows = Rows(layout.dtype, layout.version, layout.bounds)
    kept = {key: source.array[source.find(key)].tobytes() for key in source.keys()}  # noqa: SIM118 - not a mapping
    rows.load(kept, [key for key in old.keys() if key not in source])  # noqa: SIM118
    rows.touch(np.arange(len(kept)))
    return rows


@dataclass
class PartitionState:
    """What a handler sees of its partition: the tables that it declared in `layouts`.

    `origins` are the names that ids of outputs are made of, by input topic (in the contract): the topic, and which of
    all topics of this name it is. `partitions` are how many these topics have; 0: it is no topic's. `memo` is what a
    handler makes of the rows to find things faster; it is dropped when rows are undone.
    """

    number: int
    tables: dict[str, Rows] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    partitions: int = 0
    memo: dict[str, Any] = field(default_factory=dict, compare=False)

    def origin(self, topic: str) -> str:
        return self.origins.get(topic, topic)

    def mark(self) -> None:
        """From here on `undo` brings all tables back."""
        for rows in self.tables.values():
            rows.mark()

    def undo(self) -> None:
        self.memo.clear()
        for rows in self.tables.values():
            rows.undo()

    def faults(self) -> list[str]:
        """What is out of bounds in rows that were asked for since the mark, table by table."""
        return [f"table {name}, {text}" for name, rows in self.tables.items() for text in rows.faults()]


def fits(state: PartitionState, layouts: Mapping[str, Layout]) -> bool:
    """Whether the tables are those of a handler."""
    found = {name: Layout(rows.array.dtype, rows.layout) for name, rows in state.tables.items()}
    return found == dict(layouts)


def empty_state(number: int, layouts: Mapping[str, Layout]) -> PartitionState:
    tables = {name: Rows(layout.dtype, layout.version, layout.bounds) for name, layout in layouts.items()}
    return PartitionState(number, tables)
