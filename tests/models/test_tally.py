"""Challengers: what a tally counts, and that nothing of the champion's decisions changes."""

from __future__ import annotations

import numpy as np
import pytest

from models.tally import FIRST, STEPS, Tally


def told(champion: np.ndarray, challenger: np.ndarray, size: int):  # type: ignore[no-untyped-def]
    tally = Tally("wear", "1", "2")
    for start in range(0, len(champion), size):
        with tally.timed():
            tally.add(champion[start : start + size], challenger[start : start + size])
    return tally.comparison()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_comparison_does_not_depend_on_batches(size: int) -> None:
    rng = np.random.default_rng(1)
    champion = rng.normal(50, 10, 2000)
    challenger = champion + rng.normal(0.5, 2, 2000)
    found = told(champion, challenger, size)
    difference = challenger - champion
    assert found.decisions == 2000
    assert found.difference_mean == pytest.approx(difference.mean())
    assert found.difference_deviation == pytest.approx(difference.std())
    first = champion[: -(-FIRST // size) * size]
    np.testing.assert_allclose(found.edges, STEPS * first.std())
    counts, _ = np.histogram(difference, [-np.inf, *found.edges, np.inf])
    assert sum(found.histogram) == 2000
    np.testing.assert_allclose(found.histogram, counts, atol=2)  # one that lies on an edge may be on either side
    assert sum(b.count for b in found.calibration) == 2000
    assert [b.champion for b in found.calibration] == sorted(b.champion for b in found.calibration)
    for b in found.calibration:
        assert b.challenger == pytest.approx(b.champion + 0.5, abs=0.6)
    assert found.cpu_us > 0


def test_a_comparison_before_its_scale_is_known_has_no_histogram() -> None:
    found = told(np.arange(10.0), np.arange(10.0) + 1, 5)
    assert (found.decisions, found.difference_mean, found.histogram, found.calibration) == (10, 1.0, [], [])
    assert told(np.zeros(0), np.zeros(0), 1).decisions == 0


def test_equal_scores_have_no_spread() -> None:
    found = told(np.ones(500), np.ones(500), 100)
    assert found.difference_deviation == 0
    assert sum(found.histogram) == 500
    assert max(found.histogram) == 500
