"""Whose clock is wrong: a late reading is an upload of old data, or the asset's clock was set back and is followed.

late reading, its record's time ─► one of a run that rises and keeps its distance to the records? ─► follow

The record's time is the broker's (LogAppendTime). A device that goes on measuring under a clock that was set back sends
readings as fast as its event times advance: their distance to the record's time stays. Old data that is uploaded rises
too, but faster than the records' time, or between live readings, which end the run. Three in a row are followed when
the newest reading lies ahead of the present record (so its clock was wrong), otherwise five over eight seconds. Records
that a producer sent together have one record time and count as one reading, as do parts of one time. Where record times
are not known, or fall (producers' own clocks), nothing is followed.
"""

from __future__ import annotations

import numpy as np

from models.jit import njit

FEW, SOME = 3, 5  # readings in a row
SPAN_S = 8.0
DRIFT_S, DRIFT = 2.0, 0.1  # that the distance may change, and the same as a share of the span


@njit(cache=True)
def is_set_back(row, time, arrived):
    """Whether a late reading is the last of enough to follow; counts it otherwise."""
    if np.isnan(arrived) or arrived < row.arrived:
        row.behind = 0
        return False
    is_together = arrived == row.arrived and time >= row.behind_at
    if row.behind > 0 and (is_together or time == row.behind_at):
        return False
    lag, advance = arrived - time, time - row.behind_at
    span = np.float64(row.behind_span) + advance
    is_next = row.behind > 0 and advance > 0 and abs(lag - row.behind_lag) <= DRIFT_S + DRIFT * span
    if is_next:
        row.behind = min(row.behind + 1, 255)
        row.behind_span = span
        if (row.behind >= FEW and row.newest > arrived) or (row.behind >= SOME and span >= SPAN_S):
            return True
    else:
        row.behind, row.behind_lag, row.behind_span = 1, lag, 0.0
    row.behind_at = time
    return False
