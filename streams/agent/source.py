"""Source: an agent's own aiokafka consumer, which feeds its Faust channel the batches of a turn of fetching.

consumer group ─► fetch ─► ask for ends ─► merge ─► channel ─► agent ─► Runtime.process; every second a checkpoint
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError, OffsetOutOfRangeError
from mode import Service

from schemas import Settings, SettingsError, UnavailableError
from streams.agent.merge import Lane, PlacedLane
from streams.agent.ownership import Partition, Turn
from streams.agent.runtime import Runtime
from streams.kafka import GroupConsumer, TopicEnds, TopicWatch, partition_counts, until_answered
from streams.metrics import LOST_RECORDS

log = structlog.get_logger(__name__)
PAUSE_S = 0.02
TICK_S = 0.3
WATCH_S = 2.0
TOPICS_PATIENCE_S = 5.0
BeforeReady = Callable[[], Awaitable[None]]


class Source(Service, ConsumerRebalanceListener):
    """Faust starts it last and stops it first (`app.service`)."""

    def __init__(
        self, app: Any, settings: Settings, runtime: Runtime, channel: Any, before_ready: BeforeReady | None = None
    ) -> None:
        super().__init__()
        self.app, self.settings, self.runtime, self.channel = app, settings, runtime, channel
        self.before_ready = before_ready
        self.topics: list[str] = runtime.changelog.topics
        self._group = GroupConsumer(settings, runtime.handler.name, self.topics)
        self._ends = TopicEnds(settings)
        self._is_anew = False  # topics
        self._lanes: dict[int, Lane] = {}
        self._flowing: set[TopicPartition] = set()

    # life cycle

    async def on_start(self) -> None:
        self.app.flow_control.resume()  # an app whose agents read channels only never does it itself

    @Service.task
    async def _run(self) -> None:
        if self.before_ready is not None:
            await self.before_ready()
        await until_answered(self, self.settings, self._connect)
        while not self.should_stop:
            try:
                if self._is_anew:
                    await self._join_again()
                await self._turn()
            except ConsumerStoppedError:
                return

    @Service.task
    async def _tick(self) -> None:
        """As long as this runs the process does: see `Sending.emit`."""
        self.runtime.sending.alive_at = time.monotonic()  # loading models may have taken long since it was made
        while not self.should_stop:
            await asyncio.sleep(TICK_S)
            if self.runtime.sending.has_stood_still():
                self.runtime.distrust()
            self.runtime.sending.alive_at = time.monotonic()

    @Service.task
    async def _watch_topics(self) -> None:
        watched = [*self.topics, self.runtime.changelog.topic]
        watch = TopicWatch(self.settings, watched)
        while not self.should_stop:
            found = await watch.look()
            if found.gone:
                topics = sorted(found.gone)
                log.error("a topic is gone; it is waited for", agent=self.runtime.handler.name, topics=topics)
            elif found.anew:
                self._is_anew, watch = True, TopicWatch(self.settings, watched)
            await self.sleep(WATCH_S)

    @Service.task
    async def _checkpoints(self) -> None:
        async for _ in self.itertimer(self.settings.checkpoint_interval_s, name="checkpoint"):
            self._measure_lag()
            await self.runtime.checkpoint()

    async def on_stop(self) -> None:
        await self.runtime.release()
        await self._ends.stop()
        await self._group.leave()
        await self.runtime.stop()

    async def _connect(self) -> None:
        """Check the topics, join the group.

        Raises:
            UnavailableError: topics are missing.
            SettingsError: the topics have different partition counts.
            KafkaError: the broker does not answer.
        """
        try:
            await self._until_topics_are_there()
            await self.runtime.outbox.start()
            await self._group.join(self)
        except (KafkaError, OSError):
            await self.runtime.outbox.stop()
            raise

    async def _until_topics_are_there(self) -> None:
        """Just created ones have no leader yet."""
        deadline = self.loop.time() + TOPICS_PATIENCE_S
        while True:
            try:
                return await self._check_topics()
            except UnavailableError:
                if self.loop.time() > deadline:
                    raise
            await self.sleep(0.5)

    async def _join_again(self) -> None:
        """With nothing in memory: positions and rows are of topics that are gone."""
        log.error("topics were made anew; the agent begins again", agent=self.runtime.handler.name, topics=self.topics)
        self._is_anew = False
        await self._group.leave()
        await self.runtime.drop()
        self._lanes.clear()
        self._flowing.clear()
        await until_answered(self, self.settings, self._connect)

    async def _check_topics(self) -> None:
        counts = await partition_counts(self.settings, [*self.topics, self.runtime.changelog.topic])
        if len(set(counts.values())) > 1:
            raise SettingsError(
                f"The agent {self.runtime.handler.name} needs equal partition counts, but Kafka has "
                + ", ".join(f"{topic}: {count}" for topic, count in sorted(counts.items()))
                + ". Events of one key would meet the state of another partition.",
                "Bring all of them to the highest count with Kafka's own tools, before there is state, or start afresh "
                "with another MILLRACE_TOPIC_PREFIX.",
            )

    # group

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's interface
        await self.runtime.release()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._flowing.clear()
        self._group.consumer.pause(*assigned)  # until they are open: what was fetched before would be dropped
        numbers = {
            n for n in {tp.partition for tp in assigned} if assigned >= {TopicPartition(t, n) for t in self.topics}
        }
        self._lanes = {number: lane for number, lane in self._lanes.items() if number in numbers}
        log.info("partitions are assigned", agent=self.runtime.handler.name, partitions=sorted(numbers))
        self.runtime.assign(numbers)

    # fetching

    async def _turn(self) -> None:
        """Move the consumer where partitions want it, fetch, deliver."""
        try:
            async with self._group.turn():
                self._seek()
                wanted = [
                    TopicPartition(topic, number)
                    for number, lane in self._ready_lanes()
                    for topic in self.topics
                    if lane.wants(topic, self.settings.max_batch_records)
                ]
                if wanted:
                    await self._fetch(wanted)
                else:
                    await asyncio.sleep(PAUSE_S)
                await self._confirm()
        except IllegalStateError:  # revoked in the meantime
            await asyncio.sleep(PAUSE_S)
        turn = self._take()
        if turn.batches:
            is_small = sum(len(batch.records) for batch in turn.batches) < self.settings.max_batch_records
            if is_small:  # what comes meanwhile is fetched at once, after it
                self._pause()
            await self.channel.put(turn)  # waits while the agent has another one to do: fetching stops
            if is_small:
                await turn.is_done.wait()

    def _take(self) -> Turn:
        """What is there of all partitions, up to the limit of records; whoever got nothing is the first next time."""
        turn, left = Turn(), self.settings.max_batch_records
        for number, lane in self._ready_lanes():
            if left > 0 and (batch := lane.take(left)) is not None:
                turn.batches.append(batch)
                left -= len(batch.records)
                self._lanes[number] = self._lanes.pop(number)  # to the end
        return turn

    def _pause(self) -> None:
        """Until the next turn."""
        with contextlib.suppress(IllegalStateError):  # revoked in the meantime
            self._group.consumer.pause(*self._flowing)
            self._flowing.clear()

    def _ready_lanes(self) -> list[tuple[int, Lane]]:
        parts = self.runtime.parts
        return [
            (number, lane)
            for number, lane in self._lanes.items()
            if lane.part is parts.get(number) and lane.part.is_ready and lane.epoch == lane.part.epoch
        ]

    def _seek(self) -> None:
        """Only here the consumer is moved (invariant 5), so a seek and a fetch cannot race."""
        for number, part in self.runtime.parts.items():
            tps = [TopicPartition(topic, number) for topic in self.topics]
            if part.is_ready and part.must_seek:
                for tp in tps:
                    self._group.consumer.seek(tp, part.positions[tp.topic])
                self._lanes[number], part.must_seek = self._lane(part), False
            if part.is_ready and not self._flowing.issuperset(tps):
                self._group.consumer.resume(*tps)
                self._flowing.update(tps)
            elif not part.is_ready and not self._flowing.isdisjoint(tps):
                self._group.consumer.pause(*tps)
                self._flowing.difference_update(tps)

    async def _fetch(self, wanted: list[TopicPartition]) -> None:
        lanes = dict(self._ready_lanes())
        try:
            at = {tp: lanes[tp.partition].fetched(tp.topic) for tp in wanted}
            fetched = await self._group.fetch(at, of_each=True)
        except OffsetOutOfRangeError as error:
            for tp, offset in error.args[0].items():
                await self._go_on_from_earliest(tp, offset)
            return
        for tp in wanted:
            lane = lanes[tp.partition]
            if lane.epoch == lane.part.epoch and self._group.consumer.assignment() >= {tp}:
                position = await self._group.consumer.position(tp)
                lane.add(tp.topic, fetched.get(tp, ()), position)

    def _lane(self, part: Partition) -> Lane:
        return PlacedLane(part, self.runtime.handler.event_time) if self.runtime.changelog.log_topic else Lane(part)

    async def _confirm(self) -> None:
        """Ask where the topics end, after what was fetched: the order of records waits for it."""
        lanes = [(number, lane) for number, lane in self._ready_lanes() if lane.wants_ends]
        if not lanes:
            return
        try:
            ends = await self._ends.of([TopicPartition(topic, number) for number, _ in lanes for topic in self.topics])
        except (KafkaError, TimeoutError, OSError) as error:
            log.warning("the ends of topics are not told", agent=self.runtime.handler.name, error=repr(error))
            await asyncio.sleep(PAUSE_S)
            return
        for number, lane in lanes:
            lane.confirm({topic: ends[TopicPartition(topic, number)] for topic in self.topics})

    async def _go_on_from_earliest(self, tp: TopicPartition, offset: int) -> None:
        """Retention was faster than this agent, or the topic was made anew: told, counted, and on it goes."""
        part = self.runtime.parts.get(tp.partition)
        earliest = (await self._group.consumer.beginning_offsets([tp]))[tp]
        if part is None or not await self.runtime.skip(part, tp.topic, offset, earliest):
            await asyncio.sleep(PAUSE_S)  # batches on their way are applied first; the next fetch says it again
            return
        LOST_RECORDS.labels(self.runtime.handler.name, tp.topic).inc(max(0, earliest - offset))
        log.error(
            "the next offset is not on the broker any more; going on from the earliest. Events between them are lost: "
            "give the topic a longer retention, or the agent more workers",
            agent=self.runtime.handler.name,
            topic=tp.topic,
            partition=tp.partition,
            next_offset=offset,
            earliest_offset=earliest,
        )

    def _measure_lag(self) -> None:
        for number, part in self.runtime.parts.items():
            positions = {TopicPartition(topic, number): at for topic, at in part.positions.items()}
            part.lag = self._group.measure_lag(positions)
            part.note_currency(time.time(), self._group.heard_at(positions))
