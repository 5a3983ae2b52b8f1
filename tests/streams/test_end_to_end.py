"""From events on Kafka to rows in the database: two edge workers and a sink, one of them killed while events flow.

Every input event has exactly one decision under its id, and the saved state equals that of an undisturbed run.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from millrace.kafka import free_port
from models.maintenance import AssetModel
from models.recommender import CatalogueView, Recommender, advance, encode_clicks
from models.registry import ModelStore
from models.stages import STAGES
from schemas import (
    CLICKS,
    ITEMS,
    MAINTENANCE,
    RECOMMENDATIONS,
    TELEMETRY,
    Click,
    InputEvent,
    Maintenance,
    ModelRef,
    Settings,
    Telemetry,
    topic_name,
)
from streams.agent import PartitionState, Rows, empty_state, output_id
from streams.agent.changelog import Changelog
from streams.agent.ownership import Partition
from streams.kafka import EventProducer, group_name, group_offsets, reading
from streams.maintain import Maintain
from streams.recommend import USERS, Recommend, ServedRanker
from tests.support.kafka import consume, create_topics
from tests.support.workers import TIMEOUT_S, Workers
from tests.support.world import plant_events, shop_events, topic_of

pytestmark = pytest.mark.kafka


def rows(settings: Settings, query: str) -> list[Any]:
    with sqlite3.connect(settings.home / "millrace.db") as database:
        return database.execute(query).fetchall()


async def push(settings: Settings, events: Sequence[InputEvent], pause_s: float) -> None:
    """In order, a little at a time, so that workers are killed with work in hand.

    An entry of the maintenance log is on the broker before the readings that follow it are sent: of two topics, what
    comes within the same milliseconds has no order, and an undisturbed run would have none either.
    """
    async with EventProducer(settings) as producer:
        for number, event in enumerate(events):
            await producer.push(topic_of(event), event.model_dump(mode="json", exclude_none=True))
            if isinstance(event, Maintenance) or number % 100 == 99:
                await producer.flush()
            if number % 100 == 99:
                await asyncio.sleep(pause_s)


async def test_kill_9_of_a_worker_neither_loses_nor_doubles_a_decision(settings: Settings, workers: Workers) -> None:
    await create_topics(settings)
    plant = plant_events(cycles=240, pumps=12, seed=31, name="e2e-")
    shop = shop_events(1300, seed=32)
    readings = [event for event in plant if isinstance(event, Telemetry)]
    clicks = [event for event in shop if isinstance(event, Click)]
    port = free_port()
    victim = workers.start("edge")
    workers.start("edge", MILLRACE_METRICS_PORT=str(port))
    workers.start("sink")
    flow = asyncio.gather(push(settings, plant, 0.3), push(settings, shop, 0.6))
    await workers.until(lambda: rows(settings, "select count(*) from scores")[0][0] > 300, "first scores")
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    workers.start("edge")
    await flow

    wanted = {event.event_id for event in readings}
    await workers.until(lambda: rows(settings, "select count(*) from scores")[0][0] >= len(wanted), "all scores")
    answered = await consume(settings, RECOMMENDATIONS, lambda found: len(ids_of(found)) >= len(clicks), TIMEOUT_S)
    assert len(ids_of(answered)) == len(clicks)
    users = {click.user_id for click in clicks}
    await workers.until(
        lambda: rows(settings, "select count(*) from recommendations")[0][0] == len(users), "all recommendations"
    )
    stages = measured_stages(port)
    await until_committed(settings, "maintain", TELEMETRY, MAINTENANCE)
    await until_committed(settings, "recommend", CLICKS, ITEMS)
    await until_saved(settings, workers)

    assert set(stages) == {(agent, stage) for agent in ("maintain", "recommend") for stage in STAGES}
    assert all(seconds > 0 for seconds in stages.values())
    scored = rows(settings, "select score_id from scores")
    records = await consume(settings, TELEMETRY, len(readings))
    expected = [output_id(TELEMETRY, record.partition, record.offset, "score/wear") for record in records]
    assert sorted(score_id for (score_id,) in scored) == sorted(expected)
    await same_assets(settings, await consume(settings, [TELEMETRY, MAINTENANCE], len(plant)))
    await same_users(settings, await consume(settings, [CLICKS, ITEMS], len(shop)))


def measured_stages(port: int) -> dict[tuple[str, str], float]:
    """CPU seconds by agent and stage, as a worker serves them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    line = r'^millrace_stage_cpu_seconds_total\{agent="(\w+)",stage="(\w+)"\} (\S+)$'
    return {(agent, stage): float(seconds) for agent, stage, seconds in re.findall(line, text, re.MULTILINE)}


