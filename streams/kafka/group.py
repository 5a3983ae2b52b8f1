"""Group: the consumer of an agent in its consumer group, whose positions are kept elsewhere.

join ─► assigned, paused by the agent until it has sought ─► fetch ─► lag ─► leave
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)

from schemas import Settings
from streams.kafka.clients import (
    FETCH_WAIT_MS,
    REQUEST_TIMEOUT_MS,
    ConsumerRecord,
    client_options,
    group_name,
    started,
)
from streams.metrics import HELD, LAG

log = structlog.get_logger(__name__)
# A consumer that fetches nothing for this long leaves its group and never comes back (aiokafka 0.14). Ours fetches
# nothing while a partition waits for what is away, for as long as that takes; its heartbeats say that it lives.
IDLE_MS = 2**31 - 1
# A topic that was made anew is seen at the next look at the metadata; aiokafka's default is five minutes
METADATA_MS = 5_000
POLL_MS = 200
AGAIN_S = 1.0
LEAVE_S = 2.0  # leaving the group waits for the broker
HELD_AFTER_S = 10.0  # transactions of checkpoints take a tenth of a second
# What the agent answers itself, as it depends on what it has in memory
ITS_OWN = (ConsumerStoppedError, IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError)
# Bytes of a batch that are not as they were written, or packed in a way that this machine cannot undo
UNREADABLE = (CorruptRecordException, UnsupportedCodecError)
APART = 100  # records of a partition at once, while another one cannot be read
Records = Mapping[TopicPartition, Sequence[ConsumerRecord]]


class GroupConsumer:
    """Commits nothing by itself. `consumer` is aiokafka's, once it has joined; where it stands is the agent's to say.

    Args:
        agent: its group is named after it.
        topics: names on the broker.
    """

    def __init__(self, settings: Settings, agent: str, topics: Sequence[str]) -> None:
        self._settings, self._agent, self._topics = settings, agent, list(topics)
        self._lag = LagMeter(agent)
        self._unreadable: dict[TopicPartition, int] = {}  # offsets that were told
        self.consumer: Any = None

    async def join(self, listener: ConsumerRebalanceListener) -> None:
        """Start, and ask for partitions.

        Raises:
            KafkaError: the broker does not answer; nothing is left open.
        """
        session_s = self._settings.session_timeout_s
        self.consumer = await started(
            AIOKafkaConsumer(
                **client_options(self._settings),
                group_id=group_name(self._settings, self._agent),
                enable_auto_commit=False,
                auto_offset_reset="none",  # an offset that is out of range is told, not passed over
                isolation_level="read_committed",
                # the same numbers of all topics: readings and log, scores and alerts of an asset, to the same worker
                partition_assignment_strategy=(RangePartitionAssignor,),
                fetch_max_wait_ms=FETCH_WAIT_MS,
                session_timeout_ms=int(session_s * 1000),
                heartbeat_interval_ms=int(min(3.0, session_s / 4) * 1000),
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                max_poll_interval_ms=IDLE_MS,
                metadata_max_age_ms=METADATA_MS,
            )
        )
        self.consumer.subscribe(self._topics, listener=listener)
        log.info("an agent joins its group", agent=self._agent, topics=self._topics)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Whatever is asked of the broker inside, to seek, to fetch, to confirm: if it cannot answer, that is told, and
        the next turn asks again.

        Raises:
            ConsumerStoppedError: the worker ends.
            IllegalStateError: a partition is not ours any more.
            NoOffsetForPartitionError: it has not been sought yet.
            OffsetOutOfRangeError: the broker does not have the next offset.
        """
        try:
            yield
        except ITS_OWN:
            raise
        except KafkaError as error:
            log.warning("fetching failed; it is tried again", agent=self._agent, error=repr(error))
            await asyncio.sleep(AGAIN_S)

    async def fetch(self, at: Mapping[TopicPartition, int], *, of_each: bool = False) -> Records:
        """What is there of these partitions, `max_batch_records` at most; within a `turn`.

        Args:
            at: partitions and the offsets at which they are.
            of_each: so many of each partition. aiokafka empties what it has fetched in its order, so a long backlog
                that comes first would fill every answer, and the others wait for its end.
        """
        try:
            return await self._fetch(list(at), of_each=of_each)
        except UNREADABLE:  # what aiokafka took of other partitions before is in nobody's hands
            for tp, offset in at.items():
                self.consumer.seek(tp, offset)
            return await self._fetch_apart(at)

    async def _fetch(self, partitions: Sequence[TopicPartition], *, of_each: bool) -> Records:
        most = self._settings.max_batch_records
        fetched: Records = await self.consumer.getmany(*partitions, timeout_ms=POLL_MS, max_records=most)
        more = fetched
        while of_each and sum(map(len, more.values())) >= most:
            others = [tp for tp in partitions if tp not in fetched]
            if not others:
                break
            try:
                more = await self.consumer.getmany(*others, timeout_ms=0, max_records=most)
            except UNREADABLE:
                raise
            except KafkaError:  # the next fetch says it again; what is here must not be lost
                break
            fetched |= more
        return fetched

    async def _fetch_apart(self, at: Mapping[TopicPartition, int]) -> Records:
        """Each by itself, so that one that cannot be read holds no other up. It is tried again, turn by turn."""
        fetched: Records = {}
        for tp, offset in at.items():
            try:
                found = await self.consumer.getmany(tp, timeout_ms=POLL_MS, max_records=APART)
            except UNREADABLE as error:
                self.consumer.seek(tp, offset)
                self._tell_unreadable(tp, offset, error)
            else:
                fetched |= found
        if not fetched:
            await asyncio.sleep(AGAIN_S)
        return fetched

    def _tell_unreadable(self, tp: TopicPartition, offset: int, error: KafkaError) -> None:
        if self._unreadable.get(tp) != offset:
            self._unreadable[tp] = offset
            log.error(
                "records cannot be read, from this offset on; they are tried again and again, and what is behind them "
                "waits. If the broker has no sound replica, delete the records up to the next batch",
                agent=self._agent, topic=tp.topic, partition=tp.partition, offset=offset, error=repr(error),
            )  # fmt: skip

    def measure_lag(self, positions: Mapping[TopicPartition, int]) -> int | None:
        """Tell it, and return the sum. None: of some nothing is known.

        Args:
            positions: the next offset to apply, of partitions that are assigned or were a moment ago.
        """
        assigned = set() if self.consumer is None else self.consumer.assignment()
        lags = [self._lag.measure(self.consumer, tp, at) for tp, at in positions.items() if tp in assigned]
        known = [lag for lag in lags if lag is not None]
        return sum(known) if len(known) == len(positions) else None

    def heard_at(self, positions: Iterable[TopicPartition]) -> float | None:
        """When the broker last answered for all of them, epoch seconds; none: for some it never did."""
        assigned = set() if self.consumer is None else self.consumer.assignment()
        times = [self.consumer.last_poll_timestamp(tp) if tp in assigned else None for tp in positions]
        known = [time for time in times if time is not None]
        return min(known) / 1000 if known and len(known) == len(times) else None

    def forget(self, tp: TopicPartition) -> None:
        """Another worker tells the lag of this partition now."""
        self._lag.forget(tp)

    async def leave(self) -> None:
        """Within 2 s; the group notices by itself whoever does not manage."""
        if self.consumer is not None:
            try:
                await asyncio.wait_for(self.consumer.stop(), LEAVE_S)
            except TimeoutError:
                log.warning("the group was not left in time", agent=self._agent)


