"""Hot lists: what is popular, popular just now, continued from other items, and new; computed once in a while.

newest clicks of the log (each item once) ─► four small heaps ─► lists, best first
"""

from __future__ import annotations

import numpy as np

from models.jit import borrowing, njit
from models.recommender.arrays import (
    CLICKS,
    CONTINUED,
    EVENTS,
    HOT_AT,
    HOT_CLICKS,
    HOT_LENGTH,
    HOT_LISTS,
    NEW,
    NEW_RING,
    NEXT,
    NOW,
    SESSIONS,
    apply_click,
    elapsed,
)
from models.recommender.item_life import change_item, may_be_hot, release

LATE_CLICKS = 100  # after so many the lists are computed if clicks lie far before them: one was from the future


@borrowing()
def push_top(scores, items, count, capacity, score, item):
    """Keep the `capacity` largest scores in a min-heap; of equal ones the earlier stays. Returns the new count."""
    if count < capacity:
        child = count
        while child > 0 and scores[(child - 1) >> 1] > score:
            parent = (child - 1) >> 1
            scores[child], items[child] = scores[parent], items[parent]
            child = parent
        scores[child], items[child] = score, item
        return count + 1
    if score <= scores[0]:
        return count
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= count:
            break
        if child + 1 < count and scores[child + 1] < scores[child]:
            child += 1
        if scores[child] >= score:
            break
        scores[hole], items[hole] = scores[child], items[child]
        hole = child
    scores[hole], items[hole] = score, item
    return count


@borrowing()
def sort_best_first(scores, items, count):
    """Insertion sort, stable; the lists are short."""
    for place in range(1, count):
        score, item = scores[place], items[place]
        hole = place
        while hole > 0 and scores[hole - 1] < score:
            scores[hole], items[hole] = scores[hole - 1], items[hole - 1]
            hole -= 1
        scores[hole], items[hole] = score, item


@borrowing(inline="always")
def decayed(view, item, column, time):
    """Popularity (columns 0-3) or continued clicks (4, 5) of an item at `time`."""
    rate = view.rates[column if column < CONTINUED else column - CONTINUED]
    return view.popularity[item, column] * np.float32(np.exp(-rate * elapsed(time, view.items[item].last)))


@borrowing(inline="always")
def push_item(view, clock, scores, items, counts, item, time):
    now = decayed(view, item, 0, time)
    continued = decayed(view, item, CONTINUED, time)
    counts[0] = push_top(scores[0], items[0], counts[0], HOT_LENGTH, decayed(view, item, 1, time), item)
    counts[1] = push_top(scores[1], items[1], counts[1], HOT_LENGTH, now, item)
    counts[2] = push_top(scores[2], items[2], counts[2], HOT_LENGTH, continued, item)
    if elapsed(time, view.items[item].first) < clock.new_age:
        score = continued + np.float32(0.05) * now
        counts[3] = push_top(scores[3], items[3], counts[3], HOT_LENGTH, score, item)


@njit(cache=True)
def refresh_hot(view, clock, time):
    """Compute the lists from the newest clicks; announced items without a click are at the end of the new ones."""
    scores = np.zeros((HOT_LISTS, HOT_LENGTH), np.float32)
    items = np.zeros((HOT_LISTS, HOT_LENGTH), np.int32)
    counts = np.zeros(HOT_LISTS, np.int64)
    newest = view.counters[CLICKS]
    for entry in range(newest - 1, max(0, newest - min(clock.hot_clicks, len(view.log))) - 1, -1):
        word = view.log[entry & (len(view.log) - 1), 0]
        number = word >> 5
        if number <= view.counters[SESSIONS] - len(view.sessions):
            continue
        item = view.session_items[number & (len(view.sessions) - 1), word & 31]
        if item >= 0 and view.items[item].head == entry + 1 and may_be_hot(view, item, view.clocks[EVENTS]):
            push_item(view, clock, scores, items, counts, item, time)
    for place in range(max(0, view.counters[NEW] - NEW_RING), view.counters[NEW]):
        item = view.new_ring[place % NEW_RING]
        if item < 0 or view.items[item].clicks > 0 or not may_be_hot(view, item, view.clocks[EVENTS]):
            continue
        if elapsed(time, view.items[item].first) < clock.new_age:
            counts[3] = push_top(scores[3], items[3], counts[3], HOT_LENGTH, np.float32(0.0), item)
    for kind in range(HOT_LISTS):
        sort_best_first(scores[kind], items[kind], counts[kind])
        view.hot_length[kind] = counts[kind]
        view.hot[kind, : counts[kind]] = items[kind, : counts[kind]]
    view.clocks[HOT_AT] = time
    view.counters[HOT_CLICKS] = view.counters[CLICKS]


@borrowing()
def are_hot_lists_due(clocks, counters, refresh, time):
    """The clock of the view decides, which a click from the past does not move."""
    late = clocks[HOT_AT] - time > refresh and counters[CLICKS] - counters[HOT_CLICKS] >= LATE_CLICKS
    return late or clocks[NOW] - clocks[HOT_AT] > refresh


@njit(cache=True)
def apply_clicks(view, clock, beyond, clicks):
    """Apply, in order, the clicks with an input offset above `beyond`; returns how many.

    Args:
        clicks: offsets, session keys, rows of the items, times, codes, users, is_repeated, actions; each (n,), codes
            (n, K).
    """
    offsets, session_keys, rows, times, codes, users, is_repeated, actions = clicks
    applied = 0
    for click in range(len(offsets)):
        if offsets[click] <= beyond or rows[click] < 0:
            continue
        who = users[click], is_repeated[click]
        time = apply_click(
            view, clock, session_keys[click], rows[click], times[click], codes[click], who, actions[click]
        )
        if view.clocks[NEXT] <= view.clocks[EVENTS]:
            release(view, clock)
        if are_hot_lists_due(view.clocks, view.counters, clock.hot_refresh, time):
            refresh_hot(view, clock, view.clocks[NOW])
        applied += 1
    return applied


@borrowing()
def apply_items(view, clock, beyond, changes):
    """Apply, in order, the item changes with an input offset above `beyond`; returns how many.

    Args:
        changes: offsets, rows of the items, times, published, is_available, is_removed; each (n,).
    """
    offsets, rows, times, published, is_available, is_removed = changes
    applied = 0
    for change in range(len(offsets)):
        if offsets[change] <= beyond:
            continue
        said = times[change], published[change], is_available[change], is_removed[change]
        change_item(view, clock, rows[change], *said)
        if view.clocks[NEXT] <= view.clocks[EVENTS]:
            release(view, clock)
        applied += 1
    return applied
