"""models.v1: how versions and aliases get onto the topic, and from there into a worker.

store ─► publish ─► models.v1 (chunks, version, alias) ─► ModelReader ─► Serving.receive, Serving.point
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError, OffsetOutOfRangeError
from mode import Service
from pydantic import ValidationError

from models.model_folder import Publication
from models.publication import Assembler, records_of
from schemas import ModelError, Settings, topic_name
from schemas.publication import AliasKey, AliasRecord, ChunkKey, VersionKey, key_text, parse_key
from schemas.topics import MODELS
from streams.kafka import open_partition
from streams.producer import EventProducer
from streams.serving import Serving
from streams.topic_ids import topic_ids

log = structlog.get_logger(__name__)
PATIENCE_S = 10.0  # at start; then the models in MILLRACE_HOME serve, and reading is tried on
AGAIN_S, MOST_AGAIN_S = 1.0, 5.0
WATCH_S = 5.0
CLOSE_S = 1.0


async def publish(settings: Settings, publications: Sequence[Publication], alias: AliasRecord | None = None) -> None:
    """Put versions on the topic, then point an alias. Returns when the broker has all of it.

    Raises:
        UnavailableError: the broker does not answer.
    """
    async with EventProducer(settings) as producer:
        sent = []
        for publication in publications:
            for key, value in records_of(publication):
                sent.append(await producer.push_bytes(MODELS, key.encode(), value))
        await asyncio.gather(*sent)  # the version is whole before an alias points to it
        if alias is not None:
            key = key_text(AliasKey(alias.name, alias.alias))
            await (await producer.push_bytes(MODELS, key.encode(), alias.model_dump_json().encode()))


async def publish_withdrawal(settings: Settings, name: str, alias: str) -> None:
    """Take an alias off the topic.

    Raises:
        UnavailableError: the broker does not answer.
    """
    async with EventProducer(settings) as producer:
        await (await producer.push_bytes(MODELS, key_text(AliasKey(name, alias)).encode(), None))


class ModelReader(Service):
    """Reads the topic from its beginning at every start: it is compacted, and known versions are only compared."""

    def __init__(self, settings: Settings, serving: Serving) -> None:
        super().__init__()
        self._settings, self._serving = settings, serving
        self._assembler = Assembler()
        self._pointed: dict[AliasKey, bytes | None] = {}  # aliases that changed, each as it was last
        self._is_caught_up = asyncio.Event()
        self._tp = TopicPartition(topic_name(settings, MODELS), 0)
        self._topic_id = ""
        self._is_anew = False  # the topic was deleted and made again under us
        self._consumer: Any = None

    async def caught_up(self) -> None:
        """Wait until the topic was read to its end, or could not be.

        Raises:
            ModelError: a model serves by its alias, and no version of it can be used.
        """
        try:
            await asyncio.wait_for(self._is_caught_up.wait(), PATIENCE_S)
        except TimeoutError:
            log.warning("models.v1 cannot be read; the models in MILLRACE_HOME serve", waited_s=PATIENCE_S)
        self._serving.check_served()

    @Service.task
    async def _read(self) -> None:
        while not self.should_stop:
            end = await self._open()
            while not (self.should_stop or self._is_anew) and end is not None:
                try:
                    await self._turn(end)
                except ConsumerStoppedError:  # the worker ends
                    return
            self._is_anew = False

    async def _turn(self, end: int) -> None:
        consumer = self._consumer
        if not self._is_caught_up.is_set() and await consumer.position(self._tp) >= end:
            await self._apply_aliases()
            self._is_caught_up.set()
        try:
            fetched = await consumer.getmany(self._tp, timeout_ms=200)
        except OffsetOutOfRangeError:  # the topic was made anew
            self._is_anew = True
            return
        except KafkaError as error:
            log.warning("models.v1 cannot be read; it is tried again", error=repr(error))
            await self.sleep(AGAIN_S)
            return
        for record in fetched.get(self._tp, ()):
            try:
                await self._take(record)
            except Exception as error:  # what serves goes on serving, and the next record is read
                log.exception("a record of models.v1 cannot be taken", offset=record.offset, error=repr(error))
        if self._is_caught_up.is_set():
            await self._apply_aliases()

    async def _open(self) -> int | None:
        """Begin at the first record. Returns the end of the topic at this moment; none when the worker stops."""
        attempts = 0
        await self._close()
        while not self.should_stop:
            try:
                self._topic_id = (await topic_ids(self._settings, [self._tp.topic]))[self._tp.topic]
                self._consumer, first, end = await open_partition(self._settings, self._tp, fetch_wait_ms=100)
            except (KafkaError, OSError, KeyError) as error:
                attempts += 1
                log.warning("models.v1 cannot be opened; it is tried again", error=repr(error), attempts=attempts)
                await self.sleep(min(AGAIN_S * 2 ** min(attempts - 1, 3), MOST_AGAIN_S))
            else:
                self._consumer.seek(self._tp, first)
                return end
        return None

    @Service.task
    async def _watch(self) -> None:
        """Only its id tells a topic that was made anew."""
        while not self.should_stop:
            await self.sleep(WATCH_S)
            try:
                found = await topic_ids(self._settings, [self._tp.topic])
            except (KafkaError, OSError):
                continue
            self._is_anew = self._is_anew or found.get(self._tp.topic, self._topic_id) != self._topic_id != ""

    async def _take(self, record: Any) -> None:
        """One record; whatever is wrong with it is told, and reading goes on."""
        key = parse_key((record.key or b"").decode(errors="replace"))
        match key:
            case ChunkKey() if record.value is not None:
                self._assembler.add(key, record.value)
            case VersionKey() if record.value is not None:
                try:
                    await self._serving.receive(self._assembler.complete(key, record.value))
                except ModelError as error:
                    self._serving.refuse(key.name, key.version, None, error)
            case AliasKey():
                self._pointed[key] = record.value
            case None:
                log.warning("a record of models.v1 is skipped: its key is unknown", offset=record.offset)

    async def _apply_aliases(self) -> None:
        pointed, self._pointed = self._pointed, {}
        for key, value in pointed.items():
            try:
                if value is None:
                    await self._withdraw(key)
                else:
                    await self._point(key, value)
            except Exception as error:  # a bug must not end the reading; what serves goes on serving
                log.exception("an alias could not be followed", alias=key, error=repr(error))

    async def _point(self, key: AliasKey, value: bytes) -> None:
        try:
            record = AliasRecord.model_validate_json(value)
        except ValidationError as error:
            log.warning("an alias of models.v1 cannot be read", alias=key, error=str(error))
            return
        if (record.name, record.alias) == key:
            await self._serving.point(record)

    async def _withdraw(self, key: AliasKey) -> None:
        if key.alias == "challenger":  # a champion stays until another one is named
            await self._serving.withdraw(key.name, "challenger")

    async def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), CLOSE_S)

    async def on_stop(self) -> None:
        await self._close()
