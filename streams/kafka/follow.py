"""Follow: one partition of a topic, read by a process for itself, in no group, for as long as it runs.

open (patiently) ─► begin_at ─► fetch ⟳ take ─► progressed; made anew or failed? ─► open again
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError, OffsetOutOfRangeError
from mode import Service

from schemas import Settings, topic_name
from streams.kafka.clients import CLOSE_S, open_partition
from streams.kafka.ids import TopicWatch, topic_ids
from streams.kafka.patience import patiently

log = structlog.get_logger(__name__)
POLL_MS = 200
MOST_RECORDS = 500
REST_S = 0.02
AGAIN_S, MOST_AGAIN_S = 1.0, 5.0
WATCH_S = 2.0


class TopicFollower(Service):
    """Whatever goes wrong is told and tried again: a side task never ends a worker.

    Args:
        topic: in the contract.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        super().__init__()
        self._settings, self._topic = settings, topic
        self._tp = TopicPartition(topic_name(settings, topic), 0)
        self._topic_id = ""  # of the topic that is read
        self._must_open = False
        self._consumer: Any = None

    @abstractmethod
    def begin_at(self, first: int, end: int, topic_id: str) -> int:
        """The offset to begin at; the topic has those from `first` to before `end`, and this id of Kafka's."""

    @abstractmethod
    async def take(self, records: Sequence[Any]) -> None:
        """The next records."""

    @abstractmethod
    async def progressed(self, position: int, end: int, highwater: int) -> None:
        """After each fetch, an empty one too. `end` is that of the topic when it was opened."""

    @Service.task
    async def _read(self) -> None:
        while not self.should_stop:
            self._must_open = False
            end = await self._open()
            while not (self.should_stop or self._must_open) and end is not None:
                try:
                    await self._turn(end)
                except ConsumerStoppedError:  # the worker ends
                    return
                except KafkaError as error:
                    log.warning("a topic cannot be read; it is tried again", topic=self._topic, error=repr(error))
                    await self.sleep(AGAIN_S)
                except Exception as error:
                    log.exception("a topic is opened again", topic=self._topic, error=repr(error))
                    self._must_open = True
                    await self.sleep(AGAIN_S)

    async def _turn(self, end: int) -> None:
        consumer = self._consumer
        try:
            fetched = await consumer.getmany(self._tp, timeout_ms=POLL_MS, max_records=MOST_RECORDS)
        except OffsetOutOfRangeError:  # retention was faster, or the topic is another one
            self._must_open = True
            return
        await self.take(fetched.get(self._tp, ()))
        position = await consumer.position(self._tp)
        highwater = consumer.highwater(self._tp) or position
        await self.progressed(position, end, highwater)
        if fetched and position >= highwater:  # what comes meanwhile is fetched at once, after it
            consumer.pause(self._tp)
            await asyncio.sleep(REST_S)
            consumer.resume(self._tp)

    async def _open(self) -> int | None:
        """Returns the end of the topic at this moment; none when the worker stops."""
        await self._close()

        def tell(error: Exception, in_s: float) -> None:
            log.warning("a topic cannot be opened; it is tried again", topic=self._topic, error=repr(error), in_s=in_s)

        async for attempt in patiently(tell, (KafkaError, OSError, KeyError), AGAIN_S, MOST_AGAIN_S):
            with attempt:
                if self.should_stop:
                    return None
                self._topic_id = (await topic_ids(self._settings, [self._tp.topic]))[self._tp.topic]
                self._consumer, first, end = await open_partition(self._settings, self._tp)
                self._consumer.seek(self._tp, self.begin_at(first, end, self._topic_id))
                return end
        return None

    @Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            await self.sleep(WATCH_S)
            if known := self._topic_id:
                watch = TopicWatch(self._settings, [self._tp.topic], {self._tp.topic: known})
                if (await watch.look()).anew and known == self._topic_id:
                    self._must_open = True

    async def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), CLOSE_S)

    async def on_stop(self) -> None:
        await self._close()
