"""Column n of an asset's feature row holds what name n says: each computed by hand from readings and log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.maintenance import AssetModel, Learned
from models.maintenance.preparation import Preparation
from models.maintenance.recursions import FEATURES
from models.registry import ModelStore
from tests.models.maintenance.recursions_by_hand import by_definition
from tests.support.fleets import AssetEvent, entry, reading

HOURS = 60
LOG = [
    (3.5, "error", {"code": "leak"}),
    (20.5, "error", {"code": "jam"}),
    (40.5, "error", {"code": "jam"}),
    (41.5, "error", {"code": "leak"}),
    (41.5, "replacement", {"component": "seal"}),
    (50.5, "replacement", {"component": "bearing"}),
]  # fmt: skip


def served(model: AssetModel, events: Sequence[AssetEvent]) -> np.ndarray:
    """The feature row of the last event."""
    rows, slots = np.zeros(1, model.dtype), np.zeros(len(events), np.int64)
    made = model.step(rows, slots, model.encode(events))
    assert rows["seen"][0] == sum(hasattr(event, "readings") for event in events)  # one life, no reading refused
    return made.features[-1]


def quiet(learned: Preparation, sensors: Sequence[str], regime: int, random: np.random.Generator) -> dict[str, float]:
    """Readings so near to what is usual that none is refused; sensors that the class does not use read 5."""
    usual = learned.mean[regime] + learned.sd[regime] * random.uniform(-0.3, 0.3, len(learned.sensors))
    own = {sensors[place]: value for place, value in zip(learned.sensors, usual.tolist(), strict=True)}
    return dict.fromkeys(sensors, 5.0) | own


def named(store: ModelStore, name: str) -> tuple[AssetModel, Preparation, list[str]]:
    model = store.load(name)
    return AssetModel(model), Learned.from_json(model.manifest.learned).preparation, model.manifest.features


def assert_channel(columns: dict[str, float], channel: str, lived: list[tuple[float, float, float]]) -> None:
    for name, value in by_definition(lived).items():
        if f"{channel}.{name}" in columns:
            assert columns.pop(f"{channel}.{name}") == pytest.approx(value, rel=1e-3, abs=1e-3), f"{channel}.{name}"


def test_of_a_class_that_wears_out_as_a_whole(trained_fleets: ModelStore) -> None:
    model, preparation, names = named(trained_fleets, "pump")
    random = np.random.default_rng(4)
    events: list[AssetEvent] = []
    lived: list[list[tuple[float, float, float]]] = [[] for _ in range(preparation.channels)]
    for hour in range(1, HOURS + 1):
        speed = float(random.choice([100.0, 200.0]))
        regime = int(preparation.regimes.of(np.array([[speed]]))[0])
        values = quiet(preparation, model.asset_class.sensors, regime, random)
        events.append(reading("a", 2 * hour, values | {"speed": speed}))
        own = np.array([values[model.asset_class.sensors[place]] for place in preparation.sensors])
        z = (own - preparation.mean[regime]) / preparation.sd[regime]
        for channel, of in enumerate(lived):
            index = float(preparation.weights[regime, channel] @ z + preparation.bias[regime, channel])
            of.append((index, float(preparation.trust[regime, channel]), 2.0))
    assert len(preparation.regimes) == 2
    columns = dict(zip(names, served(model, events).tolist(), strict=True))
    assert len(columns) == len(names) == preparation.channels * len(FEATURES) + 1
    assert columns.pop("age") == 2 * (HOURS - 1) + 1
    for channel, of in zip(("wear_1", "wear_2", "wear_3", "life", "life_end"), lived, strict=True):
        assert_channel(columns, channel, of)
    assert not columns


def test_of_a_class_whose_parts_fail(trained_fleets: ModelStore) -> None:
    model, preparation, names = named(trained_fleets, "press")
    random = np.random.default_rng(5)
    sensors = [model.asset_class.sensors[place] for place in preparation.sensors]
    lived: dict[str, list[tuple[float, float, float]]] = {sensor: [] for sensor in sensors}
    events: list[AssetEvent] = [entry("a", at, kind, "press", **more) for at, kind, more in LOG]
    for hour in range(1, HOURS + 1):
        values = quiet(preparation, model.asset_class.sensors, 0, random)
        events.append(reading("a", hour, values | {"age": 7.5}, "press"))
        for place, sensor in enumerate(sensors):
            z = (values[sensor] - preparation.mean[0, place]) / preparation.sd[0, place]
            lived[sensor].append((z, 1.0, 1.0))
    columns = dict(zip(names, served(model, events).tolist(), strict=True))
    assert len(columns) == len(names)
    for sensor, of in lived.items():
        assert_channel(columns, sensor, of)
    assert columns == {
        "leak.count_24": 1.0, "leak.count_72": 2.0, "leak.count_168": 2.0,
        "jam.count_24": 1.0, "jam.count_72": 2.0, "jam.count_168": 2.0,
        "leak.since": HOURS - 41.5, "jam.since": HOURS - 40.5,
        "bearing.since_renewal": HOURS - 50.5, "seal.since_renewal": HOURS - 41.5,
        "age": 7.5,
    }  # fmt: skip
