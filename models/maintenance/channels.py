"""From one reading to the values of the channels, for kernels.

regime ─► z ─► refuse spikes ─► stand in for what is missing ─► channels and their trust ─► has the asset been renewed?
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from models.jit import njit
from models.maintenance.preparation import CLIP
from models.maintenance.recursions import FEATURES
from models.maintenance.sensors import BELIEVABLE

SPIKE = 6.0  # noise sd by which one reading of a sensor is too far off to be believed
SPIKE_FROM = 4  # readings of a life before it can be told
GUARDED = 64  # sensors
BRIDGED = 1000  # readings in a row whose regime is concluded when the variables that tell it are missing
FALL_SLACK = 0.5  # of the renewal rule, in sd of the index
FALL_STEP = 3.0  # one reading counts as a fall of so many sd at most
FALL_SPEED = 0.12
LEVEL = 3 * FEATURES.index("level")  # place of the level in the state of a channel


class Prepared(NamedTuple):
    """`Preparation` and the choice of features, for the kernel."""

    centre: Any
    scale: Any
    centroids: Any
    sensors: Any
    mean: Any
    sd: Any
    weights: Any
    bias: Any
    trust: Any
    expected_offset: Any
    expected_load: Any
    noise: Any
    fall_channel: int
    fall_limit: float
    check: Any  # models.maintenance.sensors.Checked; of no sensor where they are not checked
    unit_s: float
    chosen: Any  # places of the chosen features of a channel
    has_age: bool
    errors: int
    components: int


class Work(NamedTuple):
    """Working memory of one reading."""

    z: Any
    is_present: Any
    index: Any
    trust: Any
    keep: Any
    found: Any
    last: Any
    counts: Any
    readings: Any  # of a reading that comes in parts, together
    variables: Any
    constants: Any
    known: Any  # the variables with the last known in place of missing ones
    features: Any  # what nobody asks for
    is_renewed: Any
    draft: Any  # (1,) a copy of a row
    can_hold: Any  # (1,) bool: rows have room for the values of a reading that comes in parts
    said: Any  # (S,) readings of the kept sensors
    check: Any  # models.maintenance.sensors.Doing
    is_doubtful: Any  # (1,) bool: a sensor is in doubt of which no fault is told
    quality: Any  # (1,) u1: place in models.maintenance.step.QUALITIES


@njit(cache=True)
def regime_of(variables, centroids, centre, scale):
    """Nearest centroid; -1 when a variable is missing and there is more than one."""
    if len(centroids) == 1:
        return 0
    best, least = -1, np.inf
    for regime in range(len(centroids)):
        distance = 0.0
        for variable in range(len(centre)):
            scaled = (variables[variable] - centre[variable]) / scale[variable]
            if np.isnan(scaled):
                return -1
            distance += (min(max(scaled, -1e6), 1e6) - centroids[regime, variable]) ** 2
        if distance < least:
            best, least = regime, distance
    return best


@njit(cache=True)
def _expected(offset, load, regime, s, channels):
    """z that a sensor should show at the levels that the channels have now."""
    z = offset[regime, s]
    for k in range(len(channels)):
        z += load[regime, s, k] * channels[k, LEVEL]
    return min(max(z, -CLIP), CLIP)


@njit(cache=True, inline="always")
def normalise(prep, regime, readings, work):
    """z of the sensors that said something; returns how many did.

    What a few say that is beyond belief is taken as not said. When most are, it is the asset that is strange.
    """
    present, strange = 0, 0
    for s in range(len(prep.sensors)):
        reading = readings[prep.sensors[s]]
        work.is_present[s] = not np.isnan(reading)
        work.z[s] = 0.0
        if work.is_present[s]:
            present += 1
            if prep.sd[regime, s] >= 1e-9:
                z = (reading - prep.mean[regime, s]) / prep.sd[regime, s]
                strange += abs(z) > BELIEVABLE
                work.z[s] = min(max(z, -CLIP), CLIP)
    if 0 < 3 * strange <= present:
        for s in range(len(prep.sensors)):
            if work.is_present[s] and abs(work.z[s]) == CLIP:
                z = (readings[prep.sensors[s]] - prep.mean[regime, s]) / prep.sd[regime, s]
                work.is_present[s] = abs(z) <= BELIEVABLE
        present -= strange
    return present


@njit(cache=True)
def _likeliest(channels, readings, learned):
    """The regime in which the sensors show what is expected at the levels of the channels; -1: too few are there."""
    sensors, mean, sd, noise, offset, load = learned
    best, least, most = -1, np.inf, len(sensors)
    for regime in range(len(mean)):
        total, count = 0.0, 0
        for s in range(most):
            reading = readings[sensors[s]]
            if not np.isnan(reading) and sd[regime, s] >= 1e-9:
                z = min(max((reading - mean[regime, s]) / sd[regime, s], -CLIP), CLIP)
                off = (z - _expected(offset, load, regime, s, channels)) / max(noise[regime, s], 0.1)
                total += min(off * off, 100.0) + 2 * np.log(sd[regime, s])
                count += 1
        if 2 * count > most and total < least:
            best, least = regime, total
    return best


@njit(cache=True)
def bridged_regime(row, readings, variables, known, regimes, learned):
    """The regime of a reading without the variables that tell it: that which fits the sensors best, or the last known.

    -1: unknown. It is given only the arrays it needs, for the time of compilation.

    Args:
        known: (V,) is overwritten.
        regimes: centroids, centre and scale of the variables.
        learned: sensors, mean, sd, noise, expected_offset and expected_load.
    """
    regime = -1
    if row.seen > 0:
        regime = _likeliest(row.channels, readings, learned)
    if regime < 0 and row.knows_variables == 1:
        for variable in range(len(known)):
            value = variables[variable]
            known[variable] = row.variables[variable] if np.isnan(value) else value
        centroids, centre, scale = regimes
        regime = regime_of(known, centroids, centre, scale)
    return regime


@njit(cache=True)
def remember_regime(row, regimes, variables):
    """Keep what was told, for readings that do not tell it."""
    if regimes == 1:
        return
    missing = 0
    for variable in range(len(variables)):
        if np.isnan(variables[variable]):
            missing += 1
        else:
            row.variables[variable] = variables[variable]
    if missing == 0:
        row.knows_variables = 1
        row.bridged = 0
    else:
        row.bridged = min(row.bridged + 1, BRIDGED)


@njit(cache=True, inline="always")
def refuse_spikes(row, prep, regime, present, work):
    """A sensor that is far off while most others are not is taken as missing; when it stays off it is believed."""
    if row.seen < SPIKE_FROM:
        return
    was, now, count = row.deviating, np.uint64(0), 0
    for s in range(min(len(prep.sensors), GUARDED)):
        off = abs(work.z[s] - _expected(prep.expected_offset, prep.expected_load, regime, s, row.channels))
        if work.is_present[s] and off > SPIKE * prep.noise[regime, s]:
            now |= np.uint64(1) << np.uint64(s)
            count += 1
    row.deviating = now
    if 3 * count <= present:
        for s in range(min(len(prep.sensors), GUARDED)):
            bit = np.uint64(1) << np.uint64(s)
            if now & bit and not was & bit:
                work.is_present[s] = False


@njit(cache=True, inline="always")
def stand_in(prep, regime, channels, work):
    for s in range(len(prep.sensors)):
        if not work.is_present[s]:
            work.z[s] = _expected(prep.expected_offset, prep.expected_load, regime, s, channels)


@njit(cache=True, inline="always")
def project_reading(prep, regime, work):
    """Values of the channels; their trust falls by the share of the weights whose sensors are missing."""
    for k in range(prep.weights.shape[1]):
        value, total, present = prep.bias[regime, k], 0.0, 0.0
        for s in range(len(prep.sensors)):
            weight = prep.weights[regime, k, s]
            value += weight * work.z[s]
            total += weight * weight
            if work.is_present[s]:
                present += weight * weight
        work.index[k] = value
        work.trust[k] = prep.trust[regime, k] * (present / total if total > 0 else 0.0)


@njit(cache=True, inline="always")
def has_fallen(fall, value, trust, limit):
    """The renewal rule: a cusum of the index falling below its own level, which waits while a fall is in doubt."""
    if fall[1] > 1.0:
        fall[2] = max(0.0, fall[2] + trust * (min(fall[0] - value, FALL_STEP) - FALL_SLACK))
    is_over = fall[2] > limit
    if is_over:
        fall[:] = 0.0
    if trust > 0 and (fall[2] == 0.0 or fall[1] < 1.0):
        gain = FALL_SPEED * trust
        fall[1] = (1 - FALL_SPEED) * fall[1] + gain if fall[1] > 1.0 else fall[1] + gain
        fall[0] += gain / max(fall[1], gain) * (value - fall[0])
    return is_over


@njit(cache=True)
def fall_course(is_first, value, trust):
    """The cusum of the renewal rule along past lives (n,), without renewals; for learning its limit."""
    fall, course = np.zeros(3, np.float32), np.zeros(len(value))
    for i in range(len(value)):
        if is_first[i]:
            fall[:] = 0.0
        has_fallen(fall, value[i], trust[i], np.inf)
        course[i] = fall[2]
    return course
