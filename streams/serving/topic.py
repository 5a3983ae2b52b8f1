"""models.v1: how versions and aliases get onto the topic, and from there into a worker.

store ─► publish ─► models.v1 (chunks, version, alias) ─► ModelReader ─► Serving.receive, admit, point
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import structlog
from pydantic import ValidationError

from models.registry import PUBLISH_AGAIN, UPDATE_MILLRACE, Assembler, Publication, records_of
from schemas import (
    MODELS,
    Alias,
    AliasKey,
    AliasRecord,
    ChunkKey,
    ModelError,
    Settings,
    VersionKey,
    key_text,
    parse_key,
    text_of,
)
from streams.kafka import EventProducer, TopicFollower, answering
from streams.serving.serving import Agents, Serving

log = structlog.get_logger(__name__)
PATIENCE_S = 10.0  # at start; then the models in MILLRACE_HOME serve, and reading is tried on


async def publish(settings: Settings, publications: Sequence[Publication], alias: AliasRecord | None = None) -> None:
    """Put versions on the topic, then point an alias. Returns when the broker has all of it.

    Raises:
        UnavailableError: the broker does not answer.
    """
    with answering(settings):
        await _publish(settings, publications, alias)


async def _publish(settings: Settings, publications: Sequence[Publication], alias: AliasRecord | None) -> None:
    async with EventProducer(settings) as producer:
        sent = []
        for publication in publications:
            for key, value in records_of(publication):
                sent.append(await producer.push_bytes(MODELS, key.encode(), value))
        await asyncio.gather(*sent)  # the version is whole before an alias points to it
        if alias is not None:
            key = key_text(AliasKey(alias.name, alias.alias))
            await (await producer.push_bytes(MODELS, key.encode(), _value_of(alias)))


def _value_of(record: AliasRecord) -> bytes | None:
    """Without a signature as in the first format, which workers of before follow too."""
    if record.signature is not None:
        return record.model_dump_json().encode()
    return None if record.version is None else record.model_dump_json(exclude={"signature"}).encode()


class ModelReader(TopicFollower):
    """Reads the topic from its beginning at every start: it is compacted, and known versions are only compared."""

    def __init__(self, settings: Settings, serving: Serving, agents: Agents) -> None:
        super().__init__(settings, MODELS)
        self._serving, self._agents = serving, agents
        self._assembler = Assembler()
        self._pointed: dict[AliasKey, AliasRecord] = {}  # of aliases that changed, the newest record that is admitted
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
                self._take_alias(key, record)
            case None:
                log.warning("a record of models.v1 is skipped: its key is unknown", offset=record.offset)

    def _take_alias(self, key: AliasKey, found: Any) -> None:
        """Notes what an alias points to. What is not admitted, or older, does not hide the good record before it."""
        record = self._admitted(key, found)
        if record is None:
            return
        known = self._pointed.get(key)
        if known is None or known.changed_at <= record.changed_at:
            self._pointed[key] = record

    def _admitted(self, key: AliasKey, found: Any) -> AliasRecord | None:
        """An alias record that may count; a null value is a withdrawal at the time of its record."""
        alias = next((alias for alias in get_args(Alias) if alias == key.alias), None)
        if alias is None:
            log.warning("an alias of models.v1 is skipped: there is none of this name", alias=key)
            return None
        if found.value is None:
            at = min(datetime.fromtimestamp(found.timestamp / 1000, UTC), datetime.now(UTC))
            record = AliasRecord(name=key.name, alias=alias, version=None, changed_at=at)
            return record if self._serving.admit_null(key.name, alias) else None
        try:
            record = _read_alias(key, found.value)
        except ModelError as error:
            self._serving.refuse_change(key.name, alias, None, error)
            return None
        return record if self._serving.admit(record) else None

    async def _apply_aliases(self) -> None:
        pointed, self._pointed = self._pointed, {}
        for key, record in pointed.items():
            try:
                await self._serving.point(record, self._agents)
            except Exception as error:  # a bug must not end the reading; what serves goes on serving
                log.exception("an alias could not be followed", alias=key, error=repr(error))


def _read_alias(key: AliasKey, value: bytes) -> AliasRecord:
    """Raises:
    ModelError: it is none, or that of another key.
    """
    what = f"The {key.alias} of {key.name} is not followed"
    try:
        record = AliasRecord.model_validate_json(value)
    except ValidationError as error:
        raise ModelError(f"{what}: its record cannot be read: {text_of(error)}.", UPDATE_MILLRACE) from error
    if (record.name, record.alias) != key:
        raise ModelError(f"{what}: under its key lies the {record.alias} of {record.name}.", PUBLISH_AGAIN)
    return record
