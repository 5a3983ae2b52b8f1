"""Sink: decisions from Kafka into the database, each exactly once, whatever dies.

consumer group ─► fetch ─► channel ─► agent `sink` ─► decode ─► Store.write: rows and next offsets in one transaction

The position of a partition is the one in the database, not the group's: on assignment the consumer seeks to it, and a
batch is only written if it starts there. So a sink may die, hang or lose its partitions at any moment: whoever goes on
finds rows and position in step. While the database is away nothing is fetched, and heartbeats go on.
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

from schemas import OUTPUTS, Settings, UnavailableError, topic_name
from storage import PositionError, StorageError, Store, in_thread
from streams.kafka import GroupConsumer, partition_counts, patiently, until_answered
from streams.metrics import READY
from streams.sink.positions import SinkPositions
from streams.sink.writer import Fetched, Records, Retention, Silence, Writer

log = structlog.get_logger(__name__)
AGENT = "sink"
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
    """Put the agent `sink` on an app: its source, the channel, and the agent between Kafka and the database.

    Raises:
        SettingsError: the database is not one that Millrace speaks.
    """
    store = Store(settings.database())
    channel = app.channel(maxsize=IN_HAND)
    source = SinkSource(app, settings, store, channel)

    @app.agent(channel, name=AGENT, concurrency=1)
    async def sink(stream: Any) -> None:
        async for fetched in stream.noack():  # the position in the database says what is done
            await source.write(fetched)

    for service in (source, Retention(settings, store), Silence(settings, store)):
        app.service(service)


class SinkSource(Service, ConsumerRebalanceListener):
    """The agent's consumer: fetches from the positions in the database, and writes what comes back on the channel."""

    def __init__(self, app: faust.App, settings: Settings, store: Store, channel: Any) -> None:
        super().__init__()
        self.app, self.settings, self.store, self.channel = app, settings, store, channel
        self.topics = [topic_name(settings, topic) for topic in OUTPUTS]
        self.writer = Writer(settings, self.store)
        self._positions = SinkPositions(settings, store, self.topics, AGENT, self._patiently)
        self._group = GroupConsumer(settings, AGENT, self.topics)
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
        READY.set(0)
        self._void()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._writing.acquire(), FINISH_S)
        await self._group.leave()
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
        log.info("partitions are assigned", agent=AGENT, partitions=sorted(map(_name, assigned)))

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
                fetched = await self._group.fetch()
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
            READY.set(self._is_assigned)
            return False
        starts = await self._positions.starts(self._group.consumer, assigned)
        if epoch != self._epoch:
            return False
        for tp, position in starts.items():
            self._group.consumer.seek(tp, position)
        self._next, self._must_seek = starts, False
        self._group.consumer.resume(*assigned)
        READY.set(1)
        log.info("the sink reads on", positions={_name(tp): position for tp, position in starts.items()})
        return True

    # writing

    async def write(self, fetched: Fetched) -> None:
        """The agent's work on a batch: until it is in the database, or void."""
        try:
            async with self._writing:
                if fetched.epoch == self._epoch:
                    await self._patiently(lambda: self.writer.write(fetched), fetched.epoch)
                    READY.set(1)
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
            READY.set(0)
            log.warning("the sink waits for the database", error=str(error), in_s=in_s)

        async for attempt in patiently(tell, (UnavailableError, StorageError), most_pause_s=MOST_PAUSE_S):
            with attempt:
                if self.should_stop or epoch not in (None, self._epoch):
                    raise Void
                return await in_thread(work)
        raise AssertionError("patience has no end")


def _name(tp: TopicPartition) -> str:
    return f"{tp.topic}-{tp.partition}"
