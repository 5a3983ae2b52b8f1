"""Evidence: what the click log says of each item, given the items of a session so far.

prefix ─► newest occurrences of its items ─► co-visitation, and in the same pass similarities of sessions

Each item that is met gets a row of accumulators (`Scratch.evidence`). Co-visitation weighs by distance in clicks, age
of the prefix item and recency of the session; nearest sessions follow VSTAN (Garg et al., STAN, SIGIR 2019; Ludewig et
al. 2020) in a long and a short memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from models.jit import borrowing
from models.recommender.arrays import CLICKS, SESSIONS, action_weights, elapsed
from schemas import RecommenderProfile

WIDTH = 24
(
    NEIGHBOURS,  # similarity of the nearest sessions that have the item, long memory
    NEIGHBOURS_RECENT,  # the same in the short memory
    NEIGHBOURS_AFTER,  # long memory, where the item came after the shared one
    AFTER_LAST,  # seen after the last item of the prefix, slow decay
    AFTER,  # seen after any
    BEFORE_LAST,
    BEFORE,
    RECENT_LAST,  # seen after (half: before) the last, fast decay
    RECENT,
    NEXT_LAST,  # the very next click after the last
    TOGETHER_LAST,  # within the window of the last, not weighted
    COSINE,  # within the window of any, divided by the root of both items' clicks
    COVERED,  # items of the prefix that it was seen with
    NEXT,
    AGE_COUNTED,  # age + 1 of the prefix item counted last
    SECOND_ORDER,  # seen with the items that have most DIRECTED
    DIRECTED,  # cosine with distance, direction and slow decay
    NEAREST,  # similarity of the nearest session that has it
    NEIGHBOUR_COUNT,
    COSINE_PART,  # cosine with the prefix item that is being read
    COSINE_MAX,
    COSINE_ROOT,  # sum over the prefix of the root of the cosine
    NEAR_SECOND,  # seen after or before the second last, by distance
    NEIGHBOURS_RARE,  # NEIGHBOURS against the item's own clicks
) = range(WIDTH)
COLUMNS = {number: name.lower() for name, number in [*vars().items()][-WIDTH:]}  # just those above
QUERY, ROWS, MET = 0, 1, 2  # Scratch.state
LONG, SHORT, SHARED_AT, COUNTED = 0, 1, 2, 3  # columns of Scratch.similarity
SMOOTHING = 5.0  # clicks added to an item's own under a root
NEAR = (1.0 / np.maximum(np.arange(33), 1)).astype(np.float32)  # by distance in clicks


class EvidenceSettings(NamedTuple):
    """The part of the profile that reading needs, under the profile's names."""

    reads: int
    all_reads: int
    prefix_items: int
    window: int
    age_decay: float
    fast: float
    slow: float
    neighbours: int
    neighbour_recency: float
    neighbour_recency_short: float
    prefix_decay: float
    prefix_decay_short: float
    distance_decay: float
    distance_decay_short: float
    second_order_items: int
    second_order_reads: int
    weights: Any  # (actions,) f4: of co-visits


class Query(NamedTuple):
    """One question to the view. `time` is in the clock of the profile."""

    prefix: Any  # (20,) i8: rows of the session's items, oldest first; -1: not in the view
    length: Any  # of the prefix; 0: the user has only turned down items
    own_session: Any  # number of the asking session, which is not read; -1: not in the view
    time: Any
    codes: Any  # (K,) u1
    context: Any  # (C,) f4
    now: Any  # epoch seconds: items that are published later are no candidates
    turned_down: Any  # (20,) u4: halves of the hashes of items that the user wants no more; 0 after the last


def evidence_settings(profile: RecommenderProfile) -> EvidenceSettings:
    own = (getattr(profile, name) for name in EvidenceSettings._fields[:-1])
    return EvidenceSettings._make([*own, action_weights(profile)])


@borrowing(inline="always")
def row_of(place, evidence, touched, state, item):
    """The item's row of accumulators, zeroed at first touch; without room the last row, which nobody reads."""
    known = place[item]
    if known >> 16 == state[QUERY]:
        return known & 0xFFFF
    row = state[ROWS]
    if row == len(evidence) - 1:
        return row
    state[ROWS] += 1
    place[item] = state[QUERY] << 16 | row
    touched[row] = item
    evidence[row, :] = np.float32(0.0)
    return row


@borrowing()
def decay(passed, constant):
    return np.exp(np.float32(-passed / constant))


@borrowing()
def rarity(clicks):
    return np.float32(1.0 / np.sqrt(clicks + SMOOTHING))


