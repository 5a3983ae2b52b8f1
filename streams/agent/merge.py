"""Merge: the fetched records of one partition number, put into the one order in which they are applied.

fetched topic by topic ─► Lane ─► batches, each topic in the order of offsets, or:
main topic and log ─► PlacedLane ─► batches, entries of the log before the first record of their key that is not older

The order is part of the input: what a partition becomes and decides follows from it. `PlacedLane` says where it put
each entry of the log, which is written down before the batch is applied (`Runtime`), and follows what was written down
by earlier owners (`Memory`). What no record says was not known when the decisions up to `Memory.decided_until` were
sent, so it comes after them. With everything at hand the order is that of event time, key by key.
"""

from __future__ import annotations

import heapq
import time
from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.agent.ownership import Batch, Partition, Placement
from streams.kafka import ConsumerRecord
from streams.metrics import UNORDERED

# Records wait for a log that the broker says has more, or of which it says nothing. Not for longer than this: its
# leader may be away. Only at opening there is no limit, as what earlier owners decided depends on the log.
PATIENCE_S = 5.0
MOST_ENTRIES = 50_000  # of the log that wait for their place, about 50 MB; beyond, the log is only read in step
EventTime = Callable[[ConsumerRecord], float | None]


@dataclass
class _Queue:
    """Records of one topic that are fetched and not delivered yet."""

    fetched: int  # next offset to fetch
    records: deque[ConsumerRecord] = field(default_factory=deque)

    @property
    def next_offset(self) -> int:
        return int(self.records[0].offset) if self.records else self.fetched


class Lane:
    """What was fetched of a partition since it last sought its positions. The last topic goes first."""

    @property
    def wants_ends(self) -> bool:
        """Is `confirm` to be called before `take`?"""
        return False

    def __init__(self, part: Partition) -> None:
        self.part, self.epoch = part, part.epoch
        self._queues = {topic: _Queue(offset) for topic, offset in part.positions.items()}
        self._delivered = dict(part.positions)

    def wants(self, topic: str, limit: int) -> bool:
        """Is there room for more records of this topic?"""
        return len(self._queues[topic].records) < limit

    def fetched(self, topic: str) -> int:
        """The next offset to fetch."""
        return self._queues[topic].fetched

    def add(self, topic: str, records: Sequence[ConsumerRecord], fetched: int) -> None:
        """`fetched` is the next offset to fetch, beyond gaps."""
        self._queues[topic].records.extend(records)
        self._queues[topic].fetched = fetched

    def confirm(self, ends: dict[str, int]) -> None:
        """Where the topics end, asked after everything that was added."""

    def take(self, limit: int) -> Batch | None:
        """The next batch of at most `limit` records, none while there is nothing to deliver."""
        records: list[ConsumerRecord] = []
        for queue in reversed(self._queues.values()):
            while queue.records and len(records) < limit:
                records.append(queue.records.popleft())
        ends = {topic: queue.next_offset for topic, queue in self._queues.items()}
        if ends == self._delivered:
            return None
        batch = Batch(self.part, self.epoch, self._delivered, ends, records)
        self._delivered = ends
        return batch


class _Entry(NamedTuple):
    """A record of the log that waits for its place. Without a time it is no event: a dead letter."""

    time: float
    offset: int
    record: ConsumerRecord


class _Waiting:
    """Entries of the log that have no place yet, and which of those beyond its position have one."""

    def __init__(self, ahead: set[int]) -> None:
        self.ahead = set(ahead)
        self._by_key: dict[bytes | None, list[_Entry]] = {}
        self._entries: dict[int, _Entry] = {}
        self._offsets: list[int] = []  # heap; those with a place leave when they are the lowest

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: _Entry) -> None:
        if entry.offset not in self.ahead:
            insort(self._by_key.setdefault(entry.record.key, []), entry, key=lambda e: (e.time, e.offset))
            self._entries[entry.offset] = entry
        heapq.heappush(self._offsets, entry.offset)

    def first_of(self, key: bytes | None) -> _Entry | None:
        """Of the entries of a key the one with the lowest event time."""
        entries = self._by_key.get(key)
        return entries[0] if entries else None

    def at(self, offset: int) -> _Entry | None:
        return self._entries.get(offset)

    def by_time(self) -> list[_Entry]:
        return sorted(self._entries.values(), key=lambda entry: (entry.time, entry.offset))

    def place(self, entry: _Entry) -> None:
        """It waits no longer."""
        entries = self._by_key[entry.record.key]
        entries.remove(entry)
        if not entries:
            del self._by_key[entry.record.key]
        del self._entries[entry.offset]
        self.ahead.add(entry.offset)

    def position(self, fetched: int) -> int:
        """The lowest offset of the log without a place."""
        while self._offsets and self._offsets[0] in self.ahead:
            self.ahead.discard(heapq.heappop(self._offsets))
        return self._offsets[0] if self._offsets else fetched


