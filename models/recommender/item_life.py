"""The life of an item: announced, waiting until it is published, new, removed, and its id used again for another.

item change ─► change_item ─┬─► wait ─► (clock of the view reaches published_at) release ─► new
                            └─► forget_item (removed, or back after that)

Whether an item may be in a list is asked here by all lists, at the time of the question: `published_at` is compared
with the newest event time, whatever clock the profile has.
"""

from __future__ import annotations

import numpy as np

from models.jit import njit
from models.recommender.arrays import (
    CLICKS,
    EVENTS,
    HOT_AT,
    HOT_LISTS,
    MOST_COUNTED,
    NEW_RING,
    NEXT,
    SESSIONS,
    WAITING,
    first_seen,
)


@njit(cache=True)
def may_be_shown(items, item, now):  # type: ignore[no-untyped-def]
    """Available and published at `now`, epoch seconds."""
    return items[item].is_available != 0 and items[item].published <= now


@njit(cache=True)
def may_be_hot(items, item, now):  # type: ignore[no-untyped-def]
    """May be shown to people who have nothing to do with it: not what one visitor alone clicks again and again."""
    is_of_one = items[item].is_announced == 0 and items[item].has_others == 0 and items[item].clicks > MOST_COUNTED
    return may_be_shown(items, item, now) and not is_of_one


@njit(cache=True)
def change_item(v, clock, item, time, published, is_available, is_removed):  # type: ignore[no-untyped-def]
    """What the shop said of an item. `published`: epoch seconds, NaN unknown."""
    record = v.items[item]
    v.clocks[EVENTS] = max(v.clocks[EVENTS], time)
    if is_removed or (record.is_removed != 0 and is_available != 0):
        forget_item(v, clock, item)
        record.is_removed = 1 if is_removed else 0
    record.is_available = is_available
    record.published = 0.0 if is_removed or np.isnan(published) else published
    if is_available != 0 and record.published > v.clocks[EVENTS]:
        wait(v, clock, item)
        record.is_announced = 1
    elif is_available != 0 and record.is_announced == 0:
        if record.clicks == 0:
            first_seen(v, item, profile_time(v, clock, published if published < time else time))
        record.is_announced = 1
    if record.is_waiting != 0:
        v.clocks[NEXT] = min(v.clocks[NEXT], record.published)


@njit(cache=True)
def profile_time(v, clock, event_time):  # type: ignore[no-untyped-def]
    return np.float64(v.counters[SESSIONS]) if clock.counts_sessions else event_time


@njit(cache=True)
def wait(v, clock, item):  # type: ignore[no-untyped-def]
    record = v.items[item]
    if record.clicks == 0 and record.is_announced == 0:  # or it would be the first to be forgotten
        record.first = record.last = profile_time(v, clock, v.clocks[EVENTS])
    if record.is_waiting == 0:
        record.is_waiting = 1
        v.waiting[v.counters[WAITING]] = item
        v.counters[WAITING] += 1


@njit(cache=True)
def release(v, clock):  # type: ignore[no-untyped-def]
    """Waiting items whose time has come, NEXT being it, are new from now on. One pass over those that wait."""
    now = v.clocks[EVENTS]
    kept, v.clocks[NEXT] = 0, np.inf
    for place in range(v.counters[WAITING]):
        item = v.waiting[place]
        record = v.items[item]
        if record.published > now:
            v.waiting[kept] = item
            kept += 1
            v.clocks[NEXT] = min(v.clocks[NEXT], record.published)
            continue
        record.is_waiting = 0
        if record.is_available != 0:
            first_seen(v, item, profile_time(v, clock, record.published if record.published > 0 else now))
        else:
            record.is_announced = 0  # it is new when it becomes available
    v.counters[WAITING] = kept
    v.clocks[HOT_AT] = -1e18  # the next click computes the lists


@njit(cache=True)
def forget_item(v, clock, item):  # type: ignore[no-untyped-def]
    """As if nobody had ever clicked it. The row stays: who clicks what is removed must not bring it back."""
    record = v.items[item]
    oldest, gone = v.counters[CLICKS] - len(v.log), v.counters[SESSIONS] - len(v.sessions)
    entry = record.head
    while entry > 0 and entry > oldest:
        word = v.log[(entry - 1) & (len(v.log) - 1), 0]
        entry = v.log[(entry - 1) & (len(v.log) - 1), 1]
        if word >> 5 > gone:
            v.session_items[(word >> 5) & (len(v.sessions) - 1), word & 31] = -1
    v.popularity[item, :] = 0.0
    v.context[item, :] = 0.0
    record.head = record.clicks = record.repeats = 0
    record.is_announced = record.has_others = 0
    record.first = record.last = profile_time(v, clock, v.clocks[EVENTS])
    for place in range(NEW_RING):
        if v.new_ring[place] == item:
            v.new_ring[place] = -1
    for kind in range(HOT_LISTS):
        kept = 0
        for place in range(v.hot_length[kind]):
            if v.hot[kind, place] != item:
                v.hot[kind, kept] = v.hot[kind, place]
                kept += 1
        v.hot_length[kind] = kept
