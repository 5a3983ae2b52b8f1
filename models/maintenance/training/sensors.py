"""What an asset class learns about its sensors, so that their faults are told from wear.

past readings ─► modes, loads, noise ─► the check along past lives ─► spreads ─► limits that past lives hardly reach
"""

from __future__ import annotations

import numpy as np

from models.arrays import Floats, Ints
from models.maintenance import (
    BORN,
    CLIP,
    DOUBT_CUSUM,
    DOUBT_RUN,
    LIMIT,
    LUCK,
    MODES,
    SAME,
    SMALL,
    SPIKE,
    SPREAD,
    SPREAD_PAST,
    STILL,
    Checked,
    Course,
    course_of_sensors,
)
from models.maintenance.training.indexes import Lives, Structure, fit_modes

LEAST_NOISE = 0.05  # sd
LEAST_BORN = 0.05
NEVER = 1e9
RARE = 1e-4  # share of the readings of past lives that may be faults
# of these the part of sensors that often repeat themselves (the share is COARSE): of theirs the run that tells is long
COARSE, COARSE_SHARE = 0.15, 0.9
STEADY = 0.6  # chance of a repeat above which nothing can be told by repeats
OFTEN = 1e-2  # share of the readings at which it is well known how long runs are
MOST_NATS = 15.5  # of a run, as it is counted
DOUBTED = 1e-3  # share of the readings at which a sensor may be in doubt; that costs little
MARGIN = 1.25  # limits lie above what past lives reach
LEAST_SPIKE, LEAST_LIMIT = 6.0, 8.0
LEAST_DOUBT, MOST_DOUBT = 2.0, 0.35  # cusum; share of the limit
MOST_RUN, WELL_KNOWN = 30, 300  # readings of a run; runs
STILL_SHARE = 0.1  # of the usual change of a reading: counts as none
RARE_LIVES, RAISES = 0.02, 4  # share of past lives of which a drift may be told; how often a limit is raised for it
SETTLED, FIRST = 40, 5  # readings of a life: own offsets are found; residuals are judged
ALONE = 0.7  # share of what is shown of a mode
BY_NOISE = 4.0  # sd that noise alone reaches in a life
Given = tuple[np.ndarray, Floats, Ints, Floats]  # first of a life, step, regime, readings


