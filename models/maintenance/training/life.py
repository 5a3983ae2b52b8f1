"""Training of a remaining useful life: one forest for sister classes, each with its own preparation.

logs ─► folds by asset: preparation, replay, forest ─► out-of-fold lives ─► interval, metrics ─► all again, on all
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from models.arrays import Floats, Ints
from models.held_out import LABEL, HeldOut
from models.maintenance import (
    CHECKED,
    RAISED,
    SCORED,
    Decided,
    Learned,
    Preparation,
    Seen,
    decide,
    fall_course,
    life_levels,
    policy_of,
    row_dtype,
    shape_of,
    with_value,
)
from models.maintenance.training.choice import choose
from models.maintenance.training.fleet import Fleet, fleet_of, folds_of, grow_lives
from models.maintenance.training.forests import HELD_OUT, NOTHING, Trained
from models.maintenance.training.indexes import project
from models.maintenance.training.interval import Residuals, train_intervals
from models.maintenance.training.log import AssetLog
from models.maintenance.training.preparation import (
    History,
    learn_lives,
    learn_regimes,
)
from models.maintenance.training.sensors import learn_sensors
from models.progress import ShareProgress

LEAST_CHECKED = 2  # sensors
LEAST_FALL = 3.0  # limit of the renewal rule: at least this, and twice the largest fall of a typical life
BEYOND_CAP_WEIGHT = 0.5
PULL, STEADY_PULL = 0.5, 0.25


def train_rul(logs: Sequence[AssetLog], progress: ShareProgress, holds_out: bool = False) -> Trained:
    """The forests, or with `holds_out` those of four fifths of the lives, and the rows of the others.

    Raises:
        TrainingError: too few failures, or no sensor that moves over a life.
    """
    fleets = [fleet_of(log) for log in logs]
    chosen = choose(fleets, partial(_error_of, fleets))
    raw, seen = _cross_validate(fleets, chosen.sensors, progress)
    progress("forest on four fifths of the lives" if holds_out else "forest on all lives", 0.6)
    left_out = HELD_OUT if holds_out else NOTHING
    inside = [fleet.is_labelled & (fleet.fold != left_out) for fleet in fleets]
    preparations = _prepare(fleets, inside, chosen.sensors)
    replays = [fleet.log.replay(p) for fleet, p in zip(fleets, preparations, strict=True)]
    rows, target, weight = _examples(fleets, replays, inside)
    booster = grow_lives(fleets, rows, target, weight)
    learned = [_learned(fleet, p) for fleet, p in zip(fleets, preparations, strict=True)]
    progress("intervals", 0.7)
    decided = [_decide(*given) for given in zip(fleets, learned, seen, raw, strict=True)]
    intervals = train_intervals([_residuals(*given) for given in zip(fleets, seen, decided, strict=True)], left_out)
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


def _prepare(
    fleets: Sequence[Fleet], chosen: Sequence[np.ndarray], sensors: Ints, is_checked: bool = True
) -> list[Preparation]:
    """Preparation of each class from some of its labelled readings."""
    found = []
    for fleet, mask in zip(fleets, chosen, strict=True):
        history = fleet.log.history(mask, fleet.log.remaining)
        prepared = learn_lives(history, learn_regimes(history), sensors, fleet.cap)
        found.append(_with_fall(fleet, _with_check(history, prepared) if is_checked else prepared, mask))
    return found


def _error_of(fleets: Sequence[Fleet], sensors: Ints) -> Floats:
    """Squared error of each life of one fold by the others, where the scores rest on some sensors; (lives,)."""
    inside = [fleet.is_labelled & (fleet.fold != HELD_OUT) for fleet in fleets]
    replays = [
        fleet.log.replay(prepared)
        for fleet, prepared in zip(fleets, _prepare(fleets, inside, sensors, is_checked=False), strict=True)
    ]
    booster, found = grow_lives(fleets, *_examples(fleets, replays, inside)), []
    for fleet, seen in zip(fleets, replays, strict=True):
        judged = fleet.is_judged() & (fleet.fold == HELD_OUT)
        said = booster.predict(seen.features[fleet.log.readings[judged]], num_threads=1)
        squared = (said - np.minimum(fleet.log.remaining[judged], fleet.cap)) ** 2
        _, life = np.unique(fleet.log.life[judged], return_inverse=True)
        found.append(np.bincount(life, squared) / np.bincount(life))
    return np.concatenate(found)


def _with_check(history: History, preparation: Preparation) -> Preparation:
    """With what tells of faults of the sensors, unless they are too few to tell on each other, or too many."""
    if not LEAST_CHECKED <= len(preparation.sensors) <= CHECKED:
        return preparation
    is_first = np.r_[True, np.diff(history.life) != 0]
    step = np.where(is_first, 1.0, -np.diff(history.remaining, prepend=0.0))
    readings, regime = history.readings[:, preparation.sensors], preparation.regimes.of(history.variables)
    check = learn_sensors(history.life, step, readings, regime, preparation.mean, preparation.sd)
    return replace(preparation, check=check)


def _with_fall(fleet: Fleet, preparation: Preparation, chosen: np.ndarray) -> Preparation:
    """The limit of the renewal rule; a few renewals that nobody told of do no harm."""
    history = fleet.log.history(chosen, fleet.log.remaining)
    regime = preparation.regimes.of(history.variables)
    z = preparation.normalised(history.readings, regime)
    channel = preparation.fall_channel
    value = project(preparation.weights, preparation.bias, z, regime)[:, channel]
    is_first = np.r_[True, np.diff(history.life) != 0]
    course = fall_course(is_first, value, preparation.trust[regime, channel])
    largest = np.maximum.reduceat(course, np.flatnonzero(is_first))
    return replace(preparation, fall_limit=max(LEAST_FALL, 2.0 * float(np.quantile(largest, 0.9))))


def _is_certain(fleet: Fleet, seen: Seen) -> npt.NDArray[np.bool_]:
    """(m,) false where the asset was renewed later in the life and nobody said so: its remaining life is unknown."""
    log = fleet.log
    number = np.cumsum(seen.is_renewed[log.readings, 0])
    is_last = np.r_[np.diff(log.life) != 0, True]
    stops = np.flatnonzero(is_last)
    last = np.repeat(number[stops], np.diff(np.r_[-1, stops]))
    return np.asarray(number == last)


def _examples(
    fleets: Sequence[Fleet], replays: Sequence[Seen], chosen: Sequence[np.ndarray]
) -> tuple[npt.NDArray[np.float32], Floats, Floats]:
    """Feature rows, capped life and weight of the readings whose remaining life is known."""
    rows, remaining, caps = [], [], []
    for fleet, seen, mask in zip(fleets, replays, chosen, strict=True):
        used = mask & (seen.status[fleet.log.readings] == SCORED) & _is_certain(fleet, seen)
        rows.append(seen.features[fleet.log.readings[used]])
        remaining.append(fleet.log.remaining[used])
        caps.append(np.full(used.sum(), fleet.cap))
    left, cap = np.concatenate(remaining), np.concatenate(caps)
    return np.vstack(rows), np.minimum(left, cap), np.where(left > cap, BEYOND_CAP_WEIGHT, 1.0)


def _cross_validate(fleets: Sequence[Fleet], sensors: Ints, progress: ShareProgress) -> tuple[list[Floats], list[Seen]]:
    """Out-of-fold raw scores of all events (NaN: not scored) and the replays they come from, by class."""
    raw = [np.full((len(fleet.log.slots), 1), np.nan) for fleet in fleets]
    seen: list[Seen] = []
    folds = folds_of(fleets)
    for fold in range(folds):
        progress(f"cross-validation, fold {fold + 1} of {folds}", 0.1 + 0.5 * fold / folds)
        inside = [fleet.is_labelled & (fleet.fold != fold) for fleet in fleets]
        preparations = _prepare(fleets, inside, sensors)
        replays = [fleet.log.replay(p) for fleet, p in zip(fleets, preparations, strict=True)]
        booster = grow_lives(fleets, *_examples(fleets, replays, inside))
        seen = seen or [Seen(*(column.copy() for column in replay)) for replay in replays]
        for fleet, replay, found, out in zip(fleets, replays, seen, raw, strict=True):
            places = fleet.log.readings[fleet.fold == fold]
            if len(places) == 0:
                continue
            out[places, 0] = booster.predict(replay.features[places], num_threads=1)
            for column, target in zip(replay, found, strict=True):
                target[places] = column[places]
    for fleet, found in zip(fleets, seen, strict=True):
        fleet.is_labelled &= found.status[fleet.log.readings] == SCORED
    return raw, seen


def _learned(fleet: Fleet, preparation: Preparation) -> Learned:
    levels = fleet.log.asset_class.policy or life_levels(fleet.cap)
    return Learned(preparation, [list(levels)], PULL, STEADY_PULL)


def _decide(fleet: Fleet, learned: Learned, seen: Seen, raw: Floats) -> Decided:
    """Out-of-fold decisions, by the code that serves."""
    log = fleet.log
    shape = shape_of(log.asset_class, learned.preparation)
    rows = np.zeros(len(log.assets), row_dtype(shape))
    return decide(rows, log.slots, log.batch, seen, raw, policy_of(log.asset_class, learned))


def _residuals(fleet: Fleet, seen: Seen, decided: Decided) -> Residuals:
    """Out-of-fold residuals of the labelled readings."""
    places, used = fleet.log.readings, fleet.is_labelled
    value, left = decided.value[places[used], 0], fleet.log.remaining[used]
    return Residuals(
        rows=with_value(seen.features[places[used]], value),
        value=value,
        residual=np.minimum(left, fleet.cap) - value,
        weight=np.where(left > fleet.cap, BEYOND_CAP_WEIGHT, 1.0),
        fold=fleet.fold[used],
        life=fleet.log.life[used],
        is_judged=fleet.is_judged()[used],
        cap=fleet.cap,
        has_few=fleet.has_few,
    )


def _metrics(fleet: Fleet, decided: Decided, bounds: tuple[Floats, Floats]) -> dict[str, float]:
    """Cross-validated: error and interval over the last part of the lives, each life weighing the same; alerts."""
    used, judged = fleet.is_labelled, fleet.is_judged()
    inside = judged[used]
    left = np.minimum(fleet.log.remaining[judged], fleet.cap)
    value = decided.value[fleet.log.readings[judged], 0]
    low, high = bounds[0][inside], bounds[1][inside]
    _, member, size = np.unique(fleet.log.life[judged], return_inverse=True, return_counts=True)
    weight = 1 / size[member]
    is_covered = (low - 1e-9 <= left) & (left <= high + 1e-9)
    return {
        "cv_rmse": float(np.sqrt(np.average((value - left) ** 2, weights=weight))),
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
