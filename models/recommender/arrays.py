"""The arrays of the catalogue view and the kernel that applies a click to them, about 0.4 us each.

click ─► open_session ─► log entry, threaded by item ─► counts, decayed popularity, context popularity

One structure serves every generator of candidates: a circular log of clicks in which each entry points to the one
before it on the same item, and a ring of recent sessions kept as short item lists. Memory: 16 B a logged click, 148 B
a session, and 160 B an item (+ 4 B a context value) beside its id.

Clicks that one user repeats are in the log, but are not popularity: of those in a row on an item, with nobody else in
between, `MOST_COUNTED` count in ten minutes, and so many of those in one list of a session.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.jit import borrowing
from models.recommender.hashing import find, insert, remove
from schemas import ActionWeights, RecommenderProfile

ACTIONS = tuple(ActionWeights.model_fields)  # by number: view is 0
SESSION_ITEMS = 20  # a longer session goes on in a second list; the log keeps the position in 5 bits
NEW_RING = 1024
HOT_LISTS, HOT_LENGTH = 4, 128
HALF_LIVES, CONTINUED = 4, 4  # columns of `popularity`: 4 half-lives, then continued clicks at the two shortest
MOST_COUNTED, COUNTED_FOR_S = 3, 600.0
CONTEXT_HALF_LIFE = 2  # context popularity decays with the third half-life
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
(
    CLICKS,  # counters: entries of the log ever
    SESSIONS,  # ever
    ITEMS,
    NEW,  # entries of the new ring ever
    WAITING,
    HOT_CLICKS,  # CLICKS when the hot lists were computed
    SHOWS_UNKNOWN,  # 1: items may be in lists though nobody told of them
) = range(7)
(
    NOW,  # clocks: the newest time, in the clock of the profile
    HOT_AT,
    CONTEXT_AT,
    CONTEXT_TOTAL,
    EVENTS,  # newest event time, epoch seconds
    NEXT,  # when the first of the waiting items is published, epoch seconds
) = range(6)


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
    counters: Any  # (7,) i8
    clocks: Any  # (6,) f8
    rates: Any  # (4,) f8: decay rates of popularity


class Clock(NamedTuple):
    """The part of the profile that the update needs."""

    counts_sessions: bool
    hot_refresh: float
    hot_clicks: int
    new_age: float
    hides_unknown: bool  # as soon as an item was told of
    weights: Any  # (actions,) f4


def build_arrays(profile: RecommenderProfile, items: int = 1024) -> Arrays:
    """Empty arrays with room for `items` items."""
    values = sum(c.values for c in profile.context_popularity)
    sessions = profile.recent_sessions
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
        counters=np.array([0, 0, 0, 0, 0, 0, profile.unknown_items is not False], np.int64),
        clocks=np.array([0.0, -1e18, 0.0, 0.0, 0.0, np.inf]),
        rates=np.log(2) / np.array(profile.popularity_half_lives),
    )


def build_clock(profile: RecommenderProfile) -> Clock:
    sessions, hides_unknown = profile.clock == "sessions", profile.unknown_items is None
    return Clock(
        sessions, profile.hot_refresh, profile.hot_clicks, profile.new_age, hides_unknown, action_weights(profile)
    )


def action_weights(profile: RecommenderProfile) -> npt.NDArray[np.float32]:
    """(actions,) by number: what each counts in popularity and co-visitation."""
    return np.array([getattr(profile.action_weights, action) for action in ACTIONS], np.float32)


@borrowing()
def elapsed(now, since):
    """Never negative: a clock that is ahead must not turn a decay into growth."""
    return max(now - since, 0.0)


@borrowing()
def first_seen(view, item, time):
    view.items[item].first = time
    if view.items[item].clicks == 0:  # decays go on from the last click
        view.items[item].last = time
    view.new_ring[view.counters[NEW] % NEW_RING] = item
    view.counters[NEW] += 1


@borrowing()
def open_session(view, key):
    """The slot of the session to append to, and whether this click continues a session."""
    slot = find(view.session_table, view.sessions, key)
    if slot >= 0 and view.sessions[slot].length < SESSION_ITEMS:
        return slot, True
    continues = slot >= 0
    if continues:
        remove(view.session_table, view.sessions, slot)
    number = view.counters[SESSIONS]
    view.counters[SESSIONS] += 1
    slot = number & (len(view.sessions) - 1)
    forgotten = view.sessions[slot].key
    if forgotten != 0 and find(view.session_table, view.sessions, forgotten) == slot:
        remove(view.session_table, view.sessions, slot)
    view.sessions[slot].key = key
    view.sessions[slot].number = number
    view.sessions[slot].length = 0
    insert(view.session_table, key, slot)
    return slot, continues


@borrowing()
def append(view, slot, item, action, time):
    """Item at the end of the session and of the log. Returns how often the list of the session had it."""
    session = view.sessions[slot]
    position = np.int64(session.length)
    times_before = 0
    for earlier in range(position):
        times_before += view.session_items[slot, earlier] == item
    if times_before > 0:
        view.items[item].repeats += 1
    view.session_items[slot, position] = item
    view.session_actions[slot, position] = action
    session.length = position + 1
    session.last = max(session.last, time) if position > 0 else time
    entry = view.counters[CLICKS] & (len(view.log) - 1)
    view.log[entry, 0] = session.number * 32 + position
    view.log[entry, 1] = view.items[item].head
    view.counters[CLICKS] += 1
    view.items[item].head = view.counters[CLICKS]
    return times_before


@borrowing()
def count_context(view, item, time, passed, codes, weight):
    """Decayed clicks per context value, of the item and of all."""
    rate = view.rates[CONTEXT_HALF_LIFE]
    of_item = np.float32(np.exp(-rate * passed))
    of_all = np.exp(-rate * elapsed(time, view.clocks[CONTEXT_AT]))
    view.clocks[CONTEXT_AT] = max(view.clocks[CONTEXT_AT], time)
    for value in range(view.context.shape[1]):
        view.context[item, value] *= of_item
        view.context_total[value] *= of_all
    view.clocks[CONTEXT_TOTAL] = view.clocks[CONTEXT_TOTAL] * of_all + weight
    for column in range(len(codes)):
        if codes[column] < view.context.shape[1]:
            view.context[item, codes[column]] += weight
            view.context_total[codes[column]] += weight


@borrowing()
def apply_click(view, clock, session_key, item, event_time, codes, who, action):
    """One click.

    Args:
        item: its row.
        event_time: epoch seconds.
        codes: columns of `context`, 255 for none.
        who: half of the hash of the user, and whether the user repeats the click.
    """
    user, is_repeated = who
    slot, continues = open_session(view, session_key)
    time = np.float64(view.counters[SESSIONS]) if clock.counts_sessions else event_time
    times_before = append(view, slot, item, action, time)
    record = view.items[item]
    if record.clicks == 0 and record.is_announced == 0:
        first_seen(view, item, time)
    view.clocks[NOW] = max(view.clocks[NOW], time)
    view.clocks[EVENTS] = max(view.clocks[EVENTS], event_time)
    in_a_row = clicks_in_a_row(record, user, view.clocks[EVENTS])
    record.clicks += 1
    if is_repeated == 0 and in_a_row <= MOST_COUNTED and times_before < MOST_COUNTED:
        count_click(view, item, time, continues, codes, clock.weights[action])
    return time


@borrowing()
def clicks_in_a_row(record, user, now):
    """Of this user on the item of late, with this one."""
    if record.clicks == 0 or record.clicker != user or now - record.row_since > COUNTED_FOR_S:
        if record.clicks > 0 and record.clicker != user:
            record.has_others = 1
        record.clicker, record.row_since, record.in_a_row = user, now, 0
    record.in_a_row += 1
    return record.in_a_row


@borrowing()
def count_click(view, item, time, continues, codes, weight):
    """The click as popularity of its item. `weight`: f4, of the action."""
    record = view.items[item]
    passed = elapsed(time, record.last)
    for half_life in range(HALF_LIVES):
        decay = np.float32(np.exp(-view.rates[half_life] * passed))
        view.popularity[item, half_life] = view.popularity[item, half_life] * decay + weight
        if half_life < 2:
            kept = view.popularity[item, CONTINUED + half_life] * decay
            view.popularity[item, CONTINUED + half_life] = kept + (weight if continues else np.float32(0.0))
    if view.context.shape[1] > 0:
        count_context(view, item, time, passed, codes, weight)
    record.last = max(record.last, time)
