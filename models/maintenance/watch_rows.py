"""What the watch over an asset's data keeps of it: its row, the transitions of its data alert, and when it is silent.

WATCH: one row an asset; DATA_TRANSITION: one a transition; silent_now: whose silence is to be told
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.maintenance.rows import LATEST_S

SENSORS, REGIME, CLOCK, SILENCE = 1, 2, 4, 8  # causes, one bit each
IS_HERE, IS_WELL, IS_RETIRED, WAS_CLOSED = range(4)  # why it ends: sends again, has good data, out of service, by hand
ADVISORY, WARNING = 1, 2  # places in `policy.SEVERITIES`
WATCHED = 64  # sensors that are told by name
WAITS, IS_POOR, HAS_SPIKE, IS_BLANK = 1, 2, 4, 8  # bits of `waits`
LONGER = 1.5  # than the longest gap of late, is a silence
LIVE_PACE, LIVE_S = 0.25, 600.0  # readings of now have a pace of about 1, or record times near their own
CLOCK_WRONG_S = 120.0  # ahead of the record, or set back to so far behind it
MOST_DATA_TRANSITIONS = 3  # by one event
WATCH_LAYOUT = 2
_TIMES = ("newest", "arrived", "claimed", "counts_from", "raised_at", "service_at", "judged_at")
WATCH = np.dtype(
    [
        ("newest", "f8"),  # event time of the newest reading; times are epoch seconds, 0: never
        ("arrived", "f8"),  # newest record time of a reading
        ("claimed", "f8"),  # newest entry `silent`
        (
            "counts_from",
            "f8",
        ),  # record time before which no silence counts: out of service, closed by hand
        ("raised_at", "f8"),  # of the open alert
        ("service_at", "f8"),  # newest entry that took it out of service or into it
        ("judged_at", "f8"),  # newest reading that was judged, or waits for that
        ("named", "u8"),  # sensors that the open alert names, a bit each
        ("out", "u8"),  # sensors at fault in the reading that waits
        ("missing", "u8"),  # sensors that the newest complete reading lacks
        ("accepted", "u8"),  # of those, the ones that somebody has accepted to be missing, by closing the alert
        ("usual_s", "f4"),  # usual time between two readings
        ("longest_s", "f4"),  # the longest of late
        ("pace", "f4"),  # seconds of record time that pass with a second of event time: history that is replayed has ~0
        ("off_s", "f4"),  # how far its clock was ahead of the record, at the newest reading; negative: behind
        ("wrong_s", "f4"),  # how far behind it was set back to; 0: it is right
        ("sequence", "u2"),  # transitions of the open alert so far
        ("bad", "u1"),  # readings in a row with a cause
        ("good", "u1"),  # and without
        ("blanks", "u1"),  # readings in a row without a score
        ("bridges", "u1"),  # and of those whose regime was not told
        ("spikes", "u1"),  # of late, see kernel/watch.c
        ("clock", "u1"),  # readings for which it is still told of
        ("causes", "u1"),  # of the open alert, all so far
        ("severity", "u1"),  # of the open alert, 0: none
        ("service", "u1"),  # 0 in service, 1 out of it
        ("waits", "u1"),  # bits: a reading waits for its other parts, is poor, has a spike, has no score (yet)
        ("sent", "u1"),  # readings in a row of which an accepted sensor is not told as missing
    ],
    align=True,
)
WATCH_BOUNDS = {
    **dict.fromkeys(_TIMES, (0.0, LATEST_S)),
    **dict.fromkeys(("named", "out", "missing", "accepted"), (0.0, 2.0**64)),
    **dict.fromkeys(("usual_s", "longest_s", "pace", "wrong_s"), (0.0, LATEST_S)),
    "off_s": (-LATEST_S, LATEST_S),
    "causes": (0.0, 15.0),
    "severity": (0.0, float(WARNING)),
    "service": (0.0, 1.0),
    "waits": (0.0, 15.0),
}
DATA_TRANSITION = np.dtype(
    [
        ("event", "i8"),  # place in the batch
        ("time", "f8"),  # of the event, or the time at which silence began to count
        ("state", "u1"),  # RAISED, CHANGED or CLEARED
        ("severity", "u1"),  # place in SEVERITIES; of a cleared alert, the one it had
        ("causes", "u1"),  # of a cleared one, those it had
        ("end", "u1"),  # why it was cleared
        ("sequence", "u2"),
        ("named", "u8"),  # sensors, a bit each
        ("raised_at", "f8"),
        ("silent_s", "f8"),  # how long it has been silent, or was; 0: it was not
        ("usual_s", "f8"),
        ("after_s", "f8"),  # when it counts as silent
        ("off_s", "f8"),  # how far its clock is ahead of the record; negative: behind
    ],
    align=True,
)


class Patience(NamedTuple):
    """When an asset is silent."""

    intervals: float  # of its usual ones
    least_s: float


def silent_now(
    rows: npt.NDArray[np.void], now_s: float, since_s: float, patience: Patience
) -> list[tuple[int, float, float]]:
    """Assets that send readings of now, and whose silence is long enough to be told.

    It is counted in record times: an asset's own clock may be wrong. Readings of now are of now, or come as fast as
    their event times advance; history that was replayed comes faster, and its end is no silence.

    Args:
        rows: WATCH.
        since_s: since when there is somebody who would have heard them.

    Returns:
        Place in `rows`, time of the silence in the asset's own clock, time of its newest reading; epoch seconds.
    """
    usual, longest = rows["usual_s"].astype(np.float64), rows["longest_s"].astype(np.float64)
    after = np.maximum.reduce([patience.intervals * usual, LONGER * longest, np.full(len(rows), patience.least_s)])
    newest, lag = rows["newest"], rows["arrived"] - rows["newest"]
    heard = np.maximum.reduce([rows["arrived"], rows["counts_from"], np.full(len(rows), since_s)])
    is_live = (rows["pace"] >= LIVE_PACE) | (np.abs(lag) <= LIVE_S)
    is_watched = (rows["arrived"] > 0) & (usual > 0) & (rows["service"] == 0) & is_live
    is_told = (rows["causes"] & SILENCE != 0) | (now_s - lag - rows["claimed"] <= after)
    found = np.flatnonzero(is_watched & ~is_told & (now_s - heard > after))
    return [(place, now_s - float(lag[place]), float(newest[place])) for place in found.tolist()]
