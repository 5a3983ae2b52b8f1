"""What a class learns of its sensors: which leap together, how long a run is no luck, when one is in doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.maintenance import FAULTS
from models.maintenance.sensors import DOUBT_CUSUM, LIMIT, LUCK, SAME
from models.maintenance.training.indexes import Lives, Structure
from models.maintenance.training.preparation import normalise
from models.maintenance.training.sensors import is_shared, leap, learn_sensors, nats_of_runs
from tests.models.maintenance.test_sensors import AT, LENGTH, LIVES, WHILE, Fleet


def leaping(seed: int, lives: int) -> Fleet:
    """In every twelfth life the twins leap to and fro, together."""
    fleet, random = Fleet.simulated(seed, lives), np.random.default_rng(seed)
    for first in np.flatnonzero(fleet.is_first)[::12] + 20:
        fleet.readings[first : first + 80, 6:] += 16 * random.integers(0, 2, (80, 1))
    return fleet


def coarse(seed: int, lives: int) -> Fleet:
    """In one regime, as a sensor that repeats itself is told at once where regimes change; sensor 0 has steps of the
    size of its noise: three readings of ten repeat the one before."""
    fleet = Fleet.simulated(seed, lives, 1)
    fleet.readings[:, 0] = 0.7 * np.round(fleet.readings[:, 0] / 0.7)
    return fleet


def broken_at(fleet: Fleet, length: int = 10) -> np.ndarray:
    """(lives, length) places of the first readings of the fault."""
    found = (np.flatnonzero(fleet.is_first) + AT)[:, None] + np.arange(length)
    return np.asarray(found)


def test_sensors_that_leap_together_in_few_lives_are_believed_and_raise_no_limit() -> None:
    learned, fleet = leaping(1, LIVES).learned(), leaping(2, 36)
    assert learned.sensor[LIMIT].max() == 8
    assert not (fleet.course(learned).fault[:, 6:] == FAULTS.index("drifting")).any()


def test_a_leap_is_what_sensors_show_together_in_few_lives_beyond_noise() -> None:
    random, lives = np.random.default_rng(0), Lives.of(np.repeat(np.arange(50), 100))
    noise, wear = random.normal(0, 1, (5000, 4)), np.tile(np.linspace(0, 3, 100), 50)[:, None]
    assert leap(lives, noise + wear) == 1
    at = np.flatnonzero(np.arange(5000) % 100 < 60)[::5][:60]  # of five lives
    alone, together = noise + wear, noise + wear
    alone[at, 0] += 60
    together[at, :2] += 30
    assert leap(lives, alone) == 1
    assert leap(lives, together) > 3


@pytest.mark.parametrize("wild", [1000.0, 0.0, 3.4e38])
def test_one_wild_reading_in_few_lives_is_no_leap(wild: float) -> None:
    fleet = Fleet.simulated(1, 20)
    readings = fleet.readings.copy()
    readings[3 * LENGTH + 50] = wild
    life = np.cumsum(fleet.is_first)
    mean, sd, _ = normalise(readings, fleet.regime, 2, np.arange(readings.shape[1]))
    learned = learn_sensors(life, np.ones(len(life)), readings, fleet.regime, mean, sd)
    assert np.abs(learned.load).max() < 2  # sd; noise is .3
    assert learned.sensor[LIMIT].max() == 8


def test_sensors_that_are_never_told_take_no_share_of_false_alarms() -> None:
    fleet = coarse(3, 45)
    wear = np.tile(np.linspace(0, 1, LENGTH), 45)
    random = np.random.default_rng(0)
    steady = np.round(2 * wear[:, None] + random.normal(0, 0.02, (len(wear), 3)))
    beside = replace(fleet, readings=np.c_[fleet.readings, steady]).learned()
    assert (beside.sensor[LUCK, 8:] == 1e9).all()
    assert beside.sensor[LUCK, 0] == pytest.approx(fleet.learned().sensor[LUCK, 0], abs=0.2)


def test_a_sensor_is_in_doubt_at_one_in_a_thousand_readings_of_past_lives() -> None:
    fleet = Fleet.simulated(1, 200)
    learned = fleet.learned()
    doubt, cusum = learned.sensor[DOUBT_CUSUM], fleet.course(learned).cusum
    is_learned = (doubt > 2) & (doubt < 0.35 * learned.sensor[LIMIT])
    assert is_learned.any()
    assert (cusum > doubt).mean(0)[is_learned].max() < 2e-3  # doubt feeds on itself a little
    assert (doubt >= 2).all()
    assert (doubt <= 0.35 * learned.sensor[LIMIT]).all()


def test_a_mode_that_one_sensor_shows_nearly_alone_is_none_but_for_the_first() -> None:
    load = np.array([[[5, 0.1, 2.0], [0.5, 3.0, 2.0], [0.5, 0.2, 0.1]]] * 2)  # (R, S, M)
    one, none = np.ones((2, 3)), np.zeros((2, 3))
    solve, information = load.transpose(0, 2, 1), np.ones((2, 3))
    found, alike = Structure(none, load, solve, information, one), np.array([100, 100])
    assert is_shared(found, alike).tolist() == [True, False, True]
    quiet = np.tile([0.05, 1.0, 1.0], (2, 1))  # what counts is how clearly it is shown
    assert is_shared(Structure(none, load, solve, information, quiet), alike).tolist() == [True, True, False]
    few, many = [1000, 1], [1, 1000]  # readings of each regime: where there are few, noise is hardly known
    noise = np.stack([np.ones(3), np.full(3, 0.05)])
    at = np.stack([load[0], load[0][:, [0, 2, 1]]])
    mixed = Structure(none, at, solve, information, noise)
    assert is_shared(mixed, np.array(few)).tolist() == is_shared(found, alike).tolist()
    assert is_shared(mixed, np.array(many)).tolist() == [True, True, False]
    assert (np.abs(Fleet.simulated(1).learned().load).max((0, 1)) > 0).all()


def test_a_coarse_sensor_is_told_to_be_stuck_within_ten_readings_and_seldom_where_it_is_not() -> None:
    fleet, learned = coarse(4, 200), coarse(3, 200).learned()
    assert 0.15 < learned.sensor[SAME, 0] * np.sqrt(2) < 0.6
    found = fleet.course(learned, fleet.broken("stuck", 0))
    assert (found.fault[broken_at(fleet), 0] > 0).any(1).mean() >= 0.95
    told = fleet.course(learned).fault[:, 0] == FAULTS.index("stuck")
    assert (np.diff(told.astype(int)) == 1).sum() <= 5  # 2.2 are expected of 24,000 readings


def test_a_sensor_that_stands_still_is_in_doubt_before_it_is_told() -> None:
    fleet, learned = coarse(4, 40), coarse(3, LIVES).learned()
    readings = fleet.broken("stuck", 3)
    found, during = fleet.course(learned, readings), broken_at(fleet, WHILE)
    said = np.clip((readings[:, 3] - learned.regime[0, 0, 3]) / learned.regime[0, 1, 3], -8, 8)
    told = (found.fault[during, 3] > 0).argmax(1)
    stands_in = (~np.isclose(found.z[:, 3], said)[during]).argmax(1)
    assert np.median(told) >= 3
    assert (stands_in <= told - 2).mean() >= 0.9


def test_the_nats_of_runs_are_their_chance_unless_past_lives_show_more() -> None:
    random, rare = np.random.default_rng(0), np.array([1e-3, 1e-4])
    lucky = random.exponential(1, (20_000, 2))
    np.testing.assert_allclose(nats_of_runs(lucky, rare), -np.log(rare), atol=0.2)
    np.testing.assert_array_equal(nats_of_runs(lucky / 2, rare), -np.log(rare))
    np.testing.assert_allclose(nats_of_runs(lucky + 2, rare), 2 - np.log(rare), atol=0.2)
