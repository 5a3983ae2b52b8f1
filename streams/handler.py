"""What a page of the story provides: a handler, from rows and records to changed rows, outputs and dead letters.

records of one partition ─► Handler.handle ─► rows changed in place, Outcome(outputs, dead letters)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from streams.partition import Layout, PartitionState

ConsumerRecord: TypeAlias = Any  # aiokafka.ConsumerRecord[bytes | None, bytes | None]; aiokafka is only half typed


class Output(NamedTuple):
    """One record for an output topic. `topic` is the name in the contract, without the prefix."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None  # none: the partition of the input


class DeadLetter(NamedTuple):
    """An input record that cannot be handled, and why, in one line or with a traceback."""

    record: ConsumerRecord
    reason: str
    exception: str = "InvalidEvent"


@dataclass
class Outcome:
    """What a batch led to besides changed rows."""

    outputs: list[Output] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)


class Handler(Protocol):
    """One agent's work on a batch.

    `topics` and `changelog` are names in the contract, without the prefix. The topics are co-partitioned: they have
    equal partition counts, and the same partition of each is handled by the same worker.
    """

    @property
    def name(self) -> str:
        """Of the agent: its consumer group and transactional ids contain it."""

    @property
    def topics(self) -> tuple[str, ...]: ...

    @property
    def changelog(self) -> str: ...

    def layouts(self) -> Mapping[str, Layout]:
        """The tables of a partition, by name. Saved rows of a table that is not among them stay as they are."""

    def handle(self, state: PartitionState, records: Sequence[ConsumerRecord]) -> Outcome:
        """Apply the records, which come from all topics of this partition, each topic in the order of offsets.

        Must be deterministic in (rows, records): no clock, no randomness, no order of slots. Changed rows are
        touched. An exception is taken for a bug in the handler, which leads to the record being quarantined after a
        second try; `UnavailableError` says that it may pass, and the batch is tried again until it does.
        """