def learn_sensors(life: Ints, step: Floats, readings: Floats, regime: Ints, mean: Floats, sd: Floats) -> Checked:
    """Args:
    life: (n,) the same number for readings of one life, in their order.
    step: (n,) units of time since the reading before.
    readings: (n, S) of the sensors that are kept.
    """
    count, sensors = mean.shape
    z = np.where(sd[regime] < 1e-9, 0.0, (readings - mean[regime]) / np.where(sd < 1e-9, 1.0, sd)[regime])
    modes = min(MODES, max(1, (sensors - 1) // 2))
    lives = Lives.of(life)
    found, _, _ = fit_modes(lives, z, regime, count, modes, LEAST_NOISE)
    one = np.ones((count, sensors))
    by_sensor = np.full((9, sensors), NEVER)
    by_sensor[[BORN, STILL, SAME]], by_sensor[SMALL] = 1.0, 0.0
    load = found.load * np.where(
        is_shared(found, np.bincount(regime, minlength=count)), _leaps(lives, found, z, regime), 0.0
    )
    learned = Checked(np.stack([mean, sd, found.offset, found.noise, one, one], 1), by_sensor, load)
    given = np.diff(life, prepend=life[0] - 1) != 0, step, regime, np.ascontiguousarray(readings)
    _learn_spreads(learned, given)
    _learn_stillness(learned, given)
    _learn_limits(learned, given)
    return learned


def is_shared(found: Structure, readings: Ints) -> np.ndarray:
    """(M,) whether several sensors show a mode; the first, of wear, counts in any case. `readings` (R,) of each regime.

    Of a mode that one sensor nearly alone shows, nobody tells once that sensor is broken: what stands in for it would
    stay where its drift has led. What it does alone is followed by its own offset, and held there.
    """
    shown = np.average((found.load / found.noise[:, :, None]) ** 2, axis=0, weights=readings)
    is_shared = shown.max(0) <= ALONE * shown.sum(0)
    is_shared[0] = True
    return np.asarray(is_shared)


def _leaps(lives: Lives, found: Structure, z: Floats, regime: Ints) -> Floats:
    """(M,) how far each mode leaps from one reading to the next, in its sd over all lives; at least 1.

    Wear moves a mode slowly in every life. Another may leap to and fro, in few lives: sensors that leap together are
    then believed.
    """
    away = np.clip(z, -CLIP, CLIP) - found.offset[regime]  # of few lives one wild reading would be the farthest leap
    return np.array([leap(lives, found.solve[regime, mode] * away) for mode in range(found.solve.shape[1])])


def leap(lives: Lives, parts: Floats) -> float:
    """Of one mode, from the parts (n, S) of it that the sensors show. What one sensor alone shows is no leap, nor is
    what noise reaches; and lives are counted."""
    course = lives.smoothed(parts)
    away, sd = parts - course, max(float(course.sum(1).std()), 1e-9)
    whole = np.abs(away.sum(1)) / sd
    shared = np.clip(2 * (whole - np.abs(away).max(1) / sd), 0.0, whole)
    farthest = np.quantile(np.maximum.reduceat(shared, lives.starts), 1 - RARE_LIVES)
    noise = np.median(whole) / 0.6745  # of a normal distribution
    return max(float(farthest - BY_NOISE * noise), 1.0)


def course(learned: Checked, given: Given) -> Course:
    """The check along past lives."""
    return course_of_sensors(learned, *given)


def _learn_spreads(learned: Checked, given: Given) -> None:
    """Sd of the residuals as they are, and of the own offsets."""
    is_first, _, regime, _ = given
    place = np.arange(len(is_first))
    age = place - np.maximum.accumulate(np.where(is_first, place, 0))
    settled = age == SETTLED
    for _ in range(4):
        found = course(learned, given)
        if settled.sum() > 10:
            learned.sensor[BORN] = np.maximum(found.own[settled].std(0), LEAST_BORN)
        for name, values in ((SPREAD, found.apart), (SPREAD_PAST, found.past)):
            for one in range(len(learned.regime)):
                inside = np.abs(values[(regime == one) & (age >= FIRST)])
                if len(inside):
                    normal, tail = np.quantile(inside, [0.8, 0.995], axis=0)
                    learned.regime[one, name] *= np.clip(np.maximum(normal / 1.2816, tail / 3.2), 0.3, 4.0)


def _learn_stillness(learned: Checked, given: Given) -> None:
    """How likely readings are that do not move."""
    is_first, _, regime, readings = given
    moved = np.abs(np.diff(readings, axis=0, prepend=readings[:1]))
    moved[is_first] = np.inf
    is_alike = ~is_first & (np.diff(regime, prepend=-1) == 0)
    small = STILL_SHARE * np.median(moved[is_alike], axis=0) if is_alike.sum() >= WELL_KNOWN else np.zeros(len(moved.T))
    learned.sensor[SMALL] = small
    still = np.array([chance_of_more(column <= least) for column, least in zip(moved.T, small, strict=True)])
    same = np.array([chance_of_more(column == 0) for column in moved.T])
    is_coarse = same > COARSE
    # of a coarse sensor the chance within a run is known, and not only of all readings, as the check takes it
    learned.sensor[[STILL, SAME]] = np.where(is_coarse, np.sqrt(0.5), 1.0) * [still, same]
    # of those that are never told none is taken
    coarse = COARSE_SHARE / max((is_coarse & (same <= STEADY)).sum(), 1)
    fine = (1 - COARSE_SHARE) / max((~is_coarse).sum(), 1)
    run, rare = course(learned, given).run, RARE * np.where(is_coarse, coarse, fine)
    learned.sensor[LUCK] = np.where(same > STEADY, NEVER, np.minimum(nats_of_runs(run, rare), MOST_NATS))
    learned.sensor[DOUBT_RUN] = np.where(same > STEADY, NEVER, nats_of_runs(run, np.full(len(same), DOUBTED)))


def nats_of_runs(run: Floats, rare: Floats) -> Floats:
    """(S,) nats that runs (n, S) reach at a share `rare` (S,) of the readings: a run of so many nats has the chance
    exp(-nats), unless past lives show more, at a share of the readings at which it is well known."""
    return np.asarray(np.maximum(np.quantile(run, 1 - OFTEN, axis=0) + np.log(OFTEN), 0.0) - np.log(rare))


def chance_of_more(is_still: np.ndarray) -> float:
    """The greatest chance of one more still reading, after runs of any length that is known well."""
    place = np.arange(len(is_still))
    run = place - np.maximum.accumulate(np.where(~is_still, place, -1))
    found = (is_still.sum() + 1) / (len(is_still) + 2)
    for length in range(1, MOST_RUN):
        reached, more = (run == length).sum(), (run[1:][run[:-1] == length] > length).sum()
        if reached < WELL_KNOWN:
            break
        found = max(found, more / reached)
    return float(found)


def _learn_limits(learned: Checked, given: Given) -> None:
    """Limits that few past lives reach: lives and not readings are counted, as one asset whose sensor went its own way
    for long would else blind the check of all others.

    The limit of a sensor changes what it is believed, so each is raised step by step, and the past looked at again.
    """
    found = course(learned, given)
    learned.sensor[SPIKE] = np.maximum(MARGIN * np.quantile(np.abs(found.residual), 1 - RARE, axis=0), LEAST_SPIKE)
    starts = np.flatnonzero(given[0])
    learned.sensor[LIMIT] = LEAST_LIMIT
    for _ in range(RAISES):
        learned.sensor[DOUBT_CUSUM] = MOST_DOUBT * learned.sensor[LIMIT]
        found = course(learned, given)
        too_often = (np.maximum.reduceat(found.cusum, starts) > learned.sensor[LIMIT]).mean(0) > RARE_LIVES
        if not too_often.any():
            break
        learned.sensor[LIMIT, too_often] *= MARGIN
    doubted = np.quantile(found.cusum, 1 - DOUBTED, axis=0)
    learned.sensor[DOUBT_CUSUM] = np.clip(doubted, LEAST_DOUBT, MOST_DOUBT * learned.sensor[LIMIT])
