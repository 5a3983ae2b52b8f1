"""Quarantine: what cannot be used of a topic that only the sink reads goes to its dead letters, before its position.

assets.v1 ─► decoded ─► dead letters, acknowledged ─► SinkWriter. The other inputs are the edge's to judge.

A sink that dies in between quarantines the same records again: a dead letter may come twice, and none is missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from models.stages import StageClock
from schemas import ASSETS, Settings
from streams.agent import DeadLetter, Outbox, decode_topics
from streams.kafka import patiently
from streams.sink.writer import Records

log = structlog.get_logger(__name__)
OWN = (ASSETS,)  # topics that no edge worker reads


class Quarantine:
    def __init__(self, settings: Settings, agent: str) -> None:
        self._settings = settings
        self._outbox = Outbox(settings, agent, StageClock())

    async def take(self, records: Records, is_void: Callable[[], bool]) -> bool:
        """Quarantine what is bad of them, however long the broker is away. Returns whether it has all of it; false:
        it is void.
        """
        for tp, of_partition in records.items():
            if tp.topic.removeprefix(self._settings.topic_prefix) in OWN:
                _, dead = decode_topics(of_partition, OWN, self._settings)
                if dead and not await self._send(dead, tp.partition, is_void):
                    return False
        return True

    async def stop(self) -> None:
        await self._outbox.stop()

    async def _send(self, dead: Sequence[DeadLetter], partition: int, is_void: Callable[[], bool]) -> bool:
        def tell(error: Exception, in_s: float) -> None:
            log.warning("dead letters wait for the broker", error=str(error) or repr(error), in_s=in_s)

        async for attempt in patiently(tell):
            with attempt:
                if is_void():
                    return False
                sent = await self._outbox.send([], dead, partition)
                await asyncio.gather(*(delivery.future for delivery in sent))
                return True
        raise AssertionError("patience has no end")
