"""What an asset class learns about its readings before any forest.

past readings ─► regimes ─► normalisation of the sensors in use ─► channels (health indexes, or sensors) ─► Preparation
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.arrays import Floats, Ints
from models.maintenance import CLIP, Preparation, Regimes
from models.maintenance.training.indexes import Indexes, Lives, fit_directions, fit_regressions, joined
from models.maintenance.training.regimes import fit_regimes, moments
from schemas import MillraceError

NORMAL = (0.05, 0.95)  # quantiles of the readings of assets that are well
LEAST_WELL = 20  # readings in a regime, of assets that are well; of fewer, all tell what is normal


class TrainingError(MillraceError):
    """A history from which nothing can be learned."""

    title = "The model cannot be trained"


@dataclass(frozen=True)
class History:
    """Readings of past lives: rows of one life together, in time order, nothing missing.

    `remaining` is the life left, in units of the class.
    """

    life: Ints  # (n,)
    variables: Floats  # (n, V)
    readings: Floats  # (n, sensors of the class)
    remaining: Floats  # (n,)

    def rows(self, mask: np.ndarray) -> History:
        return History(self.life[mask], self.variables[mask], self.readings[mask], self.remaining[mask])


def normalise(readings: Floats, regimes: Ints, count: int, sensors: Ints) -> tuple[Floats, Floats, Floats]:
    """Mean and sd (R, S) of some sensors, and the clipped z (n, S). sd 0: constant in some regime."""
    mean, sd = moments(readings[:, sensors], regimes, count)
    size = np.abs(mean).max(0)
    sd[:, (sd < 1e-6 * np.maximum(size, 1e-9)).any(0)] = 0.0
    z = (readings[:, sensors] - mean[regimes]) / np.where(sd == 0, 1.0, sd)[regimes]
    return mean, sd, np.clip(np.where(sd[regimes] == 0, 0.0, z), -CLIP, CLIP)


def wear_targets(remaining: Floats, cap: float) -> Floats:
    """What the supervised indexes aim at, (n, 2): the capped life, and the steep end of it."""
    return np.column_stack([-np.minimum(remaining, cap) / cap, np.exp(-4 * remaining / cap)])


def learn_regimes(history: History, seed: int = 0) -> Regimes:
    return fit_regimes(history.variables, history.readings, np.random.default_rng(seed))


def learn_lives(history: History, regimes: Regimes, sensors: Ints, cap: float) -> Preparation:
    """Channels are health indexes; for assets that run to failure as a whole.

    Args:
        sensors: places of the informative sensors, see `choose`.
        cap: of the remaining life, in units of the class.
    """
    regime = regimes.of(history.variables)
    mean, sd, z = normalise(history.readings, regime, len(regimes), sensors)
    lives = Lives.of(history.life)
    directions = fit_directions(lives, z, regime, len(regimes))
    targets = wear_targets(history.remaining, cap)
    found = joined(directions, fit_regressions(lives, z, regime, len(regimes), targets))
    prepared = _prepared(regimes, sensors, mean, sd, found)
    is_well = history.remaining >= min(cap, float(np.median(history.remaining)))
    normal = _normal(history.readings[:, sensors], regime, len(regimes), is_well)
    return replace(prepared, fall_channel=directions.weights.shape[1], normal=normal)


def learn_components(
    history: History, regimes: Regimes, is_due: np.ndarray, channels: int, has_sensors: bool = True
) -> Preparation:
    """Channels are the sensors that differ most before failures; for components that fail one by one.

    Args:
        is_due: (n, components) whether the component fails within the horizon.
        channels: how many sensors at most.
        has_sensors: if not, the one reading says only that the asset is there, and is kept though it is constant.
    """
    regime = regimes.of(history.variables)
    every = np.arange(history.readings.shape[1])
    _, sd, z = normalise(history.readings, regime, len(regimes), every)
    gaps = [np.abs(z[due].mean(0) - z[~due].mean(0)) for due in is_due.T if due.any() and not due.all()]
    apart = np.where((sd == 0).all(0), -1.0, np.max(gaps, 0) if gaps else 0.0)
    sensors = np.sort(np.argsort(-apart, kind="stable")[:channels])
    sensors = sensors[apart[sensors] >= 0] if has_sensors else sensors
    mean, sd, _ = normalise(history.readings, regime, len(regimes), sensors)
    count, size = len(regimes), len(sensors)
    identity = np.broadcast_to(np.eye(size), (count, size, size)).copy()
    zero, one = np.zeros((count, size)), np.ones((count, size))
    found = Indexes(identity, zero, one, zero, identity, one)
    normal = _normal(history.readings[:, sensors], regime, len(regimes), ~np.asarray(is_due.any(1)))
    return replace(_prepared(regimes, sensors, mean, sd, found), normal=normal)


def _normal(readings: Floats, regime: Ints, count: int, is_well: np.ndarray) -> Floats:
    """(2, R, S) the range of nine tenths of the readings (n, S) of assets that are well, in each regime."""
    found = np.zeros((2, count, readings.shape[1]))
    for one in range(count):
        mine = regime == one
        well = mine & is_well
        some = well if well.sum() >= LEAST_WELL else mine
        found[:, one] = np.quantile(readings[some] if some.any() else readings, NORMAL, axis=0)
    return found


def _prepared(regimes: Regimes, sensors: Ints, mean: Floats, sd: Floats, found: Indexes) -> Preparation:
    return Preparation(
        centre=regimes.centre, scale=regimes.scale, centroids=regimes.centroids, reach=regimes.reach, sensors=sensors,
        mean=mean, sd=sd, weights=found.weights, bias=found.bias, trust=found.trust,
        expected_offset=found.expected_offset, expected_load=found.expected_load, noise=found.noise,
    )  # fmt: skip
