"""The arrays of the catalogue view, which the kernels read and change in place.

profile ─► build_arrays, build_clock ─► kernel.View ─► clicks and items change the arrays, questions read them

One structure serves every generator of candidates: a circular log of clicks in which each entry points to the one
before it on the same item, and a ring of recent sessions kept as short item lists. Memory: 16 B a logged click, 148 B
a session, and 160 B an item (+ 4 B a context value) beside its id. An item that is dense in the log, with 128 clicks or
more, has a summary of what it was seen with: 10 KB, of which 8 KB are in a snapshot. At most one click in 64 of the log
can lead to one.

Clicks that one user repeats are in the log, but are not popularity: of those in a row on an item, with nobody else in
between, three count in ten minutes, and so many of those in one list of a session.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.recommender.kernel import CO_VISITS, DENSE
from schemas import ActionWeights, RecommenderProfile

ACTIONS = tuple(ActionWeights.model_fields)  # by number: view is 0
SESSION_ITEMS = 20  # a longer session goes on in a second list; the log keeps the position in 5 bits
NEW_RING = 1024
HOT_LISTS, HOT_LENGTH = 4, 128
HALF_LIVES = 4  # columns of `popularity`: 4 half-lives, then continued clicks at the two shortest
MOST_ACTIONS = 16
ITEM = np.dtype(
    [
        ("key", "u8"),  # stable hash of the item id
        ("head", "i8"),  # number of its newest log entry + 1; 0: none
        ("last", "f8"),  # newest click, in the clock of the profile
        ("first", "f8"),  # first seen: clicked or published
        ("published", "f8"),  # epoch seconds: not in a list before; 0: not known
        ("available_at", "f8"),  # event times of the newest words on availability and publication, and of the removal
        ("published_at", "f8"),
        ("removed_at", "f8"),
        ("row_since", "f8"),  # event time at which `in_a_row` began
        ("clicks", "i4"),
        ("repeats", "i4"),  # clicks on an item that the session already had
        ("is_available", "i4"),
        ("is_announced", "i4"),  # came over the topic of items
        ("is_waiting", "i4"),  # in `waiting`
        ("is_removed", "i4"),  # until it is available again
        ("has_others", "i4"),  # a second user clicked it
        ("in_a_row", "i4"),  # clicks of the user who clicked it last, with nobody else in between
        ("clicker", "u4"),  # who did: half of the hash of the user
        ("is_told", "u4"),  # the topic of items has told of it
    ]  # rows of 8 n bytes: others are slower by half
)  # no padding: its bytes would be anyone's guess in a snapshot
SESSION = np.dtype([("key", "u8"), ("number", "i8"), ("last", "f8"), ("length", "i8")])
CLOCK = np.dtype(
    [
        ("hot_refresh", "f8"),
        ("new_age", "f8"),
        ("hot_clicks", "i8"),
        ("counts_sessions", "i8"),
        ("hides_unknown", "i8"),  # as soon as an item was told of
        ("actions", "i8"),
        ("fast", "f8"),  # decay constants of co-visits
        ("slow", "f8"),
        ("reads", "i8"),  # of a question, which summaries follow
        ("window", "i8"),
        ("weights", "f4", (MOST_ACTIONS,)),  # of actions, in popularity and summaries
    ]
)  # the part of the profile that the update needs
SUMMARY = np.dtype(
    [
        ("item", "i8"),  # row + 1 of a dense item; 0: the place is free
        ("count", "i8"),  # of its co-visits
        ("dense_at", "i8"),  # CLICKS when the log was last seen to have enough clicks on it
        ("grown", "f8"),  # by its own clicks: what a pair of now weighs, beside what all summaries have in common
    ]
)
CO_VISIT = np.dtype(
    [
        ("scattered", "u4"),  # of the row: low bits for a table
        ("item", "i4"),
        *((name, "f4") for name in ("after", "before", "recent", "next", "together", "close")),  # sums over pairs
    ]
)
# Numbers of counters and clocks: those of the kernels, kernel.COUNTERS and kernel.CLOCKS
(
    CLICKS,  # counters: entries of the log ever
    SESSIONS,  # ever
    ITEMS,
    NEW,  # entries of the new ring ever
    WAITING,
    HOT_CLICKS,  # CLICKS when the hot lists were computed
    SHOWS_UNKNOWN,  # 1: items may be in lists though nobody told of them
    SUMMARIES,  # places of summaries that were ever used
) = range(8)
(
    NOW,  # clocks: the newest time, in the clock of the profile
    HOT_AT,
    CONTEXT_AT,
    CONTEXT_TOTAL,
    EVENTS,  # newest event time, epoch seconds
    RELEASE_AT,  # when the first of the waiting items is published, epoch seconds
    PAIRS_SINCE,  # time at which a pair weighs 1 in a summary, in the clock of the profile
    PAIRS_WORN,  # how often the log and the ring had gone by then
) = range(8)


class Arrays(NamedTuple):
    """State of the view; n items, C context values, L log entries, M sessions."""

    items: Any  # (n,) ITEM
    popularity: Any  # (n, 6) f4
    context: Any  # (n, C) f4: decayed clicks per context value
    waiting: Any  # (n,) i4: items that are not published yet
    context_total: Any  # (C,) f8
    item_table: Any  # (2^k,) i4
    log: Any  # (L, 2) i8: session number * 32 + position; entry before it on the same item + 1
    sessions: Any  # (M,) SESSION
    session_items: Any  # (M, 20) i4; -1: an item that was forgotten
    session_actions: Any  # (M, 20) u1: numbers of actions, see `clicks.ACTIONS`
    session_table: Any  # (4 M,) i4
    new_ring: Any  # (1024,) i4: items in the order in which they were first seen
    hot: Any  # (4, 128) i4: popular, popular just now, continued, new
    hot_length: Any  # (4,) i8
    counters: Any  # (8,) i8
    clocks: Any  # (8,) f8
    rates: Any  # (4,) f8: decay rates of popularity
    summaries: Any  # (S,) SUMMARY
    co_visits: Any  # (S, 256) CO_VISIT: what each dense item was seen with


def build_arrays(profile: RecommenderProfile, items: int = 1024) -> Arrays:
    """Empty arrays with room for `items` items."""
    values = sum(c.values for c in profile.context_popularity)
    sessions = profile.recent_sessions
    # As many as are dense at once: each had DENSE clicks of its own among twice as many as the log has. Memory is taken
    # for those that are written.
    summaries = 2 * profile.click_log // DENSE
    return Arrays(
        items=np.zeros(items, ITEM),
        popularity=np.zeros((items, HALF_LIVES + 2), np.float32),
        context=np.zeros((items, values), np.float32),
        waiting=np.zeros(items, np.int32),
        context_total=np.zeros(values),
        item_table=np.zeros(2 * items, np.int32),
        log=np.zeros((profile.click_log, 2), np.int64),
        sessions=np.zeros(sessions, SESSION),
        session_items=np.zeros((sessions, SESSION_ITEMS), np.int32),
        session_actions=np.zeros((sessions, SESSION_ITEMS), np.uint8),
        session_table=np.zeros(4 * sessions, np.int32),
        new_ring=np.zeros(NEW_RING, np.int32),
        hot=np.zeros((HOT_LISTS, HOT_LENGTH), np.int32),
        hot_length=np.zeros(HOT_LISTS, np.int64),
        counters=np.array([0, 0, 0, 0, 0, 0, profile.unknown_items is not False, 0], np.int64),
        clocks=np.array([0.0, -1e18, 0.0, 0.0, 0.0, np.inf, 0.0, 0.0]),
        rates=np.log(2) / np.array(profile.popularity_half_lives),
        summaries=np.zeros(summaries, SUMMARY),
        co_visits=np.zeros((summaries, CO_VISITS), CO_VISIT),
    )


def build_clock(profile: RecommenderProfile) -> npt.NDArray[Any]:
    """(1,) CLOCK."""
    clock = np.zeros(1, CLOCK)
    clock["hot_refresh"], clock["new_age"], clock["hot_clicks"] = (
        profile.hot_refresh,
        profile.new_age,
        profile.hot_clicks,
    )
    clock["counts_sessions"], clock["hides_unknown"] = profile.clock == "sessions", profile.unknown_items is None
    for name in ("fast", "slow", "reads", "window"):
        clock[name] = getattr(profile, name)
    clock["actions"], clock["weights"][0, : len(ACTIONS)] = len(ACTIONS), action_weights(profile)
    return clock


def action_weights(profile: RecommenderProfile) -> npt.NDArray[np.float32]:
    """(actions,) by number: what each counts in popularity and co-visitation."""
    return np.array([getattr(profile.action_weights, action) for action in ACTIONS], np.float32)
