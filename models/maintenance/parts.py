"""Readings that come in parts: some sensors a record, at the same time. They are one reading, and one step of the row.

values of a record ─► add_part, with those held before ─► complete? ─► a score from a draft of the row, or a step of it

Kernels take the arrays they need one by one: a function that is given all of `Prepared` and `Work` takes numba seconds.
"""

from __future__ import annotations

import numpy as np

from models.jit import njit

WHOLE, PART, ANOTHER, LAST = range(4)  # of a reading: all there is, its first part with a score, one more, the last one
COMES, IS_SCORED = 1, 2  # bits of `comes_in_parts`: the asset's readings do; a part of the present one has a score


@njit(cache=True)
def load_event(i, readings, variables, constants, values):
    """The values of record i: from (n, ...) arrays to `values`, the same of one record."""
    for n in range(len(values[0])):
        values[0][n] = readings[i, n]
    for n in range(len(values[1])):
        values[1][n] = variables[i, n]
    for n in range(len(values[2])):
        values[2][n] = constants[i, n]


@njit(cache=True)
def load_held(row, values):
    place = 0
    for part in values:
        for n in range(len(part)):
            part[n] = row.held[place]
            place += 1


@njit(cache=True)
def _hold(row, values):
    """Add the values of a record to those that are held; the later one counts."""
    place = 0
    for part in values:
        for n in range(len(part)):
            if not np.isnan(part[n]):
                row.held[place] = min(max(part[n], -1e38), 1e38)
            place += 1


@njit(cache=True)
def is_complete(sensors, regimes, values):
    """Whether no other part can add anything: the sensors, what tells the regime, and the constants are there."""
    readings, variables, constants = values
    for s in range(len(sensors)):
        if np.isnan(readings[sensors[s]]):
            return False
    if regimes > 1:
        for variable in range(len(variables)):
            if np.isnan(variables[variable]):
                return False
    missing = False
    for c in range(len(constants)):
        missing = missing or np.isnan(constants[c])
    return not missing


@njit(cache=True)
def is_empty(values):
    for part in values:
        for n in range(len(part)):
            if not np.isnan(part[n]):
                return False
    return True


@njit(cache=True)
def end_parts(row, values):
    """No other part of the reading that is held will come: its values are to make the step of the row."""
    if row.parts == 1:
        row.comes_in_parts = 0
    row.parts = 0
    load_held(row, values)


@njit(cache=True)
def add_part(row, time, sensors, regimes, values):
    """Hold the values too; all that are held are to be scored. Returns the role of the record."""
    if time > row.newest:
        row.newest = time
        row.held[:] = np.nan
        row.comes_in_parts &= COMES
    _hold(row, values)
    row.parts = min(row.parts + 1, 255)
    if row.parts > 1:
        row.comes_in_parts |= COMES
    load_held(row, values)
    is_all, is_first = is_complete(sensors, regimes, values), row.comes_in_parts & IS_SCORED == 0
    if is_first:
        return PART if row.comes_in_parts & COMES != 0 and not is_all else WHOLE
    return LAST if is_all else ANOTHER
