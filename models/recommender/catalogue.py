"""The catalogue view: what every worker knows about all users and items, a pure function of the click feed.

feed record ─► ignore what is known (offset per input partition) ─► rows of the items ─► kernel.View ─► arrays

Two views that applied the same records are equal bit for bit, whether rebuilt or continued from a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from models.recommender import snapshot
from models.recommender.arrays import (
    ACTIONS,
    CLICKS,
    EVENTS,
    ITEM,
    ITEMS,
    NOW,
    SESSIONS,
    SUMMARIES,
    WAITING,
    Arrays,
    build_arrays,
    build_clock,
)
from models.recommender.feed import CLICK_KIND, ITEM_KIND, REMOVED, ClickRecord, ItemRecord, decode_record
from models.recommender.hashing import halves, indexed, stable_hash
from models.recommender.kernel import View
from models.recommender.snapshot import SnapshotError
from models.recommender.trending import trending
from schemas import RecommenderProfile

PER_ITEM = ("items", "popularity", "context", "waiting")
PER_SUMMARY = ("summaries", "co_visits")


def context_fingerprint(profile: RecommenderProfile) -> int:
    """Tells whether the codes in a feed record mean what this profile means by them."""
    return crc32(repr([(c.name, c.values) for c in profile.context_popularity]).encode())


class CatalogueView:
    """Statistics of all clicks, in arrays. Not for several threads."""

    def __init__(self, profile: RecommenderProfile) -> None:
        self.profile = profile
        self.arrays: Arrays = build_arrays(profile)
        self.clock = build_clock(profile)
        self.item_ids: list[str] = []
        self.positions: dict[tuple[int, int], int] = {}
        self.feed_offset = 0
        self.feed_id = ""  # which feed the offset is of; empty: not known
        self._context = context_fingerprint(profile)
        self._kernels: tuple[Arrays, View] | None = None

    def start_over(self, feed_offset: int = 0) -> None:
        """Forget everything, and go on with the feed at this offset."""
        CatalogueView.__init__(self, self.profile)
        self.feed_offset = feed_offset

    # ---- facts

    @property
    def items(self) -> int:
        return len(self.item_ids)

    @property
    def clicks(self) -> int:
        return int(self.arrays.counters[CLICKS])

    @property
    def time(self) -> float:
        """The newest time, in the clock of the profile."""
        return float(self.arrays.clocks[NOW])

    @property
    def event_time(self) -> float:
        """The newest event time, epoch seconds."""
        return float(self.arrays.clocks[EVENTS])

    def row_of(self, item_id: str) -> int:
        """Row of an item, or -1."""
        return self.kernels.row_of(stable_hash(item_id))

    def query_time(self, event_times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Times of queries in the clock of the profile: not before the newest click, or its item would not decay."""
        if self.profile.clock == "sessions":
            return np.full(len(event_times), float(self.arrays.counters[SESSIONS]))
        return np.maximum(event_times, self.time)

    # ---- changes

    def apply(self, record: bytes | ClickRecord | ItemRecord, feed_offset: int | None = None) -> int:
        """Apply one record of the feed; what was applied before, by input partition and offset, is ignored.

        Args:
            feed_offset: where the record lies in the feed; kept as the next offset to read.

        Returns:
            How many clicks or item changes were new.

        Raises:
            FeedError: bytes that are no feed record.
        """
        found = decode_record(record) if isinstance(record, bytes | bytearray | memoryview) else record
        source = (CLICK_KIND if isinstance(found, ClickRecord) else ITEM_KIND, found.partition)
        beyond = self.positions.get(source, -1)
        applied = 0
        if found.last_offset > beyond:
            if isinstance(found, ClickRecord):
                applied = self._apply_clicks(found, beyond)
            else:
                applied = self._apply_items(found, beyond)
            self.positions[source] = found.last_offset
        if feed_offset is not None:
            self.feed_offset = feed_offset + 1
        return applied

    def _apply_clicks(self, record: ClickRecord, beyond: int) -> int:
        rows = self._rows(record, beyond)
        codes = record.codes
        if record.context != self._context:
            codes = np.full((len(rows), len(self.profile.context_popularity)), 255, np.uint8)
        if record.users is None or record.is_repeated is None:  # of before: a session stands for its user
            users, is_repeated = halves(record.sessions), np.zeros(len(rows), np.uint8)
        else:
            users, is_repeated = record.users, record.is_repeated
        actions = np.zeros(len(rows), np.uint8) if record.actions is None else record.actions
        actions = np.where(actions < len(ACTIONS), actions, np.uint8(0))  # of a newer worker: a view
        clicks = (record.offsets, record.sessions, rows, record.times, codes, users, is_repeated, actions)
        return self.kernels.apply_clicks(beyond, *clicks)

    def _apply_items(self, record: ItemRecord, beyond: int) -> int:
        rows = self._rows(record, beyond)
        is_removed = record.categories == np.uint64(REMOVED)
        changes = (record.offsets, rows, record.times, record.published, record.is_available, is_removed)
        return self.kernels.apply_items(beyond, *changes)

    def _rows(self, record: ClickRecord | ItemRecord, beyond: int) -> npt.NDArray[np.int64]:
        """Rows of the record's items, -1 where the offset is not beyond; new items are added."""
        fresh = np.flatnonzero(record.offsets > beyond)
        keys = record.items[fresh]
        if self.items + len(keys) > self.profile.max_items:
            self._forget(self.profile.max_items // 2)
        self._reserve(self.items + len(keys))
        found, new = np.empty((2, len(keys)), np.int64)
        added = self.kernels.register(keys, found, new)
        self.item_ids.extend(record.item_ids[int(place)] for place in fresh[new[:added]])
        self.arrays.counters[ITEMS] = self.items
        rows = np.full(len(record.offsets), -1, np.int64)
        rows[fresh] = found
        return rows

    def _reserve(self, items: int) -> None:
        """Room for so many items, by doubling."""
        capacity = len(self.arrays.items)
        if items <= capacity:
            return
        while capacity < items:
            capacity *= 2
        grown = {}
        for name in PER_ITEM:
            old = getattr(self.arrays, name)
            grown[name] = np.zeros((capacity, *old.shape[1:]), old.dtype)
            grown[name][: len(old)] = old
        size = 1 << (2 * capacity - 1).bit_length()
        self.arrays = self.arrays._replace(**grown, item_table=indexed(size, grown["items"], self.items))

    def _forget(self, keep: int) -> None:
        """Keep the `keep` items seen last; the rows of the others are taken by those behind them."""
        arrays, count = self.arrays, self.items
        if count <= keep:
            return
        seen = np.maximum(arrays.items["last"][:count], arrays.items["first"][:count])
        kept = np.sort(np.argsort(-seen, kind="stable")[:keep])
        row_now = np.full(count + 1, -1, np.int32)  # the last one stands for -1
        row_now[kept] = np.arange(keep, dtype=np.int32)
        waiting = row_now[arrays.waiting[: arrays.counters[WAITING]]]
        for name in PER_ITEM:
            array = getattr(arrays, name)
            array[:keep] = array[kept]
            array[keep:count] = np.zeros((), array.dtype)
        waiting = waiting[waiting >= 0]
        arrays.waiting[: len(waiting)] = waiting
        arrays.counters[WAITING] = len(waiting)
        arrays.session_items[:] = row_now[arrays.session_items]
        arrays.new_ring[:] = row_now[arrays.new_ring]
        for kind, length in enumerate(arrays.hot_length):
            left = row_now[arrays.hot[kind, :length]]
            left = left[left >= 0]
            arrays.hot[kind, : len(left)] = left
            arrays.hot_length[kind] = len(left)
        self.kernels.renumber(np.append(row_now[:-1], np.full(len(arrays.items) - count, -1, np.int32)))
        self.item_ids = [self.item_ids[row] for row in kept]
        arrays.counters[ITEMS] = keep
        self.arrays = arrays._replace(item_table=indexed(len(arrays.item_table), arrays.items, keep))

    # ---- questions

    @property
    def kernels(self) -> View:
        """The kernels on the arrays as they are now, with working memory."""
        if self._kernels is None or self._kernels[0] is not self.arrays:
            self._kernels = self.arrays, View(self.arrays, self.clock)
        return self._kernels[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kernels": None}  # of a copy, they are made anew

    def trending(self, count: int = 20, time: float | None = None) -> list[tuple[str, float]]:
        """The most clicked items that may be shown, best first, with decayed clicks.

        Args:
            time: in the clock of the profile; now, if not given.
        """
        found = trending(self.arrays, self.kernels, count, self.time if time is None else time, self.event_time)
        return [(self.item_ids[row], score) for row, score in zip(*(part.tolist() for part in found), strict=True)]

    def trending_rows(self, count: int, now: float | None = None) -> list[int]:
        """Rows of the most clicked items, best first; the ones seen first last fill up an empty shop.

        Args:
            now: epoch seconds: items that are published later are not there.
        """
        until = self.event_time if now is None else now
        rows: list[int] = trending(self.arrays, self.kernels, count, self.time, until)[0].tolist()
        return rows

    # ---- snapshots

    def save(self, path: Path) -> None:
        """Write a snapshot, atomically."""
        self.frozen()(path)

    def frozen(self) -> Callable[[Path], None]:
        """What writes a snapshot of the view as it is now; may be called later, and in another thread."""
        rows = dict.fromkeys(PER_ITEM, self.items) | dict.fromkeys(PER_SUMMARY, int(self.arrays.counters[SUMMARIES]))
        arrays = {n: a[: rows.get(n)].copy() for n, a in self.arrays._asdict().items() if n != "item_table"}
        names, profile = self.item_ids.copy(), self.profile
        positions = [[*source, offset] for source, offset in sorted(self.positions.items())]
        facts = {"feed_offset": self.feed_offset, "positions": positions, "feed_id": self.feed_id}

        def write(path: Path) -> None:
            ids = [text.encode() for text in names]
            arrays["id_lengths"] = np.array([len(text) for text in ids], np.uint32)
            arrays["id_text"] = np.frombuffer(b"".join(ids), np.uint8)
            snapshot.save(path, profile, facts, arrays)

        return write

    @classmethod
    def load(cls, path: Path, profile: RecommenderProfile) -> CatalogueView:
        """The view of a snapshot; go on with the feed at `feed_offset`.

        Raises:
            SnapshotError: it cannot be used; build a new view and read the feed from its beginning.
        """
        facts, arrays = snapshot.load(path, profile)
        view = cls(profile)
        try:
            view._fill(arrays)
        except (KeyError, ValueError) as error:
            raise SnapshotError(f"{path} is damaged: {error}.", snapshot.ADVICE) from error
        view.positions = {(kind, partition): offset for kind, partition, offset in facts["positions"]}
        view.feed_offset = facts["feed_offset"]
        view.feed_id = facts.get("feed_id", "")  # snapshots of the version before do not know it
        return view

    def _fill(self, saved: dict[str, npt.NDArray[Any]]) -> None:
        """Take the arrays of a snapshot; one of the version before has fewer, and some are shorter.

        Raises:
            KeyError, ValueError: they are not as they must be.
        """
        ends = np.cumsum(saved.pop("id_lengths"), dtype=np.int64)
        text = saved.pop("id_text").tobytes()
        self._reserve(len(ends))
        has_summaries = "summaries" in saved
        for name in (*PER_ITEM, *PER_SUMMARY, "counters", "clocks"):
            if name in saved:
                array = saved.pop(name)
                getattr(self.arrays, name)[: len(array)] = array
        saved["item_table"] = indexed(len(self.arrays.item_table), self.arrays.items, len(ends))
        self.arrays = self.arrays._replace(**saved)
        self.arrays.counters[ITEMS] = len(ends)
        self.item_ids = [text[a:b].decode() for a, b in zip([0, *ends[:-1]], ends, strict=True)] if len(ends) else []
        kernels = self.kernels  # which checks the arrays
        if not has_summaries:
            kernels.summarise()


__all__ = ["ITEM", "CatalogueView", "context_fingerprint"]
