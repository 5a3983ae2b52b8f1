"""Training of the interval of a remaining life, from out-of-fold predictions.

residuals ─► quantile forests, fold by fold ─► conformal offsets ─► Interval of each class, forests on all residuals
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from models.arrays import Floats, Ints
from models.maintenance import COVERAGE, ROLES, Interval, conformal, tabled
from models.maintenance.training.forests import FOLDS, NOTHING, grow

FOREST_ROWS = 25_000  # with fewer residuals the interval is a table: as good, and training takes half the time
BOUND = {
    "objective": "quantile", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 300, "feature_fraction": 0.4,
    "bagging_fraction": 0.5, "bagging_freq": 1, "lambda_l2": 20, "max_bin": 63, "num_threads": 1, "verbose": -1,
    "seed": 7,
}  # fmt: skip
ROUNDS = 150
CLASS_ROWS = 40_000  # every second residual of a class that has more


@dataclass
class Residuals:
    """Out-of-fold residuals of the readings of a class whose remaining life is known, l readings."""

    rows: npt.NDArray[np.float32]  # (l, F + 1) feature row and value
    value: Floats  # (l,)
    residual: Floats  # (l,) true minus value
    weight: Floats  # (l,)
    fold: Ints  # (l,)
    is_judged: npt.NDArray[np.bool_]  # (l,) the offsets are learned from these
    cap: float


@dataclass
class Intervals:
    """Of each class its interval, and the out-of-fold bounds of its residuals' readings."""

    found: list[Interval]
    bounds: list[tuple[Floats, Floats]]
    boosters: dict[str, lgb.Booster]  # low and high; none where a table serves
    rows: npt.NDArray[np.float32]


def train_intervals(classes: Sequence[Residuals], left_out: int = NOTHING) -> Intervals:
    """The intervals; the forests that serve learn from the residuals of all folds but `left_out`."""
    rows = np.vstack([one.rows for one in classes])
    zeros = [np.zeros(len(one.value)) for one in classes]
    if len(rows) < FOREST_ROWS:
        found = [tabled(one.value[one.is_judged], one.residual[one.is_judged], one.cap) for one in classes]
        sides = [(zero, zero) for zero in zeros]
        boosters: dict[str, lgb.Booster] = {}
    else:
        by_fold = [_grow(classes, fold) for fold in range(FOLDS)]
        sides = [_out_of_fold(by_fold, one) for one in classes]
        found = [_conformal(one, *side) for one, side in zip(classes, sides, strict=True)]
        boosters = _grow(classes, left_out)
    bounds = [interval.bounds(one.value, *side) for interval, one, side in zip(found, classes, sides, strict=True)]
    return Intervals(found, bounds, boosters, rows)


def _conformal(one: Residuals, low: Floats, high: Floats) -> Interval:
    judged = one.is_judged
    return conformal(one.value[judged], one.residual[judged], low[judged], high[judged], one.cap)


def _out_of_fold(by_fold: Sequence[dict[str, lgb.Booster]], one: Residuals) -> tuple[Floats, Floats]:
    low, high = np.zeros(len(one.value)), np.zeros(len(one.value))
    for fold, boosters in enumerate(by_fold):
        out = one.fold == fold
        if out.any():
            low[out] = boosters["low"].predict(one.rows[out], num_threads=1)
            high[out] = boosters["high"].predict(one.rows[out], num_threads=1)
    return low, high


def _grow(classes: Sequence[Residuals], without: int) -> dict[str, lgb.Booster]:
    """Forests of the lower and the upper quantile of the residuals of all classes, but for one fold."""
    picks = [np.flatnonzero(one.fold != without)[:: 2 if len(one.fold) > CLASS_ROWS else 1] for one in classes]
    rows, residual, weight = (
        np.concatenate([getattr(one, name)[pick] for one, pick in zip(classes, picks, strict=True)])
        for name in ("rows", "residual", "weight")
    )
    tails = ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2)
    return {
        role: grow(BOUND | {"alpha": tail}, ROUNDS, rows, residual, weight)
        for role, tail in zip(ROLES, tails, strict=True)
    }
