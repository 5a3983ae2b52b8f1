"""Status: what this worker runs, told on workers.v1 when it changes and every few seconds; null when it ends.

Serving, comparisons ─► WorkerStatus ─► workers.v1 ─► sink ─► database ─► `/v1/models`, `millrace models show`
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from aiokafka.errors import KafkaError
from mode import Service

from schemas import WORKERS, Comparison, Settings, UnavailableError, WorkerStatus
from streams.agent import cloud_event_headers
from streams.kafka import EventProducer
from streams.metrics import SHADOW_CPU, SHADOWED
from streams.serving.serving import Seat, Serving

log = structlog.get_logger(__name__)
EVERY_S = 5.0
LEAVE_S = 2.0


class StatusTeller(Service):
    """Tells until the worker ends."""

    def __init__(self, settings: Settings, serving: Serving, seats: Sequence[Seat]) -> None:
        super().__init__()
        self._settings, self._serving, self._seats = settings, serving, seats
        self._worker = f"{socket.gethostname()}-{os.getpid()}"
        self._producer: EventProducer
        self._counted: dict[tuple[str, str], tuple[int, float]] = {}

    @Service.task
    async def _tell(self) -> None:
        while not self.should_stop:
            try:
                async with EventProducer(self._settings) as self._producer:
                    while not self.should_stop:
                        self._serving.changed.clear()
                        await self._push(self._status())
                        await self._pause()
            except (KafkaError, UnavailableError, OSError) as error:
                log.warning("the status of the worker could not be told", error=str(error) or repr(error))
            except Exception as error:  # whatever it is, the worker's other work goes on
                log.exception("the status of the worker could not be told", error=repr(error))
            await self.sleep(EVERY_S)

    async def on_stop(self) -> None:
        with contextlib.suppress(KafkaError, UnavailableError, TimeoutError):
            async with asyncio.timeout(LEAVE_S), EventProducer(self._settings) as self._producer:
                await self._push(None)

    async def _pause(self) -> None:
        """Until something changed, or it is time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._serving.changed.wait(), EVERY_S)

    async def _push(self, status: WorkerStatus | None) -> None:
        value = None if status is None else status.model_dump_json().encode()
        headers = []
        if status is not None:
            ce_id = f"{self._worker}/{status.event_time.isoformat()}"
            headers = cloud_event_headers(ce_id, "millrace.worker.v1", "millrace", status.event_time)
        await (await self._producer.push_bytes(WORKERS, self._worker.encode(), value, headers))

    def _status(self) -> WorkerStatus:
        comparisons = [comparison for seat in self._seats for comparison in seat.comparisons()]
        for comparison in comparisons:
            self._count(comparison)
        return WorkerStatus(
            worker=self._worker,
            event_time=datetime.now(UTC),
            evaluator=self._serving.evaluator,
            running=list(self._serving.running.values()),
            refused=list(self._serving.refused.values()),
            comparisons=comparisons,
        )

    def _count(self, comparison: Comparison) -> None:
        """Counters grow by what is new since the last status."""
        key = comparison.name, comparison.challenger
        decisions, cpu_s = comparison.decisions, comparison.cpu_us * comparison.decisions / 1e6
        before = self._counted.get(key, (0, 0.0))
        if decisions >= before[0]:
            SHADOWED.labels(comparison.name).inc(decisions - before[0])
            SHADOW_CPU.labels(comparison.name).inc(max(0.0, cpu_s - before[1]))
        self._counted[key] = decisions, cpu_s
