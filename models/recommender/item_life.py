"""The life of an item: announced, waiting until it is published, new, removed, and its id used again for another.

item change ─► change_item ─┬─► wait ─► (clock of the view reaches published_at) release ─► new
                            └─► forget_item (removed, or back after that)

Whether an item may be in a list is asked here by all lists, at the time of the question: `published_at` is compared
with the newest event time, whatever clock the profile has.
"""

from __future__ import annotations

import numpy as np

from models.jit import borrowing
from models.recommender.arrays import (
    CLICKS,
    EVENTS,
    HOT_AT,
    HOT_LISTS,
    MOST_COUNTED,
    NEW_RING,
    NEXT,
    SESSIONS,
    SHOWS_UNKNOWN,
    WAITING,
    first_seen,
)

KEPT = 2  # in a change: nothing was said of this


@borrowing()
def may_be_shown(view, item, now):
    """Available and published at `now`, epoch seconds; and told of, unless that is not asked for."""
    record = view.items[item]
    is_known = record.is_told != 0 or view.counters[SHOWS_UNKNOWN] != 0
    return record.is_available != 0 and record.published <= now and is_known


@borrowing()
def may_be_hot(view, item, now):
    """May be shown to people who have nothing to do with it: not what one visitor alone clicks again and again."""
    record = view.items[item]
    is_of_one = record.is_announced == 0 and record.has_others == 0 and record.clicks > MOST_COUNTED
    return may_be_shown(view, item, now) and not is_of_one


@borrowing()
def change_item(view, clock, item, time, published, is_available, is_removed):
    """What the shop said of an item; of each thing the word with the newest event time counts, whenever it came.

    A removal has no event time of its own: nothing that was said before it arrived is newer.

    Args:
        published: epoch seconds; NaN: at once; KEPT: nothing was said of it.
        is_available: 0, 1, or KEPT: nothing was said of it.
    """
    record = view.items[item]
    view.clocks[EVENTS] = max(view.clocks[EVENTS], time)
    record.is_told = 1
    if clock.hides_unknown:
        view.counters[SHOWS_UNKNOWN] = 0
    if is_removed:
        known = max(record.available_at, record.published_at)
        record.removed_at = max(time, known)
        begin_anew(view, clock, item, 0)
    elif time >= record.removed_at:
        if record.is_removed != 0:
            begin_anew(view, clock, item, 1)
        take_words(record, time, published, is_available)
        announce(view, clock, item, time)
    if record.is_waiting != 0:
        view.clocks[NEXT] = min(view.clocks[NEXT], record.published)


@borrowing()
def take_words(record, time, published, is_available):
    """Those that are newer than what is known."""
    if is_available != KEPT and time >= record.available_at:
        record.is_available, record.available_at = is_available, time
    if published != KEPT and time >= record.published_at:
        record.published, record.published_at = 0.0 if np.isnan(published) else published, time


@borrowing()
def announce(view, clock, item, time):
    """New from now on, or as soon as it is published."""
    record = view.items[item]
    if record.is_available == 0:
        return
    if record.published > view.clocks[EVENTS]:
        wait(view, clock, item)
    elif record.is_announced == 0 and record.clicks == 0:
        first = record.published if 0.0 < record.published < time else time
        first_seen(view, item, profile_time(view, clock, first))
    record.is_announced = 1


@borrowing()
def begin_anew(view, clock, item, is_available):
    """Removed, or back after that: what was known of the id was known of another item."""
    record = view.items[item]
    forget_item(view, clock, item)
    record.is_removed, record.is_available = 1 - is_available, is_available
    record.published = record.available_at = record.published_at = 0.0


@borrowing()
def profile_time(view, clock, event_time):
    return np.float64(view.counters[SESSIONS]) if clock.counts_sessions else event_time


@borrowing()
def wait(view, clock, item):
    record = view.items[item]
    if record.clicks == 0 and record.is_announced == 0:  # or it would be the first to be forgotten
        record.first = record.last = profile_time(view, clock, view.clocks[EVENTS])
    if record.is_waiting == 0:
        record.is_waiting = 1
        view.waiting[view.counters[WAITING]] = item
        view.counters[WAITING] += 1


@borrowing()
def release(view, clock):
    """Waiting items whose time has come, NEXT being it, are new from now on. One pass over those that wait."""
    now = view.clocks[EVENTS]
    kept, view.clocks[NEXT] = 0, np.inf
    for place in range(view.counters[WAITING]):
        item = view.waiting[place]
        record = view.items[item]
        if record.published > now:
            view.waiting[kept] = item
            kept += 1
            view.clocks[NEXT] = min(view.clocks[NEXT], record.published)
            continue
        record.is_waiting = 0
        if record.is_available != 0:
            first_seen(view, item, profile_time(view, clock, record.published if record.published > 0 else now))
        else:
            record.is_announced = 0  # it is new when it becomes available
    view.counters[WAITING] = kept
    view.clocks[HOT_AT] = -1e18  # the next click computes the lists


@borrowing()
def forget_item(view, clock, item):
    """As if nobody had ever clicked it. The row stays: who clicks what is removed must not bring it back."""
    record = view.items[item]
    oldest, gone = view.counters[CLICKS] - len(view.log), view.counters[SESSIONS] - len(view.sessions)
    entry = record.head
    while entry > 0 and entry > oldest:
        word = view.log[(entry - 1) & (len(view.log) - 1), 0]
        entry = view.log[(entry - 1) & (len(view.log) - 1), 1]
        if word >> 5 > gone:
            view.session_items[(word >> 5) & (len(view.sessions) - 1), word & 31] = -1
    view.popularity[item, :] = 0.0
    view.context[item, :] = 0.0
    record.head = record.clicks = record.repeats = 0
    record.is_announced = record.has_others = 0
    record.first = record.last = profile_time(view, clock, view.clocks[EVENTS])
    for place in range(NEW_RING):
        if view.new_ring[place] == item:
            view.new_ring[place] = -1
    for kind in range(HOT_LISTS):
        kept = 0
        for place in range(view.hot_length[kind]):
            if view.hot[kind, place] != item:
                view.hot[kind, kept] = view.hot[kind, place]
                kept += 1
        view.hot_length[kind] = kept
