"""The alert policy: from the scores of a batch to filtered values and the transitions of alerts.

raw scores in order ─► filter ─► levels with on-delay and deadband ─► severity ─► transitions

After ISA-18.2: one open alert per asset and failure mode; it opens when a level was reached for `on_delay` readings in
a row, escalates and steps down between severities, and is cleared when every level was left beyond its deadband for
`off_delay` readings. A replaced part clears its alert at once. Within a maintenance window nothing is raised, but
everything is counted: what still holds is raised with the first reading after it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from models.asset_rows import LEVELS, RowViews
from models.log_memory import REPLACEMENT
from models.observe import LOGGED, SCORED, EventBatch, Seen
from models.policy import SEVERITIES, Policy

__all__ = [
    "CHANGED",
    "CLEARED",
    "DECIDED_BY_SCORE",
    "RAISED",
    "REASONS",
    "SEVERITIES",
    "STATES",
    "TRANSITION",
    "Decided",
    "decide",
]
RAISED, CHANGED, CLEARED = range(3)
STATES = ("raised", "changed", "cleared")
REACHED, ESCALATED, STEPPED_DOWN, RECOVERED, REPLACED, RENEWED = range(6)
DECIDED_BY_SCORE = (REACHED, ESCALATED, STEPPED_DOWN, RECOVERED)
REASONS = (
    "reached the {severity} level",
    "rose to the {severity} level",
    "fell back to the {severity} level",
    "recovered beyond the deadband",
    "was replaced",
    "began a new life",
)
TRANSITION = np.dtype(
    [
        ("event", "i8"),  # place in the batch
        ("target", "i2"),
        ("state", "u1"),  # place in STATES
        ("severity", "u1"),  # place in SEVERITIES; of a cleared alert, the one it had
        ("reason", "u1"),  # place in REASONS
        ("alert", "u4"),  # 1, 2, ... of this asset and target
        ("sequence", "u2"),  # 0, 1, ... of this alert
        ("value", "f8"),  # what was compared with the threshold
        ("threshold", "f8"),  # of the level that was reached or left
        ("raised_at", "f8"),  # event time in epoch seconds at which the alert was raised
    ],
    align=True,
)


class _At(NamedTuple):
    """Where the kernel is."""

    slot: int
    event: int
    time: float
    target: int


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
def _filtered(before, raw, step, pull, ceiling):  # type: ignore[no-untyped-def]
    """What is known to fall by one per unit of time, pulled towards the forest's word; event time sets the pull."""
    drift = step if before < ceiling else 0.0
    kept = (1 - pull) ** step
    return kept * max(before - drift, 0.0) + (1 - kept) * raw


@njit(cache=True)
def _emit(rows, at, state, reason, value, threshold, journal):  # type: ignore[no-untyped-def]
    """Write one transition of the alert as it stands in the row."""
    slot, target = at.slot, at.target
    one = journal.transitions[journal.count[0]]
    one.event, one.target, one.state, one.reason = at.event, target, state, reason
    one.severity, one.alert = rows.severity[slot, target], rows.alert[slot, target]
    one.sequence, one.raised_at = rows.sequence[slot, target], rows.raised_at[slot, target]
    one.value, one.threshold = value, threshold
    rows.sequence[slot, target] += 1
    journal.count[0] += 1


@njit(cache=True)
def _clear(rows, at, reason, value, threshold, journal):  # type: ignore[no-untyped-def]
    _emit(rows, at, CLEARED, reason, value, threshold, journal)
    rows.severity[at.slot, at.target] = 0


@njit(cache=True)
def _end(rows, at, reason, policy, journal):  # type: ignore[no-untyped-def]
    """Clear an alert for a reason other than a score; it keeps the value it had."""
    threshold = policy.sign * policy.on[at.target, rows.severity[at.slot, at.target] - 1]
    _clear(rows, at, reason, np.float64(rows.steady[at.slot, at.target]), threshold, journal)


@njit(cache=True)
def _forget(rows, slot, target):  # type: ignore[no-untyped-def]
    """A new life: filters and delays start anew."""
    rows.is_filtered[slot, target] = 0
    rows.beyond[slot, target, :] = 0
    rows.within[slot, target, :] = 0
    rows.is_active[slot, target, :] = 0


@njit(cache=True)
def _is_in_window(rows, slot, time):  # type: ignore[no-untyped-def]
    start, end = rows.window_start[slot], rows.window_end[slot]
    return start > 0 and start <= time and (end < start or time < end)


