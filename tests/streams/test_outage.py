"""An edge worker over an outage of its broker: it waits, goes on by itself, and answers everything once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.kafka import Broker
from schemas import CLICKS, RECOMMENDATIONS, SCORES, TELEMETRY, Click, InputEvent, Settings, Telemetry
from streams.kafka import EventProducer
from tests.support.kafka import consume, create_topics
from tests.support.workers import Workers
from tests.support.world import plant_events, shop_events, topic_of

pytestmark = pytest.mark.kafka
TIMEOUT_S = 90.0


async def push(settings: Settings, events: Sequence[InputEvent]) -> None:
    async with EventProducer(settings) as producer:
        for event in events:
            await producer.push(topic_of(event), event.model_dump(mode="json", exclude_none=True))
        await producer.flush()


async def answered(settings: Settings, outputs: str, inputs: str, count: int) -> None:
    """Each of the input events has its decisions under one id."""

    def ids(records: list[Any]) -> set[bytes]:
        return {dict(record.headers)["ce_id"] for record in records}

    records = await consume(settings, outputs, lambda found: len(ids(found)) >= count, TIMEOUT_S)
    causes = [orjson.loads(record.value)["caused_by"] for record in records]
    assert len(ids(records)) == count
    assert len({(cause["partition"], cause["offset"]) for cause in causes}) == count
    assert {cause["topic"] for cause in causes} == {inputs}


async def test_nothing_is_lost_or_decided_twice(tmp_path: Path, trained_home: Path) -> None:
    with Broker(tmp_path / "kafka") as broker:
        settings = Settings(kafka=broker.bootstrap, home=tmp_path, partitions=2, allow_unsigned_models=True)
        shutil.copytree(trained_home / "models", settings.home / "models")
        plant, shop = plant_events(cycles=60, pumps=8, seed=81, name="out-"), shop_events(500, seed=82)
        readings, clicks = ([e for e in of if isinstance(e, kind)] for of, kind in ((plant, Telemetry), (shop, Click)))
        workers = Workers(settings)
        try:
            await create_topics(settings)
            edge = workers.start("edge")
            half = len(shop) // 2
            await push(settings, [*plant[: len(plant) // 2], *shop[:half]])
            await consume(settings, [SCORES, RECOMMENDATIONS], 50, TIMEOUT_S)  # it is in the midst of it
            broker.kill()
            await workers.until(lambda: "Failed" in workers.log.read_text(), "the outage is noticed")
            broker.start()
            await push(settings, [*plant[len(plant) // 2 :], *shop[half:]])
            await answered(settings, SCORES, TELEMETRY, len(readings))
            await answered(settings, RECOMMENDATIONS, CLICKS, len(clicks))
            assert edge.poll() is None
        finally:
            workers.end()
