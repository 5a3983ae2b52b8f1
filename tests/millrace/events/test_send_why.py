"""`millrace send` with a real worker: its own example works, and where no decision comes it says why."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.cli import run
from schemas import MAINTENANCE, SCORES, TELEMETRY, Settings, Telemetry
from tests.support.kafka import consume, create_topics, produce
from tests.support.workers import Workers
from tests.support.world import plant_events, topic_of

pytestmark = [pytest.mark.kafka, pytest.mark.long]


@pytest.fixture
def connected(settings: Settings, trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    shutil.copytree(trained_home / "models", settings.home / "models")
    for name in ("home", "kafka", "topic_prefix"):
        monkeypatch.setenv(f"MILLRACE_{name.upper()}", str(getattr(settings, name)))
    return settings


@pytest.fixture
def workers(connected: Settings) -> Iterator[Workers]:
    workers = Workers(connected)
    yield workers
    workers.end()


async def sent(*arguments: str) -> int:
    return await asyncio.to_thread(run, ["send", *arguments])


async def test_a_reading_like_the_last_one_and_what_is_said_of_others(
    connected: Settings, workers: Workers, capsys: pytest.CaptureFixture[str]
) -> None:
    await create_topics(connected)
    plant = plant_events(cycles=30, pumps=2, seed=41)
    await produce(connected, MAINTENANCE, [(e.asset_id, e) for e in plant if topic_of(e) == MAINTENANCE])
    readings: list[Telemetry] = [e for e in plant if isinstance(e, Telemetry)]
    await produce(connected, TELEMETRY, [(e.asset_id, e) for e in readings])

    async def told(status: int, *arguments: str) -> str:
        assert await sent("telemetry", "--asset", "pump-01", *arguments) == status
        said = capsys.readouterr()
        return said.out + said.err

    like = ["--like", "last", "--set", "bearing_temperature=90"]
    assert "No edge worker has told of itself" in await told(1, *like, "--wait", "0.5")
    workers.start("edge")
    await consume(connected, SCORES, len(readings) + 1, timeout_s=240)
    assert "pump-01: rul" in await told(0, *like, "--wait", "60")
    assert "Did you mean bearing_temperature?" in await told(1, "--like", "last", "--set", "bearing_temp=90")
    repeated = [*like, "--event-id", readings[-2].event_id, "--time", readings[-2].event_time.isoformat()]
    assert "duplicate: " in await told(1, *repeated)
    assert "late: it is older than the asset's present life" in await told(1, *like, "--time", "2019-01-01T00:00:00Z")
    blank = await told(1, "--class", "pump", "--set", "nothing=1")
    assert "blank: it has no number of a sensor of pump" in blank
    assert "no model for asset class 'fan'" in await told(1, "--class", "fan", "--set", "x=1")
    out = {"event_id": "o", "event_time": "2030-01-01T00:00:00Z", "asset_id": "pump-02", "asset_class": "pump"}
    entry: dict[str, Any] = out | {"event_time": plant[-1].event_time.isoformat(), "kind": "out_of_service"}
    await produce(connected, MAINTENANCE, [("pump-02", entry)])
    assert await sent("telemetry", "--asset", "pump-02", *like) == 1
    assert "out_of_service: the log says" in capsys.readouterr().err


async def test_an_asset_without_a_reading_is_told(connected: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    await create_topics(connected)
    assert await sent("telemetry", "--asset", "nobody", "--like", "last") == 1
    assert "has no reading of the asset 'nobody'" in capsys.readouterr().err
