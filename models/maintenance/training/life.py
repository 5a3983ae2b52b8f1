"""Training of a remaining useful life: one forest for sister classes, each with its own preparation.

logs ─► folds by asset: preparation, replay, forest ─► out-of-fold lives ─► interval, metrics ─► all again, on all
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from models.arrays import Floats
from models.held_out import LABEL, HeldOut
from models.maintenance import (
    LIFE_LEVELS_CAP,
    RAISED,
    Decided,
    Learned,
    Preparation,
    Seen,
    decide,
    life_levels,
    policy_of,
    row_dtype,
    shape_of,
    with_value,
)
from models.maintenance.training.broken import NOT_GOOD
from models.maintenance.training.choice import choose
from models.maintenance.training.fleet import Fleet, fleet_of, grow_lives
from models.maintenance.training.forests import HELD_OUT, NOTHING, Trained
from models.maintenance.training.interval import Residuals, train_intervals
from models.maintenance.training.log import AssetLog
from models.maintenance.training.recipe import BEYOND_CAP_WEIGHT, OutOfFold, cross_validate, error_of, examples, prepare
from models.progress import ShareProgress

LIFE_PULLS = (0.5, 0.25)  # of a cycle of the engines whose levels are the default: the 125th of a cap


def train_rul(logs: Sequence[AssetLog], progress: ShareProgress, holds_out: bool = False) -> Trained:
    """The forests, or with `holds_out` those of four fifths of the lives, and the rows of the others.

    Raises:
        TrainingError: too few failures, or no sensor that moves over a life.
    """
    fleets = [fleet_of(log) for log in logs]
    progress("which sensors to use", 0.05)
    chosen = choose(fleets, partial(error_of, fleets))
    whole, worse = cross_validate(fleets, chosen.sensors, progress)
    progress("forest on four fifths of the lives" if holds_out else "forest on all lives", 0.6)
    left_out = HELD_OUT if holds_out else NOTHING
    inside = [fleet.is_labelled & (fleet.fold != left_out) for fleet in fleets]
    preparations = prepare(fleets, inside, chosen.sensors)
    replays = [fleet.log.replay(p) for fleet, p in zip(fleets, preparations, strict=True)]
    rows, target, weight = examples(fleets, replays, inside)
    booster = grow_lives(fleets, rows, target, weight)
    learned = [_learned(fleet, p) for fleet, p in zip(fleets, preparations, strict=True)]
    progress("intervals", 0.7)
    decided = [_decide(*given) for given in zip(learned, whole, strict=True)]
    residuals = [_residuals(of, made, of.fleet.is_labelled) for of, made in zip(whole, decided, strict=True)]
    costs = [_residuals_of_broken(*given) for given in zip(learned, worse, strict=True)]
    intervals = train_intervals(residuals, costs, left_out)
    learned = [replace(one, interval=interval) for one, interval in zip(learned, intervals.found, strict=True)]
    metrics = [_metrics(*given) for given in zip(fleets, decided, intervals.bounds, strict=True)]
    check_rows = {"score": rows, "low": intervals.rows, "high": intervals.rows}
    outcome = Trained(
        {"score": booster} | intervals.boosters, learned, metrics, check_rows, len(rows), left_out=chosen.left_out
    )
    return replace(outcome, held_out=_held_out(fleets, replays, decided)) if holds_out else outcome


def _held_out(fleets: Sequence[Fleet], replays: Sequence[Seen], decided: Sequence[Decided]) -> HeldOut:
    """The judged readings of the fold that was held out, and without a label the readings that were learned from.

    The value is the filter's, of a forest that did not learn from the reading.
    """
    rows, labels, assets, values, count = [], [], [], [], 0
    for fleet, seen, made in zip(fleets, replays, decided, strict=True):
        is_out = fleet.fold == HELD_OUT
        used = fleet.is_labelled & (~is_out | fleet.is_judged())
        places = fleet.log.readings[used]
        rows.append(seen.features[places])
        labels.append(np.where(is_out, np.minimum(fleet.log.remaining, fleet.cap), np.nan)[used])
        assets.append(fleet.log.slots[places] + count)
        values.append(made.value[places, 0])
        count += len(fleet.log.assets)
    label, value = np.concatenate(labels), np.concatenate(values)
    return HeldOut(np.vstack(rows), {LABEL: label}, np.concatenate(assets), value)


def _learned(fleet: Fleet, preparation: Preparation) -> Learned:
    levels = fleet.log.asset_class.policy or life_levels(fleet.cap)
    return Learned(preparation, [list(levels)], *LIFE_PULLS, pull_units=fleet.cap / LIFE_LEVELS_CAP)


def _decide(learned: Learned, found: OutOfFold) -> Decided:
    """Out-of-fold decisions, by the code that serves."""
    log = found.fleet.log
    shape = shape_of(log.asset_class, learned.preparation)
    rows = np.zeros(len(log.assets), row_dtype(shape))
    return decide(rows, log.slots, log.batch, found.seen, found.raw, policy_of(log.asset_class, learned))


def _residuals(found: OutOfFold, decided: Decided, used: npt.NDArray[np.bool_]) -> Residuals:
    """Out-of-fold residuals of some labelled readings (m,)."""
    fleet = found.fleet
    places = fleet.log.readings[used]
    value, left = decided.value[places, 0], fleet.log.remaining[used]
    return Residuals(
        rows=with_value(found.seen.features[places], value),
        value=value,
        residual=np.minimum(left, fleet.cap) - value,
        weight=np.where(left > fleet.cap, BEYOND_CAP_WEIGHT, 1.0),
        fold=fleet.fold[used],
        life=fleet.log.life[used],
        is_judged=fleet.is_judged()[used],
        cap=fleet.cap,
        has_few=fleet.has_few,
    )


def _residuals_of_broken(learned: Learned, worse: Sequence[OutOfFold]) -> dict[int, Residuals]:
    """Of each quality that is not good, the residuals of the judged readings that had it."""
    made = {}
    for quality, found in zip(NOT_GOOD, worse, strict=True):
        had_it = found.seen.quality[found.fleet.log.readings] == quality
        made[quality] = _residuals(found, _decide(learned, found), found.fleet.is_judged() & had_it)
    return made


def _metrics(fleet: Fleet, decided: Decided, bounds: tuple[Floats, Floats]) -> dict[str, float]:
    """Cross-validated: error and interval over the last part of the lives, each life weighing the same; alerts.

    `cv_rmse_blind` is the error of a guess that looks at no reading: always the mean of the other lives.
    """
    used, judged = fleet.is_labelled, fleet.is_judged()
    inside = judged[used]
    left = np.minimum(fleet.log.remaining[judged], fleet.cap)
    value = decided.value[fleet.log.readings[judged], 0]
    low, high = bounds[0][inside], bounds[1][inside]
    _, member, size = np.unique(fleet.log.life[judged], return_inverse=True, return_counts=True)
    weight = 1 / size[member]
    mean = np.bincount(member, left) / size
    blind = ((mean.sum() - mean) / (len(mean) - 1))[member]
    is_covered = (low - 1e-9 <= left) & (left <= high + 1e-9)
    return {
        "cv_rmse": float(np.sqrt(np.average((value - left) ** 2, weights=weight))),
        "cv_rmse_blind": float(np.sqrt(np.average((blind - left) ** 2, weights=weight))),
        "cv_coverage": float(np.average(is_covered, weights=weight)),
        "cv_interval_width": float(np.average(high - low, weights=weight)),
        **_alert_metrics(fleet, decided),
    }


def _alert_metrics(fleet: Fleet, decided: Decided) -> dict[str, float]:
    """How the default alerts would have done: share of the lives alerted, alerts a life, median lead."""
    log = fleet.log
    place_of = np.full(len(log.slots), -1)
    place_of[log.readings] = np.arange(len(log.readings))
    raised = place_of[decided.transitions["event"][decided.transitions["state"] == RAISED]]
    raised = raised[np.isfinite(log.remaining[raised])]
    lives = len(np.unique(log.life[fleet.is_labelled]))
    _, first = np.unique(log.life[raised], return_index=True)
    lead = log.remaining[raised[first]]
    return {
        "cv_lives": float(lives),
        "cv_lives_alerted": len(first) / lives,
        "cv_alerts_per_life": len(raised) / lives,
        "cv_median_lead": float(np.median(lead)) if len(lead) else 0.0,
    }