@borrowing(inline="always")
def count_pair(evidence, row, distance, age, weight, slow, fast, directed):
    """One co-occurrence of a candidate with the prefix item of this age.

    Args:
        row: of the candidate in `evidence`.
        weight: of the prefix item; `slow`, `fast`, `directed`: that weight times decay, the last also times rarity.
    """
    near = NEAR[abs(distance)]
    if distance > 0:
        evidence[row, AFTER] += near * slow
        evidence[row, RECENT] += near * fast
        evidence[row, DIRECTED] += near * directed
        if distance == 1:
            evidence[row, NEXT] += weight
    else:
        evidence[row, BEFORE] += near * slow
        evidence[row, RECENT] += np.float32(0.5) * near * fast
        evidence[row, DIRECTED] += np.float32(0.7) * near * directed
    if age == 0:  # its weight is 1
        evidence[row, TOGETHER_LAST] += np.float32(1.0)
        if distance > 0:
            evidence[row, AFTER_LAST] += near * slow
            evidence[row, RECENT_LAST] += near * fast
            if distance == 1:
                evidence[row, NEXT_LAST] += np.float32(1.0)
        else:
            evidence[row, BEFORE_LAST] += near * slow
            evidence[row, RECENT_LAST] += np.float32(0.5) * near * fast
    elif age == 1:
        evidence[row, NEAR_SECOND] += near


@borrowing(inline="always")
def count_cosine(evidence, row, age, part):
    if evidence[row, AGE_COUNTED] != age + 1:
        close_part(evidence, row)
        evidence[row, AGE_COUNTED] = age + 1
        evidence[row, COVERED] += np.float32(1.0)
    evidence[row, COSINE] += part
    evidence[row, COSINE_PART] += part


@borrowing(inline="always")
def close_part(evidence, row):
    """The cosine with one prefix item is complete: take it into maximum and sum of roots."""
    part = evidence[row, COSINE_PART]
    if part > 0:
        evidence[row, COSINE_MAX] = max(evidence[row, COSINE_MAX], part)
        evidence[row, COSINE_ROOT] += np.sqrt(part)
        evidence[row, COSINE_PART] = np.float32(0.0)


@borrowing(inline="always")
def meet_session(similarity, near, state, slot, position, age, long, short):
    """The session shares the prefix item of this age: add to its similarities, once an item."""
    if similarity[slot, LONG] == 0.0:
        if state[MET] < len(near):
            near[state[MET]] = slot
            state[MET] += 1
            similarity[slot, LONG], similarity[slot, SHORT] = long, short
            similarity[slot, SHARED_AT], similarity[slot, COUNTED] = position, age
    elif similarity[slot, COUNTED] != age:
        similarity[slot, COUNTED] = age
        similarity[slot, LONG] += long
        similarity[slot, SHORT] += short


@borrowing()
def read_item(view, settings, scratch, item, age, own_session, time, most):
    """One pass over the newest occurrences of an item of the prefix; returns how many, `most` at most."""
    weight = np.float32(settings.age_decay**age)
    long = np.float32(np.exp(-age / settings.prefix_decay))
    short = np.float32(np.exp(-age / settings.prefix_decay_short))
    rare = rarity(view.items[item].clicks)
    oldest = view.counters[CLICKS] - len(view.log)
    gone = view.counters[SESSIONS] - len(view.sessions)
    entry, count = view.items[item].head, 0
    while entry > 0 and entry > oldest and count < most:
        word = view.log[(entry - 1) & (len(view.log) - 1), 0]
        entry = view.log[(entry - 1) & (len(view.log) - 1), 1]
        number, position = word >> 5, word & 31
        if number <= gone:
            break
        if number == own_session:
            continue
        count += 1
        slot = number & (len(view.sessions) - 1)
        session = view.sessions[slot]
        passed = elapsed(time, session.last)
        slow, fast = weight * decay(passed, settings.slow), weight * decay(passed, settings.fast)
        meet_session(scratch.similarity, scratch.near, scratch.state, slot, position, age, long, short)
        first, end = max(0, position - settings.window), min(session.length, position + settings.window + 1)
        for other in range(first, end):
            candidate = view.session_items[slot, other]
            if other != position and candidate >= 0:
                row = row_of(scratch.place, scratch.evidence, scratch.touched, scratch.state, candidate)
                strength = settings.weights[view.session_actions[slot, other]]
                lasting, recent = strength * slow, strength * fast
                count_pair(scratch.evidence, row, other - position, age, weight, lasting, recent, rare * lasting)
                count_cosine(scratch.evidence, row, age, weight * rare)
    return count


@borrowing()
def read_prefix(view, settings, scratch, query):
    """The occurrences of the newest distinct items of the prefix.

    All of them together are limited, or else a question would cost the more the denser the log is. A newer item may
    use more of what is left than an older one: shares fall evenly from the newest to the oldest.
    """
    prefix, length = query.prefix, query.length
    items, left = min(length, settings.prefix_items), settings.all_reads
    for age in range(items):
        item = prefix[length - 1 - age]
        is_repeated = False
        for newer in range(age):
            is_repeated |= prefix[length - 1 - newer] == item
        if item >= 0 and not is_repeated:
            most = min(settings.reads, 2 * left // (items - age + 1))
            left -= read_item(view, settings, scratch, item, age, query.own_session, query.time, most)
