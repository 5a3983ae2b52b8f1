"""Placing: every record is handled on the partition of its key, wherever its producer put it.

record ─┬─► on its key's partition ───────────────────────────────► handled
        ├─► on another, or without a key ─► the same topic, right partition, header `taken-from` ─┐
        └─► has the header ─► beyond what was taken over from there? ─► handled, once  ◄──────────┘

Clients place keys by functions of their own: librdkafka by CRC-32, kafka-go in turn. The state of one key would be in
two partitions. What is brought over is numbered, for each target, in rows of the source, and taken in that order: the
target remembers, in its rows, the number that it waits for from each partition. So what is brought again after a crash
is known; and what comes before something that did not arrive is refused, as its source brings all of it again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import structlog
from pydantic_core import from_json

from schemas import KEY_FIELDS, Settings
from streams.agent.handler import Outcome, Output
from streams.agent.rows import Layout, PartitionState
from streams.kafka import ConsumerRecord
from streams.metrics import MISPLACED, SKIPPED
from streams.wire import partitions as partitions_of_keys

log = structlog.get_logger(__name__)
TAKEN_FROM = "__millrace.taken-from"  # header: topic/partition/offset at which the producer put the record, number
KEYLESS = "/keyless"  # at its end: the record had no key
MOST_MARK_BYTES, MOST_DIGITS = 400, 18  # a topic's name has 249 characters at most; what is longer is not ours
TAKEN = "taken over"  # table: topic/partition -> number that is taken over next; topic>partition -> brought there next
TAKEN_LAYOUT = Layout(np.dtype([("next", "i8")]), 1)
ANY = -1  # whatever number comes next: those before it are lost
TELL_EVERY_S = 60.0
CURE = (
    "They are brought to the partition of their key, which costs each one a second way. Let the producer place keys as "
    "Java's client does: partitioner=murmur2_random (librdkafka: confluent-kafka, kcat, .NET), "
    "Balancer: kafka.Murmur2Balancer{} (kafka-go), and give every record its key"
)
_told_at: dict[str, float] = {}


def placed(
    state: PartitionState, records: Sequence[ConsumerRecord], agent: str, settings: Settings
) -> tuple[Sequence[ConsumerRecord], Outcome]:
    """The records that are handled here, and an outcome that brings the others to where they belong."""
    outcome = Outcome()
    if state.partitions == 0:  # of a state that is no topic's
        return records, outcome
    homes = partitions_of(records, state.partitions)
    if all(r.partition == home and r.key and not r.headers for r, home in zip(records, homes, strict=True)):
        return records, outcome
    kept, away = list[ConsumerRecord](), Counter[str]()
    for record, partition in zip(records, homes, strict=True):
        source = taken_from(record)
        if source is not None:
            if _is_next(state, source, agent):
                kept.append(record)
        elif (partition == record.partition and record.key) or len(record.value or b"") > settings.max_event_bytes:
            kept.append(record)  # one that is too large becomes a dead letter here
        elif (output := _brought(record, partition, state, settings)) is not None:
            outcome.outputs.append(output)
            away[record.topic] += 1
        else:
            kept.append(record)
    for topic, count in away.items():
        MISPLACED.labels(agent, topic.removeprefix(settings.topic_prefix)).inc(count)
        _tell(topic, count)
    return kept, outcome


class Source(NamedTuple):
    """Where the producer put a record that was brought elsewhere."""

    origin: str  # topic, and which of all of its name
    partition: int
    offset: int
    number: int  # among those that were brought from there to the same partition


def taken_from(record: ConsumerRecord) -> Source | None:
    """Where a record was brought from; none: it is where its producer put it."""
    for name, value in record.headers:
        if name == TAKEN_FROM and value and len(value) <= MOST_MARK_BYTES:
            origin, *numbers = [*value.decode(errors="replace").split("/"), "", "", ""][:4]
            if all(number.isdecimal() and len(number) <= MOST_DIGITS for number in numbers):
                return Source(origin, *map(int, numbers))
    return None


def take_any(state: PartitionState) -> None:
    """Records of this partition were lost: what was brought among them is not waited for."""
    rows = state.tables[TAKEN]
    keys = [key for key in rows.keys() if b"/" in key]  # noqa: SIM118 - not a mapping
    slots = rows.slots(keys)
    rows.array["next"][slots] = ANY
    rows.touch(slots)


def is_second(record: ConsumerRecord) -> bool:
    """Was it brought here from where it can be read too? Whoever reads all partitions passes over one of the two."""
    mark = KEYLESS.encode()
    return any(name == TAKEN_FROM and not (value or b"").endswith(mark) for name, value in record.headers)


def partition_of(key: bytes, partitions: int) -> int:
    """Where Java's client puts a key."""
    return partitions_of_keys([key], partitions)[0]


def partitions_of(records: Sequence[ConsumerRecord], partitions: int) -> list[int]:
    """Where the keys belong, (n,); of records without a key it says nothing."""
    return partitions_of_keys([record.key for record in records], partitions)


def _is_next(state: PartitionState, source: Source, agent: str) -> bool:
    rows = state.tables[TAKEN]
    slots = rows.slots([f"{source.origin}/{source.partition}".encode()])
    row: Any = rows.array[slots[0]]
    if row["next"] not in (ANY, source.number):
        SKIPPED.labels(agent, "taken over before" if source.number < row["next"] else "taken over later").inc()
        return False
    row["next"] = source.number + 1
    rows.touch(slots)
    return True


def _brought(record: ConsumerRecord, partition: int, state: PartitionState, settings: Settings) -> Output | None:
    """The record for the partition of its key; none where it cannot be known."""
    topic, key = record.topic.removeprefix(settings.topic_prefix), record.key
    mark = "" if key else KEYLESS
    if not key:
        key = _id_in(record.value, KEY_FIELDS.get(topic, ""))
        if key is None:
            return None
        partition = partition_of(key, state.partitions)
    origin = state.origin(topic)
    number = _number(state, f"{origin}>{partition}")
    header = (TAKEN_FROM, f"{origin}/{record.partition}/{record.offset}/{number}{mark}".encode())
    return Output(topic, key, record.value, [*record.headers, header], partition)


def _number(state: PartitionState, to: str) -> int:
    """Of the next record that is brought there. Entries of a log are brought in another order than that of offsets."""
    rows = state.tables[TAKEN]
    slots = rows.slots([to.encode()])
    row: Any = rows.array[slots[0]]
    number = int(row["next"])
    row["next"] = number + 1
    rows.touch(slots)
    return number


def _id_in(value: bytes | None, field: str) -> bytes | None:
    """The id that should have been the key."""
    try:
        document = from_json(value or b"")
    except ValueError:
        return None
    found = document.get(field) if isinstance(document, dict) else None
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        return None
    return str(found).encode()


def _tell(topic: str, count: int) -> None:
    """Once a minute a topic: a producer that places keys otherwise does so with every record."""
    now = time.monotonic()
    if now - _told_at.get(topic, -TELL_EVERY_S) >= TELL_EVERY_S:
        _told_at[topic] = now
        log.warning(f"records are not on the partition of their key. {CURE}", topic=topic, records=count)
