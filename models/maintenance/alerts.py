"""The alert policy: from the scores of a batch to filtered values and the transitions of alerts.

raw scores in order ─► filter ─► levels with on-delay and deadband ─► severity ─► transitions

After ISA-18.2: one open alert per asset and failure mode; it opens when a level was reached for `on_delay` readings in
a row, escalates and steps down between severities, and is cleared when every level was left beyond its deadband for
`off_delay` readings. A replaced part clears its alert at once, and so does a person who closes it. Within a maintenance
window nothing is raised, but everything is counted: what still holds is raised with the first reading after it. A late
reading moves nothing, and one that comes in parts is judged once: when it is complete, or with the next one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.jit import njit
from models.maintenance.log_memory import ALERT_CLOSED, DECOMMISSIONED, OUT_OF_SERVICE, REPLACEMENT
from models.maintenance.observe import DOUBTFUL, HELD, LATE, LOGGED, PLANNED, RENEWED_SOON, SCORED, EventBatch, Seen
from models.maintenance.parts import ANOTHER, LAST, PART, WHOLE
from models.maintenance.policy import SEVERITIES, Policy
from models.maintenance.rows import LEVELS
from models.maintenance.score_filter import filter_score, tell_score
from models.maintenance.transitions import (
    CHANGED,
    CLEARED,
    CLOSED,
    DECIDED_BY_SCORE,
    ESCALATED,
    RAISED,
    REACHED,
    REASONS,
    RECOVERED,
    RENEWED,
    REPLACED,
    RETIRED,
    STEPPED_DOWN,
    STOPPED,
    TRANSITION,
)  # fmt: skip

__all__ = [
    "CHANGED", "CLEARED", "CLOSED", "DECIDED_BY_SCORE", "ESCALATED", "RAISED", "REASONS", "RECOVERED", "RENEWED",
    "REPLACED", "RETIRED", "SEVERITIES", "STEPPED_DOWN", "STOPPED", "TRANSITION", "Decided", "decide",
]  # fmt: skip


class _At(NamedTuple):
    """Where the kernel is."""

    event: int
    time: float
    target: int
    hold: int


class _Journal(NamedTuple):
    """What the kernel writes."""

    value: Any  # (n, T) f8
    is_suppressed: Any  # (n,) bool
    transitions: Any  # TRANSITION
    count: Any  # (1,) i8: transitions so far


class Decided(NamedTuple):
    """n events, T targets."""

    value: npt.NDArray[np.float64]  # (n, T) filtered score, NaN unless scored
    is_suppressed: npt.NDArray[np.bool_]  # (n,) a maintenance window held an alert back
    transitions: npt.NDArray[np.void]  # (m,) TRANSITION, in the order of events


@njit(cache=True)
def _emit(row, at, state, reason, value, threshold, journal):
    """Write one transition of the alert as it stands in the row."""
    target = at.target
    one = journal.transitions[journal.count[0]]
    one.event, one.target, one.state, one.reason = at.event, target, state, reason
    one.severity, one.alert = row.severity[target], row.alert[target]
    one.sequence, one.raised_at = row.sequence[target], row.raised_at[target]
    one.value, one.threshold = value, threshold
    row.sequence[target] += 1
    journal.count[0] += 1


@njit(cache=True)
def _clear(row, at, reason, value, threshold, journal):
    _emit(row, at, CLEARED, reason, value, threshold, journal)
    row.severity[at.target] = 0


@njit(cache=True)
def _end(row, at, reason, policy, journal):
    """Clear an alert for a reason other than a score; it keeps the value that it had before the present time, so that
    a reading and an entry of the same time may come in either order.
    """
    threshold = policy.sign * policy.on[at.target, row.severity[at.target] - 1]
    value = row.steady_before[at.target] if at.time == row.judged_at else row.steady[at.target]
    _clear(row, at, reason, np.float64(value), threshold, journal)


@njit(cache=True)
def _begin_delays(row, target):
    row.beyond[target, :] = 0
    row.within[target, :] = 0
    row.is_active[target, :] = 0


@njit(cache=True)
def _forget(row, target):
    """A new life: filters and delays start anew."""
    row.is_filtered[target] = 0
    row.waiting[target] = -1.0
    _begin_delays(row, target)


@njit(cache=True)
def _severity(row, at, steady, policy):
    """Count the delays of each level; the severity of the highest one that holds, 0: none."""
    target, badness, highest = at.target, policy.sign * steady, 0
    for level in range(LEVELS):
        on, off = policy.on_delay[target, level], policy.off_delay[target, level]
        is_beyond = badness >= policy.on[target, level]
        is_within = badness < policy.clear[target, level]
        beyond = min(row.beyond[target, level] + 1, on) if is_beyond else 0
        within = min(row.within[target, level] + 1, off) if is_within else 0
        row.beyond[target, level], row.within[target, level] = beyond, within
        if row.is_active[target, level] == 0 and beyond >= on:
            row.is_active[target, level] = 1
        elif row.is_active[target, level] == 1 and within >= off:
            row.is_active[target, level] = 0
        if row.is_active[target, level] == 1:
            highest = level + 1
    return highest


@njit(cache=True)
def _move(row, at, severity, value, policy, journal):
    """Bring the alert to another severity."""
    target = at.target
    was = row.severity[target]
    if severity > was:
        row.severity[target] = severity
        threshold = policy.sign * policy.on[target, severity - 1]
        if was == 0:
            row.alert[target] += 1
            row.sequence[target] = 0
            row.raised_at[target] = at.time
            _emit(row, at, RAISED, REACHED, value, threshold, journal)
        else:
            _emit(row, at, CHANGED, ESCALATED, value, threshold, journal)
        return
    threshold = policy.sign * policy.clear[target, was - 1]
    if severity == 0:
        _clear(row, at, RECOVERED, value, threshold, journal)
    else:
        row.severity[target] = severity
        _emit(row, at, CHANGED, STEPPED_DOWN, value, threshold, journal)


@njit(cache=True)
def _replace(row, at, policy, journal):
    """Clear the alert of what was replaced, unless it was raised after that, or the replacement is only planned.

    Filters begin anew with the first reading after it, which is renewed: readings up to it are of the old part.
    """
    if row.severity[at.target] > 0 and row.raised_at[at.target] <= at.time and at.hold != PLANNED:
        _end(row, at, REPLACED, policy, journal)


@njit(cache=True)
def _judge(row, at, raw, step, is_renewed, policy, journal):
    """One score of one target."""
    if is_renewed:
        if row.severity[at.target] > 0:
            _end(row, at, RENEWED, policy, journal)
        _forget(row, at.target)
    steady = filter_score(row, at, raw, step, policy, journal)
    severity = _severity(row, at, steady, policy)
    if severity > row.severity[at.target] and at.hold == HELD:
        journal.is_suppressed[at.event] = True
    elif severity > row.severity[at.target] and at.hold in (RENEWED_SOON, DOUBTFUL):
        return  # of the old part nothing is raised any more; a sensor in doubt is told, or believed, in a few readings
    elif severity != row.severity[at.target]:
        _move(row, at, severity, steady, policy, journal)


@njit(cache=True)
def _settle(row, at, policy, journal):
    """Judge the reading that came in parts, of which no other will come."""
    raw = np.float64(row.waiting[at.target])
    row.waiting[at.target] = -1.0
    if row.waiting_step > 0 and raw >= 0:
        _judge(row, at, raw, np.float64(row.waiting_step), False, policy, journal)


@njit(cache=True)
def _score(row, at, raw, role, seen, policy, journal):
    """One score of a reading or a part of it, in time."""
    is_renewed, step = seen.is_renewed[at.event, at.target] == 1, seen.step[at.event]
    is_waiting = row.waiting_step > 0
    if role in (ANOTHER, LAST) and not is_waiting:
        tell_score(row, at, raw, 1.0, 1.0, policy, journal)
        return
    if role in (WHOLE, PART):
        _settle(row, at, policy, journal)
    if role in (WHOLE, LAST):
        row.waiting[at.target] = -1.0
        _judge(row, at, raw, step, is_renewed, policy, journal)
        return
    if is_renewed:
        if row.severity[at.target] > 0:
            _end(row, at, RENEWED, policy, journal)
        _forget(row, at.target)
    row.waiting[at.target] = min(max(raw, 0.0), policy.high)
    tell_score(row, at, raw, step, 0.0, policy, journal)


@njit(cache=True)
def _log(row, at, kind, part, policy, journal):
    """An entry of the log that was news."""
    if kind == REPLACEMENT and part in (at.target, policy.parts):
        _replace(row, at, policy, journal)
    elif kind == ALERT_CLOSED and part in (at.target, policy.parts):
        if row.severity[at.target] > 0 and row.raised_at[at.target] <= at.time:
            _end(row, at, CLOSED, policy, journal)
            _begin_delays(row, at.target)  # what still holds is raised anew
    elif kind in (OUT_OF_SERVICE, DECOMMISSIONED):
        if row.severity[at.target] > 0:
            _end(row, at, RETIRED if kind == DECOMMISSIONED else STOPPED, policy, journal)
        _forget(row, at.target)


@njit(cache=True)
def _decide(rows, slots, events, seen, raw, policy, journal):
    targets = raw.shape[1]
    for i in range(len(slots)):
        row, role, status = rows[slots[i]], seen.role[i], seen.status[i]
        part = events.code[i] - policy.errors
        for target in range(targets):
            at = _At(i, events.time_s[i], target, seen.hold[i, target])
            if status == SCORED:
                _score(row, at, raw[i, target], role, seen, policy, journal)
            elif status == LATE and seen.regime[i] >= 0:
                tell_score(row, at, raw[i, target], 1.0, seen.step[i], policy, journal)
            elif status == LOGGED:
                _log(row, at, events.kind[i], part, policy, journal)
        if status == SCORED:
            row.judged_at = events.time_s[i]
        if status == SCORED and role in (WHOLE, LAST):
            row.waiting_step = 0.0
        elif status == SCORED and role == PART:
            row.waiting_step = max(seen.step[i], 1e-6)


def decide(
    rows: npt.NDArray[np.void],
    slots: npt.NDArray[np.int64],
    events: EventBatch,
    seen: Seen,
    raw: npt.NDArray[np.float64],
    policy: Policy,
) -> Decided:
    """Filter the raw scores (n, T) and move the alerts in the rows, in the order of the events."""
    count, targets = raw.shape
    if seen.role is None:
        none = np.zeros((count, targets), np.uint8)
        seen = seen._replace(role=np.zeros(count, np.int8), hold=none, is_set_back=np.zeros(count, np.bool_))
    if events.arrived_s is None:
        events = events._replace(arrived_s=np.full(count, np.nan))
    # three of a target at most: that of the reading before, whose parts are over; one cleared and another one raised
    journal = _Journal(
        np.full((count, targets), np.nan),
        np.zeros(count, np.bool_),
        np.zeros(3 * count * targets, TRANSITION),
        np.zeros(1, np.int64),
    )
    _decide(rows, slots, events, seen, raw, policy, journal)
    return Decided(journal.value, journal.is_suppressed, journal.transitions[: journal.count[0]])
