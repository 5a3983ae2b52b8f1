"""Maintenance windows in the row of an asset: any number may overlap or lie ahead, a few are remembered one by one.

window_start, window_end ─► mark_window (marks in the row) ─► is_in_window at a reading's time

An end closes the windows of its code that are open at its time. Windows without a code count nested: an end without one
closes the latest of them. What cannot be matched so closes the latest that one side has no code for. Marks are kept by
their time, so the order in which they arrive does not matter, and one that is repeated changes nothing. Begins are
rounded down to a second, ends up.

A row has room for 12 marks (6 windows), for a class with errors or components 8. When it is full, windows that are over
are forgotten, and what is marked up to their end is taken as known from then on; if none is over, the one furthest
ahead is not kept: it can be announced again when it is nearer, and the caller is told.
"""

from __future__ import annotations

import numpy as np

from models.jit import njit

OLD, NEWS, FULL = range(3)  # what a mark was: known or overtaken, kept, without room
END, CODED = 0x8000, 0x4000  # bits of `window_tag`; below them 14 bits of the code, or of the id where there is none
PLACES = 64  # more than a row has marks


@njit(cache=True)
def _drop(row, place):
    row.window_time[place] = 0
    row.window_tag[place] = 0


@njit(cache=True)
def _order(row, place):
    """Of a mark in time; begins come before ends."""
    return (2 * np.int64(row.window_time[place]) + (row.window_tag[place] >= END)) * PLACES + place


@njit(cache=True)
def _next(row, after):
    """Place of the mark that follows an `_order`; -1: none."""
    best = -1
    for place in range(len(row.window_time)):
        is_after = row.window_time[place] > 0 and _order(row, place) > after
        if is_after and (best < 0 or _order(row, place) < _order(row, best)):
            best = place
    return best


@njit(cache=True)
def _rank(row, place):
    """Of an open window for an end without its code: one without a code first, then the latest."""
    return np.int64(row.window_time[place]) + ((row.window_tag[place] < CODED) << 33)


@njit(cache=True)
def _close(row, tag, is_open):
    """Close what an end closes: all of its code, else the latest that has no code, or of any where the end has none."""
    latest, count = -1, 0
    for place in range(len(is_open)):
        if is_open[place]:
            mine = row.window_tag[place]
            if mine == tag and tag >= CODED:
                is_open[place] = False
                count += 1
            is_meant = mine < CODED or tag < CODED
            if is_meant and (latest < 0 or _rank(row, place) > _rank(row, latest)):
                latest = place
    if count == 0 and latest >= 0:
        is_open[latest] = False
        count = 1
    return count


@njit(cache=True)
def _open_at(row, time):
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
            count -= _close(row, tag - END, is_open)
        if count == 0:
            free_since = at
        place = _next(row, _order(row, place))
    return count, free_since


@njit(cache=True)
def _make_room(row):
    """Forget what is over; returns whether anything was."""
    _, past = _open_at(row, np.int64(row.newest))
    if past == 0:
        return False
    for place in range(len(row.window_time)):
        if 0 < row.window_time[place] <= past:
            _drop(row, place)
    row.window_past = max(row.window_past, np.float64(past))
    return True


@njit(cache=True)
def _furthest(row):
    """Place of the begin that lies furthest ahead; -1: there is none."""
    begin, place = -1, _next(row, np.int64(0))
    while place >= 0:
        if row.window_tag[place] < END:
            begin = place
        place = _next(row, _order(row, place))
    return begin


@njit(cache=True)
def _end_of(row, begin):
    """Place of the end of a window that is not open yet; -1: there is none."""
    end, place = -1, _next(row, _order(row, begin))
    while place >= 0:
        tag = row.window_tag[place]
        if tag == row.window_tag[begin] + END:
            return place
        if END <= tag < END + CODED and row.window_tag[begin] < CODED:
            end = place
        place = _next(row, _order(row, place))
    return end


@njit(cache=True)
def _forget_furthest(row, after):
    """Forget the window furthest ahead, if it begins after a time; returns whether there was one."""
    begin = _furthest(row)
    if begin < 0 or row.window_time[begin] <= after:
        return False
    end = _end_of(row, begin)
    _drop(row, begin)
    if end >= 0:
        _drop(row, end)
    return True


@njit(cache=True)
def _forget_begin(row, mark):
    """Forget the begin ahead that belongs to an end for which there is no room: its window would stay open."""
    for place in range(len(row.window_time)):
        tag = row.window_tag[place]
        is_own = tag + END == mark or (tag < CODED and mark < END + CODED)
        if row.window_time[place] > row.newest and tag < END and is_own and _end_of(row, place) < 0:
            _drop(row, place)
            return


@njit(cache=True)
def _put(row, at, mark):
    """Into an empty place; returns whether there was one."""
    for place in range(len(row.window_time)):
        if row.window_time[place] == 0:
            row.window_time[place] = at
            row.window_tag[place] = mark
            return True
    return False


@njit(cache=True)
def mark_window(row, time, is_end, tag, event_id):
    """Returns OLD, NEWS or FULL: a window that lies furthest ahead, perhaps this one, is not kept.

    Args:
        tag: 14 bits of the code, 0: none; then the id tells windows apart.
    """
    at = np.int64(np.ceil(time)) if is_end else np.int64(np.floor(time))
    if at <= row.window_past:
        return OLD
    identity = CODED + tag if tag > 0 else np.int64(event_id & np.uint64(CODED - 1))
    mark = np.uint16(identity + (END if is_end else 0))
    for place in range(len(row.window_time)):
        if row.window_time[place] == at and row.window_tag[place] == mark:
            return OLD
    if _put(row, at, mark):
        return NEWS
    if _make_room(row):
        _put(row, at, mark)
        return NEWS
    if _forget_furthest(row, at):
        _put(row, at, mark)
    elif is_end:
        _forget_begin(row, mark)
    return FULL


@njit(cache=True)
def is_excused(row, since, time):
    """Whether a window was open at any time after `since`, up to `time`."""
    if row.window_past > since:
        return True
    for place in range(len(row.window_time)):
        if since < row.window_time[place] <= time:
            return True
    return is_in_window(row, time)


@njit(cache=True)
def is_in_window(row, time):
    for place in range(len(row.window_time)):
        if row.window_time[place] > 0:
            return _open_at(row, np.int64(np.floor(time)))[0] > 0
    return False
