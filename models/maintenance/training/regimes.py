"""How many operating regimes there are, and where: k-means, k by how well the regimes explain the sensors.

regime variables, sensors ─► k-means for 1, 2, ... ─► the smallest k after which none explains more ─► Regimes

Measured on C-MAPSS: 1 / 6 / 1 / 6 regimes found on FD001-FD004, worth 7-10 RMSE on FD002 and FD004.
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.vq import ClusterError, kmeans2

from models.arrays import Floats, Ints
from models.maintenance import Regimes, nearest

MAX_REGIMES = 12  # more operating points than this are not regimes but a continuous covariate
LEAST_GAIN = 0.05  # by which a further regime must lower the mean log variance of the sensors
LEAST_SHARE = 0.005  # of the readings, to form a regime
WINSORISED = 0.001  # quantiles to which values are clipped before mean and sd are taken
SAMPLE = 4000
REACH_QUANTILE, REACH = (
    0.999,
    3.0,
)  # of the distances of its readings from a centroid; a regime reaches so many times as far
LEAST_REACH = 0.05  # of the range of a variable
RUNS, ROUNDS = 8, 30  # of k-means: starts, of which the best counts, and steps of Lloyd's algorithm


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


def _k_means(points: Floats, count: int, random: np.random.Generator) -> Floats | None:
    """The best of some runs from k-means++ starts (Arthur, Vassilvitskii 2007); none with fewer distinct points."""
    if len(np.unique(points, axis=0)) < count:
        return None
    best, least = None, np.inf
    for _ in range(RUNS):
        try:
            centroids, member = kmeans2(points, count, ROUNDS, minit="++", missing="raise", rng=random)
        except ClusterError:  # a centroid has lost its last point: another start
            continue
        cost = float(((points - centroids[member]) ** 2).sum(1).mean())
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
        if centroids is None:
            break
        member = nearest(points, centroids)
        share = np.bincount(member, minlength=count) / len(points)
        if share.min() < LEAST_SHARE:
            continue
        within = sum(share[k] * winsorised(sensors[member == k][:, moves]).var(0) for k in range(count))
        unexplained = np.log(np.maximum(within / total[moves], 1e-6))
        fits.append((centroids, float(unexplained.mean()) if moves.any() else 0.0))
    for place, (centroids, unexplained_log) in enumerate(fits):
        if all(unexplained_log - further < LEAST_GAIN for _, further in fits[place + 1 :]):
            return Regimes(centre, scale, centroids, _reach(points, centroids))
    raise AssertionError("one regime always qualifies")


def _reach(points: Floats, centroids: Floats) -> Floats:
    """(R,) how far from its centroid a reading is still of a regime."""
    member = nearest(points, centroids)
    found = np.full(len(centroids), LEAST_REACH)
    for regime, centroid in enumerate(centroids):
        distances = np.sqrt(((points[member == regime] - centroid) ** 2).sum(1))
        if len(distances):
            found[regime] = max(REACH * float(np.quantile(distances, REACH_QUANTILE)), LEAST_REACH)
    return found
