"""From a reading to its channels, step by step on small numbers: regime, z, spikes, stand-ins, channels, renewal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.maintenance.observe import Observer
from models.maintenance.preparation import Preparation, fall_course
from models.maintenance.recursions import FEATURES
from models.maintenance.regimes import Regimes
from models.maintenance.rows import RowShape, row_dtype

NAN = float("nan")
SHAPE = RowShape(channels=2, errors=0, components=0, targets=1, values=6, variables=1)
# Four sensors of a class with five readings, two regimes at speeds of 100 and 200, two channels.
LEARNED = Preparation(
    centre=np.array([150.0]), scale=np.array([100.0]), centroids=np.array([[-0.5], [0.5]]),
    sensors=np.array([2, 0, 3, 4]),
    mean=np.array([[10.0, 0.0, 5.0, 1.0], [20.0, 0.0, 5.0, 1.0]]),
    sd=np.array([[2.0, 1.0, 0.5, 0.0], [4.0, 1.0, 0.5, 0.1]]),
    weights=np.array([[[0.5, -0.5, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4]], [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 1.0]]]),
    bias=np.array([[0.1, -0.2], [0.0, 1.0]]), trust=np.array([[1.0, 0.5], [2.0, 0.8]]),
    expected_offset=np.array([[0.5, 0.0, -0.5, 0.0], [0.0, 1.0, 0.0, 0.0]]),
    expected_load=np.array([
        [[1.0, 0.0], [-1.0, 0.5], [0.0, 2.0], [0.0, 0.0]],
        [[2.0, 0.0], [0.0, 0.0], [9.0, 0.0], [0.0, 1.0]],
    ]),
    noise=np.full((2, 4), 0.5), fall_channel=0, fall_limit=4.0,
)  # fmt: skip
BRIDGED = 1000  # readings in a row whose regime is concluded, at most
LEVEL = 3  # place of the level in the state of a channel


@dataclass
class Step:
    """What one reading comes to on its way; `regime` -1: nothing."""

    regime: int
    units: float
    z: np.ndarray  # (4,) of the kept sensors, as it counts
    is_present: np.ndarray  # (4,) what is not there, or not believed, is stood in for
    index: np.ndarray  # (2,) of the channels
    trust: np.ndarray


def stepped(
    of: np.ndarray, readings: Sequence[float], variables: Sequence[float], learned: Preparation = LEARNED
) -> Step:
    """A step of a row by one reading, a minute after the one before."""
    width = len(readings), len(variables), 0
    shape = replace(SHAPE, variables=len(variables))
    observer = Observer(learned, shape, 60.0, FEATURES, True, width)
    given = [np.array([part], np.float64).reshape(1, -1) for part in (readings, variables, [])]
    found = np.zeros((1, 4)), np.zeros((1, 4), np.bool_), np.zeros((1, 2)), np.zeros((1, 2))
    regime, units = observer.trace(of, float(of["stepped_at"][0]) + 60.0, (*given, *found))
    return Step(regime, units, *(part[0] for part in found))


def readings_of(z: Sequence[float], regime: int = 0) -> list[float]:
    """Readings (5,) whose z are these; a sensor whose sd is 0 in the regime has none."""
    found = [0.0] * 5
    for place, value in enumerate(z):
        found[LEARNED.sensors[place]] = LEARNED.mean[regime, place] + value * LEARNED.sd[regime, place]
    return found


SPEEDS = (100.0, 200.0)  # of the two regimes


def row(**fields: Any) -> np.ndarray:
    """(1,) of an asset; `levels` are those of its channels."""
    rows = np.zeros(1, row_dtype(SHAPE))
    for channel, level in enumerate(fields.pop("levels", ())):
        rows["channels"][0, channel, LEVEL] = level
    for name, value in fields.items():
        rows[name][0] = value
    return rows


# ---- the regime


def alone(regimes: Regimes) -> Preparation:
    """What the regime is told by, with the rest of a class of four sensors and two channels."""
    count = len(regimes)
    one, none = np.ones((count, 4)), np.zeros((count, 2))
    return Preparation(
        regimes.centre, regimes.scale, regimes.centroids, np.arange(4), one, one, np.zeros((count, 2, 4)), none, none,
        one, np.zeros((count, 4, 2)), one,
    )  # fmt: skip


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2), st.integers(1, 4), st.integers(0, 99))
def test_serving_and_training_tell_the_same_regime(variables: list[float], count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    regimes = Regimes(random.normal(0, 50, 2), random.uniform(1e3, 1e4, 2), random.normal(0, 1, (count, 2)))
    of = np.zeros(1, row_dtype(replace(SHAPE, variables=2)))
    found = stepped(of, [1.0] * 4, variables, alone(regimes))
    assert found.regime == regimes.of(np.array([variables]))[0]


def regime_at(speed: float, learned: Preparation = LEARNED) -> int:
    return stepped(row(), readings_of([0.0] * 4), [speed], learned).regime


def test_a_regime_that_is_not_told() -> None:
    assert regime_at(NAN) == -1
    first = [getattr(LEARNED, name)[:1] for name in ("centroids", "mean", "sd", "weights", "bias", "trust")]
    rest = [getattr(LEARNED, name)[:1] for name in ("expected_offset", "expected_load", "noise")]
    only = Preparation(LEARNED.centre, LEARNED.scale, first[0], LEARNED.sensors, *first[1:], *rest)
    assert regime_at(NAN, only) == 0  # there is only one
    assert [regime_at(speed) for speed in (-1e308, 149.0, 151.0, 1e308)] == [0, 0, 1, 1]


def bridged(of: np.ndarray, readings: list[float], variable: float = NAN) -> int:
    return stepped(of, readings, [variable]).regime


def test_a_missing_regime_is_the_one_that_fits_the_sensors_or_the_last_known() -> None:
    """Sensor 2 reads 10 in one regime and 20 in the other; with levels of 0 and that is what is expected."""
    lived = {"seen": 9, "variables": 200.0, "knows_variables": 1}
    assert bridged(row(**lived), [0.0, 0.0, 11.0, 4.75, 1.0]) == 0
    assert bridged(row(**lived), [1.0, 0.0, 20.0, 5.0, 1.0]) == 1
    assert bridged(row(**lived), [NAN, 0.0, 11.0, NAN, NAN]) == 1  # too few sensors: the last known
    assert bridged(row(**lived | {"seen": 0}), [0.0, 0.0, 11.0, 4.75, 1.0]) == 1  # no levels yet
    assert bridged(row(seen=0), [0.0, 0.0, 11.0, 4.75, 1.0]) == -1
    # at a level of 2, sensor 2 is expected at (0.5 + 2) * 2 + 10 = 15 or at 4 * 4 + 20 = 36
    assert bridged(row(levels=(2.0, 0.0), **lived), [-2.0, 0.0, 15.0, 4.75, 1.0]) == 0
    assert bridged(row(bridged=BRIDGED, **lived), [0.0, 0.0, 11.0, 4.75, 1.0]) == -1  # for so long it is not concluded


def test_what_tells_the_regime_is_remembered() -> None:
    of = row(bridged=3)
    stepped(of, readings_of([0.0] * 4), [120.0])
    assert (of["variables"][0, 0], of["knows_variables"][0], of["bridged"][0]) == (120.0, 1, 0)
    for _ in range(BRIDGED + 5):
        stepped(of, readings_of([0.0] * 4), [NAN])
    assert (of["variables"][0, 0], of["knows_variables"][0], of["bridged"][0]) == (120.0, 1, BRIDGED)
    regimes = Regimes(LEARNED.centre, LEARNED.scale, LEARNED.centroids[:1])
    only = row()
    stepped(only, [1.0] * 4, [NAN], alone(regimes))
    assert (only["bridged"][0], only["knows_variables"][0]) == (0, 0)


# ---- z


VALUES = st.one_of(st.just(NAN), st.floats(-60, 60), st.sampled_from([-1e300, 1e300, 5.0]))


@pytest.mark.long
@settings(max_examples=300)
@given(st.lists(VALUES, min_size=5, max_size=5), st.integers(0, 1))
def test_z_of_what_is_said_and_believed(readings: list[float], regime: int) -> None:
    own = np.array(readings)[LEARNED.sensors]
    sd, is_said = LEARNED.sd[regime], ~np.isnan(own)
    z = np.where(sd > 0, (own - LEARNED.mean[regime]) / np.where(sd > 0, sd, 1), 0.0)
    is_strange = is_said & (np.abs(z) > 12)
    is_believed = is_said & ~is_strange if 3 * is_strange.sum() <= is_said.sum() else is_said
    found = stepped(row(), readings, [SPEEDS[regime]])
    assert found.regime == (regime if is_believed.any() else -1)
    if is_believed.any():
        assert found.is_present.tolist() == is_believed.tolist()
        np.testing.assert_allclose(found.z[is_believed], np.clip(z[is_believed], -8, 8))
        np.testing.assert_allclose(found.z[~is_believed], LEARNED.expected_offset[regime][~is_believed])


def test_readings_are_those_of_the_sensors_that_were_chosen() -> None:
    found = stepped(row(), [3.0, 99.0, 28.0, 4.0, 1.2], [200.0])
    np.testing.assert_allclose(found.z, [2.0, 3.0, -2.0, 2.0])


# ---- spikes and stand-ins


def refused(of: np.ndarray, z: list[float], is_said: tuple[bool, ...] = (True,) * 4) -> list[int]:
    """Places of sensors that were said and are taken as missing, in regime 0 at levels of 0: expected .5, 0, -.5, 0."""
    levels, seen = of["channels"].copy(), int(of["seen"][0])
    readings = np.array(readings_of(z))
    readings[[place for place, said in zip(LEARNED.sensors, is_said, strict=True) if not said]] = NAN
    found = stepped(of, readings.tolist(), [100.0])
    of["channels"], of["seen"] = levels, seen
    return [place for place in range(4) if is_said[place] and not found.is_present[place]]


def test_one_sensor_far_off_is_refused_once_and_then_believed() -> None:
    of = row(seen=4)  # three noise sd of .5 are 3
    assert refused(of, [3.6, 0.0, 0.0, 0.0]) == [0]
    assert int(of["deviating"][0]) == 1
    assert refused(of, [3.6, 0.0, 0.0, 0.0]) == []
    assert refused(of, [0.5, -3.1, 0.0, 0.0]) == [1]
    assert int(of["deviating"][0]) == 2
    assert refused(of, [3.4, 2.9, -3.4, 0.0]) == []  # within 3 of what is expected
    assert int(of["deviating"][0]) == 0


def test_a_spike_needs_a_past_and_others_that_are_as_usual() -> None:
    assert refused(row(seen=3), [7.0, 0.0, 0.0, 0.0]) == []
    many = row(seen=9)
    assert refused(many, [7.0, 7.0, 0.0, 0.0]) == []
    assert int(many["deviating"][0]) == 3
    assert refused(row(seen=9), [7.0, 0.0, 0.0, 0.0], (True, True, False, False)) == []  # one of two
    assert refused(row(seen=9), [7.0, 0.0, 0.0, 0.0], (False, True, True, True)) == []  # it said nothing
    assert refused(row(seen=9, levels=(3.0, 0.0)), [3.6, -3.0, 0.0, 0.0]) == []  # at this level it is expected


def test_missing_sensors_show_what_is_expected_at_the_levels() -> None:
    levels = row(levels=(2.0, -1.0))
    found = stepped(levels.copy(), [7.0, 0.0, NAN, NAN, NAN], [100.0])
    np.testing.assert_allclose(found.z, [0.5 + 2.0, 7.0, -0.5 - 2.0, 0.0])
    found = stepped(levels.copy(), [7.0, 0.0, NAN, NAN, NAN], [200.0])
    np.testing.assert_allclose(found.z, [4.0, 7.0, 8.0, -1.0])  # 18 is cut to 8


# ---- channels


@pytest.mark.parametrize("regime", [0, 1])
@given(st.lists(st.floats(-8, 8), min_size=4, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_channels_are_affine_and_trusted_by_what_was_measured(regime: int, z: list[float], said: list[bool]) -> None:
    readings = np.array(readings_of(z, regime))
    readings[LEARNED.sensors[~np.array(said)]] = NAN
    found = stepped(row(), readings.tolist(), [SPEEDS[regime]])
    if not any(said):
        assert found.regime == -1
        return
    weights = LEARNED.weights[regime]
    np.testing.assert_allclose(found.index, weights @ found.z + LEARNED.bias[regime], atol=1e-12)
    share = (weights**2)[:, said].sum(1) / (weights**2).sum(1)
    np.testing.assert_allclose(found.trust, LEARNED.trust[regime] * share, atol=1e-12)


def test_a_channel_without_weights_is_not_trusted() -> None:
    found = stepped(row(), readings_of([1.0] * 4), [100.0], replace(LEARNED, weights=np.zeros((2, 2, 4))))
    assert found.trust.tolist() == [0.0, 0.0]
    assert found.index.tolist() == [0.1, -0.2]


# ---- the renewal rule: each reading adds .12 to the weight of the level; it is judged when the weight is beyond 1


def course(*values: float, trust: float = 1.0) -> list[float]:
    """The cusum after each reading of one life."""
    count = len(values)
    is_first = np.arange(count) == 0
    return np.round(fall_course(is_first, np.array(values), np.full(count, trust)), 4).tolist()


def test_a_fall_adds_up_beyond_its_slack_and_no_faster_than_its_step() -> None:
    flat = [1.0] * 9  # weight 1.08
    assert course(*flat, -1.0, -1.0) == [*[0.0] * 9, 1.5, 3.0]
    assert course(*flat, -99.0, -99.0) == [*[0.0] * 9, 2.5, 5.0]
    assert course(*flat, -1.0, 1.0, 1.0, 1.0) == [*[0.0] * 9, 1.5, 1.0, 0.5, 0.0]
    assert course(*flat, 0.6, 5.0) == [0.0] * 11
    assert course(*[1.0] * 8, -99.0) == [0.0] * 9  # too early to tell
    assert course(*[1.0] * 17, -1.0, -1.0, trust=0.5) == [*[0.0] * 17, 0.75, 1.5]  # half the weight, half the fall


def test_while_a_fall_is_in_doubt_the_level_waits() -> None:
    found = course(*[1.0] * 9, *[-1.0] * 20)
    assert found[-1] == 20 * 1.5
    with_pause = course(*[1.0] * 9, -1.0, *[1.2] * 3, -1.0)
    assert with_pause[9:] == [1.5, 0.8, 0.1, 0.0, pytest.approx(2.0 + 0.2 * 0.12 / 1.0704 - 0.5, abs=1e-3)]


def test_a_renewal_is_told_once_and_begins_anew() -> None:
    values = np.array([1.0] * 9 + [-1.0] * 3 + [-1.0] * 20)
    found = fall_course(np.arange(32) == 0, values, np.ones(32), limit=4.0)
    np.testing.assert_allclose(found, [*[0.0] * 9, 1.5, 3.0, *[0.0] * 21])  # 4.5 is told, and nothing after it
    lives = fall_course(np.arange(24) % 12 == 0, np.r_[np.ones(9), -np.ones(3), np.ones(9), -np.ones(3)], np.ones(24))
    np.testing.assert_allclose(lives[:12], lives[12:])
    assert lives[11] == pytest.approx(4.5)
