"""One step of a row by one reading, and what it comes to as a feature row.

values in `Work` ─► regime ─► z ─► renewed? ─► spikes, stand-ins, channels ─► recursions ─► features
"""

from __future__ import annotations

from models.jit import njit
from models.maintenance.channels import (
    BRIDGED,
    bridged_regime,
    has_fallen,
    normalise,
    project_reading,
    refuse_spikes,
    regime_of,
    remember_regime,
    stand_in,
)
from models.maintenance.faults import check_sensors, forget
from models.maintenance.log_memory import WINDOWS, read_log
from models.maintenance.recursions import decays, update_channel
from models.maintenance.sensors import IS_OUT, Memory, Z

GOOD, DEGRADED, POOR = range(3)
QUALITIES = ("good", "degraded", "poor")
BRIDGED_WELL = 24  # readings in a row whose regime is concluded; of more the score is poor
NEVER = 10_000.0  # units: a kind of log entry that never came, or so long ago


@njit(cache=True)
def begin_life(row, time):
    row.channels[:, :] = 0.0
    row.seen = 0
    row.deviating = 0
    row.life_first = time
    forget(Memory(row.modes, row.sensors, row.sensor_counts))


@njit(cache=True, inline="always")
def _renew_by_log(row, time, whole, prep, work, is_renewed):
    """Which targets the log has renewed since the reading before."""
    if whole > row.renewed_at:
        row.renewed_at = whole
        row.fall[:] = 0.0
        begin_life(row, time)
        is_renewed[:] = 1
    for c in range(prep.components):
        at = max(work.last[prep.errors + c], whole)
        if at > row.applied_at[c]:
            row.applied_at[c] = at
            is_renewed[c] = 1


@njit(cache=True, inline="always")
def _write_features(row, time, prep, work, out):
    """After the channels: age, counts of errors, time since each kind of log entry, constants."""
    place = prep.weights.shape[1] * len(prep.chosen)
    if prep.has_age:
        out[place] = max((time - row.life_first) / prep.unit_s, 0.0) + 1
        place += 1
    for error in range(prep.errors):
        for window in range(len(WINDOWS)):
            out[place] = work.counts[error, window]
            place += 1
    whole = work.last[prep.errors + prep.components]
    for code in range(prep.errors + prep.components):
        at = max(work.last[code], whole) if code >= prep.errors else work.last[code]
        out[place] = min((time - at) / prep.unit_s, NEVER) if at > 0 else NEVER
        place += 1
    for constant in range(len(work.constants)):
        out[place] = min(max(work.constants[constant], -1e30), 1e30)
        place += 1


@njit(cache=True, inline="always")
def _believe(row, regime, step, present, prep, work):
    """What the sensors said, or what stands in for it, is in `work.z` then; false of `is_present` stands in.

    Returns whether a sensor is in doubt of which no fault is told (yet).
    """
    if prep.check.sensor.shape[1] == 0:
        refuse_spikes(row, prep, regime, present, work)
        stand_in(prep, regime, row.channels, work)
        return False
    for s in range(len(work.said)):
        work.said[s] = work.readings[prep.sensors[s]]
    memory = Memory(row.modes, row.sensors, row.sensor_counts)
    is_doubtful = check_sensors(regime, row.seen, step, work.said, prep.check, memory, work.check)
    for s in range(len(work.said)):
        work.z[s] = work.check.of[Z, s]
        work.is_present[s] = not work.check.flag[IS_OUT, s]
    return is_doubtful


@njit(cache=True, inline="always")
def _grade(row, regime, prep, work):
    """How good the input of the score is: place in `QUALITIES`."""
    telling, out = 0, 0
    for s in range(len(work.is_present)):
        if prep.sd[regime, s] >= 1e-9:
            telling += 1
            out += not work.is_present[s]
    if 2 * out > telling or row.bridged > BRIDGED_WELL:
        return POOR
    return DEGRADED if out > 0 or row.bridged > 0 else GOOD


@njit(cache=True, inline="always")
def _advance_channels(row, step, time, prep, work, out):
    seen = row.seen
    row.seen = seen + 1
    if seen == 0:
        row.life_first = time
    age = max((time - row.life_first) / prep.unit_s, 0.0) + 1
    decays(step, work.keep)
    for k in range(prep.weights.shape[1]):
        update_channel(row.channels[k], seen + 1, age, work.keep, work.index[k], work.trust[k], work.found)
        for j in range(len(prep.chosen)):
            out[k * len(prep.chosen) + j] = work.found[prep.chosen[j]]


@njit(cache=True, inline="always")
def take_step(row, time, prep, work, out, is_renewed):
    """Step by the values in `work`; returns its length in units and the regime, -1 and nothing done if none is known.

    Inlined, and called at one place only: it is most of what numba has to compile.

    Args:
        out: (F,) receives the features.
        is_renewed: (T,) receives 1 where a new life of the target begins here.
    """
    regime = regime_of(work.variables, prep.centroids, prep.centre, prep.scale)
    if regime < 0 and row.bridged < BRIDGED:
        learned = (prep.sensors, prep.mean, prep.sd, prep.noise, prep.expected_offset, prep.expected_load)
        regimes = (prep.centroids, prep.centre, prep.scale)
        regime = bridged_regime(row, work.readings, work.variables, work.known, regimes, learned)
    present = normalise(prep, regime, work.readings, work) if regime >= 0 else 0
    if present == 0:
        return 0.0, -1
    remember_regime(row, len(prep.centroids), work.variables)
    whole = read_log(row, time, prep, work)
    _renew_by_log(row, time, whole, prep, work, is_renewed)
    step = (time - row.stepped_at) / prep.unit_s if row.seen > 0 else 1.0
    work.is_doubtful[0] = _believe(row, regime, step, present, prep, work)
    work.quality[0] = _grade(row, regime, prep, work)
    project_reading(prep, regime, work)
    k = prep.fall_channel
    if k >= 0 and has_fallen(row.fall, work.index[k], work.trust[k], prep.fall_limit):
        row.renewed_at = time
        begin_life(row, time)
        is_renewed[:] = 1
        step = 1.0
    _advance_channels(row, step, time, prep, work, out)
    _write_features(row, time, prep, work, out)
    row.stepped_at = time
    return step, regime
