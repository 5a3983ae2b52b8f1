"""Maintenance windows in the row of an asset: any number may overlap or lie ahead, a few are remembered one by one.

window_start, window_end ─► mark_window (marks in the row) ─► is_in_window at a reading's time

An end closes the latest window of the same code that is open at its time; one without a code closes any, and a window
without a code is closed by any end. Marks are kept by their time, so the order in which they arrive does not matter,
and one that is repeated changes nothing. Begins are rounded down to a second, ends up.

A row has room for 12 marks (6 windows), for a class with errors or components 8. When it is full, windows that are over
are forgotten, and what is marked up to their end is taken as known from then on; if none is over, the oldest one goes.
"""

from __future__ import annotations

import numpy as np

from models.jit import njit

END = 0x8000  # bit of `window_tag`
PLACES = 64  # more than a row has marks


@njit(cache=True)
def _drop(row, place):  # type: ignore[no-untyped-def]
    row.window_time[place] = 0
    row.window_tag[place] = 0


@njit(cache=True)
def _order(row, place):  # type: ignore[no-untyped-def]
    """Of a mark in time; begins come before ends."""
    return (2 * np.int64(row.window_time[place]) + (row.window_tag[place] >= END)) * PLACES + place


@njit(cache=True)
def _next(row, after):  # type: ignore[no-untyped-def]
    """Place of the mark that follows an `_order`; -1: none."""
    best = -1
    for place in range(len(row.window_time)):
        is_after = row.window_time[place] > 0 and _order(row, place) > after
        if is_after and (best < 0 or _order(row, place) < _order(row, best)):
            best = place
    return best


@njit(cache=True)
def _closed_by(row, tag, is_open):  # type: ignore[no-untyped-def]
    """Place of the open window that an end closes; -1: none."""
    same, other = -1, -1
    for place in range(len(is_open)):
        if is_open[place]:
            at, mine = row.window_time[place], row.window_tag[place]
            if mine == tag and (same < 0 or at > row.window_time[same]):
                same = place
            if (mine == 0 or tag == 0) and (other < 0 or at > row.window_time[other]):
                other = place
    return same if same >= 0 else other


@njit(cache=True)
def _open_at(row, time):  # type: ignore[no-untyped-def]
    """Which marks (W,) are begins of windows that are open at a time, and how many; the last time at which none was."""
    is_open, count, free_since = np.zeros(len(row.window_time), np.bool_), 0, np.int64(0)
    place = _next(row, np.int64(0))
    while place >= 0:
        at, tag = np.int64(row.window_time[place]), row.window_tag[place]
        if at > time:
            break
        if tag < END:
            is_open[place] = True
            count += 1
        else:
            closed = _closed_by(row, np.uint16(tag - END), is_open)
            if closed >= 0:
                is_open[closed] = False
                count -= 1
        if count == 0:
            free_since = at
        place = _next(row, _order(row, place))
    return count, free_since


@njit(cache=True)
def _make_room(row):  # type: ignore[no-untyped-def]
    """Forget what is over; if nothing is, the oldest window."""
    _, past = _open_at(row, np.int64(row.newest))
    if past == 0:
        first = _next(row, np.int64(0))
        tag = row.window_tag[first]
        _drop(row, first)
        place = _next(row, np.int64(0))
        while place >= 0 and tag < END:
            if row.window_tag[place] == tag | END:
                _drop(row, place)
                return
            place = _next(row, _order(row, place))
        return
    for place in range(len(row.window_time)):
        if 0 < row.window_time[place] <= past:
            _drop(row, place)
    row.window_past = max(row.window_past, np.float64(past))


@njit(cache=True)
def mark_window(row, time, is_end, tag):  # type: ignore[no-untyped-def]
    """Returns whether this was news. `tag`: 15 bits of the code, 0: none."""
    at = np.int64(np.ceil(time)) if is_end else np.int64(np.floor(time))
    if at <= row.window_past:
        return False
    mark = np.uint16(tag | END) if is_end else np.uint16(tag)
    for place in range(len(row.window_time)):
        if row.window_time[place] == at and row.window_tag[place] == mark:
            return False
    for _ in range(2):
        for place in range(len(row.window_time)):
            if row.window_time[place] == 0:
                row.window_time[place] = at
                row.window_tag[place] = mark
                return True
        _make_room(row)
    return False


@njit(cache=True)
def is_in_window(row, time):  # type: ignore[no-untyped-def]
    for place in range(len(row.window_time)):
        if row.window_time[place] > 0:
            return _open_at(row, np.int64(np.floor(time)))[0] > 0
    return False
