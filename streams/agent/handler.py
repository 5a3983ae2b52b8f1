"""What a page of the story provides: a handler, from rows and records to changed rows, outputs and dead letters.

records of one partition ─► Handler.handle ─► rows changed in place, Outcome(outputs, dead letters)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from streams.agent.rows import Layout, PartitionState
from streams.kafka import ConsumerRecord


class Output(NamedTuple):
    """One record for an output topic. `topic` is the name in the contract, without the prefix."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()  # null values are legal, and producers' are passed on
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

    `topics`, `outputs` and `changelog` are names in the contract, without the prefix. The topics are co-partitioned:
    they have equal partition counts, and the same partition of each is handled by the same worker.
    """

    @property
    def name(self) -> str:
        """Of the agent: its consumer group and transactional ids contain it."""

    @property
    def topics(self) -> tuple[str, ...]: ...

    @property
    def log_topic(self) -> str | None:
        """That of the topics whose records are placed among those of the first one by the event time of their key."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Topics with decisions on the partition of their cause, each with a header `ce_id` and a field `caused_by`."""

    @property
    def changelog(self) -> str: ...

    def layouts(self) -> Mapping[str, Layout]:
        """The tables of a partition, by name. Saved rows of a table that is not among them stay as they are."""

    def event_time(self, record: ConsumerRecord) -> float | None:
        """Epoch seconds, none when the record is no event. Only asked where there is a `log_topic`."""

    def handle(self, state: PartitionState, records: Sequence[ConsumerRecord]) -> Outcome:
        """Apply the records, which come from all topics of this partition, each topic in the order of offsets.

        Must be deterministic in (rows, records): no clock, no randomness, no order of slots. Changed rows are
        touched, and are only those of the records' keys. An exception is taken for a bug in the handler, and the record
        that fails alone, too, is quarantined; `UnavailableError` says that it may pass, and the batch is tried again
        until it does. How records are cut into batches must make no difference.
        """
