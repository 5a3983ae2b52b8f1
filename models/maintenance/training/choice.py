"""Which sensors of a class its scores rest on: those that move over a life, but for steady ones that nothing needs.

past lives ─► sensors that move over a life ─► is one steady, and the life told as well without it? ─► Chosen

A sensor is steady that mostly repeats its reading before. That it is stuck cannot be told from its being well, and by
its steps, rough against its noise, a drift is told late; until then it takes the score along. So it must be worth it:
lives held out are told clearly worse without it. On C-MAPSS s10 of the subsets with one regime is such a sensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.arrays import Floats, Ints
from models.maintenance import DIRECTIONS, Regimes
from models.maintenance.training.fleet import Fleet
from models.maintenance.training.indexes import Lives
from models.maintenance.training.preparation import History, TrainingError, learn_regimes, normalise
from models.maintenance.training.sensors import STEADY, chance_of_more

LEAST_MOVEMENT = 1.0  # sd over a life, of a sensor that tells of wear
CLEARLY = 2.0  # standard errors
LEAST_LIVES = 50  # a fifth of them are held out; of fewer than ten it cannot be told that a sensor is not needed


@dataclass(frozen=True)
class Chosen:
    """Places of sensors of the class."""

    sensors: Ints
    left_out: dict[int, float]  # steady ones that move: the chance that a reading repeats the one before


def choose(fleets: Sequence[Fleet], error_of: Callable[[Ints], Floats]) -> Chosen:
    """The sensors that sister classes use; one that tells in one class serves all.

    Args:
        error_of: of some sensors, the squared error of each life of some that were held out (lives,).

    Raises:
        TrainingError: no sensor moves over a life.
    """
    moved = np.max([_movement_of(fleet) for fleet in fleets], 0)
    telling = np.flatnonzero(moved >= LEAST_MOVEMENT)
    if len(telling) == 0:
        raise _nothing_moves(fleets[0], moved)
    chance = np.min([_chance_of_repeats(fleet)[telling] for fleet in fleets], 0)
    is_steady = chance > STEADY
    kept = telling[~is_steady]
    if not is_steady.any() or len(kept) < DIRECTIONS or sum(fleet.lives for fleet in fleets) < LEAST_LIVES:
        return Chosen(telling, {})
    loss = error_of(kept) - error_of(telling)
    if loss.mean() > CLEARLY * loss.std() / np.sqrt(len(loss)):
        return Chosen(telling, {})
    return Chosen(kept, dict(zip(telling[is_steady].tolist(), chance[is_steady].tolist(), strict=True)))


def _nothing_moves(fleet: Fleet, moved: Floats) -> TrainingError:
    asset_class = fleet.log.asset_class
    told = ", ".join(f"{name} {by:.2f}" for name, by in zip(asset_class.sensors, moved, strict=True))
    return TrainingError(
        f"No sensor of asset class {asset_class.name} moves by {LEAST_MOVEMENT} sd over a life (constant sensors "
        f"move by 0): {told}. Nothing was trained.",
        "Name sensors that tell of wear, and what the readings depend on besides as `regime`.",
    )


def left_out_words(names: Sequence[str], left_out: Mapping[int, float]) -> str:
    """For the card: the sensors that are not used though they move, and why; empty where there are none."""
    if not left_out:
        return ""
    told = ", ".join(f"{names[place]} ({share:.0%})" for place, share in left_out.items())
    return (
        f"Not used, though they move over a life, as they mostly repeat the reading before: {told}. That such a "
        "sensor is stuck cannot be told, and of lives held out the remaining life was told as well without."
    )


def movement(history: History, regimes: Regimes) -> Floats:
    """How far each sensor of the class moves over a life, in its own sd: (sensors,).

    Root mean square over the lives of late minus early, noise removed: squared per life, because two failure modes
    may move a sensor in opposite directions and cancel in the mean.
    """
    lives = Lives.of(history.life)
    every = np.arange(history.readings.shape[1])
    _, _, z = normalise(history.readings, regimes.of(history.variables), len(regimes), every)
    moved = lives.movement(z)
    if len(moved) == 0:
        return np.zeros(len(every))
    is_same_life = np.diff(history.life) == 0
    noise = (np.diff(z, axis=0)[is_same_life] ** 2).mean(0) / 2
    squared = (moved**2).mean(0) - noise * 2 / lives.head
    return np.asarray(np.sqrt(np.maximum(squared, 0) / np.maximum(z.var(0), 1e-12)))


def _movement_of(fleet: Fleet) -> Floats:
    history = fleet.log.history(fleet.is_labelled, fleet.log.remaining)
    return movement(history, learn_regimes(history))


def _chance_of_repeats(fleet: Fleet) -> Floats:
    """(sensors of the class,) the chance of one more reading that is exactly the one before; a missing one is not."""
    log = fleet.log
    change = np.diff(log.batch.readings[log.readings], axis=0, prepend=np.nan)
    is_same = (change == 0) & (np.diff(log.life, prepend=log.life[0]) == 0)[:, None]
    return np.array([chance_of_more(column) for column in is_same[fleet.is_labelled].T])
