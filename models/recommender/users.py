"""Users: the row that each user has in the partition state, and how clicks advance the rows (kernel/users.c).

clicks of a batch ─► advance (in order, a user may occur several times) ─► accepted?, prefix, session key, time

A session ends with another session_id, or, where clicks have none, after `session_silence_s` without a click. Clicks
are taken in the order of arrival and time never runs backwards: a late click counts at the user's newest time.

15 clicks of a user on an item count for popularity within an hour, under whatever session_id (the view is
stricter where nobody else clicks the item). They are counted by the item's hash in 128 counters of four bits, so only
of a user with hundreds of clicks an hour one may be taken for a repeated one.

Who turns an item down (`remove`, `dislike`) does not click it: the session stays as it is, and of the newest
`TURNED_DOWN` such items none is in the user's lists, until another action than a view takes that back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.recommender import kernel

PREFIX = 20
RECENT_EVENTS = 56
TURNED_DOWN = 20
USER_LAYOUT = 3  # version of USER for the changelog
USER = np.dtype(
    [
        ("last", "f8"),  # newest event time, epoch seconds
        ("session", "u8"),  # session key: of user and session_id, or of user and number
        ("session_id", "u8"),  # stable hash of the session_id; 0: none was given
        ("prefix", "u8", (PREFIX,)),  # stable hashes of the session's newest items, oldest first
        ("events", "u8", (RECENT_EVENTS,)),  # ring of stable hashes of event ids, against duplicates
        ("sessions", "u4"),  # begun so far
        ("length", "u2"),  # of the prefix
        ("event", "u2"),  # place in the ring that is written next
        ("counted_since", "f8"),  # epoch seconds
        ("counted", "u1", (64,)),  # counters of four bits: clicks on the items whose hash they belong to
        ("turned_down", "u4", (TURNED_DOWN,)),  # halves of the hashes of items, newest first, then 0
    ],
    align=True,
)

# Lowest and highest value, inclusive, that a field of a sound row can hold; NaN never.
USER_BOUNDS: dict[str, tuple[float, float]] = {
    "last": (0.0, 7_258_118_400.0),  # the year 2200
    "session": (0.0, 2.0**64),
    "session_id": (0.0, 2.0**64),
    "prefix": (0.0, 2.0**64),
    "events": (0.0, 2.0**64),
    "sessions": (0.0, 1e9),
    "length": (0.0, float(PREFIX)),
    "event": (0.0, RECENT_EVENTS - 1.0),
    "counted_since": (0.0, 7_258_118_400.0),
    "counted": (0.0, 255.0),
    "turned_down": (0.0, 2.0**32),
}
_HAD_64_EVENTS = [  # layout 2; layout 1 had all but the last two fields, at the same places
    (name, form, (64,)) if name == "events" else (name, form, *shape)
    for name, form, *shape in USER.descr
    if name and name != "turned_down"
]


class _Wider:
    """From an earlier layout: what a row of before did not have is empty, and of the event ids the newest are kept."""

    def __init__(self, fields: int) -> None:
        self.dtype = np.dtype(_HAD_64_EVENTS[:fields], align=True)

    def __call__(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        wider = np.zeros(len(rows), USER)
        for name in self.dtype.names or ():
            if name not in ("events", "event"):
                wider[name] = rows[name]
        order = (rows["event"][:, None].astype(np.int64) + np.arange(64)) % 64  # oldest first
        wider["events"] = np.take_along_axis(rows["events"], order, axis=1)[:, -RECENT_EVENTS:]
        return wider


EARLIER_USERS = {1: _Wider(8), 2: _Wider(10)}  # of the rows, by the version of their layout


class Steps(NamedTuple):
    """What each click of a batch came to; n clicks."""

    is_accepted: npt.NDArray[np.bool_]  # (n,) false: a duplicate, nothing was changed
    prefixes: npt.NDArray[np.uint64]  # (n, 20) item hashes, oldest first, this click's item last, then 0
    lengths: npt.NDArray[np.int64]  # (n,)
    sessions: npt.NDArray[np.uint64]  # (n,) session keys
    times: npt.NDArray[np.float64]  # (n,) epoch seconds: the user's newest time
    is_repeated: npt.NDArray[np.bool_]  # (n,) the user clicked the item so often lately that it is not popularity
    is_click: npt.NDArray[np.bool_]  # (n,) accepted, and not turned down: what the catalogue view is told
    turned_down: npt.NDArray[np.uint32]  # (n, 20) halves of the hashes of items that are not for this user, then 0


class Moves(NamedTuple):
    """The columns of a batch of clicks that `advance` reads; n clicks."""

    events: Any  # (n,) u8: stable hashes of the event ids; 0: known to be a duplicate
    users: Any  # (n,) u8
    session_ids: Any  # (n,) u8; 0: none
    items: Any  # (n,) u8
    times: Any  # (n,) f8: epoch seconds
    actions: Any  # (n,) u1: numbers of actions; kernel.TURN_DOWN: the user turns the item down


def advance(rows: npt.NDArray[Any], slots: npt.NDArray[np.int64], moves: Moves, silence_s: float) -> Steps:
    """Advance the users' rows, in place and in order.

    Args:
        rows: (m,) USER.
        slots: (n,) row of the user of each click.
        silence_s: ends a session without a session_id.
    """
    count = len(slots)
    steps = Steps(
        is_accepted=np.zeros(count, np.bool_),
        prefixes=np.zeros((count, PREFIX), np.uint64),
        lengths=np.zeros(count, np.int64),
        sessions=np.zeros(count, np.uint64),
        times=np.zeros(count, np.float64),
        is_repeated=np.zeros(count, np.bool_),
        is_click=np.zeros(count, np.bool_),
        turned_down=np.zeros((count, TURNED_DOWN), np.uint32),
    )
    kernel.advance(silence_s, slots, rows, *moves, *steps)
    return steps
