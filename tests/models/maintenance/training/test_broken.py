"""What broken sensors cost, and how far the interval reaches for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.maintenance import DEGRADED, POOR, AssetModel, Decisions, EventBatch, Learned
from models.maintenance.training.broken import broken, factor, widened_words
from models.maintenance.training.fleet import fleet_of
from models.maintenance.training.log import read_log
from models.registry import ModelStore
from tests.support.fleets import batches, pump_class, pump_history

SENSORS = np.array([0, 1, 2])


@pytest.mark.parametrize(("quality", "missing"), [(DEGRADED, {1}), (POOR, {2})])
def test_sensors_are_missing_from_some_judged_reading_of_each_life_on(quality: int, missing: set[int]) -> None:
    fleet = fleet_of(read_log(pump_class(), batches(pump_history(3, 12))))
    found = broken(fleet, SENSORS, quality)
    is_missing = np.isnan(found.log.batch.readings[fleet.log.readings])
    assert not np.isnan(fleet.log.batch.readings[fleet.log.readings]).any()
    assert not is_missing[:, 3:].any()
    assert not is_missing[~fleet.is_judged()].any()
    for life in np.unique(fleet.log.life):
        rows = np.flatnonzero(is_missing[fleet.log.life == life].any(1))
        assert rows.tolist() == list(range(rows[0], (fleet.log.life == life).sum()))
        assert set(is_missing[fleet.log.life == life].sum(1)) == {0} | missing
    again = broken(fleet, SENSORS, quality).log.batch.readings
    np.testing.assert_array_equal(again, found.log.batch.readings)


def test_one_sensor_is_never_taken_away() -> None:
    fleet = fleet_of(read_log(pump_class(), batches(pump_history(3, 4))))
    assert broken(fleet, SENSORS[:1], DEGRADED) is fleet
    assert broken(fleet, SENSORS[:2], POOR) is fleet


def test_the_factor_is_what_lets_the_usual_share_lie_within() -> None:
    random = np.random.default_rng(0)
    value, residual = np.full(4000, 60.0), random.normal(0, 20, 4000)
    low, high = np.full(4000, 60 - 16.45), np.full(4000, 60 + 16.45)
    found = factor(value, residual, low, high)
    assert found == pytest.approx(2.0, rel=0.05)
    assert (np.abs(residual) <= found * 16.45).mean() == pytest.approx(0.9, abs=1e-3)
    assert factor(value, residual / 10, low, high) == 1.0  # it is never narrowed
    assert factor(value[:50], residual[:50], low[:50], high[:50]) == 1.0  # of so few nothing is learned


def test_the_card_says_how_far_the_interval_reaches() -> None:
    assert widened_words(np.ones(3)) == ""
    assert "1.20 times as far where the input is degraded, and 2.00 times" in widened_words(np.array([1, 1.2, 2]))


# ---- in the model that serves


@pytest.fixture(scope="module")
def pump(trained_fleets: ModelStore) -> AssetModel:
    return AssetModel(trained_fleets.load("pump"))


def without_sensors(model: AssetModel, seed: int, names: list[str]) -> tuple[EventBatch, np.ndarray, np.ndarray]:
    """Pumps that the model did not learn from, some sensors of which say nothing from their 40th reading on."""
    fleet = fleet_of(read_log(pump_class(), batches(pump_history(seed, 40))))
    log, gone = fleet.log, [pump_class().sensors.index(name) for name in names]
    first = np.r_[True, np.diff(log.life) != 0]
    age = np.arange(len(first)) - np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    readings = log.batch.readings.copy()
    readings[np.ix_(log.readings[age >= 40], gone)] = np.nan
    left = np.minimum(log.remaining[age >= 40], 60.0)
    return log.batch._replace(readings=readings), log.slots, np.c_[log.readings[age >= 40], left]


def covered(made: Decisions, places: np.ndarray, left: np.ndarray) -> float:
    return float(((made.low[places, 0] - 1e-9 <= left) & (left <= made.high[places, 0] + 1e-9)).mean())


def as_before(learned: Learned) -> Learned:
    """What a model has that was trained before factors were learned."""
    told = learned.to_json()
    del told["interval"]["widened"]
    return Learned.from_json(told)


@pytest.mark.parametrize(
    ("names", "quality", "least"),
    [(["heat"], DEGRADED, 0.87), (["shake"], DEGRADED, 0.87), (["heat", "shake"], POOR, 0.75)],
)
def test_the_interval_covers_lives_whose_sensors_broke(
    pump: AssetModel, monkeypatch: pytest.MonkeyPatch, names: list[str], quality: int, least: float
) -> None:
    batch, slots, judged = without_sensors(pump, 77, names)
    places, left = judged[:, 0].astype(np.int64), judged[:, 1]
    made = pump.step(np.zeros(40, pump.dtype), slots, batch)
    assert (made.quality[places] == quality).mean() > 0.95
    assert covered(made, places, left) >= least
    monkeypatch.setattr(pump, "_learned", as_before(pump._learned))
    before = pump.step(np.zeros(40, pump.dtype), slots, batch)
    assert covered(before, places, left) < least - 0.05
    np.testing.assert_array_equal(before.value, made.value)
    is_good = made.quality == 0
    for name in ("low", "high"):
        np.testing.assert_array_equal(getattr(made, name)[is_good], getattr(before, name)[is_good])


def test_factors_survive_the_manifest_and_a_model_of_before_has_none(pump: AssetModel) -> None:
    interval = pump._learned.interval
    assert interval is not None
    assert 1.0 == interval.widened[0] < interval.widened[DEGRADED] < interval.widened[POOR]
    read = Learned.from_json(json.loads(json.dumps(pump._learned.to_json()))).interval
    assert read is not None
    np.testing.assert_array_equal(read.widened, interval.widened)
    old = as_before(pump._learned).interval
    assert old is not None
    np.testing.assert_array_equal(old.widened, np.ones(3))


def test_the_card_of_a_class_names_the_factors(trained_fleets: ModelStore) -> None:
    folder: Path = trained_fleets.load("pump").folder
    assert "times as far where the input is poor" in (folder / "card.md").read_text()
