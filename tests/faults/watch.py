"""Watch: when decisions come, seen by a consumer of its own, beside all proxies.

scores.v1, recommendations.v1 ─► for each partition, how far events are decided ─► seconds until they flow again
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Any, Self

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas import CLICKS, RECOMMENDATIONS, SCORES, TELEMETRY, Settings, topic_name
from streams.kafka import client_options

CAUSES = {SCORES: TELEMETRY, RECOMMENDATIONS: CLICKS}


class Watch:
    """Follows decisions while it is entered."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.decided: dict[tuple[str, int], int] = {}  # (input topic, partition) -> offset after the last decided event
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _follow(self) -> None:
        names = {topic_name(self._settings, topic): cause for topic, cause in CAUSES.items()}
        options: dict[str, Any] = {"isolation_level": "read_committed", "auto_offset_reset": "earliest"}
        async with AIOKafkaConsumer(**client_options(self._settings), **options, fetch_max_wait_ms=50) as consumer:
            consumer.assign([TopicPartition(name, n) for name in names for n in range(self._settings.partitions)])
            while True:
                try:
                    fetched = await consumer.getmany(timeout_ms=100)
                except KafkaError:  # a topic that is being made anew
                    await asyncio.sleep(0.1)
                    continue
                for tp, records in fetched.items():
                    value = next((r.value for r in reversed(records) if r.value), None)
                    if value is not None:
                        at = orjson.loads(value)["caused_by"]["offset"] + 1
                        key = names[tp.topic], tp.partition
                        self.decided[key] = max(at, self.decided.get(key, 0))

    async def until_beyond(self, ends: dict[tuple[str, int], int], timeout_s: float) -> float:
        """Until in all of these partitions an event at the offset or later is decided. Returns the seconds."""
        started = time.monotonic()
        while missing := [key for key, end in ends.items() if self.decided.get(key, 0) <= end]:
            assert time.monotonic() - started < timeout_s, f"no decisions within {timeout_s} s: {missing}"
            await asyncio.sleep(0.01)
        return time.monotonic() - started