class LagMeter:
    """How far an agent is behind the ends of its partitions: to the high watermark, as everybody else counts.

    `read_committed` only shows what is below the first open transaction (the last stable offset). A producer that died
    in one holds all readers up until its transaction times out; without this the lag would say 0 all the while.
    """

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._held_since: dict[TopicPartition, float] = {}
        self._told: set[TopicPartition] = set()

    def measure(self, consumer: Any, tp: TopicPartition, position: int) -> int | None:
        """`position` is the next offset to apply; nothing is known of a partition before its first fetch (None)."""
        end, stable = consumer.highwater(tp), consumer.last_stable_offset(tp)
        if end is None or end < 0:
            return None
        labels = (self._agent, tp.topic, tp.partition)
        lag = max(0, int(end - position))
        LAG.labels(*labels).set(lag)
        is_held = stable is not None and 0 <= stable < end and position >= stable
        HELD.labels(*labels).set(end - stable if is_held else 0)
        if not is_held:
            self._held_since.pop(tp, None)
            self._told.discard(tp)
            return lag
        waited_s = time.monotonic() - self._held_since.setdefault(tp, time.monotonic())
        if waited_s >= HELD_AFTER_S and tp not in self._told:
            self._told.add(tp)
            log.warning(
                "an open transaction of a producer holds back its partition: nothing after it can be read until that "
                "producer ends it, or it times out (transaction.timeout.ms). `kafka-transactions.sh find-hanging` of "
                "Kafka's tools names it, `abort` ends it",
                agent=self._agent, topic=tp.topic, partition=tp.partition, next_offset=position, end=end,
            )  # fmt: skip
        return lag

    def forget(self, tp: TopicPartition) -> None:
        """Another worker tells about this partition now."""
        self._held_since.pop(tp, None)
        self._told.discard(tp)
        for gauge in (LAG, HELD):
            gauge.labels(self._agent, tp.topic, tp.partition).set(0)
