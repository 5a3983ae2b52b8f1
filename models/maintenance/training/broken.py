"""Past lives in which sensors break, to learn what input that is degraded or poor costs.

lives ─► from some reading of each on, some sensors say nothing ─► out-of-fold scores ─► how much further the truth lies

A sensor of which any fault is told is as good as missing: the same stands in for it (kernel/faults.c). So it is enough
to let sensors be missing, as many as there may be at each quality, and for as long as nobody mends them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.arrays import Floats, Ints
from models.maintenance import COVERAGE, DEGRADED, POOR, QUALITIES
from models.maintenance.training.fleet import Fleet

NOT_GOOD = (DEGRADED, POOR)
LEAST_KNOWN = 100  # readings from which a factor is learned
MOST_WIDENED = 10.0


def broken(fleet: Fleet, sensors: Ints, quality: int) -> Fleet:
    """The class with sensors missing from some judged reading of each life on; the same each time.

    Args:
        sensors: places of the sensors in use; one at least is left.
        quality: that so many sensors missing lead to, DEGRADED or POOR.
    """
    log, random = fleet.log, np.random.default_rng(quality)
    half = len(sensors) // 2
    least, most = (1, half) if quality == DEGRADED else (half + 1, len(sensors) - 1)
    if least > most:
        return fleet
    readings = log.batch.readings.copy()
    judged = np.flatnonzero(fleet.is_judged())
    for rows in np.split(judged, np.flatnonzero(np.diff(log.life[judged])) + 1):
        gone = log.readings[rows[int(random.integers(0, len(rows))) :]]
        missing = random.choice(sensors, int(random.integers(least, most + 1)), replace=False)
        readings[np.ix_(gone, missing)] = np.nan
    return replace(fleet, log=replace(log, batch=log.batch._replace(readings=readings)))


def factor(value: Floats, residual: Floats, low: Floats, high: Floats) -> float:
    """How many times as far ends must lie so that the truth of the usual share of readings lies between; at least 1.

    Args:
        residual: (n,) true minus value; of as few readings as make no factor known, none is learned.
        low, high: (n,) the ends of good input.
    """
    if len(value) < LEAST_KNOWN:
        return 1.0
    reach = np.where(residual > 0, high - value, value - low)
    needed = np.abs(residual) / np.maximum(reach, 1e-9)
    return float(np.clip(np.quantile(needed, COVERAGE), 1.0, MOST_WIDENED))


def widened_words(widened: Floats) -> str:
    """For the card: how much wider the interval is; empty where it never is."""
    told = [f"{by:.2f} times as far where the input is {QUALITIES[one]}" for one, by in enumerate(widened) if by > 1]
    return f"The ends of the interval lie {', and '.join(told)}." if told else ""
