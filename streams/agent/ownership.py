"""Ownership: one input partition while this worker has it: its state, its positions and where it is in its life.

opening (fencing, loading) ─► suspended ⇄ ready (fetched, applied, saved);  doubtful, fenced ─► opened again, or closed
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import structlog

from streams.agent.rows import PartitionState
from streams.kafka import ConsumerRecord

LOG = structlog.get_logger(__name__)
Positions = dict[str, int]  # topic on the broker -> next offset
Placement = tuple[int, int]  # offset of an entry of the log, offset of the main topic before which it is applied
MOST_BEHIND = 1_000  # records: a moment's work
HEARD_S = 10.0
SUSPICIOUS_FOR = 32  # records of a key that failed are applied one by one, until so many in a row did not fail
TOLD_AT = (3, 30, 300, 3000)  # failures in a row of one key that are worth a line


@dataclass
class Memory:
    """What the changelog and the output topics tell at opening, beside rows: what earlier owners have decided.

    `placed` are entries of the log and where they were applied, in the order of application. `decided_until` is the
    next offset of the main topic after the last whose decisions were sent: entries that are not in `placed` were not
    known then. `sent` has the outputs since the checkpoint, by id: they are not sent again.
    """

    placed: list[Placement] = field(default_factory=list)
    decided_until: int = 0
    sent: dict[str, int] = field(default_factory=dict)  # id -> CRC-32 of the value
    ends: Positions = field(default_factory=dict)  # of the input topics when it was opened


class Suspects:
    """Keys whose records failed: they are applied one by one for a while, so that others are not tried in vain."""

    def __init__(self) -> None:
        self._left: dict[bytes | None, int] = {}  # key -> records that must not fail until it is trusted again
        self._failures: dict[bytes | None, int] = {}  # key -> in a row

    def __len__(self) -> int:
        return len(self._left)

    def runs(self, records: Sequence[ConsumerRecord]) -> Iterable[Sequence[ConsumerRecord]]:
        """The records in their order, in runs that are tried at once; one of a suspect is a run of its own."""
        if not self._left:
            return [records]
        runs, start = [], 0
        for place, record in enumerate(records):
            if record.key in self._left:
                runs += [records[start:place], records[place : place + 1]]
                start = place + 1
        return [run for run in (*runs, records[start:]) if run]

    def failed(self, key: bytes | None) -> int:
        """A record of the key failed. Returns how many did in a row."""
        self._left[key] = SUSPICIOUS_FOR
        self._failures[key] = self._failures.get(key, 0) + 1
        return self._failures[key]

    def __contains__(self, key: bytes | None) -> bool:
        return key in self._left

    def passed(self, key: bytes | None) -> None:
        """A record of the key did not fail."""
        if key in self._left:
            self._failures[key] = 0
            self._left[key] -= 1
            if self._left[key] <= 0:
                del self._left[key], self._failures[key]


class Phase(Enum):
    """Where a partition is in its life. Out of the last two no move leads: another ownership takes its place."""

    OPENING = auto()  # earlier owners are fenced, state is loaded
    SUSPENDED = auto()  # loaded; nothing is delivered until the group has said whose it is
    READY = auto()  # fetched, applied, saved
    DOUBTFUL = auto()  # a batch or a checkpoint was cut short: the memory may be half of something
    FENCED = auto()  # another worker took over, or may have


@dataclass(eq=False)
class Partition:
    """One partition number of all topics of an agent.

    `state` is always the result of all input below `positions`, and of the entries of the log in `ahead`. That makes a
    stale owner harmless: whatever it computes, the real owner computes too.
    """

    number: int
    state: PartitionState
    log: Any = LOG  # names agent and partition
    positions: Positions = field(default_factory=dict)  # next input to apply
    ahead: set[int] = field(default_factory=set)  # offsets of the log beyond its position that are applied
    saved: Positions = field(default_factory=dict)  # positions of the last checkpoint
    pending: list[Any] = field(default_factory=list)  # deliveries of outputs that are not acknowledged yet
    producer: Any = None  # transactional, fences every earlier owner
    is_assigned: bool = True  # by the consumer group
    phase: Phase = Phase.OPENING
    # what the next checkpoint says beside rows and positions
    checkpoint: int = 0  # number of the last one
    owner: str = ""  # this ownership, among all there ever were
    placed: list[Placement] = field(default_factory=list)  # since the last checkpoint, in the order of application
    output_ends: Positions = field(default_factory=dict)  # output topic -> after the last output that is acknowledged
    topic_ids: dict[str, str] = field(default_factory=dict)  # topic on the broker -> Kafka's id
    origins: dict[str, str] = field(default_factory=dict)  # topic on the broker -> what ids of outputs are made of
    memory: Memory = field(default_factory=Memory)
    # fetch side
    lag: int | None = None  # records of its topics that are not applied yet, a second ago at most; none: not known
    current_since: float | None = None  # epoch seconds: nearly up to date, and hears the broker; none: not so
    epoch: int = 0  # raised by every seek and release: older batches are stale
    must_seek: bool = False
    # failures; they outlive a reopening
    failures: int = 0  # since the last checkpoint
    careful_until: Positions = field(default_factory=dict)  # below these offsets rows are checked record by record
    suspects: Suspects = field(default_factory=Suspects)
    applying: asyncio.Lock = field(default_factory=asyncio.Lock)  # held while a batch is applied
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)  # held while a checkpoint runs

    @property
    def is_ready(self) -> bool:
        """May be fetched, and batches applied."""
        return self.phase is Phase.READY

    @property
    def is_sound(self) -> bool:
        """Its memory is worth saving."""
        return self.phase in {Phase.READY, Phase.SUSPENDED}

    def note_currency(self, now_s: float, heard_s: float | None) -> None:
        """Whether an asset that says nothing would be heard: what is not read yet is no silence, nor is an outage.

        Args:
            heard_s: when the broker last answered for its topics, epoch seconds; none: not known.
        """
        is_near = self.is_ready and self.lag is not None and self.lag <= MOST_BEHIND
        is_heard = heard_s is not None and now_s - heard_s <= HEARD_S
        self.current_since = (self.current_since or now_s) if is_near and is_heard else None

    def opened(self) -> None:
        """It is fenced and loaded."""
        assert self.phase is Phase.OPENING
        self.phase = Phase.SUSPENDED

    def resume(self) -> None:
        """Continue from `positions` with the state in memory."""
        assert self.is_sound, self.phase
        self.epoch += 1
        self.must_seek, self.phase = True, Phase.READY

    def suspend(self) -> None:
        """Deliver nothing more; what is already on its way becomes stale."""
        self.epoch += 1
        if self.phase is Phase.READY:
            self.phase = Phase.SUSPENDED

    def doubt(self) -> None:
        """Something was cut short: what is in memory is of no more use."""
        if self.phase is not Phase.FENCED:
            self.phase = Phase.DOUBTFUL

    def fence(self) -> None:
        """Another worker has it, or may have: save nothing, deliver nothing."""
        self.suspend()
        self.phase = Phase.FENCED

    def inherit(self, old: Partition) -> None:
        """Take over what is known of failures from the ownership that this one replaces."""
        self.is_assigned, self.failures = old.is_assigned, old.failures
        self.careful_until, self.suspects = old.careful_until, old.suspects

    def must_be_careful(self, starts: Mapping[str, int]) -> bool:
        return any(offset < self.careful_until.get(topic, 0) for topic, offset in starts.items())

    def be_careful_until(self, ends: Positions) -> None:
        """Check the rows after each record below these offsets."""
        known = self.careful_until
        self.careful_until = {topic: max(end, known.get(topic, 0)) for topic, end in ends.items()}

    def has_moved(self, batch: Batch, log_topic: str | None) -> None:
        """The state stands for the batch now."""
        self.positions = batch.ends
        self.ahead.update(batch.ahead)
        if log_topic is not None and self.ahead:
            self.ahead = {offset for offset in self.ahead if offset >= batch.ends[log_topic]}

    def was_saved_at(self, positions: Positions) -> None:
        """A checkpoint succeeded: what lies below it need not be remembered."""
        self.saved, self.failures = positions, 0
        if self.memory.sent and all(at >= self.memory.ends.get(topic, 0) for topic, at in positions.items()):
            self.memory.sent = {}


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """What is there for one partition. Applied only if `starts` is where the partition stands.

    Offsets have gaps (compaction, transaction markers), so `ends` is not always the last offset plus one; a batch
    without records only moves the positions over such a gap. `placements` say where entries of the log among the
    records are applied; `ahead` are those of them that lie beyond the position of the log, as earlier ones wait.
    """

    part: Partition
    epoch: int
    starts: Mapping[str, int]
    ends: Positions
    records: Sequence[ConsumerRecord]
    placements: Sequence[Placement] = ()
    ahead: Sequence[int] = ()

    @property
    def is_current(self) -> bool:
        """Is its partition still where it was when the batch was taken for it?"""
        return self.epoch == self.part.epoch and self.part.is_ready


@dataclass(frozen=True, eq=False, slots=True)
class Turn:
    """Batches of different partitions, which are applied together."""

    batches: list[Batch] = field(default_factory=list)
    is_done: asyncio.Event = field(default_factory=asyncio.Event)
