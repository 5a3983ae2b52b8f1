"""Training from the topics sees what serving sees: committed events, by event time, entries of a log first."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer

from schemas import MAINTENANCE, TELEMETRY, Settings, Telemetry, topic_name
from streams.history import read_topics
from streams.kafka import apply_topics, client_options

pytestmark = pytest.mark.kafka
START = datetime.now(UTC) - timedelta(hours=1)


def event(name: str, second: int, **more: object) -> bytes:
    at = (START + timedelta(seconds=second)).isoformat()
    return json.dumps({"event_id": name, "event_time": at, "asset_id": "a", "asset_class": "pump", **more}).encode()


async def produce(settings: Settings) -> None:
    await apply_topics(settings)
    producer = AIOKafkaProducer(**client_options(settings), transactional_id=settings.topic_prefix + "plant")
    await producer.start()
    for end, name in (
        (producer.commit_transaction, "kept"),
        (producer.abort_transaction, "aborted"),
        (producer.commit_transaction, "later"),
        (producer.abort_transaction, "aborted-last"),
    ):
        await producer.begin_transaction()
        for second in (3, 1, 2):
            value = event(f"{name}-{second}", second, readings={"s": 1.0})
            await producer.send(topic_name(settings, TELEMETRY), value, b"a", 0)
            value = event(f"{name}-{second}-log", second, kind="error", code="e")
            await producer.send(topic_name(settings, MAINTENANCE), value, b"a", 0)
        await end()
    await producer.stop()


async def test_aborted_events_never_happened_and_entries_come_first(settings: Settings) -> None:
    await produce(settings)
    batches = await asyncio.to_thread(lambda: list(read_topics(settings, [TELEMETRY, MAINTENANCE])))
    events = [event for batch in batches for event in batch]
    assert sorted(e.event_id for e in events) == sorted(  # type: ignore[attr-defined]
        f"{name}-{second}{log}" for name in ("kept", "later") for second in (1, 2, 3) for log in ("", "-log")
    )
    order = [(e.event_time, isinstance(e, Telemetry)) for e in events]  # type: ignore[attr-defined]
    assert order == sorted(order)


async def test_events_of_one_time_are_always_in_one_order(settings: Settings) -> None:
    """However the broker hands out the partitions: models that are trained again would differ otherwise."""
    await apply_topics(settings)
    readings = {f"sensor_{n:02}": 1 / 3 for n in range(40)}  # 1 KB: the broker gives a part of each partition at a time
    async with AIOKafkaProducer(**client_options(settings), linger_ms=5) as producer:
        for offset in range(1500):
            for partition in range(2):
                value = event(f"{partition}-{offset}", 1, readings=readings)
                await producer.send(topic_name(settings, TELEMETRY), value, b"a", partition)
        for partition in range(2):
            value = event(f"log-{partition}", 1, kind="error", code="e")
            await producer.send(topic_name(settings, MAINTENANCE), value, b"a", partition)
    batches = await asyncio.to_thread(lambda: list(read_topics(settings, [TELEMETRY, MAINTENANCE])))
    ids = [e.event_id for batch in batches for e in batch]  # type: ignore[attr-defined]
    assert ids == ["log-0", "log-1", *(f"{partition}-{offset}" for partition in range(2) for offset in range(1500))]
