"""Operating regimes: how an asset is run, told from a few readings, so that wear is not mistaken for load.

regime variables ─► scaled ─► nearest centroid, if it is within reach
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.arrays import Floats, Ints


@dataclass(frozen=True)
class Regimes:
    """R regimes over V regime variables: the nearest centroid after scaling.

    Beyond its reach an asset is run as no reading of the training was: what is normal there is not known, so such a
    reading has no regime, and no score. Where there is one regime the variables do not matter.
    """

    centre: Floats  # (V,)
    scale: Floats  # (V,)
    centroids: Floats  # (R, V), scaled
    reach: Floats | None = None  # (R,), scaled; None: any, as in models of before

    def __len__(self) -> int:
        return len(self.centroids)

    def reaches(self, variables: Floats) -> bool:
        """Whether a reading with these variables (V,) is run as readings of the training were; NaN is not."""
        scaled = np.clip((variables[None] - self.centre) / self.scale, -1e6, 1e6)  # as kernel/channels.c
        distances = np.sqrt(_distances(scaled, self.centroids))[0]
        return len(self) == 1 or self.reach is None or bool((distances <= self.reach)[distances.argmin()])

    def of(self, variables: Floats) -> Ints:
        """Regime of each row of `variables` (n, V)."""
        if len(self) == 1:
            return np.zeros(len(variables), np.int64)
        return nearest((variables - self.centre) / self.scale, self.centroids)


def _distances(points: Floats, centroids: Floats) -> Floats:
    """Squared, (n, k); one variable after the other is ten times as fast as a sum over a short last axis."""
    total = np.zeros((len(points), len(centroids)))
    for point, centroid in zip(points.T, centroids.T, strict=True):
        total += (point[:, None] - centroid) ** 2
    return total


def nearest(points: Floats, centroids: Floats) -> Ints:
    """Number of the nearest centroid (k, V) of each point (n, V)."""
    return np.asarray(_distances(points, centroids).argmin(1))
