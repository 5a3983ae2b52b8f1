"""Bounds of rows: every sound row is within them, rows of garbage are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.maintenance import AssetModel
from models.maintenance.rows import is_within
from models.recommender import USER, USER_BOUNDS, advance
from models.recommender.users import Moves
from models.registry import ModelStore
from tests.support.fleets import AssetEvent, batches, entry, press_history, pump_history


@pytest.fixture(scope="module", params=["pump", "press"])
def served(request: pytest.FixtureRequest, trained_fleets: ModelStore) -> tuple[AssetModel, list[AssetEvent]]:
    """A model, and a history that it has not seen."""
    history = pump_history if request.param == "pump" else press_history
    return AssetModel(trained_fleets.load(request.param)), history(7)


def disturbed(history: Sequence[AssetEvent], name: str) -> list[AssetEvent]:
    """A tenth late, a tenth repeated, a tenth with wild values, and windows."""
    random, found = np.random.default_rng(3), list(history)
    for place in random.integers(0, len(found), len(found) // 10).tolist():
        found.insert(int(random.integers(place, len(found))), found[place])
    for place in random.integers(0, len(found), len(found) // 10).tolist():
        found.insert(min(place + int(random.integers(1, 300)), len(found) - 1), found.pop(place))
    for place in random.integers(0, len(found), len(found) // 10).tolist():
        event = found[place]
        if hasattr(event, "readings"):
            wild = {key: float(random.choice([-1e308, 0, 1e308])) for key in event.readings}
            found[place] = event.model_copy(update={"readings": wild})
    for asset in {event.asset_id for event in history}:
        found.insert(len(found) // 2, entry(asset, 30, "window_start", name))
        found.insert(len(found) // 3, entry(asset, 40, "window_end", name))
    return found


def test_every_row_of_long_disturbed_histories_is_within_its_bounds(
    served: tuple[AssetModel, list[AssetEvent]],
) -> None:
    model, history = served
    assert set(model.bounds) == set(model.dtype.names or ())
    rows, slots = np.zeros(64, model.dtype), dict[str, int]()
    for part in batches(disturbed(history, model.asset_class.name), 211):
        places = np.array([slots.setdefault(event.asset_id, len(slots)) for event in part], np.int64)
        model.step(rows, places, model.encode(part))
        assert is_within(rows, model.bounds).all()
    assert rows["late"].sum() > 50
    assert rows["duplicates"].sum() > 50


def garbage(dtype: np.dtype, count: int) -> np.ndarray:
    return np.frombuffer(np.random.default_rng(5).bytes(dtype.itemsize * count), dtype)


def test_rows_of_garbage_are_out_of_bounds(served: tuple[AssetModel, list[AssetEvent]]) -> None:
    model, _ = served
    rows = garbage(model.dtype, 2000)
    assert not is_within(rows, model.bounds).any()
    assert not is_within(garbage(USER, 2000), USER_BOUNDS).any()


def test_a_single_field_out_of_bounds_is_noticed(served: tuple[AssetModel, list[AssetEvent]]) -> None:
    model, _ = served
    for name, value in (("severity", 4), ("newest", np.nan), ("value", -1), ("channels", np.inf), ("log_code", 200)):
        rows = np.zeros(3, model.dtype)
        rows[name][1] = value
        assert is_within(rows, model.bounds).tolist() == [True, False, True], name


def test_every_user_is_within_bounds() -> None:
    random = np.random.default_rng(2)
    rows = np.zeros(20, USER)
    assert set(USER_BOUNDS) == set(USER.names or ())
    for _ in range(20):
        count = 500
        moves = Moves(
            random.integers(1, 3000, count).astype(np.uint64), random.integers(1, 2**63, count).astype(np.uint64),
            random.integers(0, 4, count).astype(np.uint64), random.integers(1, 2**63, count).astype(np.uint64),
            1e9 + random.uniform(0, 1e6, count), random.choice([0, 1, 4, 255], count).astype(np.uint8),
        )  # fmt: skip
        advance(rows, random.integers(0, 20, count), moves, 1800.0)
        assert is_within(rows, USER_BOUNDS).all()
