"""What counts as a worker's answer to an alias that was moved."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.registry import ModelStore, Trust
from schemas import WORKERS, AliasRecord, Running, Settings
from streams.serving.promoted import WorkerAnswer, answers_of_workers
from streams.serving.serving import Serving
from tests.support import create_topics, produce
from tests.support.decisions import worker_status

MOVED = datetime.now(UTC)
RECORD = AliasRecord(name="pump", alias="champion", version="2", changed_at=MOVED)


def after(seconds: float) -> datetime:
    return MOVED + timedelta(seconds=seconds)


@pytest.fixture
async def told(settings: Settings) -> Settings:
    """Two workers ran the version before it was promoted again; a third has ended long ago."""
    await create_topics(settings, WORKERS)
    statuses = (("edge-1", -3.0), ("edge-2", -0.1), ("edge-3", -60.0))
    await produce(settings, WORKERS, [(name, worker_status(name, after(at), "2")) for name, at in statuses])
    return settings


async def test_what_was_told_before_the_change_is_no_answer(told: Settings) -> None:
    answers = await answers_of_workers(told, RECORD, patience_s=0.5)
    silent = "it has not answered within half a minute"
    assert answers == [WorkerAnswer(name, silent, is_silent=True) for name in ("edge-1", "edge-2")]


async def test_the_first_word_after_the_change_is_waited_for(told: Settings) -> None:
    asking = asyncio.create_task(answers_of_workers(told, RECORD, patience_s=20))
    await produce(told, WORKERS, [("edge-1", worker_status("edge-1", after(0), "2"))])
    await produce(told, WORKERS, [("edge-2", worker_status("edge-2", after(1), "1", refused="2"))])
    assert await asking == [WorkerAnswer("edge-1", ""), WorkerAnswer("edge-2", "it is bad")]


async def test_a_worker_that_runs_the_version_already_tells_it_again_at_once(
    trained_home: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained_home / "models", tmp_path / "models")
    store = ModelStore(tmp_path / "models")
    no_seat: Any = None
    version = store.load("pump").manifest.version
    serving = Serving(store, Trust.from_settings(Settings(allow_unsigned_models=True)), no_seat, {})
    serving.running["pump", "champion"] = Running(
        name="pump", alias="champion", version=version, since=MOVED, is_signed=False
    )
    record = AliasRecord(name="pump", alias="champion", version=version, changed_at=datetime.now(UTC))
    await serving.point(record, {})
    assert serving.changed.is_set()
