"""Operating regimes: how an asset is run, told from a few readings, so that wear is not mistaken for load.

regime variables ─► k-means, k by how well the regimes explain the sensors ─► nearest centroid

Measured on C-MAPSS: 1 / 6 / 1 / 6 regimes found on FD001-FD004, worth 7-10 RMSE on FD002 and FD004.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.arrays import Floats, Ints

MAX_REGIMES = 12  # more operating points than this are not regimes but a continuous covariate
LEAST_GAIN = 0.05  # by which a further regime must lower the mean log variance of the sensors
LEAST_SHARE = 0.005  # of the readings, to form a regime
WINSORISED = 0.001  # quantiles to which values are clipped before mean and sd are taken
SAMPLE = 4000


@dataclass(frozen=True)
class Regimes:
    """R regimes over V regime variables: the nearest centroid after scaling."""

    centre: Floats  # (V,)
    scale: Floats  # (V,)
    centroids: Floats  # (R, V), scaled

    def __len__(self) -> int:
        return len(self.centroids)

    def of(self, variables: Floats) -> Ints:
        """Regime of each row of `variables` (n, V)."""
        if len(self) == 1:
            return np.zeros(len(variables), np.int64)
        return _nearest((variables - self.centre) / self.scale, self.centroids)


def _distances(points: Floats, centroids: Floats) -> Floats:
    """Squared, (n, k); one variable after the other is ten times as fast as a sum over a short last axis."""
    total = np.zeros((len(points), len(centroids)))
    for point, centroid in zip(points.T, centroids.T, strict=True):
        total += (point[:, None] - centroid) ** 2
    return total


def _nearest(points: Floats, centroids: Floats) -> Ints:
    return np.asarray(_distances(points, centroids).argmin(1))


def winsorised(values: Floats) -> Floats:
    """Each column (n, S) clipped to its .1 % and 99.9 % quantile."""
    low, high = np.quantile(values, [WINSORISED, 1 - WINSORISED], axis=0)
    return np.asarray(np.clip(values, low, high))


def moments(values: Floats, regimes: Ints, count: int) -> tuple[Floats, Floats]:
    """Winsorised mean and sd of each column in each regime, (R, S) both."""
    mean, sd = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    for regime in range(count):
        clipped = winsorised(values[regimes == regime])
        mean[regime], sd[regime] = clipped.mean(0), clipped.std(0)
    return mean, sd


def _start(points: Floats, count: int, random: np.random.Generator) -> Floats:
    """k-means++ (Arthur, Vassilvitskii 2007); fewer centroids when there are fewer distinct points."""
    centroids = points[random.integers(len(points))][None]
    while len(centroids) < count:
        distance = _distances(points, centroids).min(1)
        if distance.sum() <= 1e-12:
            break
        centroids = np.vstack([centroids, points[random.choice(len(points), p=distance / distance.sum())]])
    return np.asarray(centroids)


def _k_means(points: Floats, count: int, random: np.random.Generator) -> Floats:
    """The best of eight runs of Lloyd's algorithm."""
    best, least = points[:1], np.inf
    for _ in range(8):
        centroids = _start(points, count, random)
        if len(centroids) < count:
            return centroids
        for _ in range(30):
            member = _nearest(points, centroids)
            size = np.bincount(member, minlength=count)
            sums = np.array([np.bincount(member, column, count) for column in points.T]).T
            moved = np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], centroids)
            is_settled = np.abs(moved - centroids).max() < 1e-6
            if is_settled:
                break
            centroids = moved
        cost = _distances(points, centroids).min(1).mean()
        if cost < least:
            best, least = centroids, cost
    return best


def fit_regimes(variables: Floats, sensors: Floats, random: np.random.Generator) -> Regimes:
    """The smallest number of regimes after which no larger one explains the sensors better.

    Args:
        variables: (n, V), V may be 0.
        sensors: (n, S) readings that the regimes should explain.
    """
    if variables.shape[1] == 0:
        return Regimes(np.zeros(0), np.ones(0), np.zeros((1, 0)))
    centre = np.median(variables, 0)
    scale = np.quantile(variables, 0.999, 0) - np.quantile(variables, 0.001, 0)
    scale[scale < 1e-9] = 1.0
    points = (variables - centre) / scale
    sample = points[random.permutation(len(points))[:SAMPLE]]
    total = winsorised(sensors).var(0)
    moves = total > 1e-12 * np.maximum(np.abs(sensors).mean(0), 1e-9) ** 2
    fits: list[tuple[Floats, float]] = []
    for count in range(1, MAX_REGIMES + 1):
        centroids = _k_means(sample, count, random)
        if len(centroids) < count:
            break
        member = _nearest(points, centroids)
        share = np.bincount(member, minlength=count) / len(points)
        if share.min() < LEAST_SHARE:
            continue
        within = sum(share[k] * winsorised(sensors[member == k][:, moves]).var(0) for k in range(count))
        unexplained = np.log(np.maximum(within / total[moves], 1e-6))
        fits.append((centroids, float(unexplained.mean()) if moves.any() else 0.0))
    for place, (centroids, unexplained_log) in enumerate(fits):
        if all(unexplained_log - further < LEAST_GAIN for _, further in fits[place + 1 :]):
            return Regimes(centre, scale, centroids)
    raise AssertionError("one regime always qualifies")
