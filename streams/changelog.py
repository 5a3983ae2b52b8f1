"""Changelog: partition state on Kafka. One transaction saves the changed rows, their positions and the group's offsets.

open: fence earlier owners ─► read positions and rows ─► compare with the group's offsets
commit: changed rows + positions ─► changelog, positions ─► group offsets, all or nothing
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced

from schemas import MillraceError, Settings, topic_name
from streams.handler import Handler
from streams.kafka import client_options, group_name
from streams.ownership import Partition, Positions
from streams.partition import Changes, Layout, PartitionState, empty_state

log = structlog.get_logger(__name__)
POSITIONS = b"\0positions"  # reserved key: no table has an empty name
VERSION_BYTES = 4  # before the raw bytes of each row: the version of its layout, little endian
BATCH_BYTES = 900_000  # the broker's default limit of a batch is 1,048,588
TRANSACTION_TIMEOUT_S = 30.0
ROWS_AT_ONCE = 1000  # then the loop may serve events: encoding 1,000 rows takes about 2 ms


class FencedError(MillraceError):
    """Another worker has taken this partition."""

    title = "The partition belongs to another worker"


class StateMismatchError(MillraceError):
    title = "The partition state does not fit the consumer group"


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint saves of one partition."""

    positions: Positions
    tables: dict[str, tuple[int, Changes]]  # name -> (layout version, changes)

    @property
    def rows(self) -> int:
        return sum(len(changes.keys) + len(changes.removed) for _, changes in self.tables.values())


def take_snapshot(part: Partition) -> Snapshot:
    """Copies of what changed since the last snapshot; between two batches only."""
    tables = {name: (rows.layout, rows.take_changes()) for name, rows in part.state.tables.items()}
    return Snapshot(dict(part.positions), tables)


class Changelog:
    """The saved state of one agent."""

    def __init__(self, settings: Settings, handler: Handler) -> None:
        self.group = group_name(settings, handler.name)
        self.topics = [topic_name(settings, topic) for topic in handler.topics]
        self.topic = topic_name(settings, handler.changelog)
        self._handler = handler
        self._options = client_options(settings)

    async def open(self, part: Partition) -> None:
        """Fence earlier owners, then load: only after fencing is the outcome of their last transaction decided.

        Raises:
            StateMismatchError: changelog and consumer group disagree.
            KafkaError: the broker does not answer, or refuses.
        """
        part.producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            max_batch_size=BATCH_BYTES + 50_000,
            transactional_id=f"{self.group}-{part.number}",
            transaction_timeout_ms=int(TRANSACTION_TIMEOUT_S * 1000),
        )
        await part.producer.start()
        reader = AIOKafkaConsumer(
            **self._options,
            group_id=self.group,
            enable_auto_commit=False,
            isolation_level="read_committed",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=8 << 20,
        )
        try:
            await reader.start()
            records = await _read_all(reader, TopicPartition(self.topic, part.number))
            saved = json.loads(records.pop(POSITIONS, b"{}"))
            part.positions = {topic: await self._position(reader, part.number, topic, saved) for topic in self.topics}
        finally:
            await reader.stop()
        part.saved = {topic: saved[topic] for topic in self.topics if topic in saved}
        part.state = restore(part.number, self._handler.layouts(), records)

    async def _position(self, reader: Any, number: int, topic: str, saved: Mapping[str, int]) -> int:
        source = TopicPartition(topic, number)
        position, committed = saved.get(topic), await reader.committed(source)
        if position is None and committed is None:  # never read before
            return int((await reader.beginning_offsets([source]))[source])
        if position is None or committed not in (None, position):  # Kafka forgets offsets of idle groups: none is fine
            raise StateMismatchError(
                f"{topic} partition {number}: the rows on {self.topic} stand at offset {position}, the group "
                f"{self.group} at {committed}. Applying events to rows that do not fit them would be wrong.",
                f"Set the group's offsets to those of the changelog; or, to start afresh, stop the workers and delete "
                f"both the group {self.group} and the records of {self.topic}.",
            )
        return int(position)

    async def commit(self, part: Partition, snapshot: Snapshot) -> None:
        """Save in one transaction; nothing is visible before all of it is.

        Raises:
            FencedError: another worker owns the partition now.
            KafkaError: the outcome is unknown. There is no abort, which would wait for the broker: the caller opens
                the partition again, and fencing aborts.
        """
        producer = part.producer
        offsets = {TopicPartition(topic, part.number): at for topic, at in snapshot.positions.items()}
        sends: list[Any] = []
        try:
            await producer.begin_transaction()
            batch = producer.create_batch()
            async for key, value in _encode(snapshot):
                if batch.append(key=key, value=value, timestamp=None) is None:
                    sends.append(await producer.send_batch(batch, self.topic, partition=part.number))
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None)
            sends.append(await producer.send_batch(batch, self.topic, partition=part.number))
            await asyncio.gather(*sends)
            await producer.send_offsets_to_transaction(offsets, self.group)
            await producer.commit_transaction()
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise FencedError(f"Partition {part.number} of {self.group}: {error}") from error

    async def close(self, part: Partition) -> None:
        """Give the producer back; never in mid-transaction, where it would not answer."""
        producer, part.producer = part.producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), 5)
            except Exception as error:  # whatever it is, the producer is of no more use
                log.warning("the producer of a partition did not close", partition=part.number, error=repr(error))


