"""Ownership: one input partition while this worker has it: its state, its positions and where it is in its life.

assigned ─► opened (fenced, loaded) ─► ready (fetched, applied, saved) ─► suspended ─► kept or closed
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from streams.handler import ConsumerRecord
from streams.partition import PartitionState

LOG = structlog.get_logger(__name__)
Positions = dict[str, int]  # topic on the broker -> next offset


@dataclass(eq=False)
class Partition:
    """One partition number of all topics of an agent.

    `state` is always the result of all input below `positions`. That makes a stale owner harmless: whatever it
    computes, the real owner computes too.
    """

    number: int
    state: PartitionState
    log: Any = LOG  # names agent and partition
    positions: Positions = field(default_factory=dict)  # next input to apply
    saved: Positions = field(default_factory=dict)  # positions of the last checkpoint
    pending: list[asyncio.Future[Any]] = field(default_factory=list)  # outputs not acknowledged yet
    producer: Any = None  # transactional, fences every earlier owner
    is_assigned: bool = True  # by the consumer group
    is_opened: bool = False  # fenced and loaded
    is_whole: bool = True  # no batch is half applied
    is_fenced: bool = False  # another worker took over
    # fetch side
    epoch: int = 0  # raised by every seek and release: older batches are stale
    must_seek: bool = False
    is_ready: bool = False  # may be fetched
    # failures; they outlive a reopening
    failures: int = 0  # since the last checkpoint
    careful_until: Positions = field(default_factory=dict)  # below these offsets records are applied one by one
    poison: dict[tuple[str, int], tuple[str, str]] = field(default_factory=dict)  # (topic, offset) -> exception, why
    applying: asyncio.Lock = field(default_factory=asyncio.Lock)  # held while a batch is applied
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)  # held while a checkpoint runs

    def resume(self) -> None:
        """Continue from `positions` with the state in memory."""
        self.epoch += 1
        self.must_seek = self.is_ready = True

    def suspend(self) -> None:
        """Deliver nothing more; what is already on its way becomes stale."""
        self.epoch += 1
        self.is_ready = False

    def inherit(self, old: Partition) -> None:
        """Take over what is known of failures from the ownership that this one replaces."""
        self.is_assigned, self.failures = old.is_assigned, old.failures
        self.careful_until, self.poison = old.careful_until, old.poison

    def must_be_careful(self, batch: Batch) -> bool:
        return any(offset < self.careful_until.get(topic, 0) for topic, offset in batch.starts.items())

    def was_saved_at(self, positions: Positions) -> None:
        """A checkpoint succeeded: what lies below it need not be remembered."""
        self.saved, self.failures = positions, 0
        self.poison = {at: why for at, why in self.poison.items() if at[1] >= positions.get(at[0], 0)}


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """What is there for one partition. Applied only if `starts` is where the partition stands.

    Offsets have gaps (compaction, transaction markers), so `ends` is not always the last offset plus one; a batch
    without records only moves the positions over such a gap.
    """

    part: Partition
    epoch: int
    starts: Positions
    ends: Positions
    records: Sequence[ConsumerRecord]
