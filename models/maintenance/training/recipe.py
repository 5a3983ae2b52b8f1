"""How a remaining life is learned, up to the forest: of all lives, and of all but those of a fold.

fleets, sensors ─► preparation of each class ─► replay by the code that serves ─► examples ─► forest ─► lives left out
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from models.arrays import Floats, Ints
from models.maintenance import CHECKED, SCORED, Preparation, Seen, fall_course
from models.maintenance.training.broken import NOT_GOOD, broken
from models.maintenance.training.fleet import Fleet, folds_of, grow_lives
from models.maintenance.training.forests import HELD_OUT
from models.maintenance.training.indexes import project
from models.maintenance.training.preparation import History, learn_lives, learn_regimes
from models.maintenance.training.sensors import learn_sensors
from models.progress import ShareProgress

LEAST_CHECKED = 2  # sensors
LEAST_FALL = 3.0  # limit of the renewal rule: at least this, and twice the largest fall of a typical life
BEYOND_CAP_WEIGHT = 0.5


def prepare(
    fleets: Sequence[Fleet], chosen: Sequence[np.ndarray], sensors: Ints, is_checked: bool = True
) -> list[Preparation]:
    """Preparation of each class from some of its labelled readings."""
    found = []
    for fleet, mask in zip(fleets, chosen, strict=True):
        history = fleet.log.history(mask, fleet.log.remaining)
        prepared = learn_lives(history, learn_regimes(history), sensors, fleet.cap)
        found.append(_with_fall(fleet, _with_check(history, prepared) if is_checked else prepared, mask))
    return found


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


def examples(
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


def error_of(fleets: Sequence[Fleet], sensors: Ints) -> Floats:
    """Squared error of each life of one fold by the others, where the scores rest on some sensors; (lives,)."""
    inside = [fleet.is_labelled & (fleet.fold != HELD_OUT) for fleet in fleets]
    replays = [
        fleet.log.replay(prepared)
        for fleet, prepared in zip(fleets, prepare(fleets, inside, sensors, is_checked=False), strict=True)
    ]
    booster, found = grow_lives(fleets, *examples(fleets, replays, inside)), []
    for fleet, seen in zip(fleets, replays, strict=True):
        judged = fleet.is_judged() & (fleet.fold == HELD_OUT)
        said = booster.predict(seen.features[fleet.log.readings[judged]], num_threads=1)
        squared = (said - np.minimum(fleet.log.remaining[judged], fleet.cap)) ** 2
        _, life = np.unique(fleet.log.life[judged], return_inverse=True)
        found.append(np.bincount(life, squared) / np.bincount(life))
    return np.concatenate(found)


@dataclass
class OutOfFold:
    """What the events of a class came to, each by a forest that did not learn from its life; n events."""

    fleet: Fleet
    raw: Floats  # (n, 1) NaN: not scored
    seen: Seen

    @classmethod
    def none(cls, fleet: Fleet, like: Seen) -> OutOfFold:
        return cls(fleet, np.full((len(fleet.log.slots), 1), np.nan), Seen(*(column.copy() for column in like)))

    def take(self, fold: int, seen: Seen, booster: lgb.Booster) -> None:
        """The events of the fold, which the booster did not learn from."""
        places = self.fleet.log.readings[self.fleet.fold == fold]
        if len(places) == 0:
            return
        self.raw[places, 0] = booster.predict(seen.features[places], num_threads=1)
        for column, target in zip(seen, self.seen, strict=True):
            target[places] = column[places]


def cross_validate(
    fleets: Sequence[Fleet], sensors: Ints, progress: ShareProgress
) -> tuple[list[OutOfFold], list[list[OutOfFold]]]:
    """Of each class what its events came to, and what those of its lives with broken sensors did, by `NOT_GOOD`."""
    whole: list[OutOfFold] = []
    worse: list[list[OutOfFold]] = []
    folds = folds_of(fleets)
    for fold in range(folds):
        progress(f"cross-validation, fold {fold + 1} of {folds}", 0.1 + 0.5 * fold / folds)
        inside = [fleet.is_labelled & (fleet.fold != fold) for fleet in fleets]
        preparations = prepare(fleets, inside, sensors)
        replays = [fleet.log.replay(p) for fleet, p in zip(fleets, preparations, strict=True)]
        booster = grow_lives(fleets, *examples(fleets, replays, inside))
        if not whole:
            whole = [OutOfFold.none(*given) for given in zip(fleets, replays, strict=True)]
            worse = [[OutOfFold.none(broken(f.fleet, sensors, one), f.seen) for one in NOT_GOOD] for f in whole]
        for found, of_broken, prepared, replay in zip(whole, worse, preparations, replays, strict=True):
            found.take(fold, replay, booster)
            for one in of_broken:
                one.take(fold, one.fleet.log.replay(prepared), booster)
    for found in whole:
        fleet = found.fleet
        fleet.is_labelled &= found.seen.status[fleet.log.readings] == SCORED
    return whole, worse
