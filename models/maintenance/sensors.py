"""What each sensor of an asset should say, by what the others say and by what the asset was so far. For kernels.

reading ─► modes of the asset by the sensors that are believed ─► residuals against the others, and against the past

Sensors of a class follow a few modes: z = offset + own offset of the asset + load @ mode + noise, in each regime. An
asset that wears moves along the modes, all sensors agree, and no residual grows. A sensor is suspected by the smaller
of two residuals, where they have one sign: what it says against what the others say of it now (leave one out), and
against what the modes said so far. Twins (two sensors that show one thing) disagree with each other when one of them
breaks; only the broken one disagrees with its past as well.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from models.jit import njit

CHECKED = 64  # sensors of a class at most; of a class that keeps more none is checked
MODES = 5  # at most
BELIEVABLE = 12.0  # sd of a life: beyond it a sensor has another unit, or is broken; wear moves readings by a few
DOUBT = 3.5  # residual of one reading, in sd, from which it is not believed, though no fault is told yet
DOUBT_SHARE = 0.35  # of the limit of its cusum, from where a sensor is not believed
MOST_OUT = 3  # sensors that one reading puts in doubt; of more it is the asset that has changed
MOST_STEP = 100.0  # units of time after which nothing of the past is known any more
# places of what a class learned: in each regime, and at all times
MEAN, SD, OFFSET, NOISE, SPREAD, SPREAD_PAST = range(6)
BORN, SMALL, STILL, SAME, LUCK, LIMIT, SPIKE = range(7)
# of what a row keeps: float32, and counts of one byte
OWN, OWN_SLOW, LAST, UP, DOWN = range(5)
RUN_STILL, RUN_SAME, ABSENT, STRANGE, CONVERTED, CALM, FAULT = range(7)
NUMBERS, COUNTS = 5, 7
# of the working memory
Z, Y, VARIANCE, FIT, DEVIATION, RESIDUAL, APART, PAST = range(8)
IS_OUT, IS_USED = range(2)
OK, MISSING, STUCK, FLAT, SPIKING, DRIFTING, OUT_OF_RANGE, CHANGED_UNIT = range(8)
FAULTS = ("ok", "missing", "stuck", "flat", "spiking", "drifting", "out_of_range", "changed_unit")


class Checked(NamedTuple):
    """What a class learned of its sensors; R regimes, S sensors, M modes of unit variance over a life. All in sd.

    In each regime: mean and sd of the readings (sd 0: it tells nothing), offset, noise, and the sd of the residuals
    against the others and against the past as multiples of what the structure says. At all times: sd of the own
    offsets of new assets, change of a reading that counts as none, greatest chance of a reading that did not move and
    of an exact repeat, nats from which a run of them is no luck, limit of the cusum, residual of one reading that is
    told.
    """

    regime: Any  # (R, 6, S)
    sensor: Any  # (7, S)
    load: Any  # (R, S, M)


class Memory(NamedTuple):
    """What the row of an asset keeps of its sensors."""

    mode: Any  # (M,) f4 level of the modes
    numbers: Any  # (NUMBERS, S) f4
    counts: Any  # (COUNTS, S) u1


class Doing(NamedTuple):
    """Working memory of one reading."""

    of: Any  # (8, S)
    flag: Any  # (2, S) bool
    state: Any  # (M,) of the modes now
    covariance: Any  # (M, M)
    gain: Any  # (M,)


def doing(sensors: int, modes: int) -> Doing:
    flags = np.zeros((2, sensors), np.bool_)
    return Doing(np.zeros((8, sensors)), flags, np.zeros(modes), np.zeros((modes, modes)), np.zeros(modes))


def unchecked() -> Checked:
    """Of a class whose sensors are not checked."""
    return Checked(np.zeros((1, 6, 0)), np.zeros((7, 0)), np.zeros((1, 0, 0)))


def memory(sensors: int, modes: int) -> Memory:
    """Of an asset that was never seen."""
    numbers, counts = np.zeros((NUMBERS, sensors), np.float32), np.zeros((COUNTS, sensors), np.uint8)
    return Memory(np.zeros(modes, np.float32), numbers, counts)


@njit(cache=True)
def note_faults(regime, counts, sensors, faults):
    """The faults of the checked sensors at their places among the sensors of the class, where there is a score."""
    for s in range(len(sensors) if regime >= 0 else 0):
        faults[sensors[s]] = counts[FAULT, s]


@njit(cache=True)
def begin(regime, seen, readings, learned, memory, work):
    """Whom to ask: who said something believable, and is neither at fault nor in doubt."""
    known, of, numbers = learned.regime[regime], work.of, memory.numbers
    present, strange = 0, 0
    for s in range(len(readings)):
        noise, born = known[NOISE, s] ** 2, learned.sensor[BORN, s] ** 2
        of[VARIANCE, s] = noise + born * noise / (noise + seen * born)
        of[Y, s] = np.nan
        work.flag[IS_USED, s] = False
        work.flag[IS_OUT, s] = np.isnan(readings[s])
        if work.flag[IS_OUT, s] or known[SD, s] < 1e-9:
            continue
        present += 1
        z = (readings[s] - known[MEAN, s]) / known[SD, s]
        work.flag[IS_OUT, s] = abs(z) > BELIEVABLE
        strange += abs(z) > BELIEVABLE
        of[Y, s] = min(max(z, -1e6), 1e6) - known[OFFSET, s] - numbers[OWN, s]
        doubt = max(numbers[UP, s], numbers[DOWN, s]) > DOUBT_SHARE * learned.sensor[LIMIT, s]
        fault = memory.counts[FAULT, s]
        work.flag[IS_USED, s] = not work.flag[IS_OUT, s] and not doubt and (fault <= MISSING or fault == SPIKING)
    if 3 * strange > present:  # it is the asset that is strange
        for s in range(len(readings)):
            if work.flag[IS_OUT, s] and not np.isnan(readings[s]):
                work.flag[IS_OUT, s] = False
                of[Y, s] = min(max(of[Y, s], -BELIEVABLE), BELIEVABLE)


@njit(cache=True)
def _ask(seen, step, load, memory, work):
    """State and covariance of the modes by the sensors in use, one after the other (Kalman 1960).

    From one reading to the next they may change as much as in a life: twins that move together are to be believed.
    """
    modes, state, covariance, gain = len(work.state), work.state, work.covariance, work.gain
    for m in range(modes):
        state[m] = memory.mode[m]
        covariance[m, :] = 0.0
        covariance[m, m] = min(max(step, 1.0), MOST_STEP) + 1.0 / (1.0 + seen)
    for s in range(len(load)):
        if not work.flag[IS_USED, s]:
            continue
        total, expected = work.of[VARIANCE, s], 0.0
        for m in range(modes):
            gain[m] = 0.0
            for n in range(modes):
                gain[m] += covariance[m, n] * load[s, n]
            total += load[s, m] * gain[m]
            expected += load[s, m] * state[m]
        for m in range(modes):
            state[m] += gain[m] * (work.of[Y, s] - expected) / total
            for n in range(modes):
                covariance[m, n] -= gain[m] * gain[n] / total


@njit(cache=True)
def _compare(known, load, memory, work):
    """The residuals of all sensors, those in use each left out. Returns the worst in use, and how bad it is."""
    modes, of, worst, most = len(work.state), work.of, -1, 0.0
    for s in range(len(load)):
        expected, shared = 0.0, 0.0
        for m in range(modes):
            expected += load[s, m] * work.state[m]
            for n in range(modes):
                shared += load[s, m] * work.covariance[m, n] * load[s, n]
        variance = of[VARIANCE, s]
        residual, deviation = of[Y, s] - expected, np.sqrt(variance + shared)
        of[FIT, s] = expected
        if work.flag[IS_USED, s]:
            rest = max(variance - shared, 1e-3 * variance)
            residual, deviation = residual * variance / rest, variance / np.sqrt(rest)
            of[FIT, s] = of[Y, s] - residual
        of[DEVIATION, s] = deviation * known[SPREAD, s]
        of[RESIDUAL, s] = of[APART, s] = of[PAST, s] = 0.0
        if np.isnan(residual):
            continue
        before = 0.0
        for m in range(modes):
            before += load[s, m] * memory.mode[m]
        apart = residual / of[DEVIATION, s]
        past = (of[Y, s] - before) / (np.sqrt(variance) * known[SPREAD_PAST, s])
        of[APART, s], of[PAST, s] = apart, past
        if apart * past > 0:
            of[RESIDUAL, s] = apart if abs(apart) < abs(past) else past
        if work.flag[IS_USED, s] and abs(of[RESIDUAL, s]) > most:
            worst, most = s, abs(of[RESIDUAL, s])
    return worst, most


@njit(cache=True)
def settle(regime, seen, step, learned, memory, work):
    """Ask, and take out who does not fit, the worst first. True: so many do not that it is the asset that changed."""
    taken, known, load = np.uint64(0), learned.regime[regime], learned.load[regime]
    for turn in range(MOST_OUT + 2):
        _ask(seen, step, load, memory, work)
        worst, most = _compare(known, load, memory, work)
        if turn > MOST_OUT or most <= DOUBT:
            return turn > MOST_OUT
        if turn < MOST_OUT:
            work.flag[IS_USED, worst] = False
            taken |= np.uint64(1) << np.uint64(worst)
        else:
            for s in range(len(load)):
                work.flag[IS_USED, s] |= taken & (np.uint64(1) << np.uint64(s)) != 0
    return True
