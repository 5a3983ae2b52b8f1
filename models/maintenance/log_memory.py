"""What a row remembers of its asset's events: ids of readings, renewals and errors, windows, whether it is in service.

log entry ─► write_log (a small log in the row) ─► read_log at a reading's time ─► last of each kind, counts of errors

Entries count for readings after their own time only, so the order in which they arrive does not matter, and the log is
a memory by identity: an entry that is in it, or older than all that is in it, changes nothing when it comes again.
Readings and entries are remembered apart. The last four readings are remembered whole. A late reading is compared with
16 bits of the ids of the last 24 to 128 (what the row has room for; 104 for nine sensors that wear as a whole), so one
in 500 to 2,700 that was never seen is taken for a repeat.
"""

from __future__ import annotations

import numpy as np

from models.jit import njit
from models.maintenance.rows import REMEMBERED_IDS, SERVICE_IDS
from models.maintenance.windows import NEWS, OLD, mark_window

READING, ERROR, MAINTENANCE, REPLACEMENT, FAILURE, WINDOW_START, WINDOW_END = range(7)
OUT_OF_SERVICE, IN_SERVICE, DECOMMISSIONED = range(7, 10)
ALERT_CLOSED, SILENT = 10, 11
AHEAD = 12  # a reading that was refused, as its time lies too far ahead of its record
SERVICE = (1, 0, 2)  # what these three make of it
KINDS = (
    "reading", "error", "maintenance", "replacement", "failure", "window_start", "window_end", "out_of_service",
    "in_service", "decommissioned", "alert_closed", "silent",
)  # fmt: skip
NO_CODE = -1
WINDOWS = np.array([24.0, 72.0, 168.0])  # units of the class, of the counts of errors


@njit(cache=True, inline="always")
def is_repeated(row, event_id, is_late):
    """Remembers the id of a reading otherwise."""
    for place in range(REMEMBERED_IDS):
        if row.ids[place] == event_id:
            return True
    mark = np.uint16(event_id & np.uint64(0xFFFF))
    mark = mark if mark != 0 else np.uint16(1)
    if is_late:
        for place in range(len(row.recent)):
            if row.recent[place] == mark:
                return True
    row.ids[row.id_place] = event_id
    row.id_place = (row.id_place + 1) % REMEMBERED_IDS
    row.recent[row.recent_place] = mark
    row.recent_place = (row.recent_place + 1) % len(row.recent)
    return False


@njit(cache=True)
def _is_repeated_entry(row, event_id, is_kept_longer):
    """Remembers the id of a log entry otherwise; for those that are not in the log itself.

    Of entries about service at one time the later applied one counts, and a person's word ends the alert of its time
    alone: there only the id tells one that comes again.
    """
    mark = np.uint32(event_id & np.uint64(0xFFFFFFFF))
    for place in range(len(row.log_ids)):
        if mark != 0 and row.log_ids[place] == mark:
            return True
    if is_kept_longer:
        row.log_ids[row.log_id_place] = mark
        row.log_id_place = (row.log_id_place + 1) % SERVICE_IDS
    else:
        row.log_ids[SERVICE_IDS] = mark
    return False


@njit(cache=True)
def _remember(row, time, code, tag):
    """Put an entry into the log; the oldest one leaves when it is full. Returns whether it was news."""
    oldest, is_full = 0, True
    for place in range(len(row.log_time)):
        if row.log_code[place] == 0:
            if is_full:
                oldest, is_full = place, False
        elif row.log_time[place] == time and row.log_code[place] == code + 1 and row.log_tag[place] == tag:
            return False
        elif is_full and row.log_time[place] < row.log_time[oldest]:
            oldest = place
    if is_full:
        leaving_code, leaving_time = row.log_code[oldest] - 1, row.log_time[oldest]
        if time <= leaving_time:
            is_news = time > row.log_settled[code]
            row.log_settled[code] = max(row.log_settled[code], time)
            return is_news
        row.log_settled[leaving_code] = max(row.log_settled[leaving_code], leaving_time)
    row.log_code[oldest] = code + 1
    row.log_time[oldest] = time
    row.log_tag[oldest] = tag
    return True


@njit(cache=True)
def _serve(row, time, service):
    """Out of service or into it; returns whether it was news."""
    if time < row.service_at or (time == row.service_at and service == row.service):
        return False
    row.service_at = time
    row.service = service
    return True


@njit(cache=True)
def write_log(row, time, kind, code, event_id=0, whole=NO_CODE):
    """Returns OLD, NEWS or FULL: repeated or overtaken by a newer one, or not, or a window for which there is no room.

    Args:
        event_id: hash, 0: none is known.
        whole: the code of the asset as a whole.
    """
    event_id = np.uint64(event_id)
    if kind in (WINDOW_START, WINDOW_END):
        return mark_window(row, time, kind == WINDOW_END, np.int64(code), event_id)
    if kind == ALERT_CLOSED:
        return OLD if _is_repeated_entry(row, event_id, True) else NEWS
    if kind >= OUT_OF_SERVICE:
        is_news = not _is_repeated_entry(row, event_id, True) and _serve(row, time, SERVICE[kind - OUT_OF_SERVICE])
        return NEWS if is_news else OLD
    if code < 0 or kind == MAINTENANCE:
        return OLD if _is_repeated_entry(row, event_id, False) else NEWS
    is_news = _remember(row, time, code, np.uint8(event_id >> np.uint64(32) & np.uint64(0xFF)))
    if is_news and kind == REPLACEMENT and code == whole and row.service != 0:
        _serve(row, time, 0)
    return NEWS if is_news else OLD


@njit(cache=True, inline="always")
def read_log(row, time, prep, work):
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
