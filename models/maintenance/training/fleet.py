"""A class while its lives are learned: which readings are labelled and judged, and the folds they lie in.

log ─► lives that end with a failure, enough of them? ─► folds: by asset, by life, or one for each of few lives
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from models.arrays import Floats, Ints
from models.maintenance import COVERAGE
from models.maintenance.training.forests import FOLDS, grow
from models.maintenance.training.log import AssetLog
from models.maintenance.training.preparation import TrainingError
from schemas import RulTarget

LEAST_LIVES = 3  # leaving one out leaves two, which is the least that shows what lives have in common
FEW_LIVES = 10  # with fewer a simpler forest serves, with a wider interval
BEYOND_CAP = 1.16  # times the cap: lives are judged from there on
FIRST_JUDGED = 20  # readings of a life before its scores are judged
FOREST = {
    "objective": "l2", "learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 300, "feature_fraction": 0.5,
    "bagging_fraction": 0.5, "bagging_freq": 1, "lambda_l2": 5, "max_bin": 63, "num_threads": 1, "verbose": -1,
    "seed": 7,
}  # fmt: skip
ROUNDS = 150  # cross-validated as good as 300 at half the rate, and as a bag of three (within 0.1 RMSE)
# On 3, 5 and 8 lives of FD001 a tenth of the leaves is as good, see benchmarks/few_lives.py
FEW_FOREST, FEW_ROUNDS = FOREST | {"num_leaves": 4}, 60


@dataclass
class Fleet:
    """One class while it is learned; m readings."""

    log: AssetLog
    cap: float
    lives: int  # that end with a failure, and are long enough to be judged
    fold: Ints  # (m,)
    is_labelled: npt.NDArray[np.bool_]  # (m,) the remaining life is known, and a sensor that tells of wear was there

    @property
    def has_few(self) -> bool:
        return self.lives < FEW_LIVES

    def is_judged(self) -> npt.NDArray[np.bool_]:
        """(m,) readings on which scores are judged: in the last part of a life, after its very first readings."""
        is_last_part = self.log.remaining <= BEYOND_CAP * self.cap
        return np.asarray(self.is_labelled & is_last_part & (_place_in_life(self.log) >= FIRST_JUDGED))


def fleet_of(log: AssetLog) -> Fleet:
    """The class with its folds.

    Raises:
        TrainingError: too few lives, or too few that are long enough.
    """
    target = log.asset_class.target
    assert isinstance(target, RulTarget)
    is_labelled = np.isfinite(log.remaining)
    lives = np.unique(log.life[is_labelled])
    if len(lives) < LEAST_LIVES:
        counted = "one life that ends" if len(lives) == 1 else f"{len(lives)} lives that end"
        raise TrainingError(
            f"The history of asset class {log.asset_class.name} has {counted} with a failure of the "
            f"whole asset; at least {LEAST_LIVES} are needed, {LEAST_LIVES - len(lives)} more, and from {FEW_LIVES} on "
            "the interval is not widened for their number. Nothing was trained.",
            "Give a longer history, with a maintenance event of kind `failure` at the end of each life. Until there is "
            "a model, readings and log are kept and shown.",
        )
    long = np.unique(log.life[Fleet(log, target.cap, 0, log.life, is_labelled).is_judged()])
    if len(long) < LEAST_LIVES:
        raise TrainingError(
            f"Of the {len(lives)} lives of asset class {log.asset_class.name} {len(long)} have more than "
            f"{FIRST_JUDGED} readings, the last of them within {BEYOND_CAP:g} times the cap of {target.cap:g} "
            f"{log.asset_class.unit}s before the failure; at least {LEAST_LIVES} lives are needed. "
            "Nothing was trained.",
            "Read the sensors more often, give a longer history, or set a larger cap.",
        )
    return Fleet(log, target.cap, len(long), _folds(log, long), is_labelled)


def widening(lives: int) -> float:
    """How many times the error of the worst known life the half of the interval is: 2.05 of three, 1.22 of eight."""
    tail = (1 + COVERAGE) / 2
    return float(t.ppf(tail, lives - 1) * np.sqrt(1 + 1 / lives) / norm.ppf(tail))


def few_words(lives: int) -> str:
    """For the card: what a model of few lives rests on, and how many more would help; empty where there are enough."""
    if lives >= FEW_LIVES:
        return ""
    return (
        f"It rests on {lives} lives only: its forest is a small one, and its interval reaches {widening(lives):.2f} "
        f"times as far as the life that was predicted worst by the others. The figures are of those {lives} lives, and "
        f"say little about the next one. With {FEW_LIVES - lives} more ({FEW_LIVES} in all) the full recipe trains."
    )


def folds_of(fleets: Sequence[Fleet]) -> int:
    """How many folds there are."""
    return max(int(fleet.fold.max()) + 1 for fleet in fleets)


def grow_lives(fleets: Sequence[Fleet], rows: np.ndarray, target: Floats, weight: Floats) -> lgb.Booster:
    """The forest of the remaining life, of as many leaves as the lives of all classes bear."""
    has_few = sum(fleet.lives for fleet in fleets) < FEW_LIVES
    return grow(*((FEW_FOREST, FEW_ROUNDS) if has_few else (FOREST, ROUNDS)), rows, target, weight)


def _folds(log: AssetLog, lives: Ints) -> Ints:
    """(m,) of few lives each is a fold; the others lie in the last one."""
    if len(lives) < FEW_LIVES:
        return np.minimum(np.searchsorted(lives, log.life), len(lives) - 1)
    by_asset = len(log.assets) >= 2 * FOLDS
    groups = log.slots[log.readings] if by_asset else log.life
    names, member = np.unique(groups, return_inverse=True)
    fold = np.zeros(len(names), np.int64)
    fold[np.random.default_rng(0).permutation(len(names))] = np.arange(len(names)) % FOLDS
    return np.asarray(fold[member])


def _place_in_life(log: AssetLog) -> Ints:
    """(m,) how many readings of the same life came before."""
    is_first = np.r_[True, np.diff(log.life) != 0]
    place = np.arange(len(is_first))
    return np.asarray(place - np.maximum.accumulate(np.where(is_first, place, 0)))