@njit(cache=True)
def _severity(rows, at, steady, policy):  # type: ignore[no-untyped-def]
    """Count the delays of each level; the severity of the highest one that holds, 0: none."""
    slot, target, badness, highest = at.slot, at.target, policy.sign * steady, 0
    for level in range(LEVELS):
        on, off = policy.on_delay[target, level], policy.off_delay[target, level]
        is_beyond = badness >= policy.on[target, level]
        is_within = badness < policy.clear[target, level]
        beyond = min(rows.beyond[slot, target, level] + 1, on) if is_beyond else 0
        within = min(rows.within[slot, target, level] + 1, off) if is_within else 0
        rows.beyond[slot, target, level], rows.within[slot, target, level] = beyond, within
        if rows.is_active[slot, target, level] == 0 and beyond >= on:
            rows.is_active[slot, target, level] = 1
        elif rows.is_active[slot, target, level] == 1 and within >= off:
            rows.is_active[slot, target, level] = 0
        if rows.is_active[slot, target, level] == 1:
            highest = level + 1
    return highest


@njit(cache=True)
def _move(rows, at, severity, value, policy, journal):  # type: ignore[no-untyped-def]
    """Bring the alert to another severity."""
    slot, target = at.slot, at.target
    was = rows.severity[slot, target]
    if severity > was:
        rows.severity[slot, target] = severity
        threshold = policy.sign * policy.on[target, severity - 1]
        if was == 0:
            rows.alert[slot, target] += 1
            rows.sequence[slot, target] = 0
            rows.raised_at[slot, target] = at.time
            _emit(rows, at, RAISED, REACHED, value, threshold, journal)
        else:
            _emit(rows, at, CHANGED, ESCALATED, value, threshold, journal)
        return
    threshold = policy.sign * policy.clear[target, was - 1]
    if severity == 0:
        _clear(rows, at, RECOVERED, value, threshold, journal)
    else:
        rows.severity[slot, target] = severity
        _emit(rows, at, CHANGED, STEPPED_DOWN, value, threshold, journal)


@njit(cache=True)
def _filter(rows, at, raw, step, policy, journal):  # type: ignore[no-untyped-def]
    """Filter one score; returns what is compared with the levels."""
    slot, target = at.slot, at.target
    raw = min(max(raw, 0.0), policy.high)
    if rows.is_filtered[slot, target] == 1:
        before, steady = rows.value[slot, target], rows.steady[slot, target]
        rows.value[slot, target] = _filtered(before, raw, step, policy.pull, policy.ceiling)
        rows.steady[slot, target] = _filtered(steady, raw, step, policy.steady_pull, policy.ceiling)
    else:
        rows.is_filtered[slot, target] = 1
        rows.value[slot, target] = raw
        rows.steady[slot, target] = raw
    journal.value[at.event, target] = rows.value[slot, target]
    return np.float64(rows.steady[slot, target])


@njit(cache=True)
def _replace(rows, at, policy, journal):  # type: ignore[no-untyped-def]
    """Clear the alert of what was replaced, unless it was raised after that."""
    if rows.severity[at.slot, at.target] > 0 and rows.raised_at[at.slot, at.target] <= at.time:
        _end(rows, at, REPLACED, policy, journal)
        _forget(rows, at.slot, at.target)


@njit(cache=True)
def _judge(rows, at, raw, step, is_renewed, policy, journal):  # type: ignore[no-untyped-def]
    """One score of one target."""
    if is_renewed:
        if rows.severity[at.slot, at.target] > 0:
            _end(rows, at, RENEWED, policy, journal)
        _forget(rows, at.slot, at.target)
    steady = _filter(rows, at, raw, step, policy, journal)
    severity = _severity(rows, at, steady, policy)
    if severity > rows.severity[at.slot, at.target] and _is_in_window(rows, at.slot, at.time):
        journal.is_suppressed[at.event] = True
    elif severity != rows.severity[at.slot, at.target]:
        _move(rows, at, severity, steady, policy, journal)


@njit(cache=True)
def _decide(rows, slots, events, seen, raw, policy, journal):  # type: ignore[no-untyped-def]
    targets = raw.shape[1]
    for i in range(len(slots)):
        is_replacement = seen.status[i] == LOGGED and events.kind[i] == REPLACEMENT
        part = events.code[i] - policy.errors
        for target in range(targets):
            at = _At(slots[i], i, events.time_s[i], target)
            if seen.status[i] == SCORED:
                is_renewed = seen.is_renewed[i, target] == 1
                _judge(rows, at, raw[i, target], seen.step[i], is_renewed, policy, journal)
            elif is_replacement and part in (target, policy.parts):
                _replace(rows, at, policy, journal)


def decide(
    rows: RowViews,
    slots: npt.NDArray[np.int64],
    events: EventBatch,
    seen: Seen,
    raw: npt.NDArray[np.float64],
    policy: Policy,
) -> Decided:
    """Filter the raw scores (n, T) and move the alerts in the rows, in the order of the events."""
    count, targets = raw.shape
    # two transitions of a target at most: one alert is cleared and another one raised by the same reading
    journal = _Journal(
        np.full((count, targets), np.nan),
        np.zeros(count, np.bool_),
        np.zeros(2 * count * targets, TRANSITION),
        np.zeros(1, np.int64),
    )
    _decide(rows, slots, events, seen, raw, policy, journal)
    return Decided(journal.value, journal.is_suppressed, journal.transitions[: journal.count[0]])
