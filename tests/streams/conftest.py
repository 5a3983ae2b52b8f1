"""What tests of the streams share: workers of a home with trained models, and the maintenance page by itself."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.maintenance import AssetModel
from models.registry import ModelStore
from schemas import Settings
from storage import upgrade
from streams.maintain import Maintain
from tests.streams.agent.trial import Trial
from tests.streams.agent.trivial import Trivial
from tests.streams.pages import SETTINGS
from tests.support.workers import Workers

SESSION_S = 4.0  # of trials


@pytest.fixture
def workers(settings: Settings, trained_home: Path) -> Iterator[Workers]:
    shutil.copytree(trained_home / "models", settings.home / "models")
    upgrade(settings.database())
    workers = Workers(settings)
    yield workers
    workers.end()


@pytest.fixture(scope="module")
def pump(trained_home: Path) -> AssetModel:
    return AssetModel(ModelStore(trained_home / "models").load("pump"))


@pytest.fixture
def maintain(pump: AssetModel) -> Maintain:
    return Maintain(SETTINGS, {"pump": pump})


@pytest.fixture
async def trial_of(settings: Settings) -> AsyncIterator[Callable[..., Any]]:
    trials: list[Trial] = []

    async def make(handler: Trivial | None = None, **options: Any) -> Trial:
        quick = settings.model_copy(update={"session_timeout_s": SESSION_S, "checkpoint_interval_s": 0.3})
        trial = Trial(quick, handler or Trivial(), **options)
        trials.append(trial)
        await trial.create_topics()
        return trial

    yield make
    for trial in trials:
        trial.end()