class PlacedLane(Lane):
    """Two topics, where the second one is a log of what concerns the keys of the first.

    Args:
        event_time: of a record, in epoch seconds; none when it is no event.
    """

    def __init__(self, part: Partition, event_time: EventTime) -> None:
        super().__init__(part)
        (self._main_topic, main), (self._log_topic, log) = self._queues.items()
        self._main, self._log, self._event_time = main, log, event_time
        self._waiting = _Waiting(part.ahead)
        written = dict.fromkeys((*part.memory.placed, *part.placed))  # several owners may have repeated them
        left = [p for p in written if p[0] >= log.fetched and p[0] not in part.ahead]
        self._recorded = deque(sorted(left, key=lambda placement: placement[1]))  # stable: in the order of application
        self._decided_until = part.memory.decided_until
        self._main_end = self._log_end = -1  # as confirmed; -1: not yet
        self._cleared = main.fetched  # records below it were fetched before the log was known to its end
        self._is_new = True  # until the log was once read to its end
        self._waits_since: float | None = None
        self._newest_entry = float("-inf")
        self._asked: tuple[int, float | None] = (-1, None)  # offset and event time of the record that was asked last

    def wants(self, topic: str, limit: int) -> bool:
        if topic == self._log_topic:
            return len(self._waiting) < MOST_ENTRIES or self._log.fetched <= max(
                (o for o, _ in self._recorded), default=-1
            )
        return super().wants(topic, limit)

    def add(self, topic: str, records: Sequence[ConsumerRecord], fetched: int) -> None:
        if topic == self._main_topic:
            return super().add(topic, records, fetched)
        for record in records:
            at = self._event_time(record)
            self._newest_entry = max(self._newest_entry, at or self._newest_entry)
            self._waiting.add(_Entry(float("-inf") if at is None else at, record.offset, record))
        self._log.fetched = fetched
        return None

    def confirm(self, ends: dict[str, int]) -> None:
        if self._log.fetched >= self._log_end or self._is_new:  # else the last end that was asked is waited for
            self._main_end, self._log_end = ends[self._main_topic], ends[self._log_topic]
            self._cleared = self._main.fetched

    def take(self, limit: int) -> Batch | None:
        if not self._may_deliver():
            return None
        records, placements = self._merge(limit)
        log_end = self._waiting.position(self._log.fetched)
        ends = {self._main_topic: self._main.next_offset, self._log_topic: log_end}
        if ends == self._delivered and not records:
            return None
        ahead = [offset for offset, _ in placements if offset >= log_end]
        batch = Batch(self.part, self.epoch, self._delivered, ends, records, placements, ahead)
        self._delivered = ends
        return batch

    @property
    def _is_full(self) -> bool:
        return len(self._waiting) >= MOST_ENTRIES

    @property
    def _is_known(self) -> bool:
        return self._log_end >= 0 and (self._log.fetched >= self._log_end or self._is_full)

    def _may_deliver(self) -> bool:
        """Is the log known as far as the broker had it after the records were fetched?"""
        if self._is_known and (not self._main.records or self._main.next_offset < self._cleared):
            self._waits_since, self._is_new = None, False
            return True
        if self._waits_since is None:
            self._waits_since = time.monotonic()
        if self._is_new or time.monotonic() - self._waits_since <= PATIENCE_S:
            return False
        if self._main.records:
            UNORDERED.labels(self._log_topic).inc(len(self._main.records))
            self.part.log.warning("records go on without a log that is not there", topic=self._log_topic)
        self._cleared, self._waits_since = self._main.fetched, None
        return True

    @property
    def wants_ends(self) -> bool:
        """Is there something to deliver that the ends of the topics decide about?"""
        return self._log_end < 0 or self._main.fetched > self._cleared or len(self._waiting) > 0

    def _merge(self, limit: int) -> tuple[list[ConsumerRecord], list[Placement]]:
        main, merged, placements = self._main.records, list[ConsumerRecord](), list[Placement]()
        is_impatient = not self._is_known
        while main and main[0].offset < self._cleared and len(merged) < limit and (is_impatient or self._is_known):
            due = self._due(main[0]) if self._waiting or self._recorded else []
            if not due:
                merged.append(main.popleft())
                continue
            self._place(due[: limit - len(merged)], main[0].offset, merged, placements)
        if not main and self._main.fetched >= max(self._main_end, self._decided_until):  # everything is at hand
            self._place(self._rest()[: limit - len(merged)], self._main.fetched, merged, placements)
        return merged, placements

    def _due(self, record: ConsumerRecord) -> list[_Entry]:
        """Entries that come before this record of the main topic."""
        while self._recorded and self._recorded[0][1] <= record.offset:
            entry = self._waiting.at(self._recorded[0][0])
            if entry is not None:
                return [entry]
            self._recorded.popleft()  # applied, or removed from the broker
        first = self._waiting.first_of(record.key)
        if record.offset < self._decided_until or (first is None and not self._is_full):
            return []
        if self._asked[0] != record.offset:
            self._asked = record.offset, self._event_time(record)
        at = self._asked[1]
        if first is not None and at is not None and first.time <= at:
            return [first]
        if self._is_full and self._log.fetched < self._log_end and (at is None or at >= self._newest_entry):
            return self._waiting.by_time()  # too many to wait each for its own key
        return []

    def _rest(self) -> list[_Entry]:
        """All that waits: what earlier owners placed in their order, then the others by time."""
        recorded = {offset: entry for offset, _ in self._recorded if (entry := self._waiting.at(offset)) is not None}
        return [*recorded.values(), *(entry for entry in self._waiting.by_time() if entry.offset not in recorded)]

    def _place(
        self, entries: Sequence[_Entry], place: int, merged: list[ConsumerRecord], placements: list[Placement]
    ) -> None:
        for entry in entries:
            self._waiting.place(entry)
            merged.append(entry.record)
            placements.append((entry.offset, place))
