"""models.v1: how versions and aliases get onto the topic, and from there into a worker.

store ─► publish ─► models.v1 (chunks, version, alias) ─► ModelReader ─► Serving.receive, Serving.point
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from pydantic import ValidationError

from models.registry import Assembler, Publication, records_of
from schemas import MODELS, AliasKey, AliasRecord, ChunkKey, ModelError, Settings, VersionKey, key_text, parse_key
from streams.kafka import EventProducer, TopicFollower
from streams.serving.serving import Serving

log = structlog.get_logger(__name__)
PATIENCE_S = 10.0  # at start; then the models in MILLRACE_HOME serve, and reading is tried on


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


class ModelReader(TopicFollower):
    """Reads the topic from its beginning at every start: it is compacted, and known versions are only compared."""

    def __init__(self, settings: Settings, serving: Serving) -> None:
        super().__init__(settings, MODELS, fetch_wait_ms=100)
        self._serving = serving
        self._assembler = Assembler()
        self._pointed: dict[AliasKey, bytes | None] = {}  # aliases that changed, each as it was last
        self._is_caught_up = asyncio.Event()

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

    def begin_at(self, first: int, end: int, topic_id: str) -> int:  # noqa: ARG002 - always all of it
        return first

    async def take(self, records: Sequence[Any]) -> None:
        for record in records:
            try:
                await self._take(record)
            except Exception as error:  # what serves goes on serving, and the next record is read
                log.exception("a record of models.v1 cannot be taken", offset=record.offset, error=repr(error))

    async def progressed(self, position: int, end: int, highwater: int) -> None:  # noqa: ARG002
        """What is pointed to is taken once the topic was read to its end, and from then on at once."""
        if self._is_caught_up.is_set() or position >= end:
            await self._apply_aliases()
            self._is_caught_up.set()

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
