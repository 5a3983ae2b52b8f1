"""From a reading to its channels, step by step on small numbers: regime, z, spikes, stand-ins, channels, renewal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.maintenance.channels import (
    BRIDGED,
    LEVEL,
    Prepared,
    Work,
    bridged_regime,
    fall_course,
    has_fallen,
    normalise,
    project_reading,
    refuse_spikes,
    regime_of,
    remember_regime,
    stand_in,
)
from models.maintenance.observe import build_observer
from models.maintenance.preparation import Preparation
from models.maintenance.recursions import FEATURES, SPEEDS
from models.maintenance.regimes import Regimes
from models.maintenance.rows import RowShape, row_dtype
from models.maintenance.sensors import doing

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
PREPARED: Prepared = build_observer(LEARNED, SHAPE, 60.0, FEATURES, True, 0).prepared


def work() -> Work:
    """As `models.maintenance.observe` makes it."""
    sensors, channels = 4, 2
    return Work(
        z=np.zeros(sensors), is_present=np.zeros(sensors, np.bool_), index=np.zeros(channels), trust=np.zeros(channels),
        keep=np.zeros(SPEEDS), found=np.zeros(len(FEATURES)), last=np.zeros(1), counts=np.zeros((1, 3)),
        readings=np.zeros(5), variables=np.zeros(1), constants=np.zeros(0), known=np.zeros(1),
        features=np.zeros(1, np.float32), is_renewed=np.zeros(1, np.uint8), draft=np.zeros(1, row_dtype(SHAPE)),
        can_hold=np.array([True]), said=np.zeros(sensors), check=doing(0, 0), is_doubtful=np.zeros(1, np.bool_),
        quality=np.zeros(1, np.int8),
    )  # fmt: skip


def row(**fields: Any) -> np.record:
    """Of an asset; `levels` are those of its channels."""
    rows = np.zeros(1, row_dtype(SHAPE))
    for channel, level in enumerate(fields.pop("levels", ())):
        rows["channels"][0, channel, LEVEL] = level
    for name, value in fields.items():
        rows[name][0] = value
    return rows[0]


# ---- the regime


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2), st.integers(1, 4), st.integers(0, 99))
def test_serving_and_training_tell_the_same_regime(variables: list[float], count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    regimes = Regimes(random.normal(0, 50, 2), random.uniform(1e3, 1e4, 2), random.normal(0, 1, (count, 2)))
    found = regime_of(np.array(variables), regimes.centroids, regimes.centre, regimes.scale)
    assert found == regimes.of(np.array([variables]))[0]


def test_a_regime_that_is_not_told() -> None:
    centroids, centre, scale = LEARNED.centroids, LEARNED.centre, LEARNED.scale
    assert regime_of(np.array([NAN]), centroids, centre, scale) == -1
    assert regime_of(np.array([NAN]), centroids[:1], centre, scale) == 0  # there is only one
    assert [regime_of(np.array([value]), centroids, centre, scale) for value in (-1e308, 149.0, 151.0, 1e308)] == [
        0,
        0,
        1,
        1,
    ]


def bridged(of: np.record, readings: list[float], variable: float = NAN) -> int:
    learned = (LEARNED.sensors, LEARNED.mean, LEARNED.sd, LEARNED.noise, LEARNED.expected_offset, LEARNED.expected_load)
    regimes = (LEARNED.centroids, LEARNED.centre, LEARNED.scale)
    return int(bridged_regime(of, np.array(readings), np.array([variable]), np.zeros(1), regimes, learned))


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


def test_what_tells_the_regime_is_remembered() -> None:
    of = row(bridged=3)
    remember_regime(of, 2, np.array([120.0]))
    assert (of["variables"][0], of["knows_variables"], of["bridged"]) == (120.0, 1, 0)
    for _ in range(BRIDGED + 5):
        remember_regime(of, 2, np.array([NAN]))
    assert (of["variables"][0], of["knows_variables"], of["bridged"]) == (120.0, 1, BRIDGED)
    alone = row()
    remember_regime(alone, 1, np.array([NAN]))
    assert (alone["bridged"], alone["knows_variables"]) == (0, 0)


# ---- z


VALUES = st.one_of(st.just(NAN), st.floats(-60, 60), st.sampled_from([-1e300, 1e300, 5.0]))


@pytest.mark.long
@settings(max_examples=300)
@given(st.lists(VALUES, min_size=5, max_size=5), st.integers(0, 1))
def test_z_of_what_is_said_and_believed(readings: list[float], regime: int) -> None:
    of = work()
    present = normalise(PREPARED, regime, np.array(readings), of)
    own = np.array(readings)[LEARNED.sensors]
    sd, is_said = LEARNED.sd[regime], ~np.isnan(own)
    z = np.where(sd > 0, (own - LEARNED.mean[regime]) / np.where(sd > 0, sd, 1), 0.0)
    is_strange = is_said & (np.abs(z) > 12)
    is_believed = is_said & ~is_strange if 3 * is_strange.sum() <= is_said.sum() else is_said
    assert of.is_present.tolist() == is_believed.tolist()
    assert present == is_believed.sum()
    np.testing.assert_allclose(of.z[is_believed], np.clip(z[is_believed], -8, 8))
    assert (of.z[~is_said] == 0).all()


def test_readings_are_those_of_the_sensors_that_were_chosen() -> None:
    of = work()
    assert normalise(PREPARED, 1, np.array([3.0, 99.0, 28.0, 4.0, 1.2]), of) == 4
    np.testing.assert_allclose(of.z, [2.0, 3.0, -2.0, 2.0])


# ---- spikes and stand-ins


def refused(of: np.record, z: list[float], is_present: tuple[bool, ...] = (True,) * 4) -> list[int]:
    """Places of sensors that were said and are taken as missing, in regime 0 at levels of 0: expected .5, 0, -.5, 0."""
    doing = work()
    doing.z[:], doing.is_present[:] = z, is_present
    refuse_spikes(of, PREPARED, 0, sum(is_present), doing)
    return [place for place in range(4) if is_present[place] and not doing.is_present[place]]


def test_one_sensor_far_off_is_refused_once_and_then_believed() -> None:
    of = row(seen=4)  # three noise sd of .5 are 3
    assert refused(of, [3.6, 0.0, 0.0, 0.0]) == [0]
    assert int(of["deviating"]) == 1
    assert refused(of, [3.6, 0.0, 0.0, 0.0]) == []
    assert refused(of, [0.5, -3.1, 0.0, 0.0]) == [1]
    assert int(of["deviating"]) == 2
    assert refused(of, [3.4, 2.9, -3.4, 0.0]) == []  # within 3 of what is expected
    assert int(of["deviating"]) == 0


def test_a_spike_needs_a_past_and_others_that_are_as_usual() -> None:
    assert refused(row(seen=3), [9.0, 0.0, 0.0, 0.0]) == []
    many = row(seen=9)
    assert refused(many, [9.0, 9.0, 0.0, 0.0]) == []
    assert int(many["deviating"]) == 3
    assert refused(row(seen=9), [9.0, 0.0, 0.0, 0.0], (True, True, False, False)) == []  # one of two
    assert refused(row(seen=9), [9.0, 0.0, 0.0, 0.0], (False, True, True, True)) == []  # it said nothing
    assert refused(row(seen=9, levels=(3.0, 0.0)), [3.6, -3.0, 0.0, 0.0]) == []  # at this level it is expected


def test_missing_sensors_show_what_is_expected_at_the_levels() -> None:
    doing, of = work(), row(levels=(2.0, -1.0))
    doing.z[:], doing.is_present[:] = 7.0, [False, True, False, False]
    stand_in(PREPARED, 0, of["channels"], doing)
    np.testing.assert_allclose(doing.z, [0.5 + 2.0, 7.0, -0.5 - 2.0, 0.0])
    stand_in(PREPARED, 1, of["channels"], doing)
    np.testing.assert_allclose(doing.z, [4.0, 7.0, 8.0, -1.0])  # 18 is cut to 8


# ---- channels


@pytest.mark.parametrize("regime", [0, 1])
@given(st.lists(st.floats(-8, 8), min_size=4, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_channels_are_affine_and_trusted_by_what_was_measured(regime: int, z: list[float], said: list[bool]) -> None:
    doing = work()
    doing.z[:], doing.is_present[:] = z, said
    project_reading(PREPARED, regime, doing)
    weights = LEARNED.weights[regime]
    np.testing.assert_allclose(doing.index, weights @ z + LEARNED.bias[regime], atol=1e-12)
    share = (weights**2)[:, said].sum(1) / (weights**2).sum(1)
    np.testing.assert_allclose(doing.trust, LEARNED.trust[regime] * share, atol=1e-12)


def test_a_channel_without_weights_is_not_trusted() -> None:
    doing = work()
    doing.is_present[:] = True
    project_reading(PREPARED._replace(weights=np.zeros((2, 2, 4))), 0, doing)
    assert doing.trust.tolist() == [0.0, 0.0]
    assert doing.index.tolist() == [0.1, -0.2]


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
    fall = np.zeros(3, np.float32)
    told = [bool(has_fallen(fall, value, 1.0, 4.0)) for value in [1.0] * 9 + [-1.0] * 3 + [-1.0] * 20]
    assert told.index(True) == 11
    assert sum(told) == 1
    assert fall[0] == pytest.approx(-1.0)
    lives = fall_course(np.arange(24) % 12 == 0, np.r_[np.ones(9), -np.ones(3), np.ones(9), -np.ones(3)], np.ones(24))
    np.testing.assert_allclose(lives[:12], lives[12:])
    assert lives[11] == pytest.approx(4.5)
