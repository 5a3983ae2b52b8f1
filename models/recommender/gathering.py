"""From first evidence to all of it: the nearest sessions vote, sums are divided by how common items are, second order.

gather: read_prefix ─► nearest_sessions ─► complete ─► second_order
"""

from __future__ import annotations

import numpy as np

from models.jit import borrowing
from models.recommender.arrays import CLICKS, SESSION_ITEMS, SESSIONS, elapsed
from models.recommender.evidence import (
    COSINE,
    COSINE_MAX,
    COSINE_ROOT,
    DIRECTED,
    LONG,
    MET,
    NEAREST,
    NEIGHBOUR_COUNT,
    NEIGHBOURS,
    NEIGHBOURS_AFTER,
    NEIGHBOURS_RARE,
    NEIGHBOURS_RECENT,
    QUERY,
    ROWS,
    SECOND_ORDER,
    SHARED_AT,
    SHORT,
    close_part,
    decay,
    rarity,
    read_prefix,
    row_of,
)
from models.recommender.hot_lists import push_top

SECOND_ORDER_WINDOW = 4


@borrowing()
def threshold(scores, count, values):
    """The `count`-th largest score, 0 if there are not more (Hoare's quickselect; np.partition compiles for 6 s).

    Args:
        values: as long as `scores` at least; overwritten.
    """
    if len(scores) <= count:
        return np.float32(0.0)
    goal = len(scores) - count
    for place in range(len(scores)):
        values[place] = scores[place]
    low, high = 0, len(scores) - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if goal <= right:
            high = right
        elif goal >= left:
            low = left
        else:
            break
    return values[goal]


@borrowing(inline="always")
def vote(view, scratch, slot, shared_at, long, short, fall, fall_short):
    """One near session speaks for its items; a similarity of 0 is not near enough in that memory."""
    for position in range(view.sessions[slot].length):
        candidate = view.session_items[slot, position]
        if position == shared_at or candidate < 0:
            continue
        row = row_of(scratch.place, scratch.evidence, scratch.touched, scratch.state, candidate)
        distance = position - shared_at
        if long > 0:
            score = long * fall[abs(distance)]
            scratch.evidence[row, NEIGHBOURS] += score
            scratch.evidence[row, NEIGHBOUR_COUNT] += np.float32(1.0)
            scratch.evidence[row, NEAREST] = max(scratch.evidence[row, NEAREST], long)
            if distance > 0:
                scratch.evidence[row, NEIGHBOURS_AFTER] += score
        if short > 0:
            scratch.evidence[row, NEIGHBOURS_RECENT] += short * fall_short[abs(distance)]


@borrowing()
def nearest_sessions(view, settings, scratch, query):
    """Similarities of the sessions met, by recency and length; the nearest ones vote. Resets the similarities."""
    met = scratch.state[MET]
    long, short = scratch.long[:met], scratch.short[:met]
    for place in range(met):
        slot = scratch.near[place]
        session = view.sessions[slot]
        passed = elapsed(query.time, session.last)
        scale = np.float32(1.0 / np.sqrt(np.float32(query.length) * session.length))
        long[place] = scratch.similarity[slot, LONG] * scale * decay(passed, settings.neighbour_recency)
        short[place] = scratch.similarity[slot, SHORT] * scale * decay(passed, settings.neighbour_recency_short)
        scratch.similarity[slot, LONG] = np.float32(0.0)
    least = threshold(long, settings.neighbours, scratch.values)
    least_short = threshold(short, max(settings.neighbours // 5, 1), scratch.values)
    fall, fall_short = scratch.fall, scratch.fall_short
    for distance in range(SESSION_ITEMS):
        fall[distance] = np.exp(-distance / settings.distance_decay)
        fall_short[distance] = np.exp(-distance / settings.distance_decay_short)
    for place in range(met):
        of_long = long[place] if long[place] >= least else np.float32(0.0)
        of_short = short[place] if short[place] >= least_short else np.float32(0.0)
        if of_long > 0 or of_short > 0:
            slot = scratch.near[place]
            vote(
                view, scratch, slot, np.int64(scratch.similarity[slot, SHARED_AT]), of_long, of_short, fall, fall_short
            )


@borrowing()
def complete(view, scratch):
    """Divide by how often each item is clicked anyway."""
    all_clicks = np.float32(np.log(view.counters[CLICKS] + 1.0))
    for place in range(scratch.state[ROWS]):
        close_part(scratch.evidence, place)
        row, clicks = scratch.evidence[place], view.items[scratch.touched[place]].clicks
        inverse = all_clicks - np.log(np.float32(clicks + 1))
        row[NEIGHBOURS] *= inverse
        row[NEIGHBOURS_RECENT] *= inverse
        row[NEIGHBOURS_AFTER] *= inverse
        rare = rarity(clicks)
        row[COSINE] *= rare
        row[DIRECTED] *= rare
        row[COSINE_MAX] *= rare
        row[COSINE_ROOT] *= np.sqrt(rare)
        row[NEIGHBOURS_RARE] = (row[NEIGHBOURS] * np.float32(0.5) + row[NEIGHBOURS_AFTER]) * rare


@borrowing()
def read_second_order(view, settings, scratch, item, weight):
    """Items seen close to one of the best first-order items."""
    oldest = view.counters[CLICKS] - len(view.log)
    gone = view.counters[SESSIONS] - len(view.sessions)
    entry, count = view.items[item].head, 0
    while entry > 0 and entry > oldest and count < settings.second_order_reads:
        word = view.log[(entry - 1) & (len(view.log) - 1), 0]
        entry = view.log[(entry - 1) & (len(view.log) - 1), 1]
        number, position = word >> 5, word & 31
        if number <= gone:
            break
        count += 1
        slot = number & (len(view.sessions) - 1)
        end = min(view.sessions[slot].length, position + SECOND_ORDER_WINDOW + 1)
        for other in range(max(0, position - SECOND_ORDER_WINDOW), end):
            candidate = view.session_items[slot, other]
            if other != position and candidate >= 0:
                row = row_of(scratch.place, scratch.evidence, scratch.touched, scratch.state, candidate)
                scratch.evidence[row, SECOND_ORDER] += weight / np.float32(abs(other - position))


@borrowing()
def second_order(view, settings, scratch, query):
    """The same reading once more, from the items with most DIRECTED that are not in the prefix."""
    best, items, count = scratch.top_scores, scratch.top_rows, 0
    for place in range(scratch.state[ROWS]):
        item = scratch.touched[place]
        is_own = False
        for age in range(min(query.length, settings.prefix_items)):
            is_own |= query.prefix[query.length - 1 - age] == item
        if not is_own and scratch.evidence[place, DIRECTED] > 0:
            count = push_top(best, items, count, settings.second_order_items, scratch.evidence[place, DIRECTED], item)
    for place in range(count):
        weight = np.float32(best[place] * rarity(view.items[items[place]].clicks))
        read_second_order(view, settings, scratch, items[place], weight)
    for place in range(scratch.state[ROWS]):
        if scratch.evidence[place, SECOND_ORDER] > 0:
            scratch.evidence[place, SECOND_ORDER] *= rarity(view.items[scratch.touched[place]].clicks)


@borrowing()
def gather(view, settings, scratch, query):
    """All evidence for a query, into the scratch."""
    scratch.state[QUERY] += 1
    scratch.state[ROWS] = 0
    scratch.state[MET] = 0
    read_prefix(view, settings, scratch, query)
    if scratch.state[MET] > 0:
        nearest_sessions(view, settings, scratch, query)
        complete(view, scratch)
        if settings.second_order_items > 0:
            second_order(view, settings, scratch, query)
