"""The watch over what an asset sends: whether it is monitored, and by what. One data alert an asset, after ISA-18.2.

events of a batch, what the model saw of them ─► causes (sensors, regime, clock, silence) ─► raised, changed, cleared

A cause counts after `ON_DELAY` readings in a row and is over after `OFF_DELAY` without any. Silence is time that
passes, and time passes as input: an asset is silent once an entry `silent` of its log, or its own next reading, says
that more than `silence_after` has gone by since its newest reading. Either way the alert was raised at the same
time, so a replay gives the same one. Nothing is raised within a maintenance window, or of an asset out of service.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.jit import njit
from models.maintenance.log_memory import (
    AHEAD,
    ALERT_CLOSED,
    DECOMMISSIONED,
    IN_SERVICE,
    OUT_OF_SERVICE,
    READING,
    REPLACEMENT,
    SILENT,
)
from models.maintenance.observe import BLANK, LOGGED, SCORED, UNMONITORED
from models.maintenance.parts import LAST, WHOLE
from models.maintenance.sensors import SPIKING
from models.maintenance.step import POOR
from models.maintenance.transitions import CHANGED, CLEARED, RAISED
from models.maintenance.watch_rows import (
    ADVISORY,
    CLOCK,
    DATA_TRANSITION,
    HAS_SPIKE,
    IS_BLANK,
    IS_HERE,
    IS_POOR,
    IS_RETIRED,
    IS_WELL,
    REGIME,
    SENSORS,
    SILENCE,
    WAITS,
    WARNING,
    WAS_CLOSED,
    WATCHED,
    Patience,
    silence_after,
)
from models.maintenance.watch_times import CLOCK_READINGS, learn_interval, look_at_clock

ON_DELAY, OFF_DELAY = 2, 10  # readings in a row
BLANKS, BRIDGES = 5, 5  # readings in a row without a score, and whose regime is concluded from what else is known
SPIKY, SPIKE_IS = 17, 8  # a spike adds, a reading without one takes off 1: three spikes within ten readings
MOST_TRANSITIONS = 3  # by one event: here again, a reading that waited, the event's own


class Input(NamedTuple):
    """n events of a batch, and what the model saw of them."""

    time_s: Any  # (n,) f8
    arrived_s: Any  # (n,) f8, NaN: not known
    kind: Any  # (n,) i1
    code: Any  # (n,) i2
    status: Any  # (n,) i1
    role: Any  # (n,) i1
    quality: Any  # (n,) i1
    is_held: Any  # (n,) bool: within a maintenance window
    is_bridged: Any  # (n,) bool: the regime was not told
    is_set_back: Any  # (n,) bool: the asset's clock
    is_excused: Any  # (n,) bool: it may have been silent since the reading before
    faults: Any  # (n, sensors) i1


class _Journal(NamedTuple):
    written: Any  # DATA_TRANSITION
    count: Any  # (1,) i8


@njit(cache=True)
def _emit(row, i, time, state, end, silent_s, patience_s, journal):
    one = journal.written[journal.count[0]]
    one.event, one.time, one.state, one.end = i, time, state, end
    one.severity, one.causes, one.named = row.severity, row.causes, row.named
    one.sequence, one.raised_at = row.sequence, row.raised_at
    one.silent_s, one.usual_s, one.after_s, one.off_s = silent_s, row.usual_s, patience_s, row.off_s
    row.sequence += 1
    journal.count[0] += 1


@njit(cache=True)
def _end(row, i, time, end, silent_s, journal):
    _emit(row, i, time, CLEARED, end, silent_s, 0.0, journal)
    row.severity, row.causes, row.named = 0, 0, np.uint64(0)
    row.bad = row.good = row.spikes = row.clock = 0


@njit(cache=True)
def _tell(row, i, time, causes, named, severity, silence, journal):
    """Open the alert, or say what is new of it: a cause, a sensor, a higher severity.

    Args:
        silence: how long it has lasted, and from when on it counts; s, 0: it is not about that.
    """
    is_new = row.severity == 0
    if not is_new and (causes & ~row.causes) == 0 and (named & ~row.named) == 0 and severity <= row.severity:
        return
    row.causes |= causes
    row.named |= named
    row.severity = max(row.severity, severity)
    if is_new:
        row.sequence = 0
        row.raised_at = time
    _emit(row, i, time, RAISED if is_new else CHANGED, 0, silence[0], silence[1], journal)


@njit(cache=True)
def _note_silence(row, i, given, patience, journal):
    """Somebody says that the asset is silent at a time: it is told if that is long enough after its newest reading."""
    time, lag = given.time_s[i], row.arrived - row.newest
    row.claimed = max(row.claimed, time)
    after = silence_after(np.float64(row.usual_s), np.float64(row.longest_s), patience.intervals, patience.least_s)
    begin = max(row.newest, row.counts_from - lag)
    is_due = row.newest > 0 and row.usual_s > 0 and time > begin + after
    if not is_due or row.service != 0 or row.causes & SILENCE != 0:
        return
    if given.is_held[i]:
        row.counts_from = max(row.counts_from, time + lag)
    else:
        _tell(row, i, begin + after, SILENCE, np.uint64(0), WARNING, (time - row.newest, after), journal)


@njit(cache=True)
def _end_silence(row, i, at, length, journal):
    """The asset was heard again, after so many s."""
    if row.causes == SILENCE:
        _end(row, i, at, IS_HERE, length, journal)
    else:
        row.causes &= ~np.uint8(SILENCE)
        _emit(row, i, at, CHANGED, 0, 0.0, 0.0, journal)


@njit(cache=True)
def _arrive(row, i, given, journal):
    """A reading is there: it ends the silence, and its distance to the one before is an interval."""
    time, arrived = given.time_s[i], given.arrived_s[i]
    gap = max(time - row.newest, 0.0) if row.newest > 0 else 0.0
    waited = arrived - row.arrived if row.arrived > 0 else np.nan
    if row.causes & SILENCE != 0:
        _end_silence(row, i, max(time, row.raised_at), waited if waited >= 0 else gap, journal)
    if gap > 0 and not given.is_excused[i] and row.counts_from <= row.arrived:
        learn_interval(row, gap, waited)
    row.newest = time if given.is_set_back[i] else max(row.newest, time)
    if not np.isnan(arrived):
        row.arrived = max(row.arrived, arrived)
        row.off_s = time - arrived


@njit(cache=True)
def _judge(row, i, time, out, bits, is_held, journal):
    """One reading, complete: its causes, and what they come to.

    Args:
        out: sensors with a fault that lasts, a bit each.
        bits: IS_POOR, HAS_SPIKE, IS_BLANK.
    """
    row.judged_at, row.waits = time, 0
    row.blanks = min(row.blanks + 1, 255) if bits & IS_BLANK != 0 else 0
    row.spikes = min(row.spikes + SPIKE_IS, 255) if bits & HAS_SPIKE != 0 else max(row.spikes, 1) - 1
    is_spiky = bits & HAS_SPIKE != 0 and row.spikes >= SPIKY  # they have been counted: there is nothing to wait for
    causes = SENSORS if out != 0 or is_spiky else 0
    if row.blanks >= BLANKS or row.bridges >= BRIDGES:
        causes |= REGIME
    if row.clock > 0:
        causes |= CLOCK
        row.clock -= 1
    is_grave = row.blanks >= BLANKS or bits & IS_POOR != 0
    row.bad = min(row.bad + 1, 255) if causes != 0 else 0
    row.good = min(row.good + 1, 255) if causes == 0 else 0
    if (row.bad >= ON_DELAY or is_spiky) and not is_held:
        _tell(row, i, time, causes, out, WARNING if is_grave else ADVISORY, (0.0, 0.0), journal)
    elif row.severity > 0 and row.good >= OFF_DELAY and row.causes & SILENCE == 0:
        _end(row, i, time, IS_WELL, 0.0, journal)


@njit(cache=True)
def _sensors_out(spikes, faults):
    """Sensors with a fault that lasts, a bit each; one that spikes again and again is one of them. Is there a spike?"""
    out, has_spike = np.uint64(0), False
    for s in range(min(len(faults), WATCHED)):
        has_spike |= faults[s] == SPIKING
        if faults[s] > 0 and (faults[s] != SPIKING or spikes + SPIKE_IS >= SPIKY):
            out |= np.uint64(1) << np.uint64(s)
    return out, has_spike


@njit(cache=True)
def _score(row, i, given, journal):
    """A reading with a score, or a part of one: that waits until it is complete, or the next one comes."""
    time, is_complete = given.time_s[i], given.role[i] in (WHOLE, LAST)
    if given.is_set_back[i]:
        row.judged_at, row.waits = 0.0, 0
    if time < row.judged_at or (time == row.judged_at and row.waits == 0):
        return
    if time > row.judged_at or row.waits & IS_BLANK != 0:
        look_at_clock(row, time, given.arrived_s[i], given.is_set_back[i])
        row.bridges = min(row.bridges + 1, 255) if given.is_bridged[i] else 0
    out, has_spike = _sensors_out(row.spikes, given.faults[i])
    bits = (IS_POOR if given.quality[i] == POOR else 0) + (HAS_SPIKE if has_spike else 0)
    if is_complete:
        _judge(row, i, time, out, bits, given.is_held[i], journal)
    else:
        row.judged_at, row.out, row.waits = time, out, WAITS + bits


@njit(cache=True)
def _read(row, i, given, journal):
    """A reading or a part of it."""
    time, status = given.time_s[i], given.status[i]
    _arrive(row, i, given, journal)
    if row.waits > 0 and time > row.judged_at and status in (BLANK, SCORED):
        _judge(row, i, row.judged_at, row.out, row.waits, given.is_held[i], journal)
    if status == SCORED:
        _score(row, i, given, journal)
    elif status == BLANK and time > row.judged_at:  # one more part may tell more
        row.judged_at, row.out, row.waits = time, np.uint64(0), WAITS + IS_BLANK


@njit(cache=True)
def _log(row, i, given, whole, patience, journal):
    """An entry of the log that was news."""
    time, kind, code = given.time_s[i], given.kind[i], given.code[i]
    said_at = time if np.isnan(given.arrived_s[i]) else given.arrived_s[i]
    if kind == SILENT:
        _note_silence(row, i, given, patience, journal)
    elif kind == ALERT_CLOSED and code == whole + 1:
        if row.severity > 0 and row.raised_at <= time:
            row.counts_from = max(row.counts_from, said_at)
            _end(row, i, time, WAS_CLOSED, 0.0, journal)
    elif kind in (OUT_OF_SERVICE, DECOMMISSIONED) and time >= row.service_at:
        row.service, row.service_at = 1, time
        if row.severity > 0:
            _end(row, i, max(time, row.raised_at), IS_RETIRED, 0.0, journal)
    elif (kind == IN_SERVICE or (kind == REPLACEMENT and code == whole)) and time >= row.service_at:
        if row.service != 0:
            row.counts_from = max(row.counts_from, said_at)  # until then it was silent for good reason
        row.service, row.service_at = 0, time


@njit(cache=True)
def _hear(row, i, given, journal):
    """A reading that was refused for its time: the asset is there, and its clock is wrong. By the record's time."""
    at = given.arrived_s[i]
    if row.causes & SILENCE != 0:
        _end_silence(row, i, max(at, row.raised_at), at - row.arrived, journal)
    row.arrived = max(row.arrived, at)
    row.off_s = given.time_s[i] - at
    row.bad, row.good = min(row.bad + 1, 255), 0
    if row.bad < ON_DELAY:
        return
    row.clock = CLOCK_READINGS
    if row.service == 0 and not given.is_held[i]:
        _tell(row, i, max(at, row.raised_at), CLOCK, np.uint64(0), WARNING, (0.0, 0.0), journal)


@njit(cache=True)
def _watch(rows, slots, given, whole, patience, journal):
    for i in range(len(slots)):
        row = rows[slots[i]]
        if given.kind[i] == AHEAD:
            _hear(row, i, given, journal)
        elif given.kind[i] != READING:
            if given.status[i] == LOGGED:
                _log(row, i, given, whole, patience, journal)
        elif given.status[i] != UNMONITORED:
            _read(row, i, given, journal)


def watch(
    rows: npt.NDArray[np.void], slots: npt.NDArray[np.int64], given: Input, whole: int, patience: Patience
) -> npt.NDArray[np.void]:
    """Apply the events to the rows (WATCH), in their order; `slots` (n,) says whose each event is.

    Args:
        whole: code of the asset as a whole; the next one is that of its data.

    Returns:
        (m,) DATA_TRANSITION, in the order of events.
    """
    journal = _Journal(np.zeros(MOST_TRANSITIONS * len(slots), DATA_TRANSITION), np.zeros(1, np.int64))
    _watch(rows, slots, given, whole, patience, journal)
    written: npt.NDArray[np.void] = journal.written[: journal.count[0]]
    return written
