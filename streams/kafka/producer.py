"""Producer: pushes input events onto their topics, keyed as the contract says.

event (dict or bytes) ─► JSON ─► topic, key ─► acknowledgement
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import orjson
from aiokafka import AIOKafkaProducer

from schemas import KEY_FIELDS, Settings, topic_name
from streams.kafka.clients import answering, client_options, started


class EventProducer:
    """An idempotent producer for input events; an async context manager.

    Raises:
        UnavailableError: on entering, when the broker does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        producer = AIOKafkaProducer(
            **client_options(self._settings), enable_idempotence=True, max_request_size=12_000_000
        )
        with answering(self._settings):
            self._producer = await started(producer)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._producer.stop()

    async def push(self, topic: str, event: dict[str, Any]) -> asyncio.Future[Any]:
        """Queue an event for `topic` (its name in the contract), with the key that the contract says.

        Returns:
            A future of the record's metadata (topic, partition, offset), done when the broker has it.
        """
        return await self.push_bytes(topic, str(event[KEY_FIELDS[topic]]).encode(), orjson.dumps(event))

    async def push_bytes(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] | None = None,
    ) -> asyncio.Future[Any]:
        """Queue a record as it is."""
        future: asyncio.Future[Any] = await self._producer.send(
            topic_name(self._settings, topic), key=key, value=value, headers=headers and list(headers)
        )
        return future

    async def flush(self) -> None:
        """Wait until the broker has everything that was queued."""
        await self._producer.flush()
