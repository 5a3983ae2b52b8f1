from __future__ import annotations

from pathlib import Path

import pytest

from models.compiler import compile_forest
from models.registry.store import ModelStore
from tests.models.forests import small_booster
from tests.models.registry.test_store import manifest


@pytest.fixture(scope="module")
def blob() -> bytes:
    booster, rows = small_booster()
    return compile_forest(booster, "wear", rows)


@pytest.fixture
def store(tmp_path: Path, blob: bytes) -> ModelStore:
    store = ModelStore(tmp_path / "models")
    store.save(manifest(), {"score": blob, "low": blob}, "A card.")
    return store
