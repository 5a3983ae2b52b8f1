"""The 90 % interval of a remaining life.

out-of-fold residuals ─► quantile forests ─► conformal offset per bin of the prediction ─► low, high

Quantile forests on the capped life itself fail silently: more than 5 % of the targets equal the cap, so the upper
quantile never splits; residuals have no such atom. The offsets make the coverage hold (conformalised quantile
regression, Romano et al. 2019). With few readings a table of residual quantiles serves instead. Where something stands
in for a sensor the ends lie further away: by what that cost in past lives, see training/broken.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.arrays import Floats
from models.maintenance import kernel
from models.maintenance.codes import QUALITIES
from models.packs import Scorer

COVERAGE = 0.9
EDGES = np.array([20.0, 45.0, 80.0, 105.0]) / 125  # of the bins, as shares of the cap
TABLE_BINS = 8
FEW = 200  # rows of a bin that weigh as much as the offset of all bins
ROLES = ("low", "high")


@dataclass(frozen=True)
class Interval:
    """Bounds are value + forest (when there are forests) + the offset of the value's bin, within 0 and cap; of input
    that is not good they lie so many times as far from the value."""

    edges: Floats  # (B - 1,)
    low: Floats  # (B,)
    high: Floats  # (B,)
    cap: float
    has_forests: bool
    widened: Floats = field(default_factory=lambda: np.ones(len(QUALITIES)))  # by quality; 1 in models of before

    @property
    def roles(self) -> tuple[str, ...]:
        return ROLES if self.has_forests else ()

    def to_json(self) -> dict[str, Any]:
        arrays = {"edges": self.edges.tolist(), "low": self.low.tolist(), "high": self.high.tolist()}
        return arrays | {"cap": self.cap, "has_forests": self.has_forests, "widened": self.widened.tolist()}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Interval:
        edges, low, high = (np.array(given[name], np.float64) for name in ("edges", "low", "high"))
        found = cls(edges, low, high, float(given["cap"]), bool(given["has_forests"]))
        return replace(found, widened=np.array(given["widened"], np.float64)) if "widened" in given else found

    def of(
        self,
        features: npt.NDArray[np.float32],
        value: Floats,
        quality: npt.NDArray[np.int8],
        scorers: Mapping[str, Scorer],
    ) -> tuple[Floats, Floats]:
        """Lower and upper bounds (n,) for feature rows (n, F), values (n,) and the quality of their input (n,)."""
        low = high = np.zeros(len(value))
        if self.has_forests:
            rows = with_value(features, value)
            low, high = scorers["low"].score(rows), scorers["high"].score(rows)
        return self.bounds(value, low, high, quality)

    def bounds(
        self, value: Floats, low: Floats, high: Floats, quality: npt.NDArray[np.int8] | None = None
    ) -> tuple[Floats, Floats]:
        """The same from what the forests said; without a quality, of good input."""
        lower, upper = np.empty(len(value)), np.empty(len(value))
        graded = np.zeros(len(value), np.int8) if quality is None else quality
        given = map(np.ascontiguousarray, (value, low, high, graded))
        kernel.interval_ends((*given, lower, upper), (self.edges, self.low, self.high, self.widened), self.cap)
        return lower, upper


def with_value(features: npt.NDArray[np.float32], value: Floats) -> npt.NDArray[np.float32]:
    """Rows of the quantile forests: the feature row and the filtered value."""
    rows = np.empty((len(value), features.shape[1] + 1), np.float32)
    rows[:, :-1], rows[:, -1] = features, value
    return rows


def conformal(value: Floats, residual: Floats, low: Floats, high: Floats, cap: float) -> Interval:
    """Offsets per bin, from out-of-fold values, residuals (true minus value) and bounds of the residuals."""
    edges = EDGES * cap
    excess = np.maximum(low - residual, residual - high)
    overall = np.quantile(excess, COVERAGE)
    offset = np.full(len(edges) + 1, overall)
    place = np.digitize(value, edges)
    for one in range(len(offset)):
        inside = excess[place == one]
        if len(inside) > 20:
            share = len(inside) / (len(inside) + FEW)
            level = min(1.0, COVERAGE * (1 + 1 / len(inside)))
            offset[one] = share * np.quantile(inside, level) + (1 - share) * overall
    return Interval(edges, -offset, offset, cap, has_forests=True)


def tabled(value: Floats, residual: Floats, cap: float) -> Interval:
    """Quantiles of the residuals in eight bins of the value."""
    edges = np.unique(np.quantile(value, np.linspace(0, 1, TABLE_BINS + 1)[1:-1]))
    place = np.digitize(value, edges)
    tails = ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2)
    overall = np.quantile(residual, tails)
    table = [np.quantile(residual[place == b], tails) if (place == b).any() else overall for b in range(len(edges) + 1)]
    low, high = np.array(table).T.copy()
    return Interval(edges, low, high, cap, has_forests=False)
