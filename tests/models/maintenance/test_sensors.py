"""Broken sensors are told from machines that wear: on a synthetic fleet, in the model that serves, and in its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from models.maintenance import FAULTS, AssetModel, Checked, Course, Learned, Preparation
from models.maintenance.alerts import CLEARED, RAISED
from models.maintenance.codes import QUALITIES
from models.maintenance.rows import is_within
from models.maintenance.rows_before import dtype_2
from models.maintenance.sensors import DOUBT_CUSUM, DOUBT_RUN, LIMIT
from models.maintenance.training.sensors import course, learn_sensors
from models.registry import ModelStore
from tests.support.fleets import AssetEvent, entry, pump_readings, reading

SENSORS, LIVES, LENGTH = 8, 60, 120
AT, WHILE = 60, 20  # first reading of a fault, how many it lasts


@dataclass(frozen=True)
class Fleet:
    """Lives of machines that wear in two ways, in two regimes; sensors 6 and 7 are twins that follow a way of their
    own. z is (n, SENSORS), regimes shift it."""

    readings: np.ndarray
    regime: np.ndarray
    is_first: np.ndarray

    @classmethod
    def simulated(cls, seed: int, lives: int = LIVES, regimes: int = 2) -> Fleet:
        random = np.random.default_rng(seed)
        load = np.array([[3, 2, -2, 2.5, 1, -1, 0, 0], [0, 1, 1, -1, 2, 2, 0, 0], [0, 0, 0, 0, 0, 0, 4, 4.0]])
        parts = []
        for _ in range(lives):
            wear = np.linspace(0, 1, LENGTH)[:, None] ** 2
            modes = wear * random.normal([1, 0, 0], [0.3, 0.7, 1], 3)
            own, noise = random.normal(0, 0.2, SENSORS), random.normal(0, 0.3, (LENGTH, SENSORS))
            parts.append(modes @ load + own + noise)
        regime = random.integers(0, regimes, lives * LENGTH)
        z = np.vstack(parts) + regime[:, None] * np.arange(SENSORS) * 5
        return cls(50 + 2 * z, regime, np.arange(len(z)) % LENGTH == 0)

    def learned(self) -> Checked:
        life = np.cumsum(self.is_first)
        parts = [self.readings[self.regime == one] for one in range(self.regime.max() + 1)]
        mean, sd = np.stack([part.mean(0) for part in parts]), np.stack([part.std(0) for part in parts])
        return learn_sensors(life, np.ones(len(life)), self.readings, self.regime, mean, sd)

    def course(self, learned: Checked, readings: np.ndarray | None = None) -> Course:
        given = self.readings if readings is None else readings
        return course(learned, (self.is_first, np.ones(len(given)), self.regime, given))

    def broken(self, kind: str, sensor: int) -> np.ndarray:
        """A fault of the sensor in each life, from its reading AT on."""
        found, random = self.readings.copy(), np.random.default_rng(sensor)
        for first in np.flatnonzero(self.is_first) + AT:
            column, sign = found[first : first + WHILE, sensor], random.choice([-1, 1])
            if kind == "missing":
                column[:] = np.nan
            elif kind == "stuck":
                column[:] = found[first - 1, sensor]
            elif kind == "spiking":
                column[0] += sign * 12
            elif kind == "drifting":
                column += sign * np.arange(1, WHILE + 1)
            elif kind == "out_of_range":
                column += sign * 1e4
            else:
                column[:] = 1.8 * column + 32
        return found


@pytest.fixture(scope="module")
def learned() -> Checked:
    return Fleet.simulated(1).learned()


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return Fleet.simulated(2, 30)


def test_no_fault_is_told_of_machines_that_wear(learned: Checked, fleet: Fleet) -> None:
    found = fleet.course(learned)
    assert (found.fault > 0).mean() < 1e-3
    mean, sd = learned.regime[fleet.regime, 0], learned.regime[fleet.regime, 1]
    assert np.isclose(found.z, np.clip((fleet.readings - mean) / sd, -8, 8)).mean() > 0.99
    assert learned.sensor[LIMIT].max() < 15


@pytest.mark.parametrize("kind", ["missing", "stuck", "spiking", "drifting", "out_of_range", "changed_unit"])
def test_a_fault_is_told_soon_by_its_name_and_of_no_other_sensor(learned: Checked, fleet: Fleet, kind: str) -> None:
    mean, sd = learned.regime[fleet.regime, 0], learned.regime[fleet.regime, 1]
    true = (fleet.readings - mean) / sd
    during = (np.flatnonzero(fleet.is_first) + AT)[:, None] + np.arange(10)
    for sensor in range(SENSORS):
        found = fleet.course(learned, fleet.broken(kind, sensor))
        fault = found.fault[during]  # (lives, 10, sensors)
        assert (fault[:, :, sensor] > 0).any(1).mean() >= 0.95, sensor
        assert (fault[:, :, sensor] == FAULTS.index(kind)).any(1).mean() >= 0.9, sensor
        others = np.delete(fault, sensor, 2) > 0
        assert others.any((1, 2)).mean() <= 0.05, sensor  # a twin is not blamed for the other
        away = np.abs(found.z - true)[during][:, :, sensor]
        assert np.sqrt(np.mean(away**2)) < 1.0, sensor  # sd of a life: what stands in is near the truth


def test_a_sensor_that_went_its_own_way_in_one_past_life_blinds_no_other(fleet: Fleet) -> None:
    past = Fleet.simulated(1)
    first = 10 * LENGTH + 30
    past.readings[first : first + LENGTH - 30, 0] += 2 * np.minimum(np.arange(LENGTH - 30), 10)
    learned = past.learned()
    assert learned.sensor[LIMIT].max() < 15
    found = fleet.course(learned, fleet.broken("drifting", 0))
    during = (np.flatnonzero(fleet.is_first) + AT)[:, None] + np.arange(10)
    assert (found.fault[during, 0] == FAULTS.index("drifting")).any(1).mean() >= 0.9


def test_a_sensor_that_is_mended_is_believed_again(learned: Checked, fleet: Fleet) -> None:
    for kind in ("missing", "stuck", "drifting", "changed_unit"):
        found = fleet.course(learned, fleet.broken(kind, 0))
        last = np.flatnonzero(fleet.is_first) + AT + WHILE
        assert (found.fault[last + 20, 0] == 0).mean() >= 0.85, kind


# ---- in the model that serves


@pytest.fixture(scope="module")
def pump(trained_fleets: ModelStore) -> AssetModel:
    return AssetModel(trained_fleets.load("pump"))


def life(length: int = 100, seed: int = 5) -> list[AssetEvent]:
    random = np.random.default_rng(seed)
    return [reading("a", age, pump_readings(random, age / length)) for age in range(1, length + 1)]


def taken(model: AssetModel, events: list[AssetEvent], rows: np.ndarray | None = None):  # type: ignore[no-untyped-def]
    rows = np.zeros(1, model.dtype) if rows is None else rows
    made = model.step(rows, np.zeros(len(events), np.int64), model.encode(events))
    assert is_within(rows, model.bounds).all()
    return made


def without(events: list[AssetEvent], first: int, name: str, value: float | None = None) -> list[AssetEvent]:
    other = [one.model_copy(update={"readings": one.readings | {name: value}}) for one in events[first:]]  # type: ignore[union-attr]
    return [*events[:first], *other]


@pytest.mark.parametrize("name", ["heat", "shake", "flow"])
@pytest.mark.parametrize("seed", range(4))
def test_what_comes_by_the_values_of_another_unit_has_none(pump: AssetModel, name: str, seed: int) -> None:
    """A drift passes them, and a frozen value may happen to be one."""
    events = life(100, seed)
    said = [float(event.readings[name]) for event in events]  # type: ignore[union-attr]
    drifting = [one for place in range(60, 100) for one in without([events[place]], 0, name, said[place] * place / 60)]
    for broken in (events[:60] + drifting, without(events, 60, name, 1.5 * said[59])):
        faults = taken(pump, broken).faults[60:]
        assert faults.any()
        assert (faults != FAULTS.index("changed_unit")).all()


def test_scores_say_how_good_their_input_was_and_which_sensors_are_broken(pump: AssetModel) -> None:
    events = life()[:60]
    names = pump.asset_class.sensors
    clean, made = taken(pump, events), taken(pump, without(events, 40, "heat"))
    assert clean.quality[10:].mean() < 0.1
    assert (clean.faults == 0).mean() > 0.99
    assert made.quality[40:].tolist() == [QUALITIES.index("degraded")] * 20
    heat = made.faults[:, names.index("heat")]
    assert [FAULTS[fault] for fault in heat[[39, 41, 42, 59]]] == ["ok", "ok", "missing", "missing"]
    assert np.abs(made.value - clean.value)[40:].max() < 12
    two = taken(pump, without(without(events, 40, "heat"), 40, "shake"))
    assert two.quality[40:].tolist() == [QUALITIES.index("poor")] * 20
    regime = taken(pump, without(events, 20, "speed"))
    assert [QUALITIES[place] for place in regime.quality[[21, 59]]] == ["degraded", "poor"]


def test_a_broken_sensor_of_a_healthy_machine_raises_no_alert_of_the_machine(pump: AssetModel) -> None:
    events = life(200)[:60]
    assert len(taken(pump, events).transitions) == 0
    for name in ("heat", "shake", "flow"):
        for value in (None, 0.0, 1e6, events[29].readings[name], 1.8 * events[29].readings[name] + 32):  # type: ignore[union-attr,operator]
            made = taken(pump, without(events, 30, name, value))
            assert not (made.transitions["state"] == RAISED).any(), (name, value)


def test_a_model_of_the_version_before_has_no_check_and_serves_as_it_did(trained_fleets: ModelStore) -> None:
    model = trained_fleets.load("pump")
    given = dict(model.manifest.learned)
    given["preparation"] = {name: value for name, value in given["preparation"].items() if name != "check"}
    manifest = model.manifest.model_copy(update={"learned": given})
    old = AssetModel(replace(model, manifest=manifest))
    assert "check" not in Learned.from_json(given).preparation.to_json()
    made = taken(old, without(life(), 70, "heat"))
    assert (made.faults == 0).all()
    assert np.isfinite(made.value).all()
    assert (made.quality[70:] == QUALITIES.index("degraded")).all()
    assert (made.transitions["state"] == RAISED).any()
    assert not (made.transitions["state"] == CLEARED).any()


def test_a_model_that_did_not_learn_when_a_sensor_is_in_doubt_keeps_the_doubt_it_was_served_with(
    trained_fleets: ModelStore,
) -> None:
    given = trained_fleets.load("pump").manifest.learned["preparation"]
    old = given | {"check": given["check"] | {"sensor": given["check"]["sensor"][:7]}}
    found = Preparation.from_json(old)
    assert found.check is not None
    np.testing.assert_array_equal(found.check.sensor[DOUBT_CUSUM], 0.35 * found.check.sensor[LIMIT])
    assert np.isinf(found.check.sensor[DOUBT_RUN]).all()
    assert found.to_json() == old


def test_what_was_learned_of_the_sensors_survives_the_manifest(trained_fleets: ModelStore) -> None:
    given = trained_fleets.load("pump").manifest.learned["preparation"]
    found = Preparation.from_json(given)
    assert found.check is not None
    assert found.to_json() == given
    assert found.check.load.shape[:2] == found.mean.shape


# ---- rows of the version before


def test_rows_without_what_is_known_of_sensors_go_on_as_they_were(pump: AssetModel) -> None:
    """Of the second layout: everything but the memory of the sensors is as it was, to the last bit."""
    rows = np.zeros(1, pump.dtype)
    events = [*life()[:60], entry("a", 59, "window_start"), entry("a", 70, "window_end")]
    taken(pump, events, rows)
    (number, earlier), *_ = pump.earlier.items()
    assert number != pump.layout
    assert earlier.dtype == dtype_2(earlier.shape)
    old = np.zeros(1, earlier.dtype)
    for name in set(earlier.dtype.names or ()) - {"recent", "recent_place"}:
        old[name] = rows[name]
    written = int(rows["recent_place"][0])
    assert 0 < written <= old["recent"].shape[1]
    old["recent"][0, :written], old["recent_place"] = rows["recent"][0, :written], written
    moved = earlier(np.frombuffer(old.tobytes(), earlier.dtype))
    assert is_within(moved, pump.bounds).all()
    for name in set(earlier.dtype.names or ()) - {"log_time", "log_code", "log_tag", "recent", "recent_place"}:
        assert moved[name].tobytes() == rows[name].tobytes(), name
    ring = np.roll(moved["recent"][0], -int(moved["recent_place"][0]))
    assert ring[-written:].tolist() == rows["recent"][0, :written].tolist()
    assert sorted(moved["log_time"][0]) == sorted(rows["log_time"][0])
    assert not moved["sensors"].any()
    assert len(set(taken(pump, life()[40:60], moved).status.tolist())) == 1  # all of them are known: repeated
