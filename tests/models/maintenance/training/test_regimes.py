"""Operating regimes: found where they explain the sensors, as few as do, and told from a reading by distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.maintenance import Regimes
from models.maintenance.training.regimes import MAX_REGIMES, fit_regimes, moments, winsorised


def fleet(speeds: np.ndarray, shift: float, count: int = 2000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Speed and load, three sensors of which two follow the speed and its square, and which speed each reading had."""
    random = np.random.default_rng(1)
    which = random.integers(0, len(speeds), count)
    variables = np.column_stack([speeds[which], speeds[which] / 100]) + random.normal(0, [1, 0.01], (count, 2))
    sensors = random.normal(0, 1, (count, 3))
    sensors[:, 0] += shift * which
    sensors[:, 1] += shift * which**2
    return variables, sensors, which


def fit(variables: np.ndarray, sensors: np.ndarray, seed: int = 0) -> Regimes:
    return fit_regimes(variables, sensors, np.random.default_rng(seed))


@pytest.mark.long
@pytest.mark.parametrize("count", [2, 3, 6])
def test_regimes_that_explain_the_sensors_are_found(count: int) -> None:
    speeds = np.array([100.0, 200.0, 300.0, 450.0, 500.0, 700.0][:count])
    variables, sensors, which = fleet(speeds, shift=5.0)
    found = fit(variables, sensors)
    assert len(found) == count
    centres = found.centroids * found.scale + found.centre
    np.testing.assert_allclose(np.sort(centres[:, 0]), speeds, atol=0.2)
    order = np.argsort(centres[:, 0])
    np.testing.assert_array_equal(order[which], found.of(variables))


def test_what_explains_nothing_is_one_regime() -> None:
    variables, sensors, _ = fleet(np.array([100.0, 200.0, 300.0]), shift=0.0)
    assert len(fit(variables, sensors)) == 1


@pytest.mark.long
def test_a_few_odd_readings_are_no_regime() -> None:
    """.4 % of the readings with sensors far off: less than a regime needs. With .8 % they are one."""
    for odd, expected in ((8, 1), (16, 2)):
        variables, sensors, _ = fleet(np.array([100.0]), shift=0.0)
        variables[:odd] += [500, 5]
        sensors[:odd] += 200
        assert len(fit(variables, sensors)) == expected


def test_no_variables_no_movement_no_difference() -> None:
    random = np.random.default_rng(0)
    sensors = random.normal(0, 1, (500, 2))
    none = fit(np.zeros((500, 0)), sensors)
    assert len(none) == 1
    assert none.of(np.zeros((3, 0))).tolist() == [0, 0, 0]
    assert len(fit(np.full((500, 1), 7.0), sensors)) == 1
    still = np.full((500, 2), 3.0)
    assert len(fit(random.choice([1.0, 2.0], (500, 1)), still)) == 1


@pytest.mark.long
def test_a_continuous_covariate_does_not_make_more_regimes_than_there_may_be() -> None:
    random = np.random.default_rng(0)
    variables = random.uniform(0, 1, (4000, 1))
    found = fit(variables, variables * 100 + random.normal(0, 0.1, (4000, 2)))
    assert 4 <= len(found) <= MAX_REGIMES


@pytest.mark.long
def test_the_same_log_gives_the_same_regimes() -> None:
    variables, sensors, _ = fleet(np.array([100.0, 200.0, 300.0]), shift=5.0)
    one, other = fit(variables, sensors), fit(variables, sensors)
    assert one.centroids.tobytes() == other.centroids.tobytes()


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=5, unique=True),
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=8),
)
def test_the_nearest_centroid_after_scaling(
    centroids: list[tuple[float, float]], rows: list[tuple[float, float]]
) -> None:
    centre, scale = np.array([3.0, -1.0]), np.array([10.0, 0.5])
    regimes = Regimes(centre, scale, np.array(centroids))
    found = regimes.of(np.array(rows))
    for row, regime in zip(rows, found.tolist(), strict=True):
        distances = [((row[0] - 3.0) / 10.0 - a) ** 2 + ((row[1] + 1.0) / 0.5 - b) ** 2 for a, b in centroids]
        assert distances[regime] <= min(distances) * (1 + 1e-12)


def test_the_first_of_equally_near_ones() -> None:
    regimes = Regimes(np.zeros(1), np.ones(1), np.array([[1.0], [-1.0]]))
    assert regimes.of(np.array([[0.0], [-0.1], [0.1]])).tolist() == [0, 1, 0]


def test_moments_are_of_each_regime_with_its_extremes_cut() -> None:
    random = np.random.default_rng(3)
    regimes = random.integers(0, 2, 4000)
    values = random.normal(0, 1, (4000, 2)) * [1.0, 2.0] + np.where(regimes == 1, 10.0, 0.0)[:, None]
    values[np.flatnonzero(regimes == 0)[0], 0] = 1e9
    mean, sd = moments(values, regimes, 2)
    np.testing.assert_allclose(mean, [[0, 0], [10, 10]], atol=0.15)
    np.testing.assert_allclose(sd, [[1, 2], [1, 2]], rtol=0.1)
    one = values[regimes == 1]
    low, high = np.percentile(one, [0.1, 99.9], axis=0)
    np.testing.assert_allclose(mean[1], np.minimum(np.maximum(one, low), high).mean(0))


def test_winsorised_by_hand() -> None:
    """1,001 values 0 .. 1000: the quantiles are 1 and 999."""
    values = np.arange(1001.0)[:, None]
    cut = winsorised(values)
    assert (cut[:3, 0].tolist(), cut[-3:, 0].tolist()) == ([1.0, 1.0, 2.0], [998.0, 999.0, 999.0])
    assert cut[2:-2].tolist() == values[2:-2].tolist()
