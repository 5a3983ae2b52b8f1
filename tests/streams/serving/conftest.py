"""What tests of serving share: a centre that publishes, and workers that have no models yet and trust its key."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.registry import public_text
from schemas import Settings
from storage import upgrade
from tests.support.centre import Centre
from tests.support.workers import Workers


@pytest.fixture
def centre(settings: Settings, trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Centre:
    home = tmp_path_factory.mktemp("centre")
    shutil.copytree(trained_home / "models", home / "models")
    return Centre(settings, home)


@pytest.fixture
def workers(settings: Settings, centre: Centre) -> Iterator[Workers]:
    trusting = {"model_public_keys": public_text(centre.key), "allow_unsigned_models": False}
    upgrade(settings.database())
    workers = Workers(settings.model_copy(update=trusting))
    yield workers
    workers.end()
