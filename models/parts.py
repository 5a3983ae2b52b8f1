"""Readings that come in parts: some sensors a record, at the same time. They are one reading, and one step of the row.

values of a record ─► hold ─► with those held before ─► complete? ─► a score from a draft of the row, or a step of it
"""

from __future__ import annotations

import numpy as np

from models.jit import njit
from models.step import take_rare_step

WHOLE, PART, ANOTHER, LAST = range(4)  # of a reading: all there is, its first part with a score, one more, the last one
COMES, IS_SCORED = 1, 2  # bits of `comes_in_parts`: the asset's readings do; a part of the present one has a score


@njit(cache=True, inline="always")
def load_event(i, events, work):  # type: ignore[no-untyped-def]
    for s in range(len(work.readings)):
        work.readings[s] = events.readings[i, s]
    for v in range(len(work.variables)):
        work.variables[v] = events.variables[i, v]
    for c in range(len(work.constants)):
        work.constants[c] = events.constants[i, c]


@njit(cache=True)
def _load_held(row, work):  # type: ignore[no-untyped-def]
    sensors, variables = len(work.readings), len(work.variables)
    for s in range(sensors):
        work.readings[s] = row.held[s]
    for v in range(variables):
        work.variables[v] = row.held[sensors + v]
    for c in range(len(work.constants)):
        work.constants[c] = row.held[sensors + variables + c]


@njit(cache=True)
def _hold(row, work):  # type: ignore[no-untyped-def]
    """Add the values of a record to those that are held; the later one counts."""
    place = 0
    for values in (work.readings, work.variables, work.constants):
        for n in range(len(values)):
            if not np.isnan(values[n]):
                row.held[place] = min(max(values[n], -1e38), 1e38)
            place += 1


@njit(cache=True, inline="always")
def is_complete(prep, work):  # type: ignore[no-untyped-def]
    """Whether no other part can add anything."""
    for s in range(len(prep.sensors)):
        if np.isnan(work.readings[prep.sensors[s]]):
            return False
    if len(prep.centroids) > 1:
        for v in range(len(work.variables)):
            if np.isnan(work.variables[v]):
                return False
    missing = False
    for c in range(len(work.constants)):
        missing = missing or np.isnan(work.constants[c])
    return not missing


@njit(cache=True)
def is_empty(work):  # type: ignore[no-untyped-def]
    for values in (work.readings, work.variables, work.constants):
        for n in range(len(values)):
            if not np.isnan(values[n]):
                return False
    return True


@njit(cache=True)
def fold(row, prep, work):  # type: ignore[no-untyped-def]
    """The step of the reading that is held: no other part of it will come."""
    if row.parts == 1:
        row.comes_in_parts = 0
    row.parts = 0
    _load_held(row, work)
    take_rare_step(row, row.newest, prep, work, work.features, work.is_renewed)


@njit(cache=True)
def begin_parts(row):  # type: ignore[no-untyped-def]
    row.held[:] = np.nan
    row.comes_in_parts &= COMES


@njit(cache=True)
def add_part(row, time, i, prep, work, seen):  # type: ignore[no-untyped-def]
    """Hold the values in `work` too, and score all that is held from a draft; returns whether there is a score."""
    _hold(row, work)
    row.parts = min(row.parts + 1, 255)
    if row.parts > 1:
        row.comes_in_parts |= COMES
    _load_held(row, work)
    is_all, is_first = is_complete(prep, work), row.comes_in_parts & IS_SCORED == 0
    if is_first:
        seen.role[i] = PART if row.comes_in_parts & COMES != 0 and not is_all else WHOLE
    else:
        seen.role[i] = LAST if is_all else ANOTHER
    work.draft[0] = row
    seen.step[i], seen.regime[i] = take_rare_step(work.draft[0], time, prep, work, seen.features[i], seen.is_renewed[i])
    if seen.regime[i] >= 0:
        row.comes_in_parts |= IS_SCORED
    return seen.regime[i] >= 0


@njit(cache=True)
def score_aside(row, time, i, prep, work, seen):  # type: ignore[no-untyped-def]
    """Score the values in `work` as one more reading of the newest time; the row stays as it is."""
    work.draft[0] = row
    work.draft[0].stepped_at = time
    seen.step[i], seen.regime[i] = take_rare_step(work.draft[0], time, prep, work, seen.features[i], seen.is_renewed[i])
    seen.is_renewed[i, :] = 0
    return seen.regime[i] >= 0
