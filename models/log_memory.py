"""What a row remembers of its asset's log: ids of events, renewals and errors, maintenance windows.

log entry ─► remember (a small log in the row) ─► read_log at a reading's time ─► last of each kind, counts of errors

Entries count for readings after their own time only, so the order in which they arrive does not matter.
"""

from __future__ import annotations

import numpy as np

from models.asset_rows import REMEMBERED_IDS
from models.jit import njit

READING, ERROR, MAINTENANCE, REPLACEMENT, FAILURE, WINDOW_START, WINDOW_END = range(7)
KINDS = ("reading", "error", "maintenance", "replacement", "failure", "window_start", "window_end")
NO_CODE = -1
WINDOWS = np.array([24.0, 72.0, 168.0])  # units of the class, of the counts of errors


@njit(cache=True, inline="always")
def is_repeated(row, event_id):  # type: ignore[no-untyped-def]
    """Remembers the id otherwise."""
    ring = row.ids
    for place in range(REMEMBERED_IDS):
        if ring[place] == event_id:
            return True
    ring[row.id_place] = event_id
    row.id_place = (row.id_place + 1) % REMEMBERED_IDS
    return False


@njit(cache=True)
def _remember(row, time, code):  # type: ignore[no-untyped-def]
    """Put an entry into the log; the oldest one leaves when it is full."""
    oldest = 0
    for place in range(len(row.log_time)):
        if row.log_code[place] == 0:
            oldest = place
            break
        if row.log_time[place] < row.log_time[oldest]:
            oldest = place
    leaving_code, leaving_time = row.log_code[oldest], row.log_time[oldest]
    if leaving_code != 0 and time < leaving_time:
        row.log_settled[code] = max(row.log_settled[code], time)
        return
    if leaving_code != 0:
        settled = row.log_settled[leaving_code - 1]
        row.log_settled[leaving_code - 1] = max(settled, leaving_time)
    row.log_code[oldest] = code + 1
    row.log_time[oldest] = time


@njit(cache=True, inline="always")
def write_log(row, time, kind, code):  # type: ignore[no-untyped-def]
    if kind == WINDOW_START:
        row.window_start = max(row.window_start, time)
    elif kind == WINDOW_END:
        row.window_end = max(row.window_end, time)
    elif code >= 0 and kind != MAINTENANCE:
        _remember(row, time, code)


@njit(cache=True, inline="always")
def read_log(row, time, prep, work):  # type: ignore[no-untyped-def]
    """When each kind of entry was last before `time`, and how many errors came within each window."""
    codes = prep.errors + prep.components + 1
    for code in range(codes):
        settled = row.log_settled[code]
        work.last[code] = settled if settled < time else 0.0
    for place in range(len(row.log_time)):
        code, at = row.log_code[place], row.log_time[place]
        if code != 0 and at < time:
            work.last[code - 1] = max(work.last[code - 1], at)
    whole = work.last[codes - 1]
    work.counts[:] = 0
    for place in range(len(row.log_time)):
        code, at = row.log_code[place], row.log_time[place]
        if code != 0 and code <= prep.errors and whole < at < time:
            for window in range(len(WINDOWS)):
                if time - at <= WINDOWS[window] * prep.unit_s:
                    work.counts[code - 1, window] += 1
    return whole
