"""Faults of single sensors, told from wear of the machine; and the values that stand in for theirs. For kernels.

residuals ─► cusums, runs without change, values beyond belief ─► fault of each sensor ─► z, or what stands in for it

While it is in doubt a sensor changes nothing: neither the modes nor its own offset, and its value is replaced by what
the others say of it. So a fault is kept out of the scores before it is told.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from models.jit import njit
from models.maintenance.preparation import CLIP
from models.maintenance.sensors import (
    ABSENT,
    APART,
    BORN,
    CALM,
    CHANGED_UNIT,
    CONVERTED,
    DEVIATION,
    DOUBT,
    DOUBT_SHARE,
    DOWN,
    DRIFTING,
    FAULT,
    FIT,
    FLAT,
    IS_OUT,
    LAST,
    LIMIT,
    LUCK,
    MEAN,
    MISSING,
    NOISE,
    OFFSET,
    OK,
    OUT_OF_RANGE,
    OWN,
    OWN_SLOW,
    PAST,
    RESIDUAL,
    RUN_SAME,
    RUN_STILL,
    SAME,
    SD,
    SMALL,
    SPIKE,
    SPIKING,
    STILL,
    STRANGE,
    STUCK,
    UP,
    Y,
    Z,
    begin,
    settle,
)

SLACK = 1.0  # of the cusum, in sd
STEP = 4.0  # one reading adds so much to a cusum at most
ABOVE = 8.0  # a cusum goes no further above its limit: so soon a sensor that is mended is believed again
MODE_SPEED, OWN_SPEED, SLOW_SPEED = 0.15, 0.12, 0.04  # of the modes; of the own offsets, fast, and in stand-ins
MISSED, AGREED, WELL = 3, 3, 5  # readings that tell: missing, another unit (the same one), recovered
# sd of what is expected: within which a converted reading agrees, and by how much it must be off as it is
UNIT_SD, UNIT_CLEAR = 2.5, 8.0
MOST_AGREED = 7  # are counted
NAT, MOST_NATS = 16, 4.0  # steps of one; of one reading
MOST_COUNT = 255
UNITS = np.array([
    (1.8, 32.0), (1 / 1.8, -32 / 1.8), (1.0, 273.15), (1.0, -273.15), (14.503774, 0.0), (1 / 14.503774, 0.0),
    (10.0, 0.0), (0.1, 0.0), (100.0, 0.0), (0.01, 0.0), (1000.0, 0.0), (0.001, 0.0), (25.4, 0.0), (1 / 25.4, 0.0),
    (3.6, 0.0), (1 / 3.6, 0.0), (60.0, 0.0), (1 / 60.0, 0.0), (0.3048, 0.0), (1 / 0.3048, 0.0),
    (1.341022, 0.0), (1 / 1.341022, 0.0), (4.448222, 0.0), (1 / 4.448222, 0.0),
])  # fmt: skip
"""Factor and offset of what people mix up: temperature, pressure, prefixes, length, speed, time, power, force."""


class Course(NamedTuple):
    """The check along past lives, n readings."""

    residual: Any  # (n, S) in sd, as are `apart` (against the others) and `past`
    apart: Any
    past: Any
    cusum: Any
    run: Any  # (n, S) nats of readings without change
    own: Any
    fault: Any  # (n, S) u1
    z: Any


@njit(cache=True)
def _converted(s, known, reading, sensor, numbers, work, was):
    """Readings of late that agree with what the others say, once they are taken for ones in the same other unit.

    A unit changes at once, from one reading to the next: what drifts comes by other units too. And in its unit the
    sensor moves as it always did, unlike one that is stuck.

    Args:
        was: the same after the reading before: eight times the unit, plus how many.
    """
    expected, count = known[OFFSET, s] + numbers[OWN, s] + work.of[FIT, s], was % (MOST_AGREED + 1)
    is_abrupt = max(numbers[UP, s], numbers[DOWN, s]) <= DOUBT_SHARE * sensor[LIMIT, s]
    best, least = -1, UNIT_SD * work.of[DEVIATION, s]
    as_it_is = abs((reading - known[MEAN, s]) / known[SD, s] - expected)
    for unit in range(len(UNITS) if as_it_is > UNIT_CLEAR * work.of[DEVIATION, s] else 0):
        value = (reading - UNITS[unit, 1]) / UNITS[unit, 0]
        off = abs((value - known[MEAN, s]) / known[SD, s] - expected)
        if count > 0 and unit == was // (MOST_AGREED + 1):
            if off < UNIT_SD * work.of[DEVIATION, s]:
                has_moved = abs(reading - numbers[LAST, s]) > sensor[SMALL, s] * UNITS[unit, 0]
                return was + 1 if has_moved and count < MOST_AGREED else was
        elif off < least:
            best, least = unit, off
    if count > 1:
        return was - 1
    return best * (MOST_AGREED + 1) + 1 if best >= 0 and is_abrupt else 0


@njit(cache=True)
def _unlikely(chance, apart):
    """Steps of nats of one more reading like the one before: the more, the further off it is from what is expected.

    The chance is the mean over all readings; in the middle of their range (Gaussian) it is greater by sqrt(2).
    """
    nats = min(apart * apart, 4.0) / 2 - np.log(min(np.sqrt(2.0) * chance, 0.95))
    return int(NAT * min(nats, MOST_NATS))


@njit(cache=True)
def _more(count, is_so):
    return min(count + 1, MOST_COUNT) if is_so else 0


@njit(cache=True)
def _count(regime, seen, readings, is_changed, learned, memory, work):
    """Advance what is counted of each sensor."""
    known, sensor, numbers, counts = learned.regime[regime], learned.sensor, memory.numbers, memory.counts
    for s in range(len(readings)):
        reading, residual, is_out = readings[s], work.of[RESIDUAL, s], work.flag[IS_OUT, s]
        counts[ABSENT, s] = _more(counts[ABSENT, s], np.isnan(reading))
        if np.isnan(reading) or known[SD, s] < 1e-9:
            continue
        last = numbers[LAST, s]
        is_same = seen > 0 and np.float32(reading) == last
        is_still = is_same or (seen > 0 and abs(reading - last) <= sensor[SMALL, s])
        apart = work.of[APART, s]
        run = counts[RUN_SAME, s] + _unlikely(sensor[SAME, s], apart)
        counts[RUN_SAME, s] = min(run, MOST_COUNT) if is_same else 0
        run = counts[RUN_STILL, s] + _unlikely(sensor[STILL, s], apart)
        counts[RUN_STILL, s] = min(run, MOST_COUNT) if is_still else 0
        counts[STRANGE, s] = _more(counts[STRANGE, s], is_out)
        is_odd = is_out or abs(residual) > DOUBT or counts[FAULT, s] >= DRIFTING
        was = np.int64(counts[CONVERTED, s])
        counts[CONVERTED, s] = _converted(s, known, reading, sensor, numbers, work, was) if is_odd else 0
        numbers[LAST, s] = min(max(reading, -1e38), 1e38)
        if not is_changed and not is_out:
            most, part = sensor[LIMIT, s] + ABOVE, min(max(residual, -STEP), STEP)
            numbers[UP, s] = min(max(0.0, numbers[UP, s] + part - SLACK), most)
            numbers[DOWN, s] = min(max(0.0, numbers[DOWN, s] - part - SLACK), most)


@njit(cache=True)
def _now(s, sensor, memory, work):
    """What is wrong with a sensor by this reading."""
    counts = memory.counts
    if counts[ABSENT, s] > 0:
        return MISSING if counts[ABSENT, s] >= MISSED else counts[FAULT, s]
    if counts[CONVERTED, s] % (MOST_AGREED + 1) >= AGREED:
        return CHANGED_UNIT
    if work.flag[IS_OUT, s]:
        return OUT_OF_RANGE if counts[STRANGE, s] > 1 else SPIKING
    if max(counts[RUN_SAME, s], counts[RUN_STILL, s]) >= NAT * sensor[LUCK, s]:
        return STUCK if counts[RUN_SAME, s] >= NAT * sensor[LUCK, s] else FLAT
    if max(memory.numbers[UP, s], memory.numbers[DOWN, s]) > sensor[LIMIT, s]:
        return DRIFTING
    return SPIKING if abs(work.of[RESIDUAL, s]) > sensor[SPIKE, s] else OK


@njit(cache=True)
def _tell(sensor, memory, work):
    """The fault of each sensor: one that lasts is told until it was well for some readings in a row."""
    counts = memory.counts
    for s in range(sensor.shape[1]):
        was, now = counts[FAULT, s], _now(s, sensor, memory, work)
        counts[CALM, s] = _more(counts[CALM, s], now == OK)
        if now == OK:
            if counts[CALM, s] >= WELL or was <= MISSING or was == SPIKING:
                counts[FAULT, s] = OK
        elif now != SPIKING or was <= MISSING:
            counts[FAULT, s] = now


@njit(cache=True)
def _take(regime, seen, is_changed, learned, memory, work):
    """The values that count. A sensor that is believed moves its own offset. Returns whether one is in doubt only."""
    known, sensor, numbers, of = learned.regime[regime], learned.sensor, memory.numbers, work.of
    is_doubtful = False
    for s in range(of.shape[1]):
        if known[SD, s] < 1e-9:
            of[Z, s] = 0.0
            continue
        cusum = max(numbers[UP, s], numbers[DOWN, s])
        doubt = not is_changed and (cusum > DOUBT_SHARE * sensor[LIMIT, s] or abs(of[RESIDUAL, s]) > DOUBT)
        is_doubtful |= doubt and memory.counts[FAULT, s] == OK
        if work.flag[IS_OUT, s] or doubt or memory.counts[FAULT, s] != OK:
            work.flag[IS_OUT, s] = True
            of[Z, s] = min(max(known[OFFSET, s] + numbers[OWN_SLOW, s] + of[FIT, s], -CLIP), CLIP)
            continue
        of[Z, s] = min(max(known[OFFSET, s] + numbers[OWN, s] + of[Y, s], -CLIP), CLIP)
        noise, born = known[NOISE, s] ** 2, sensor[BORN, s] ** 2
        first, away = born / (noise + (seen + 1) * born), of[Y, s] - of[FIT, s]
        numbers[OWN_SLOW, s] += max(SLOW_SPEED, first) * (away + numbers[OWN, s] - numbers[OWN_SLOW, s])
        numbers[OWN, s] += max(OWN_SPEED, first) * away
    return is_doubtful


@njit(cache=True)
def check_sensors(regime, seen, step, readings, learned, memory, work):
    """Judge one reading: its faults are in the counts of the memory, the values that count in `work.of[Z]`, and
    `work.flag[IS_OUT]` says which of them stand in. Returns whether a sensor is in doubt though no fault is told.

    Args:
        seen: readings of this life before this one.
        step: units of time since then.
        readings: (S,) of the sensors that are checked; NaN: missing.
    """
    begin(regime, seen, readings, learned, memory, work)
    is_changed = settle(regime, seen, step, learned, memory, work)
    _count(regime, seen, readings, is_changed, learned, memory, work)
    _tell(learned.sensor, memory, work)
    is_doubtful = _take(regime, seen, is_changed, learned, memory, work)
    speed = max(1.0 - (1.0 - MODE_SPEED) ** max(step, 0.0), 1.0 / (1.0 + seen))
    for m in range(len(work.state)):
        memory.mode[m] += speed * (work.state[m] - memory.mode[m])
    return is_doubtful


@njit(cache=True)
def forget(memory):
    """A new life: what was learned of the machine is forgotten; a sensor that is broken stays so."""
    memory.mode[:] = 0.0
    for place in (OWN, OWN_SLOW, UP, DOWN):
        memory.numbers[place, :] = 0.0
    for s in range(memory.counts.shape[1]):
        if memory.counts[FAULT, s] == DRIFTING:
            memory.counts[FAULT, s] = OK


@njit(cache=True)
def course_of_sensors(is_first, step, regime, readings, learned, memory, work, found):
    """The check along past lives (n,), each with a memory of its own; for learning its limits. `found` is written."""
    seen = 0
    for i in range(len(readings)):
        if is_first[i]:
            seen = 0
            memory.mode[:] = 0.0
            memory.numbers[:, :] = 0.0
            memory.counts[:, :] = 0
        check_sensors(regime[i], seen, step[i], readings[i], learned, memory, work)
        seen += 1
        for s in range(readings.shape[1]):
            found.residual[i, s], found.apart[i, s] = work.of[RESIDUAL, s], work.of[APART, s]
            found.past[i, s], found.z[i, s] = work.of[PAST, s], work.of[Z, s]
            found.cusum[i, s] = max(memory.numbers[UP, s], memory.numbers[DOWN, s])
            found.run[i, s] = max(memory.counts[RUN_SAME, s], memory.counts[RUN_STILL, s]) / NAT
            found.own[i, s], found.fault[i, s] = memory.numbers[OWN, s], memory.counts[FAULT, s]
