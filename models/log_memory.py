"""What a row remembers of its asset's log: ids of events, renewals and errors, maintenance windows.

log entry ─► remember (a small log in the row) ─► read_log at a reading's time ─► last of each kind, counts of errors

Entries count for readings after their own time only, so the order in which they arrive does not matter.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from models.asset_rows import REMEMBERED_IDS

READING, ERROR, MAINTENANCE, REPLACEMENT, FAILURE, WINDOW_START, WINDOW_END = range(7)
KINDS = ("reading", "error", "maintenance", "replacement", "failure", "window_start", "window_end")
NO_CODE = -1
WINDOWS = np.array([24.0, 72.0, 168.0])  # units of the class, of the counts of errors


@njit(cache=True)
def is_repeated(rows, slot, event_id):  # type: ignore[no-untyped-def]
    """Remembers the id otherwise."""
    ring = rows.ids[slot]
    for place in range(REMEMBERED_IDS):
        if ring[place] == event_id:
            return True
    ring[rows.id_place[slot]] = event_id
    rows.id_place[slot] = (rows.id_place[slot] + 1) % REMEMBERED_IDS
    return False


@njit(cache=True)
def _remember(rows, slot, time, code):  # type: ignore[no-untyped-def]
    """Put an entry into the log; the oldest one leaves when it is full."""
    oldest = 0
    for place in range(rows.log_time.shape[1]):
        if rows.log_code[slot, place] == 0:
            oldest = place
            break
        if rows.log_time[slot, place] < rows.log_time[slot, oldest]:
            oldest = place
    leaving_code, leaving_time = rows.log_code[slot, oldest], rows.log_time[slot, oldest]
    if leaving_code != 0 and time < leaving_time:
        rows.log_settled[slot, code] = max(rows.log_settled[slot, code], time)
        return
    if leaving_code != 0:
        settled = rows.log_settled[slot, leaving_code - 1]
        rows.log_settled[slot, leaving_code - 1] = max(settled, leaving_time)
    rows.log_code[slot, oldest] = code + 1
    rows.log_time[slot, oldest] = time


@njit(cache=True)
def write_log(rows, slot, time, kind, code):  # type: ignore[no-untyped-def]
    if kind == WINDOW_START:
        rows.window_start[slot] = max(rows.window_start[slot], time)
    elif kind == WINDOW_END:
        rows.window_end[slot] = max(rows.window_end[slot], time)
    elif code >= 0 and kind != MAINTENANCE:
        _remember(rows, slot, time, code)


@njit(cache=True)
def read_log(rows, slot, time, prep, work):  # type: ignore[no-untyped-def]
    """When each kind of entry was last before `time`, and how many errors came within each window."""
    codes = prep.errors + prep.components + 1
    for code in range(codes):
        settled = rows.log_settled[slot, code]
        work.last[code] = settled if settled < time else 0.0
    for place in range(rows.log_time.shape[1]):
        code, at = rows.log_code[slot, place], rows.log_time[slot, place]
        if code != 0 and at < time:
            work.last[code - 1] = max(work.last[code - 1], at)
    whole = work.last[codes - 1]
    work.counts[:] = 0
    for place in range(rows.log_time.shape[1]):
        code, at = rows.log_code[slot, place], rows.log_time[slot, place]
        if code != 0 and code <= prep.errors and whole < at < time:
            for window in range(len(WINDOWS)):
                if time - at <= WINDOWS[window] * prep.unit_s:
                    work.counts[code - 1, window] += 1
    return whole
