"""Health indexes: the numbers on small arrays by hand, and planted wear found in every regime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from models.maintenance import DIRECTIONS
from models.maintenance.training.indexes import (
    LEAST_NOISE,
    SMOOTHING,
    TRUST_RANGE,
    Indexes,
    Lives,
    fit_directions,
    fit_regressions,
    joined,
    project,
)

LIFE_LENGTHS = st.lists(st.integers(1, 70), min_size=1, max_size=5)


@dataclass(frozen=True)
class Worn:
    """Lives of 100 readings whose wear h rises from 0 to 1; z = load[r] h + noise in regime r."""

    lives: Lives
    z: np.ndarray
    regimes: np.ndarray
    wear: np.ndarray
    load: np.ndarray


def worn(load: np.ndarray, noise: float = 1.0, lives: int = 20, seed: int = 2) -> Worn:
    random = np.random.default_rng(seed)
    life = np.repeat(np.arange(lives), 100)
    wear = np.tile(np.linspace(0, 1, 100), lives)
    regimes = random.integers(0, len(load), len(wear))
    z = load[regimes] * wear[:, None] + random.normal(0, noise, (len(wear), load.shape[1]))
    return Worn(Lives.of(life), z, regimes, wear, load)


TWO_REGIMES = np.array([[4.0, -4.0, 0.0, 2.0], [2.0, -4.0, 0.0, 4.0]])


def lives_of(lengths: list[int]) -> Lives:
    return Lives.of(np.repeat(np.arange(len(lengths)), lengths))


@given(LIFE_LENGTHS)
def test_lives_are_the_runs_of_a_number(lengths: list[int]) -> None:
    lives = lives_of(lengths)
    ends = np.cumsum(lengths)
    assert lives.stops.tolist() == ends.tolist()
    assert lives.starts.tolist() == [0, *ends[:-1].tolist()]
    assert lives.head == max(3, min(20, sorted_median(lengths) // 6))


def sorted_median(lengths: list[int]) -> int:
    ordered, middle = sorted(lengths), len(lengths) // 2
    return int(ordered[middle] if len(lengths) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


@settings(max_examples=25)
@given(LIFE_LENGTHS, st.integers(0, 99))
def test_smoothing_is_a_mean_of_neighbours_of_the_same_life(lengths: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 1, (sum(lengths), 2))
    found = lives_of(lengths).smoothed(values)
    start = 0
    for length in lengths:
        own = values[start : start + length]
        for place in range(length):
            near = [own[n] for n in range(length) if abs(n - place) <= SMOOTHING // 2]
            np.testing.assert_allclose(found[start + place], np.mean(near, 0), atol=1e-12)
        start += length


def test_movement_is_late_minus_early_of_lives_that_are_long_enough() -> None:
    lives = lives_of([30, 8, 60])  # median 30: 5 readings are an end
    values = np.arange(98.0)[:, None] * [1.0, -2.0]
    assert lives.head == 5
    np.testing.assert_allclose(lives.movement(values), [[25.0, -50.0], [55.0, -110.0]])


@given(st.integers(0, 99))
def test_projection_is_affine_in_each_regime(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights, bias = random.normal(0, 1, (3, 2, 4)), random.normal(0, 1, (3, 2))
    z, regimes = random.normal(0, 1, (9, 4)), random.integers(0, 3, 9)
    found = project(weights, bias, z, regimes)
    for n, regime in enumerate(regimes.tolist()):
        for k in range(2):
            assert found[n, k] == pytest.approx(sum(weights[regime, k] * z[n]) + bias[regime, k])


def values_of(indexes: Indexes, data: Worn) -> np.ndarray:
    return project(indexes.weights, indexes.bias, data.z, data.regimes)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_the_first_direction_is_the_wear_in_every_regime() -> None:
    data = worn(TWO_REGIMES)
    found = fit_directions(data.lives, data.z, data.regimes, 2)
    assert found.weights.shape == (2, DIRECTIONS, 4)
    first = values_of(found, data)[:, 0]
    best = data.load / (1 + (data.load**2).sum(1, keepdims=True))  # of z = load h + noise of sd 1, up to a factor
    ideal = project(best[:, None, :], np.zeros((2, 1)), data.z, data.regimes)[:, 0]
    assert first.std() == pytest.approx(1, rel=0.02)
    for regime in range(2):
        own = data.regimes == regime
        assert correlation(first[own], data.wear[own]) > 0.97 * correlation(ideal[own], data.wear[own])
        early, late = own & (data.wear < 0.1), own & (data.wear > 0.9)
        assert first[late].mean() - first[early].mean() > 1.5  # it rises with wear
        slope = np.polyfit(data.wear[own], first[own], 1)[0]
        assert slope == pytest.approx(np.polyfit(data.wear, first, 1)[0], rel=0.1)  # the same in both


def test_what_a_sensor_should_show_follows_from_the_indexes() -> None:
    data = worn(TWO_REGIMES)
    found = fit_directions(data.lives, data.z, data.regimes, 2)
    course = data.lives.smoothed(values_of(found, data))
    expected = found.expected_offset[data.regimes] + np.einsum("nsk,nk->ns", found.expected_load[data.regimes], course)
    truth = data.load[data.regimes] * data.wear[:, None]
    assert np.abs(expected - truth).mean() < 0.3  # of noise with a mean absolute value of .8
    np.testing.assert_allclose(found.noise, 1.0, atol=0.1)


def test_noise_is_never_taken_for_less_than_a_reading_has() -> None:
    data = worn(TWO_REGIMES, noise=0.1)
    assert (fit_directions(data.lives, data.z, data.regimes, 2).noise == LEAST_NOISE).all()


def test_a_regime_that_shows_wear_more_clearly_is_trusted_more() -> None:
    data = worn(np.array([[4.0, -4.0, 0.0, 3.0], [1.0, -1.0, 0.0, 0.75]]))
    for found in (
        fit_directions(data.lives, data.z, data.regimes, 2),
        fit_regressions(data.lives, data.z, data.regimes, 2, data.wear[:, None]),
    ):
        assert found.trust[0, 0] > 2 * found.trust[1, 0]
        shares = np.bincount(data.regimes) / len(data.regimes)
        assert (shares @ found.trust)[0] == pytest.approx(1, rel=0.02)
        assert (found.trust >= TRUST_RANGE[0]).all()
        assert (found.trust <= TRUST_RANGE[1]).all()


def test_regressions_are_ridges_drawn_to_the_pooled_one() -> None:
    data = worn(TWO_REGIMES)
    targets = np.column_stack([data.wear - 1, np.exp(4 * (data.wear - 1))])
    found = values_of(fit_regressions(data.lives, data.z, data.regimes, 2, targets), data)
    z, centred = np.clip(data.z, -6, 6), targets - targets.mean(0)
    pooled = Ridge(alpha=0.02 * len(z), fit_intercept=False).fit(z, centred).coef_
    for regime in range(2):
        own = data.regimes == regime
        ridge = Ridge(alpha=0.05 * own.sum(), fit_intercept=False).fit(z[own], centred[own] - z[own] @ pooled.T)
        expected = z[own] @ (pooled + ridge.coef_).T
        for column in range(2):
            inside = (np.abs(data.z[own]) < 6).all(1)
            assert correlation(found[own][inside, column], expected[inside, column]) == pytest.approx(1, abs=1e-6)


def test_regressions_mean_the_same_in_every_regime() -> None:
    """In the second regime the sensors show half; the index of an asset that changes regimes must not jump."""
    data = worn(np.array([[4.0, -4.0, 0.0, 2.0], [2.0, -2.0, 0.0, 1.0]]))
    found = values_of(fit_regressions(data.lives, data.z, data.regimes, 2, (data.wear - 1)[:, None]), data)[:, 0]
    assert found.mean() == pytest.approx(0, abs=0.01)
    assert found.std() == pytest.approx(1, abs=0.01)
    (slope, start), (other_slope, other_start) = (
        np.polyfit(data.wear[data.regimes == regime], found[data.regimes == regime], 1) for regime in range(2)
    )
    assert slope > 0
    assert other_slope == pytest.approx(slope, rel=0.1)
    assert other_start == pytest.approx(start, abs=0.15)


def test_joined_directions_come_first_and_alone_say_what_a_sensor_shows() -> None:
    data = worn(TWO_REGIMES)
    directions = fit_directions(data.lives, data.z, data.regimes, 2)
    regressions = fit_regressions(data.lives, data.z, data.regimes, 2, (data.wear - 1)[:, None])
    both = joined(directions, regressions)
    values = np.column_stack([values_of(directions, data), values_of(regressions, data)])
    np.testing.assert_allclose(values_of(both, data), values, atol=1e-12)
    np.testing.assert_array_equal(both.trust, np.hstack([directions.trust, regressions.trust]))
    np.testing.assert_array_equal(both.expected_load[:, :, :DIRECTIONS], directions.expected_load)
    assert (both.expected_load[:, :, DIRECTIONS:] == 0).all()
    assert both.expected_offset is directions.expected_offset
    assert both.noise is directions.noise


@pytest.mark.parametrize("sensors", [1, 2])
def test_fewer_sensors_than_directions(sensors: int) -> None:
    data = worn(TWO_REGIMES[:, :sensors])
    found = fit_directions(data.lives, data.z, data.regimes, 2)
    assert found.weights.shape == (2, sensors, sensors)
    assert np.isfinite(found.weights).all()