async def _read_all(reader: Any, source: TopicPartition) -> dict[bytes, bytes]:
    """The last value of each key."""
    reader.assign([source])
    end = (await reader.end_offsets([source]))[source]
    reader.seek(source, (await reader.beginning_offsets([source]))[source])
    latest: dict[bytes, bytes] = {}
    while await reader.position(source) < end:
        for records in (await reader.getmany(source, timeout_ms=1000, max_records=50_000)).values():
            for record in records:
                if record.value is None:
                    latest.pop(record.key, None)
                else:
                    latest[record.key] = record.value
            await asyncio.sleep(0)
    return latest


async def _encode(snapshot: Snapshot) -> AsyncIterator[tuple[bytes, bytes | None]]:
    for name, (layout, changes) in snapshot.tables.items():
        prefix, version = name.encode() + b"\0", layout.to_bytes(VERSION_BYTES, "little")
        raw, size = changes.rows.tobytes(), changes.rows.dtype.itemsize
        for i, key in enumerate(changes.keys):
            yield prefix + key, version + raw[i * size : (i + 1) * size]
            if i % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
                await asyncio.sleep(0)
        for key in changes.removed:
            yield prefix + key, None
    yield POSITIONS, json.dumps(snapshot.positions).encode()


def restore(number: int, layouts: Mapping[str, Layout], records: Mapping[bytes, bytes]) -> PartitionState:
    """Rows from the records of a changelog; those of another layout are left out, and deleted at the next checkpoint.

    They must not stay: were their layout to come back, they would be taken for rows that stand at the positions. Rows
    of tables that the handler does not name are left alone.
    """
    state = empty_state(number, layouts)
    current: dict[str, dict[bytes, bytes]] = {name: {} for name in layouts}
    stale: dict[str, list[bytes]] = {}
    for full_key, value in records.items():
        table, _, key = full_key.partition(b"\0")
        name = table.decode()
        if name not in layouts:
            continue
        if _fits(layouts[name], value):
            current[name][key] = value[VERSION_BYTES:]
        else:
            stale.setdefault(name, []).append(key)
    for name, rows in current.items():
        state.tables[name].load(rows, stale.get(name, ()))
    for name, keys in stale.items():
        log.warning("rows of another layout are not loaded", partition=number, table=name, rows=len(keys))
    return state


def _fits(layout: Layout, value: bytes) -> bool:
    version = int.from_bytes(value[:VERSION_BYTES], "little")
    return version == layout.version and len(value) == VERSION_BYTES + layout.dtype.itemsize
