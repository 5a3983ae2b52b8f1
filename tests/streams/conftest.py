"""What tests of the streams share: workers of a home with trained models, and the maintenance page by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.maintenance import AssetModel
from models.registry import ModelStore
from schemas import Settings
from storage import upgrade
from streams.maintain import Maintain
from tests.streams.pages import SETTINGS
from tests.support.workers import Workers


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
