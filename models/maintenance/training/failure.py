"""Training of failure probabilities: for each component a forest, and the threshold at which its alert opens.

log ─► labels (fails within the horizon) ─► replay ─► folds by asset ─► out-of-fold alerts ─► levels, metrics ─► forests
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from models.arrays import Floats, Ints
from models.held_out import HeldOut, label_of
from models.maintenance import (
    FAILURE,
    RAISED,
    SCORED,
    Learned,
    Preparation,
    Seen,
    decide,
    likely_channels,
    policy_of,
    row_dtype,
    shape_of,
)
from models.maintenance.training.forests import FOLDS, HELD_OUT, NOTHING, Trained, grow
from models.maintenance.training.log import AssetLog
from models.maintenance.training.preparation import TrainingError, learn_components, learn_regimes
from models.progress import ShareProgress
from schemas import AlertCosts, FailureTarget, PolicyLevel

LEAST_FAILURES = 3  # of a component; with so few the metrics say little
FOREST = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 100,
    "feature_fraction": 0.6, "bagging_fraction": 0.6, "bagging_freq": 1, "lambda_l2": 5, "max_bin": 63,
    "num_threads": 1, "verbose": -1, "seed": 7,
}  # fmt: skip
ROUNDS = 150
STEADY_PULL = 0.4
# thresholds and on-delays that are tried; an alert closes after 6 readings below half of the threshold
THRESHOLDS = (0.03, 0.05, 0.08, 0.12, 0.17, 0.23, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
ON_DELAYS = (1, 2, 3, 4, 6)
OFF_DELAY = 6
SHARED_FAILURES = 20.0  # so many of a component weigh as much in its level as what all components say
WINDOW = 2.0  # horizons within which an alert must come true
MONTH_S = 30.44 * 86_400


@dataclass(frozen=True)
class Failures:
    """Failures of one component, and how long it takes from each reading to the next; m readings."""

    slot: Ints  # (f,)
    time: Floats  # (f,) epoch seconds
    left: Floats  # (m,) units; inf: none in the log

    def due(self, horizon: float) -> npt.NDArray[np.bool_]:
        return self.left <= horizon


@dataclass(frozen=True)
class Judgement:
    """How the alerts of one component did."""

    failures: int
    found: int
    false: int
    leads: Floats  # (found,) units from the first alert to the failure

    def cost(self, horizon: float, costs: AlertCosts) -> float:
        late = int((self.leads < horizon / 2).sum())
        missed = self.failures - self.found
        return costs.miss * missed + costs.false_alarm * self.false + costs.late * late


def train_failure(log: AssetLog, progress: ShareProgress, holds_out: bool = False) -> Trained:
    """The forests, or with `holds_out` those of four fifths of the assets, and the rows of the others.

    A component with too few failures has no forest, and no score until there are more.

    Raises:
        TrainingError: too few failures of every component, or no sensor that says anything.
    """
    target = log.asset_class.target
    assert isinstance(target, FailureTarget)
    failures = [_failures(log, component) for component in range(len(target.components))]
    told = _told(log, target, failures)
    due = np.column_stack([one.due(target.horizon) for one in failures])
    preparation = _prepare(log, due)
    seen = log.replay(preparation)
    is_scored = seen.status[log.readings] == SCORED
    log, due = log.only(is_scored), due[is_scored]
    failures = [_failures(log, component) for component in range(len(target.components))]
    rows = seen.features[log.readings]
    is_known = log.time <= log.time.max() - target.horizon * log.asset_class.unit_seconds
    raw, fold = np.full((len(log.slots), len(failures)), np.nan), _folds(log)
    raw[log.readings] = 0.0
    for place, component in enumerate(told):
        progress(f"cross-validation of {target.components[component]}", 0.1 + 0.6 * place / len(told))
        raw[log.readings, component] = _out_of_fold(fold, rows, due[:, component], is_known)
    progress("thresholds", 0.7)
    levels = _levels(log, target, preparation, seen, raw, failures, told)
    learned = Learned(preparation, levels, 1.0, STEADY_PULL, without=_without(target, failures, told))
    progress("forests on four fifths of the assets" if holds_out else "forests on all assets", 0.8)
    boosters, labels, inside = {}, {}, fold != (HELD_OUT if holds_out else NOTHING)
    for component in told:
        used, role = inside & (is_known | due[:, component]), f"score-{target.components[component]}"
        boosters[role] = _grow(rows[used], due[used, component])
        labels[label_of(role)] = np.where(inside, np.nan, due[:, component])
    metrics = _metrics(log, target, learned, seen, raw, failures, told)
    held_out = HeldOut(rows, labels, log.slots[log.readings]).only(inside | is_known) if holds_out else None
    return Trained(boosters, [learned], [metrics], dict.fromkeys(boosters, rows), len(rows), held_out)


def _failures(log: AssetLog, component: int) -> Failures:
    entries = log.entries(len(log.asset_class.errors) + component, (FAILURE,))
    slot, time = log.slots[entries], log.batch.time_s[entries]
    left, times = np.full(len(log.readings), np.inf), log.time
    owner = log.slots[log.readings]
    for asset in range(len(log.assets)):
        rows = slice(*np.searchsorted(owner, [asset, asset + 1]))
        mine = np.append(np.unique(time[slot == asset]), np.inf)
        following = mine[np.searchsorted(mine, times[rows], side="left")]
        left[rows] = (following - times[rows]) / log.asset_class.unit_seconds
    return Failures(slot, time, left)


def _told(log: AssetLog, target: FailureTarget, failures: Sequence[Failures]) -> list[int]:
    """Places of the components that failed often enough to be learned."""
    told = [place for place, one in enumerate(failures) if len(one.time) >= LEAST_FAILURES]
    if not told:
        few = ", ".join(f"{name} ({count})" for name, count in _without(target, failures, told).items())
        raise TrainingError(
            f"The history of asset class {log.asset_class.name} has too few failures of every component: {few}; at "
            f"least {LEAST_FAILURES} of one component are needed. Nothing was trained.",
            "Give a longer history, with maintenance events of kind `failure` that name the component. Until there is "
            "a model, readings and log are kept and shown.",
        )
    return told


def _without(target: FailureTarget, failures: Sequence[Failures], told: Sequence[int]) -> dict[str, int]:
    """Failures of the components that have too few of them."""
    return {name: len(failures[place].time) for place, name in enumerate(target.components) if place not in told}


def few_failures_words(without: Mapping[str, int]) -> str:
    """For the card: which components have no score, and how many failures more they need; empty where all have."""
    if not without:
        return ""
    few = ", ".join(f"`{name}` ({count}, {LEAST_FAILURES - count} more)" for name, count in without.items())
    return f"Without a score, as fewer than {LEAST_FAILURES} failures of them are known: {few}."


def _prepare(log: AssetLog, due: npt.NDArray[np.bool_]) -> Preparation:
    asset_class = log.asset_class
    history = log.history(np.ones(len(log.readings), np.bool_), log.remaining)
    given = due, likely_channels(asset_class), bool(asset_class.sensors)
    preparation = learn_components(history, learn_regimes(history), *given)
    if preparation.channels == 0:
        raise TrainingError(
            f"Every sensor of asset class {asset_class.name} is constant: {', '.join(asset_class.sensors)}. Nothing "
            "was trained.",
            "Name sensors that move.",
        )
    return preparation


def _grow(rows: np.ndarray, due: npt.NDArray[np.bool_]) -> lgb.Booster:
    return grow(FOREST, ROUNDS, rows, due.astype(np.float64))


def _folds(log: AssetLog) -> Ints:
    """The fold of each reading (m,): by asset, or by time where there are few assets."""
    owner = log.slots[log.readings]
    if len(log.assets) >= FOLDS:
        return np.asarray(np.random.default_rng(0).permutation(len(log.assets))[owner] % FOLDS)
    return np.asarray(np.argsort(np.argsort(log.time, kind="stable"), kind="stable") * FOLDS // len(owner))


def _out_of_fold(member: Ints, rows: np.ndarray, due: np.ndarray, is_known: np.ndarray) -> Floats:
    """Probability for each reading (m,) by a forest that saw the other folds only."""
    out = np.zeros(len(rows))
    for fold in range(FOLDS):
        inside = (member != fold) & (is_known | due)
        out[member == fold] = _grow(rows[inside], due[inside]).predict(rows[member == fold], num_threads=1)
    return out


def _alerts(log: AssetLog, learned: Learned, seen: Seen, raw: Floats) -> np.ndarray:
    """Transitions that the serving code makes of out-of-fold probabilities."""
    rows = np.zeros(len(log.assets), row_dtype(shape_of(log.asset_class, learned.preparation)))
    return decide(rows, log.slots, log.batch, seen, raw, policy_of(log.asset_class, learned)).transitions


def judge(slot: Ints, time: Floats, failures: Failures, span: tuple[float, float], horizon_s: float) -> Judgement:
    """Alerts of one component (asset and event time at which each was raised) against its failures.

    An alert is true if the next failure of the component comes within two horizons after it, and only that failure is
    found by it: not one that comes soon after another. Alerts so near to the end of the log that this cannot be known
    are not judged, nor are failures within a horizon of its begin.

    Args:
        span: first and last event time of the log, epoch seconds.
    """
    window = WINDOW * horizon_s
    lead = failures.time[None, :] - time[:, None]
    is_ahead = (slot[:, None] == failures.slot[None, :]) & (lead > 0)
    is_next = is_ahead & (lead == np.where(is_ahead, lead, np.inf).min(1, initial=np.inf)[:, None])
    is_hit = is_next & (lead <= window)
    is_judged = (failures.time >= span[0] + horizon_s) & (failures.time <= span[1])
    best = np.where(is_hit, lead, 0.0).max(0, initial=0.0)
    false = ~is_hit.any(1) & (time + window <= span[1])
    found = is_judged & (best > 0)
    return Judgement(int(is_judged.sum()), int(found.sum()), int(false.sum()), best[found])


def _judge_all(log: AssetLog, transitions: np.ndarray, failures: Sequence[Failures], horizon: float) -> list[Judgement]:
    span = float(log.time.min()), float(log.time.max())
    unit_s = log.asset_class.unit_seconds
    made = []
    for component, one in enumerate(failures):
        raised = transitions[(transitions["state"] == RAISED) & (transitions["target"] == component)]["event"]
        found = judge(log.slots[raised], log.batch.time_s[raised], one, span, horizon * unit_s)
        made.append(Judgement(found.failures, found.found, found.false, found.leads / unit_s))
    return made


def _level(threshold: float, on_delay: int) -> PolicyLevel:
    return PolicyLevel(severity="warning", on=threshold, clear=threshold / 2, on_delay=on_delay, off_delay=OFF_DELAY)


def _levels(
    log: AssetLog,
    target: FailureTarget,
    preparation: Preparation,
    seen: Seen,
    raw: Floats,
    failures: Sequence[Failures],
    told: Sequence[int],
) -> list[list[PolicyLevel]]:
    """For each component the level with the least cost, the middle one where several have it; none for those not told.

    The fewer failures a component has, the more the costs of all components decide: the cheapest of sixty levels by a
    handful of failures is the luckiest one.
    """
    if log.asset_class.policy:
        return [list(log.asset_class.policy) if place in told else [] for place in range(len(failures))]
    grid = [_level(threshold, on_delay) for on_delay in ON_DELAYS for threshold in THRESHOLDS]
    costs = np.zeros((len(grid), len(failures)))
    for place, level in enumerate(grid):
        learned = Learned(preparation, [[level]] * len(failures), 1.0, STEADY_PULL)
        judged = _judge_all(log, _alerts(log, learned, seen, raw), failures, target.horizon)
        costs[place] = [one.cost(target.horizon, log.asset_class.costs) for one in judged]
    own = np.array([len(one.time) / (len(one.time) + SHARED_FAILURES) for one in failures])
    costs = own * costs + (1 - own) * costs[:, told].mean(1, keepdims=True)
    best = [np.flatnonzero(cost == cost.min()) for cost in costs.T]
    return [[grid[places[len(places) // 2]]] if place in told else [] for place, places in enumerate(best)]


def reading_f1(due: npt.NDArray[np.bool_], probability: Floats, threshold: float) -> float:
    """F1 of the statement that the component fails within the horizon, reading by reading."""
    said = probability >= threshold
    return float(2 * (said & due).sum() / max(said.sum() + due.sum(), 1))


def best_f1(due: npt.NDArray[np.bool_], probability: Floats) -> tuple[float, float]:
    """The best F1, and its threshold."""
    tried = np.unique(np.quantile(probability, np.linspace(0, 1, 1000)))
    return max((reading_f1(due, probability, threshold), float(threshold)) for threshold in tried)


def _metrics(
    log: AssetLog,
    target: FailureTarget,
    learned: Learned,
    seen: Seen,
    raw: Floats,
    failures: Sequence[Failures],
    told: Sequence[int],
) -> dict[str, float]:
    every = _judge_all(log, _alerts(log, learned, seen, raw), failures, target.horizon)
    judged = [every[component] for component in told]
    owner = log.slots[log.readings]
    months = sum(np.ptp(log.time[owner == slot]) for slot in np.unique(owner)) / MONTH_S
    leads = np.concatenate([one.leads for one in judged])
    count, found, false = (sum(getattr(one, name) for one in judged) for name in ("failures", "found", "false"))
    f1 = [best_f1(failures[one].due(target.horizon), raw[log.readings, one])[0] for one in told]
    return {
        "cv_failures": float(count),
        "cv_failures_found": found / max(count, 1),
        "cv_precision": found / max(found + false, 1),
        "cv_false_alarms_per_asset_month": false / max(months, 1e-9),
        "cv_median_lead": float(np.median(leads)) if len(leads) else 0.0,
        "cv_reading_f1": float(np.mean(f1)),
    }
