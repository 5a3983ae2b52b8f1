"""What a page of the story provides: a handler, from rows and records to changed rows, outputs and dead letters.

records of one partition ─► Handler.handle ─► rows changed in place, Outcome(outputs, dead letters)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, overload

from streams.agent.rows import Layout, PartitionState
from streams.kafka import ConsumerRecord

Work = tuple[PartitionState, Sequence[ConsumerRecord]]  # a partition, and records of its topics


class Output(NamedTuple):
    """One record for an output topic. `topic` is the name in the contract, without the prefix."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()  # null values are legal, and producers' are passed on
    partition: int | None = None  # none: the partition of the input


class Bulk(Protocol):
    """Outputs of one topic on the partition of the input, written into record batches at once.

    One by one they are the same, byte for byte: for who looks at them, such as whoever recalls what was sent.
    """

    @property
    def topic(self) -> str: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Output]: ...

    def batches(self, most: int, limit: int) -> list[tuple[bytearray, int]]:
        """Record batches, each with room for its header before the records, and how many records it has.

        Args:
            most: bytes of records from which a batch is full.
            limit: bytes of a batch; one that has several records has no more.
        """


class Written:
    """Outputs in bulk whose batches are there: what cannot be written failed before anything was sent."""

    def __init__(self, bulk: Bulk, most: int, limit: int) -> None:
        self.topic, self._bulk, self._batches = bulk.topic, bulk, bulk.batches(most, limit)

    def __len__(self) -> int:
        return len(self._bulk)

    def __iter__(self) -> Iterator[Output]:
        return iter(self._bulk)

    def batches(self, most: int, limit: int) -> list[tuple[bytearray, int]]:  # noqa: ARG002 - of Bulk
        """Copies: a producer that failed may hold those of an earlier try."""
        return [(bytearray(buffer), records) for buffer, records in self._batches]


class Outputs(Sequence[Output]):
    """Outputs in their order. Those in bulk are made one by one only for who asks for one."""

    def __init__(self, outputs: Iterable[Output] = ()) -> None:
        self.parts: list[list[Output] | Bulk] = [list(outputs)]

    def append(self, output: Output) -> None:
        self += [output]

    def add_bulk(self, bulk: Bulk) -> None:
        """Behind those that are here."""
        if len(bulk):
            self.parts.append(bulk)

    def number(self, topic: str) -> int:
        """How many are for a topic; those in bulk are not made for it."""
        each = (output.topic for part in self.parts if isinstance(part, list) for output in part)
        bulk = (len(part) for part in self.parts if not isinstance(part, list) and part.topic == topic)
        return sum(bulk) + sum(one == topic for one in each)

    def __iadd__(self, outputs: Iterable[Output]) -> Outputs:
        if isinstance(outputs, Outputs):
            self.parts += outputs.parts
        elif isinstance(self.parts[-1], list):
            self.parts[-1] += outputs
        else:
            self.parts.append(list(outputs))
        return self

    def __iter__(self) -> Iterator[Output]:
        for part in self.parts:
            yield from part

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @overload
    def __getitem__(self, place: int) -> Output: ...

    @overload
    def __getitem__(self, place: slice) -> list[Output]: ...

    def __getitem__(self, place: Any) -> Any:
        return list(self)[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it changes


class DeadLetter(NamedTuple):
    """An input record that cannot be handled, and why, in one line or with a traceback."""

    record: ConsumerRecord
    reason: str
    exception: str = "InvalidEvent"
    event: Any = None  # what is sound but for its time, which lies too far ahead


@dataclass
class Outcome:
    """What a batch led to besides changed rows."""

    outputs: Outputs = field(default_factory=Outputs)
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

    def handle_all(self, work: Sequence[Work]) -> list[Outcome]:
        """What `handle` makes of each, different partitions all, with what can be done once for all of them done so."""
