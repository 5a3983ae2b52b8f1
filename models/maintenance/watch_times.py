"""How often an asset is heard, and whether its clock is right: by the times of its readings and of their records.

two readings ─► pace, usual and longest interval of late; a reading and its record ─► is the clock told of?

The record's time is the broker's. An asset's own clock may be wrong, so its intervals are those of the records; but of
history that is replayed they say nothing, so there they are those of the readings.
"""

from __future__ import annotations

import numpy as np

from models.jit import njit
from models.maintenance.watch_rows import LIVE_PACE

CLOCK_READINGS = 10  # that a clock is told of after it was last seen to be wrong
CLOCK_WRONG_S = 120.0  # ahead of the record, or set back to so far behind it
USUAL_MOVES = 1.1  # the usual interval follows each interval by this factor at most: it is about their median
LONGEST_FALLS = 1.0 / 64.0  # of the time that passes, is taken off the longest interval of late
MOST_STRETCH = 64.0  # of it by one gap
PACE_INTERVALS = 16.0  # of the longest of late, after which the pace is known
MOST_PACE = 1e6


@njit(cache=True)
def learn_interval(row, gap, waited):
    """From a reading and the one before: by their records, unless those come at another pace than the readings.

    Args:
        gap: s between their times, above 0.
        waited: s between their records, NaN: not known.
    """
    longest, usual = np.float64(row.longest_s), np.float64(row.usual_s)
    if not np.isnan(waited):
        share = min(gap / (PACE_INTERVALS * longest), 1.0) if longest > 0 else 1.0
        row.pace += share * (min(max(waited, 0.0) / gap, MOST_PACE) - row.pace)
    interval = waited if waited >= 0 and row.pace >= LIVE_PACE else gap
    if interval <= 0:
        return
    if usual > 0:
        interval = min(interval, MOST_STRETCH * max(usual, longest))
    row.longest_s = max(interval, longest - LONGEST_FALLS * interval)
    row.usual_s = usual * min(max(interval / usual, 1 / USUAL_MOVES), USUAL_MOVES) if usual > 0 else interval


@njit(cache=True)
def look_at_clock(row, time, arrived, is_set_back):
    """A clock is wrong that is ahead of the record, or that was set back to far behind it and stays there."""
    if is_set_back:
        row.wrong_s = max(arrived - time, 0.0)
        row.wrong_s = row.wrong_s if row.wrong_s > CLOCK_WRONG_S else 0.0  # before, it was ahead
    elif arrived - time < row.wrong_s / 2:
        row.wrong_s = 0.0
    if is_set_back:
        row.clock = CLOCK_READINGS
    elif row.wrong_s > 0 or time - arrived > CLOCK_WRONG_S:  # not where it is NaN
        row.clock = CLOCK_READINGS if row.bad > 0 else 1  # one reading may be a slip