def ids_of(records: Sequence[Any]) -> set[bytes]:
    return {dict(record.headers)["ce_id"] for record in records}


async def until_committed(settings: Settings, agent: str, *topics: str) -> None:
    """Until somebody owns all partitions and has saved all input: who was killed may have decided it all, unsaved."""
    deadline = time.monotonic() + TIMEOUT_S
    async with reading(settings, [topic_name(settings, topic) for topic in topics]) as reader:
        ends = await reader.end_offsets(list(reader.assignment()))
    while True:
        committed = await group_offsets(settings, group_name(settings, agent))
        if all(committed.get(tp, 0) >= end for tp, end in ends.items()):
            return
        assert time.monotonic() < deadline, f"{agent} has not saved all input"
        await asyncio.sleep(0.1)


async def until_saved(settings: Settings, workers: Workers) -> None:
    """Until the workers have ended by themselves, and so have saved all they did."""
    for worker in workers.running:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
    await workers.until(lambda: all(worker.poll() is not None for worker in workers.running), "all workers ended")
    assert settings.home.exists()


async def saved(settings: Settings, handler: Any, number: int) -> PartitionState:
    """The state of a partition, loaded as a worker would load it."""
    changelog, part = Changelog(settings, handler), Partition(number, empty_state(number, handler.layouts()))
    await changelog.open(part)
    await changelog.close(part)
    return part.state


def content(table: Rows) -> dict[bytes, bytes]:
    return {key: table.array[table.find(key)].tobytes() for key in table.keys()}  # noqa: SIM118 - not a dict


async def same_assets(settings: Settings, records: Sequence[Any]) -> None:
    """The rows of the assets are those of one undisturbed pass over the records."""
    model = AssetModel(ModelStore(settings.home / "models").load("pump"))
    handler = Maintain(settings, {"pump": model})
    for number in range(settings.partitions):
        undisturbed = empty_state(number, handler.layouts())
        own = [r for r in records if r.partition == number]
        own.sort(key=lambda record: (event_time_of(record), record.topic.endswith(TELEMETRY)))  # as merge does
        handler.handle(undisturbed, own)
        found = (await saved(settings, handler, number)).tables["pump"]
        assert len(found) > 1
        assert content(found) == content(undisturbed.tables["pump"])


async def same_users(settings: Settings, records: Sequence[Any]) -> None:
    """The rows of the users, likewise."""
    model = ModelStore(settings.home / "models").load("recommender")
    assert model.manifest.profile is not None
    profile = model.manifest.profile
    served = ServedRanker(Recommender(model, profile), CatalogueView(profile), ModelRef(name="r", version="v"))
    handler = Recommend(settings, served)
    for number in range(settings.partitions):
        users = empty_state(number, handler.layouts()).tables[USERS]
        own = [r for r in records if r.partition == number and r.topic.endswith(CLICKS)]
        clicks = encode_clicks(model.manifest.profile, [Click.model_validate_json(record.value) for record in own])
        slots = users.slots([record.key for record in own])
        advance(users.array, slots, clicks.moves, model.manifest.profile.session_silence_s)
        assert len(users) > 5
        assert content((await saved(settings, handler, number)).tables[USERS]) == content(users)


def event_time_of(record: Any) -> datetime:
    return datetime.fromisoformat(json.loads(record.value)["event_time"])
