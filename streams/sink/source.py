"""Sink: decisions and what was pushed, from Kafka into the database, each exactly once, whatever dies.

consumer group ─► fetch ─► channel ─► agent ─► decode ─► Store.write: rows and next offsets in one transaction

The position of a partition is the one in the database, not the group's: on assignment the consumer seeks to it, and a
batch is only written if it starts there. So a sink may die, hang or lose its partitions at any moment: whoever goes on
finds rows and position in step. While the database is away nothing is fetched, and heartbeats go on.

There are two agents, so that decisions do not wait behind readings and clicks: `sink` has the outputs, the items
that say what may be shown and the assets that say where they stand; `history` has the other inputs and dead letters.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import faust
import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalStateError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from mode import Service

from schemas import (
    ACTIONS,
    ASSETS,
    CLICKS,
    INPUTS,
    ITEMS,
    MAINTENANCE,
    OUTPUTS,
    TELEMETRY,
    Settings,
    UnavailableError,
    dead_letters_of,
    topic_name,
)
from storage import Keeping, PositionError, StorageError, Store, in_thread
from streams.kafka import GroupConsumer, partition_counts, patiently, until_answered
from streams.metrics import READY, SINK_RECORDS
from streams.sink.fleet import Fleet
from streams.sink.positions import SinkPositions
from streams.sink.quarantine import Quarantine
from streams.sink.retention import Retention
from streams.sink.writer import Fetched, Records, Writer

log = structlog.get_logger(__name__)
SINK, HISTORY = "sink", "history"
HISTORY_AT_ONCE = 10_000  # records of a fetch: of most readings no more than their bytes is looked at
IN_HAND = 2  # batches: one is written while the next is fetched
PAUSE_S = 0.02
MOST_PAUSE_S = 5.0  # between two attempts to reach the database
CLOSE_S = 2.0
FINISH_S = 4.0  # for the transaction in hand at the end; it is whole or not at all in any case
LAG_EVERY_S = 5.0
WATCH_EVERY_S = 2.0
Result = TypeVar("Result")


class Void(Exception):  # noqa: N818 - not an error: what was to be done is not wanted any more
    """The partitions went elsewhere, or the worker stops."""


def build_sink(app: faust.App, settings: Settings) -> None:
    """Put the agents `sink` and `history` on an app: of each its source, channel, and what writes to the database.

    Raises:
        SettingsError: the database is not one that Millrace speaks.
    """
    keeping = Keeping(settings.readings_every_s, settings.clicks_per_user)
    readiness: dict[str, bool] = {}
    many = settings.model_copy(update={"max_batch_records": max(HISTORY_AT_ONCE, settings.max_batch_records)})
    for agent, its_settings in ((SINK, settings), (HISTORY, many)):
        store = Store(settings.database(), keeping)
        source = SinkSource(app, its_settings, store, agent, readiness)
        _add_agent(app, source)
        app.service(source)
        if agent == SINK:
            app.service(Retention(settings, store))
            app.service(Fleet(settings, store))


def _add_agent(app: faust.App, source: SinkSource) -> None:
    @app.agent(source.channel, name=source.agent, concurrency=1)
    async def write(stream: Any) -> None:
        async for fetched in stream.noack():  # the position in the database says what is done
            await source.write(fetched)


def kept_topics(agent: str, settings: Settings) -> dict[str, float | None]:
    """The topics of an agent (names in the contract) with the days after which what is kept of them goes."""
    if agent == SINK:
        return dict.fromkeys((*(topic for topic in OUTPUTS if topic != ACTIONS), ITEMS, ASSETS))
    days = {
        CLICKS: settings.retention_clicks_days,
        TELEMETRY: settings.retention_readings_days,
        MAINTENANCE: settings.retention_log_days,
    }
    letters = dict.fromkeys(map(dead_letters_of, INPUTS), settings.retention_dead_letters_days)
    return {**days, **letters}


class SinkSource(Service, ConsumerRebalanceListener):
    """The agent's consumer: fetches from the positions in the database, and writes what comes back on the channel."""

    def __init__(
        self, app: faust.App, settings: Settings, store: Store, agent: str, readiness: dict[str, bool]
    ) -> None:
        """`readiness` is shared by the sources of a worker, which is ready when all are."""
        super().__init__()
        self.app, self.settings, self.store, self.agent = app, settings, store, agent
        self.channel = app.channel(maxsize=IN_HAND)
        days = {topic_name(settings, topic): of for topic, of in kept_topics(agent, settings).items()}
        self.topics = list(days)
        self.writer = Writer(settings, self.store)
        self._quarantine = Quarantine(settings, agent)
        self._readiness = readiness
        self._set_ready(False)
        self._positions = SinkPositions(settings, store, days, agent, self._patiently)
        self._group = GroupConsumer(settings, agent, self.topics)
        self._epoch = 0  # of the positions: everything fetched before the last seek is void
        self._is_assigned = False
        self._must_seek = False
        self._next: dict[TopicPartition, int] = {}  # where the next span starts
        self._in_hand = 0
        self._room = asyncio.Event()
        self._writing = asyncio.Lock()

    # life cycle

    async def on_start(self) -> None:
        self.app.flow_control.resume()  # an app whose agents read channels only never does it itself

    @Service.task
    async def _run(self) -> None:
        with contextlib.suppress(ConsumerStoppedError, Void):
            await self._patiently(self.store.check)
            await until_answered(self, self.settings, self._connect)
            while not self.should_stop:
                await self._turn()

    @Service.task
    async def _measure_lag(self) -> None:
        async for _ in self.itertimer(LAG_EVERY_S, name="sink lag"):
            self._group.measure_lag(self._next)

    @Service.task
    async def _watch_topics(self) -> None:
        """A topic that was made anew and is already longer than the old one looks as if nothing had happened."""
        async for _ in self.itertimer(WATCH_EVERY_S, name="sink topics"):
            if self._is_assigned and not self._must_seek and await self._positions.have_changed():
                log.error("a topic is not the one that it was; the sink looks where it is to go on", topics=self.topics)
                self._void()

    async def on_stop(self) -> None:
        self._set_ready(False)
        self._void()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._writing.acquire(), FINISH_S)
        await self._group.leave()
        await self._quarantine.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(in_thread(self.store.close), CLOSE_S)

    async def _connect(self) -> None:
        await partition_counts(self.settings, self.topics)
        await self._group.join(self)

    # group

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._is_assigned = False
        self._void()
        with contextlib.suppress(TimeoutError):  # the next owner need not meet our last transaction
            async with asyncio.timeout(min(CLOSE_S, self.settings.session_timeout_s / 4)), self._writing:
                pass
        for tp in revoked:
            self._next.pop(tp, None)
            self._group.forget(tp)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._group.consumer.pause(*assigned)  # until they are where the database is
        self._is_assigned = True
        self._void()
        log.info("partitions are assigned", agent=self.agent, partitions=sorted(map(_name, assigned)))

    def _set_ready(self, is_ready: bool) -> None:
        self._readiness[self.agent] = is_ready
        READY.set(all(self._readiness.values()))

    def _void(self) -> None:
        self._epoch += 1
        self._must_seek = True

    # fetching

    async def _turn(self) -> None:
        if self._in_hand >= IN_HAND:  # the database is slow or away
            self._room.clear()
            await self._room.wait()
            return
        try:
            async with self._group.turn():
                if self._must_seek and not await self._seek():
                    await asyncio.sleep(PAUSE_S)
                    return
                epoch = self._epoch
                fetched = await self._group.fetch(self._next)
                if fetched:
                    await self._deliver(epoch, fetched)
        except OffsetOutOfRangeError:
            self._void()
        except (IllegalStateError, NoOffsetForPartitionError):  # revoked meanwhile, or assigned and not yet sought
            await asyncio.sleep(PAUSE_S)

    async def _deliver(self, epoch: int, fetched: Records) -> None:
        ends = {tp: await self._group.consumer.position(tp) for tp in fetched}  # beyond gaps
        if epoch != self._epoch:
            return
        spans = {tp: self._positions.span(tp, self._next[tp], end) for tp, end in ends.items()}
        self._next |= ends
        self._in_hand += 1
        await self.channel.put(Fetched(epoch, fetched, spans))

    async def _seek(self) -> bool:
        """Move the consumer to the positions of the database. Returns whether there is something to fetch now."""
        epoch, assigned = self._epoch, sorted(self._group.consumer.assignment())
        if not self._is_assigned or not assigned:
            self._set_ready(self._is_assigned)
            return False
        starts = await self._positions.starts(self._group.consumer, assigned)
        if epoch != self._epoch:
            return False
        for tp, position in starts.items():
            self._group.consumer.seek(tp, position)
        self._next, self._must_seek = starts, False
        self._group.consumer.resume(*assigned)
        self._set_ready(True)
        log.info("the sink reads on", positions={_name(tp): position for tp, position in starts.items()})
        return True

    # writing

    async def write(self, fetched: Fetched) -> None:
        """The agent's work on a batch: until it is in the database, or void."""
        try:
            async with self._writing:
                if fetched.epoch == self._epoch and await self._quarantine.take(
                    fetched.records, lambda: bool(self.should_stop) or fetched.epoch != self._epoch
                ):
                    await self._patiently(lambda: self.writer.write(fetched), fetched.epoch)
                    self._set_ready(True)
                    for tp, records in fetched.records.items():
                        SINK_RECORDS.labels(self.agent, tp.topic).inc(len(records))
        except Void:
            pass
        except PositionError as error:
            log.warning("the sink goes back to the position of the database", reason=error.detail)
            self._void()
        except Exception as error:
            log.exception("a batch could not be written; it is fetched again", error=repr(error))
            await self.sleep(MOST_PAUSE_S)
            self._void()
        finally:
            self._in_hand -= 1
            self._room.set()

    async def _patiently(self, work: Callable[[], Result], epoch: int | None = None) -> Result:
        """Do blocking work in a thread, again and again while the database is away and the epoch lasts."""

        def tell(error: Exception, in_s: float) -> None:
            self._set_ready(False)
            log.warning("the sink waits for the database", error=str(error), in_s=in_s)

        async for attempt in patiently(tell, (UnavailableError, StorageError), most_pause_s=MOST_PAUSE_S):
            with attempt:
                if self.should_stop or epoch not in (None, self._epoch):
                    raise Void
                return await in_thread(work)
        raise AssertionError("patience has no end")


def _name(tp: TopicPartition) -> str:
    return f"{tp.topic}-{tp.partition}"
