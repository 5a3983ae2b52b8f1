"""Promoted: what the edge workers made of an alias that was moved, from what they tell on workers.v1.

workers.v1 from its beginning ─► workers that live ─► each one's first word after the change ─► runs it, or why not
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from pydantic import ValidationError

from schemas import WORKERS, AliasRecord, Settings, WorkerStatus, topic_name
from streams.kafka import answering, open_partition, topic_ids

LIVES_S = 15.0  # workers tell every 5 s
PATIENCE_S = 30.0  # a swap takes well under a second, after loading and warming for some


class WorkerAnswer(NamedTuple):
    """What one worker did. `reason` is empty where it runs the version."""

    worker: str
    reason: str
    is_silent: bool = False  # it has not said what it made of it


async def answers_of_workers(
    settings: Settings, record: AliasRecord, patience_s: float = PATIENCE_S
) -> list[WorkerAnswer]:
    """One answer of each worker that lives, by name; none where no worker does.

    Raises:
        UnavailableError: the topic cannot be read.
    """
    tp = TopicPartition(topic_name(settings, WORKERS), 0)
    with answering(settings, "`millrace models show` says what they run."):
        if not await topic_ids(settings, [tp.topic]):
            return []  # nothing has ever told there
        consumer, first, end = await open_partition(settings, tp)
        try:
            consumer.seek(tp, first)
            return await _listen(consumer, tp, end, record, time.monotonic() + patience_s)
        finally:
            await consumer.stop()


async def _listen(
    consumer: Any, tp: TopicPartition, end: int, record: AliasRecord, deadline: float
) -> list[WorkerAnswer]:
    latest: dict[str, WorkerStatus] = {}
    while True:
        for one in (await consumer.getmany(tp, timeout_ms=200)).get(tp, ()):
            _take(latest, one)
        edges = [s for s in latest.values() if s.runs_models]
        lives = [s for s in edges if s.event_time > record.changed_at - timedelta(seconds=LIVES_S)]
        answers = [_answer(status, record) for status in lives]
        is_all_read = await consumer.position(tp) >= end
        if is_all_read and (all(answer is not None for answer in answers) or time.monotonic() > deadline):
            silent = "it has not answered within half a minute"
            return sorted(
                a or WorkerAnswer(s.worker, silent, is_silent=True) for a, s in zip(answers, lives, strict=True)
            )
        await asyncio.sleep(0)


def _take(latest: dict[str, WorkerStatus], one: Any) -> None:
    worker = (one.key or b"").decode(errors="replace")
    if one.value is None:
        latest.pop(worker, None)  # it ended
        return
    try:
        latest[worker] = WorkerStatus.model_validate_json(one.value, extra="ignore")
    except ValidationError:  # of a newer version: it tells again
        return


def _answer(status: WorkerStatus, record: AliasRecord) -> WorkerAnswer | None:
    """None: it has said nothing of it yet. What it told before the change is none: it may have ended since."""
    if status.event_time < record.changed_at:
        return None
    wanted = (record.name, record.alias, record.version)
    if any((r.name, r.alias, r.version) == wanted for r in status.running):
        return WorkerAnswer(status.worker, "")
    for refusal in status.refused:
        if (refusal.name, refusal.version) == wanted[::2] and refusal.refused_at >= _second(record.changed_at):
            return WorkerAnswer(status.worker, refusal.reason)
    return None


def _second(at: datetime) -> datetime:
    """Clocks of two machines differ by some."""
    return at - timedelta(seconds=2)
