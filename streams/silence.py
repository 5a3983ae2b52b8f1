"""Silence: tells, as an entry `silent` of its log, that an asset has sent nothing for longer than it usually does, and
of an asset without sensors that time has passed: then it is scored anew.

rows of the watch ⟳ whose newest reading is too long ago? ─► maintenance.v1 ─► the watch, which raises the data alert

A clock decides here that something is to be said, and nothing else: what is said is an input event like any other, and
what it leads to is decided by the row. So a replay of the topics leads to the same alerts, and an entry that was
overtaken by a reading, or that two workers wrote, changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from mode import Service

from models.maintenance import Patience, due_now, every_s, has_moments, silent_now
from schemas import MAINTENANCE, Settings, UnavailableError
from streams.agent import PartitionState, Runtime, output_id
from streams.kafka import EventProducer
from streams.maintain import Maintain, watch_table

log = structlog.get_logger(__name__)
EVERY_S = 5.0


class Silence(Service):
    """Looks every few seconds at the partitions that this worker has."""

    def __init__(self, settings: Settings, handler: Maintain, runtime: Runtime) -> None:
        super().__init__()
        self._settings, self._handler, self._runtime = settings, handler, runtime

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            await self.sleep(min(EVERY_S, self._settings.silent_least_s))
            if entries := self._entries(time.time()):
                await self._push(entries)

    def _entries(self, now_s: float) -> list[dict[str, Any]]:
        """Of partitions where an asset that says nothing would be heard."""
        return [
            entry
            for part in self._runtime.parts.values()
            if part.current_since is not None
            for entry in entries_of(part.state, self._handler, self._settings, now_s, part.current_since)
        ]

    async def _push(self, entries: list[dict[str, Any]]) -> None:
        try:
            async with EventProducer(self._settings) as producer:
                for entry in entries:
                    await producer.push(MAINTENANCE, entry)
                await producer.flush()
        except (KafkaError, UnavailableError, OSError) as error:
            log.warning("that assets are silent is told later", assets=len(entries), error=str(error) or repr(error))


def entries_of(
    state: PartitionState, handler: Maintain, settings: Settings, now_s: float, since_s: float
) -> Iterator[dict[str, Any]]:
    """Events of maintenance.v1 for the assets of a partition whose silence is to be told.

    Args:
        now_s: epoch seconds.
        since_s: since when they would have been heard, epoch seconds.
    """
    patience = Patience(settings.silent_intervals, settings.silent_least_s)
    for asset_class, model in handler.served.models.items():
        is_asked = has_moments(model.asset_class)
        rows = state.tables.get(asset_class if is_asked else watch_table(asset_class))
        if rows is None:
            continue
        if is_asked:
            due = due_now(rows.array, now_s, every_s(model.asset_class))
        else:
            due = silent_now(rows.array, now_s, since_s, patience)
        for slot, at, newest in due:
            if (key := rows.key_at(slot)) is not None:
                asset_id = key.decode()
                yield {
                    "event_id": output_id(
                        MAINTENANCE, state.number, int(newest * 1000), f"silent/{asset_class}/{asset_id}"
                    ),
                    "event_time": datetime.fromtimestamp(at, UTC).isoformat(),
                    "asset_id": asset_id,
                    "asset_class": asset_class,
                    "kind": "silent",
                }
