"""Merge: the fetched records of one partition number, put into one order across the agent's topics.

fetched topic by topic ─► Lane ─► batches in the order of Kafka timestamps, each topic in the order of offsets
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.handler import ConsumerRecord
from streams.ownership import Batch, Partition

# A topic of which the broker has more holds the others back until it was fetched, or else a maintenance log would be
# read to its end before the readings it belongs to. Not for longer than this: its leader may be away.
PATIENCE_S = 5.0


@dataclass
class _Queue:
    """Records of one topic that are fetched and not delivered yet."""

    fetched: int  # next offset to fetch
    end: int | None = None  # of the topic, as far as known
    records: deque[ConsumerRecord] = field(default_factory=deque)

    @property
    def has_more(self) -> bool:
        return self.end is None or self.fetched < self.end

    @property
    def next_offset(self) -> int:
        return int(self.records[0].offset) if self.records else self.fetched


class Lane:
    """What was fetched of a partition since it last sought its positions."""

    def __init__(self, part: Partition) -> None:
        self.part, self.epoch = part, part.epoch
        self._queues = {topic: _Queue(offset) for topic, offset in part.positions.items()}
        self._delivered = dict(part.positions)
        self._waiting_since: float | None = None

    def wants(self, topic: str, limit: int) -> bool:
        """Is there room for more records of this topic?"""
        return len(self._queues[topic].records) < limit

    def add(self, topic: str, records: Sequence[ConsumerRecord], fetched: int, end: int | None) -> None:
        """`fetched` is the next offset to fetch, beyond gaps; `end` that of the topic, none when unknown."""
        queue = self._queues[topic]
        queue.records.extend(records)
        queue.fetched = fetched
        if end is not None and end >= 0:
            queue.end = end

    def take(self, limit: int) -> Batch | None:
        """The next batch of at most `limit` records, none while there is nothing to deliver or a topic is awaited."""
        records = self._merge(limit) if self._may_deliver() else []
        ends = {topic: queue.next_offset for topic, queue in self._queues.items()}
        if ends == self._delivered:
            return None
        batch = Batch(self.part, self.epoch, self._delivered, ends, records)
        self._delivered = ends
        return batch

    def _may_deliver(self) -> bool:
        queues = self._queues.values()
        if len(queues) == 1 or not any(q.has_more and not q.records for q in queues):
            self._waiting_since = None
            return True
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()
        return time.monotonic() - self._waiting_since > PATIENCE_S

    def _merge(self, limit: int) -> list[ConsumerRecord]:
        merged: list[ConsumerRecord] = []
        while len(merged) < limit:
            filled = [queue for queue in self._queues.values() if queue.records]
            if not filled:
                break
            # of the same millisecond, the last topic first: what is known early of an item or a repair does no harm
            first = min(reversed(filled), key=lambda queue: queue.records[0].timestamp)
            if len(filled) == 1:
                count = min(limit - len(merged), len(first.records))
                merged += [first.records.popleft() for _ in range(count)]
            else:
                merged.append(first.records.popleft())
            if not first.records and first.has_more:
                break  # its next record may be earlier than those of the other topics
        return merged
