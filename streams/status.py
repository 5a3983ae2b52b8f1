"""Status: what this worker runs and measures, told on workers.v1 at changes and every few seconds; null at its end.

metrics of this process ─► Meter ─► Figures ─► WorkerStatus ─► workers.v1 ─► sink ─► database ─► `/v1/workers`
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import structlog
from aiokafka.errors import KafkaError
from mode import Service

from schemas import WORKERS, AgentFigures, Figures, Settings, TopicFigures, UnavailableError, WorkerStatus
from streams.agent import cloud_event_headers
from streams.kafka import EventProducer
from streams.metrics import DEAD_LETTERS, DECIDED, HANDLING, LAG, OUTPUTS, READY, RECORDS, SINK_RECORDS, STAGE_CPU

log = structlog.get_logger(__name__)
EVERY_S = 5.0
LEAVE_S = 2.0


class StatusTeller(Service):
    """Tells until the worker ends. A role that runs models says which by `_runs`."""

    def __init__(self, settings: Settings, role: Literal["edge", "sink"]) -> None:
        super().__init__()
        self._settings, self._meter = settings, Meter(role)
        self._worker = f"{socket.gethostname()}-{os.getpid()}"
        self._producer: EventProducer
        self.changed = asyncio.Event()

    @Service.task
    async def _tell(self) -> None:
        while not self.should_stop:
            try:
                async with EventProducer(self._settings) as self._producer:
                    while not self.should_stop:
                        self.changed.clear()
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
            await asyncio.wait_for(self.changed.wait(), EVERY_S)

    async def _push(self, status: WorkerStatus | None) -> None:
        value = None if status is None else status.model_dump_json(exclude_none=True).encode()
        headers = []
        if status is not None:
            ce_id = f"{self._worker}/{status.event_time.isoformat()}"
            headers = cloud_event_headers(ce_id, "millrace.worker.v1", "millrace", status.event_time)
        await (await self._producer.push_bytes(WORKERS, self._worker.encode(), value, headers))

    def _status(self) -> WorkerStatus:
        return WorkerStatus(
            worker=self._worker, event_time=datetime.now(UTC), figures=self._meter.figures(), **self._runs()
        )

    def _runs(self) -> dict[str, Any]:
        """The fields of the status about models."""
        return {"evaluator": "", "running": [], "refused": [], "comparisons": []}


class _Sums(NamedTuple):
    """Of one agent, since the start."""

    records: float = 0.0
    outputs: float = 0.0
    dead: float = 0.0
    batches: float = 0.0
    handling_s: float = 0.0


class Meter:
    """Turns the metrics of this process into figures of the time since it was last asked."""

    def __init__(self, role: Literal["edge", "sink"]) -> None:
        self._role, self._started = role, datetime.now(UTC)
        self._at, self._cpu_s = time.monotonic(), time.process_time()
        self._sums: dict[str, _Sums] = defaultdict(_Sums)
        self._stages: dict[str, dict[str, float]] = defaultdict(dict)
        self._decided: dict[str, dict[float, float]] = defaultdict(dict)
        self._read: dict[tuple[str, str], float] = {}

    def figures(self) -> Figures:
        now, cpu_s = time.monotonic(), time.process_time()
        passed_s = max(now - self._at, 1e-3)
        sums, stages, lags, decided, read = _sums(), _stages(), _lags(), _decided(), _read()
        topics = _topics(read, self._read, lags, passed_s)
        found = Figures(
            role=self._role,
            version=_version(),
            started_at=self._started,
            is_ready=any(value for _, _, value in _samples(READY)),
            memory_bytes=_memory_bytes(),
            cpu_share=round((cpu_s - self._cpu_s) / passed_s, 4),
            agents={
                agent: self._agent(agent, sums[agent], stages[agent], topics[agent], passed_s).model_copy(
                    update=_quantiles(decided[agent], self._decided[agent])
                )
                for agent in sorted({*sums, *topics})
            },
        )
        self._at, self._cpu_s, self._sums, self._stages = now, cpu_s, sums, stages
        self._decided, self._read = decided, read
        return found

    def _agent(
        self, agent: str, sums: _Sums, stages: dict[str, float], topics: dict[str, TopicFigures], passed_s: float
    ) -> AgentFigures:
        new = _Sums(*(now - before for now, before in zip(sums, self._sums[agent], strict=True)))
        before = self._stages[agent]
        cpu_s = {stage: seconds - before.get(stage, 0.0) for stage, seconds in stages.items()}
        return AgentFigures(
            lag=sum(lag for topic in topics.values() for lag in topic.lag.values()),
            events_per_s=round(new.records / passed_s, 2),
            outputs_per_s=round(new.outputs / passed_s, 2),
            dead_letters=int(sums.dead),
            handling_ms=round(new.handling_s / new.batches * 1000, 3) if new.batches else None,
            cpu_us={s: round(spent / new.records * 1e6, 2) for s, spent in cpu_s.items()} if new.records else {},
            topics=topics,
        )


def _samples(metric: Any) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in metric.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample.name, sample.labels, sample.value


def _sums() -> dict[str, _Sums]:
    fields = {"records": RECORDS, "outputs": OUTPUTS, "dead": DEAD_LETTERS}
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for field, metric in fields.items():
        for _, labels, value in _samples(metric):
            found[labels["agent"]][field] += value
    for _, labels, value in _samples(SINK_RECORDS):
        found[labels["agent"]]["records"] += value
    for name, labels, value in _samples(HANDLING):
        if name.endswith(("_sum", "_count")):
            found[labels["agent"]]["handling_s" if name.endswith("_sum") else "batches"] += value
    return defaultdict(_Sums, {agent: _Sums(**fields_of) for agent, fields_of in found.items()})


def _stages() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for _, labels, value in _samples(STAGE_CPU):
        found[labels["agent"]][labels["stage"]] = value
    return found


def _lags() -> dict[tuple[str, str], dict[int, int]]:
    """By agent and topic: partition -> how far behind."""
    found: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for _, labels, value in _samples(LAG):
        found[labels["agent"], labels["topic"]][int(labels["partition"])] = int(value)
    return found


def _read() -> dict[tuple[str, str], float]:
    """By agent and topic: records since the start."""
    return {
        (labels["agent"], labels["topic"]): value
        for metric in (RECORDS, SINK_RECORDS)
        for _, labels, value in _samples(metric)
    }


def _topics(
    read: dict[tuple[str, str], float],
    before: dict[tuple[str, str], float],
    lags: dict[tuple[str, str], dict[int, int]],
    passed_s: float,
) -> dict[str, dict[str, TopicFigures]]:
    """By agent, its topics."""
    found: dict[str, dict[str, TopicFigures]] = defaultdict(dict)
    for agent, topic in sorted({*read, *lags}):
        new = read.get((agent, topic), 0.0) - before.get((agent, topic), 0.0)
        lag = dict(sorted(lags.get((agent, topic), {}).items()))
        found[agent][topic] = TopicFigures(events_per_s=round(new / passed_s, 2), lag=lag)
    return found


def _decided() -> dict[str, dict[float, float]]:
    """Of each agent: batches that were decided within so many seconds, by the bounds of the histogram."""
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for name, labels, value in _samples(DECIDED):
        if name.endswith("_bucket"):
            found[labels["agent"]][float(labels["le"])] = value
    return found


def _quantiles(now: dict[float, float], before: dict[float, float]) -> dict[str, float | None]:
    """The median and the 99th percentile of what came since, in milliseconds, straight between two bounds."""
    counts = [(bound, now[bound] - before.get(bound, 0.0)) for bound in sorted(now)]
    quantiles = {"decision_p50_ms": 0.5, "decision_p99_ms": 0.99}
    if not counts or not counts[-1][1]:
        return dict.fromkeys(quantiles)
    return {name: round(1000 * _quantile(counts, share), 2) for name, share in quantiles.items()}


def _quantile(counts: list[tuple[float, float]], share: float) -> float:
    wanted, low, below = share * counts[-1][1], 0.0, 0.0
    for bound, count in counts:
        if count >= wanted:
            return low if math.isinf(bound) else low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return low


def _memory_bytes() -> int:
    """What is resident; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _version() -> str:
    try:
        return version("millrace")
    except PackageNotFoundError:  # run from a folder that is not installed
        return "0"
