"""Training of the interval of a remaining life, from out-of-fold predictions.

residuals ─► quantile forests, fold by fold ─► conformal offsets ─► factors of input that is not good ─► Interval
of each class; and forests on all residuals
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from models.arrays import Floats, Ints
from models.maintenance import COVERAGE, EDGES, QUALITIES, ROLES, Interval, conformal, tabled
from models.maintenance.training.broken import factor
from models.maintenance.training.fleet import widening
from models.maintenance.training.forests import FOLDS, NOTHING, grow

FOREST_ROWS = 25_000  # with fewer residuals the interval is a table: as good, and training takes half the time
BOUND = {
    "objective": "quantile", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 300, "feature_fraction": 0.4,
    "bagging_fraction": 0.5, "bagging_freq": 1, "lambda_l2": 20, "max_bin": 63, "num_threads": 1, "verbose": -1,
    "seed": 7,
}  # fmt: skip
ROUNDS = 150
FEW_ALIKE = 1.0  # lives: what the error in all bins of the value weighs against that in one
CLASS_ROWS = 40_000  # every second residual of a class that has more


@dataclass
class Residuals:
    """Out-of-fold residuals of the readings of a class whose remaining life is known, l readings."""

    rows: npt.NDArray[np.float32]  # (l, F + 1) feature row and value
    value: Floats  # (l,)
    residual: Floats  # (l,) true minus value
    weight: Floats  # (l,)
    fold: Ints  # (l,)
    life: Ints  # (l,)
    is_judged: npt.NDArray[np.bool_]  # (l,) the offsets are learned from these
    cap: float
    has_few: bool  # lives


@dataclass
class Intervals:
    """Of each class its interval, and the out-of-fold bounds of its residuals' readings."""

    found: list[Interval]
    bounds: list[tuple[Floats, Floats]]
    boosters: dict[str, lgb.Booster]  # low and high; none where a table serves
    rows: npt.NDArray[np.float32]


def train_intervals(
    classes: Sequence[Residuals], costs: Sequence[Mapping[int, Residuals]], left_out: int = NOTHING
) -> Intervals:
    """The intervals; the forests that serve learn from the residuals of all folds but `left_out`.

    Args:
        costs: of each class, by quality of the input, the residuals of readings that had it.
    """
    rows = np.vstack([one.rows for one in classes])
    zeros = [np.zeros(len(one.value)) for one in classes]
    sides = [(zero, zero) for zero in zeros]
    boosters: dict[str, lgb.Booster] = {}
    by_fold: list[dict[str, lgb.Booster]] = []
    if len(rows) >= FOREST_ROWS:
        by_fold = [_grow(classes, fold) for fold in range(FOLDS)]
        sides = [side if one.has_few else _out_of_fold(by_fold, one) for one, side in zip(classes, sides, strict=True)]
        boosters = _grow(classes, left_out)
    found = [_interval(one, *side, bool(boosters)) for one, side in zip(classes, sides, strict=True)]
    bounds = [_bounds(interval, one, one, side) for interval, one, side in zip(found, classes, sides, strict=True)]
    found = [_widened(*given, by_fold) for given in zip(found, classes, costs, strict=True)]
    return Intervals(found, bounds, boosters, rows)


def _bounds(interval: Interval, one: Residuals, of: Residuals, side: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Out-of-fold bounds of some readings of the class, by what the forests said of them."""
    return _bounds_of_few(one, of) if one.has_few else interval.bounds(of.value, *side)


def _widened(
    interval: Interval, one: Residuals, costs: Mapping[int, Residuals], by_fold: Sequence[dict[str, lgb.Booster]]
) -> Interval:
    """The interval with its factor of each quality; worse input has none that is smaller."""
    widened = np.ones(len(QUALITIES))
    for quality, of in costs.items():
        side = _out_of_fold(by_fold, of) if interval.has_forests else (np.zeros(len(of.value)),) * 2
        widened[quality] = factor(of.value, of.residual, *_bounds(interval, one, of, side))
    return replace(interval, widened=np.maximum.accumulate(widened))


def _interval(one: Residuals, low: Floats, high: Floats, has_forests: bool) -> Interval:
    judged = one.is_judged
    value, residual = one.value[judged], one.residual[judged]
    if one.has_few:
        return of_few_lives(value, residual, one.life[judged], one.cap, widening(len(np.unique(one.life[judged]))))
    if has_forests:
        return conformal(value, residual, low[judged], high[judged], one.cap)
    return tabled(value, residual, one.cap)


def of_few_lives(value: Floats, residual: Floats, life: Ints, cap: float, widened: float = 1.0) -> Interval:
    """The interval that few lives bear, from out-of-life values and residuals: conformal by life.

    The readings of one life err alike, so it is lives that are exchangeable: of each, the width that covers nine tenths
    of its readings; the largest of them, as the quantile corrected for their number lies beyond the last of fewer than
    nine; times what Student's t of so few is wider than the normal, as a new life may well err more than the known.

    Args:
        widened: that factor, see `widening`.
    """
    edges = EDGES * cap
    place, lives = np.digitize(value, edges), np.unique(life)
    squares = np.full((len(lives), len(edges) + 1), np.nan)
    for row, one in enumerate(lives):
        for found in np.unique(place[life == one]):
            squares[row, found] = (residual[(life == one) & (place == found)] ** 2).mean()
    overall = np.mean([(residual[life == one] ** 2).mean() for one in lives])
    there = np.isfinite(squares).sum(0)
    scale = np.sqrt((np.nansum(squares, 0) + FEW_ALIKE * overall) / (there + FEW_ALIKE))
    share = np.abs(residual) / np.maximum(scale[place], 1e-9)
    half = scale * widened * max(float(np.quantile(share[life == one], COVERAGE)) for one in lives)
    return Interval(edges, -half, half, cap, has_forests=False)


def _bounds_of_few(one: Residuals, of: Residuals) -> tuple[Floats, Floats]:
    """The bounds of readings of each life by the interval of the other lives: it is no news that an interval covers
    what made it."""
    low, high = np.zeros(len(of.value)), np.zeros(len(of.value))
    widened = widening(len(np.unique(one.life[one.is_judged])))
    for life in np.unique(of.life):
        mine, others = of.life == life, one.is_judged & (one.life != life)
        zeros = np.zeros(int(mine.sum()))
        interval = of_few_lives(one.value[others], one.residual[others], one.life[others], one.cap, widened)
        low[mine], high[mine] = interval.bounds(of.value[mine], zeros, zeros)
    return low, high


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
