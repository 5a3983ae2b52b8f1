"""The recursions of a channel against their closed forms: weighted means over all readings of the life at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.maintenance.recursions import FEATURES, STATIONARY, features_along
from tests.models.maintenance.recursions_by_hand import NAMES, SHARES, by_definition, named

# value, trust, units since the reading before
TRUSTS, STEPS = st.sampled_from([0.0, 0.02, 0.5, 1.0, 3.0]), st.sampled_from([0.0, 0.25, 1.0, 3.0, 40.0])
READINGS = st.lists(st.tuples(st.floats(-8, 8), TRUSTS, STEPS), min_size=1, max_size=40)


def served(readings: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    """Features after the last reading."""
    value, trust, step = (np.array(column, np.float64) for column in zip(*readings, strict=True))
    step[0] = 1.0
    return dict(zip(FEATURES, features_along(value, trust, step)[-1].tolist(), strict=True))


@settings(max_examples=150)
@given(READINGS)
def test_the_features_are_what_their_definitions_say(readings: list[tuple[float, float, float]]) -> None:
    found, expected = served(readings), by_definition(readings)
    assert set(found) == set(expected)
    doubtful = {"since_change", "cusum_rate"} if 0 < found["cusum"] < 1e-3 or 0 < expected["cusum"] < 1e-3 else set()
    for name in set(FEATURES) - doubtful:
        assert found[name] == pytest.approx(expected[name], rel=2e-4, abs=2e-4), name


def test_a_long_life() -> None:
    random = np.random.default_rng(1)
    readings = [(random.normal(n / 100, 1), random.choice([0.3, 1.0, 1.7]), 1.0) for n in range(400)]
    found, expected = served(readings), by_definition(readings)
    for name in FEATURES:
        assert found[name] == pytest.approx(expected[name], rel=2e-3, abs=2e-3), name
    assert found["cusum"] > 100
    assert found["trend_slow"] > 0.005


def test_hand_computed() -> None:
    """Two readings, a unit apart: the weights of the level are .12 * .88 and .12."""
    found = served([(0.0, 1.0, 1.0), (1.0, 1.0, 1.0)])
    level = 1 / 1.88
    assert found["level"] == pytest.approx(level, abs=1e-6)
    assert found["trend"] == pytest.approx((level - level / 1.88) * 0.12 / 0.88, abs=1e-6)
    assert found["rise"] == pytest.approx(level - 0.5, abs=1e-6)
    assert found["cusum"] == 0.0
    assert found["since_change"] == 0.0
    assert found["reading"] == 1.0


def test_what_was_not_measured_changes_nothing_but_the_decay() -> None:
    lived = [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (0.5, 1.0, 1.0)]
    gap = served([*lived, (99.0, 0.0, 1.0), (1.5, 1.0, 1.0)])
    leap = served([*lived, (1.5, 1.0, 2.0)])
    for speed in NAMES:
        share = SHARES[speed]
        first = sum(v * (1 - share) ** n for v, n in ((1.0, 4), (2.0, 3), (0.5, 2)))
        weight = sum((1 - share) ** n for n in (4, 3, 2))
        assert gap[named("level", speed)] == pytest.approx((first + 1.5) / (weight + 1), abs=1e-5)
        gain = (1 - (1 - share) ** 2) / share
        assert leap[named("level", speed)] == pytest.approx((first + 1.5 * gain) / (weight + gain), abs=1e-5)


@given(st.floats(0, 200), st.floats(0, 200))
def test_decay_follows_time_however_it_is_cut(a: float, b: float) -> None:
    """A gap in two steps or in one: the features are the same, and those of the level's definition."""
    lived = [(1.0, 1.0, 1.0)]
    cut, whole = served([*lived, (0.0, 0.0, a), (0.0, 0.0, b)]), served([*lived, (0.0, 0.0, a + b)])
    assert cut == pytest.approx(whole, rel=1e-5, abs=1e-6)
    after = served([*lived, (0.0, 0.0, a), (0.0, 1.0, b)])
    for speed, share in SHARES.items():
        kept, gain = (1 - share) ** (a + b) * share, 1 - (1 - share) ** b
        expected = kept / (kept + gain) if kept + gain > 1e-30 else 1.0
        assert after[named("level", speed)] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_cusum_is_bounded_and_the_baseline_is_of_the_first_twelve() -> None:
    flat, high = [(0.0, 1.0, 1.0)] * 12, [(8.0, 1.0, 1.0)] * 1500
    found = served(flat + high)
    assert found["cusum"] == 1e4
    assert found["rise"] == pytest.approx(8.0, abs=1e-4)
    assert found["since_change"] == 1500.0
    assert served([(0.0, 1.0, 1.0)] * 11 + [(12.0, 1.0, 1.0)])["rise"] < served([*flat, (12.0, 1.0, 1.0)])["rise"]


def test_names_and_words() -> None:
    assert len(set(FEATURES)) == len(FEATURES) == 18
    assert set(STATIONARY) < set(FEATURES)
