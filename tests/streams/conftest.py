"""A trained home, made once a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.world import train_world


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MILLRACE_HOME with the champions `pump` and `recommender`. Not to be changed."""
    home = tmp_path_factory.mktemp("trained")
    train_world(home)
    return home
