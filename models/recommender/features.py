"""Feature rows of the candidates: float32, in the order of `feature_names`, which is the order of the manifest.

candidates of one query ─► relative evidence ─► evidence ─► item ─► session ─► confidence ─► context ─► (n, features)

"Relative" is against the best candidate of the query. Times are in the clock of the profile.
"""

from __future__ import annotations

import numpy as np

from models.jit import njit
from models.recommender import evidence as e
from models.recommender.arrays import CONTEXT_HALF_LIFE, CONTEXT_TOTAL, CONTINUED, elapsed
from models.recommender.hot_lists import decayed
from schemas import RecommenderProfile

RELATIVE = np.array(
    [
        e.NEIGHBOURS,
        e.NEIGHBOURS_RECENT,
        e.NEIGHBOURS_AFTER,
        e.AFTER_LAST,
        e.AFTER,
        e.BEFORE_LAST,
        e.BEFORE,
        e.RECENT_LAST,
        e.RECENT,
        e.COSINE,
        e.DIRECTED,
        e.NEAREST,
        e.COSINE_MAX,
        e.COSINE_ROOT,
        e.NEIGHBOURS_RARE,
        e.SECOND_ORDER,
    ]
)
ABSOLUTE = np.array(
    [
        e.NEIGHBOURS,
        e.NEIGHBOURS_RECENT,
        e.AFTER,
        e.AFTER_LAST,
        e.RECENT,
        e.COSINE,
        e.COVERED,
        e.DIRECTED,
        e.NEIGHBOUR_COUNT,
        e.NEAR_SECOND,
        e.SECOND_ORDER,
        e.NEXT,
    ]
)
BASE = (
    *(f"{e.COLUMNS[number]}_relative" for number in RELATIVE.tolist()),
    *(e.COLUMNS[number] for number in ABSOLUTE.tolist()),
    # item
    "popularity_1",
    "popularity_2",
    "popularity_3",
    "popularity_4",
    "trend_short",
    "trend_long",
    "item_age",
    "item_idle",
    "continued_1",
    "continued_2",
    "continued_share",
    "item_clicks",
    "item_repeat_rate",
    # session
    "times_in_session",
    "clicks_since",
    "is_first_of_session",
    "session_length",
    "session_variety",
    # confidence
    "next_rate",
    "cosine_last",
    "together_rate",
    "recent_rate",
    "evidence",
    "best_neighbours",
    "best_after",
    "last_item_clicks",
    "last_item_age",
    "items_met",
)
FIRST_ABSOLUTE, FIRST_ITEM = len(RELATIVE), len(RELATIVE) + len(ABSOLUTE)
FIRST_SESSION, FIRST_CONFIDENCE, FIRST_CONTEXT = FIRST_ITEM + 13, FIRST_ITEM + 18, len(BASE)
ITEM_AGE, POPULARITY_2, CONTINUED_1 = (BASE.index(name) for name in ("item_age", "popularity_2", "continued_1"))
CLICKS_SINCE, EVIDENCE, RECENT_RELATIVE = (BASE.index(n) for n in ("clicks_since", "evidence", "recent_relative"))
NOT_IN_SESSION = 99.0


def feature_names(profile: RecommenderProfile) -> list[str]:
    """Names in the order of a feature row."""
    lifts = [f"lift_{c.name}" for c in profile.context_popularity]
    products = ["lift_all", "lift_popularity"] if lifts else []
    hour = ["context_hour"] if profile.hour_of_day else []
    return [*BASE, *lifts, *products, *(f"context_{name}" for name in profile.context), *hour]


@njit(cache=True, inline="always")
def evidence_features(row, accumulators, best):  # type: ignore[no-untyped-def]
    for place in range(len(RELATIVE)):
        top = best[RELATIVE[place]]
        row[place] = accumulators[RELATIVE[place]] / top if top > 0 else np.float32(0.0)
    for place in range(len(ABSOLUTE)):
        row[FIRST_ABSOLUTE + place] = accumulators[ABSOLUTE[place]]


@njit(cache=True, inline="always")
def item_features(v, row, item, time):  # type: ignore[no-untyped-def]
    record = v.items[item]
    for half_life in range(4):
        row[half_life] = decayed(v, item, half_life, time)
    row[4] = (row[0] + 0.1) / (row[1] + 0.6)
    row[5] = (row[1] + 0.1) / (row[3] + 2.4)
    row[6] = elapsed(time, record.first)
    row[7] = elapsed(time, record.last)
    row[8] = decayed(v, item, CONTINUED, time)
    row[9] = decayed(v, item, CONTINUED + 1, time)
    row[10] = (row[9] + 0.5) / (row[1] + 1.0)
    row[11] = record.clicks
    row[12] = (record.repeats + 1.0) / (record.clicks + 10.0)


@njit(cache=True, inline="always")
def session_features(row, item, query, distinct):  # type: ignore[no-untyped-def]
    prefix, length = query.prefix, query.length
    times, since = 0, NOT_IN_SESSION
    for place in range(length):
        if prefix[place] == item:
            times += 1
            since = length - 1 - place
    row[0] = times
    row[1] = since
    row[2] = 1.0 if item == prefix[0] else 0.0
    row[3] = length
    row[4] = distinct / length


@njit(cache=True, inline="always")
def confidence_features(v, row, whole, accumulators, best, item, query, met):  # type: ignore[no-untyped-def]
    clicks = v.items[item].clicks
    last = query.prefix[query.length - 1]
    last_clicks = v.items[last].clicks if last >= 0 else 0
    together = accumulators[e.TOGETHER_LAST]
    row[0] = accumulators[e.NEXT_LAST] / (last_clicks + 3.0)
    row[1] = together / np.sqrt((last_clicks + e.SMOOTHING) * (clicks + e.SMOOTHING))
    row[2] = together / (clicks + 2.0)
    row[3] = accumulators[e.RECENT] / (whole[POPULARITY_2] + 1.0)
    # neighbours, after, cosine, directed and cosine_root count once, second order twice: all relative
    row[4] = whole[0] + whole[4] + whole[9] + whole[10] + whole[13] + 2.0 * whole[15]
    row[5] = best[e.NEIGHBOURS]
    row[6] = best[e.AFTER]
    row[7] = last_clicks
    row[8] = elapsed(query.time, v.items[last].first) if last >= 0 else np.nan
    row[9] = met


@njit(cache=True, inline="always")
def context_features(v, row, whole, item, query):  # type: ignore[no-untyped-def]
    """How much more the item is clicked under each value of the context than other items are, then the context."""
    at, product, codes = 0, 1.0, query.codes
    if v.context.shape[1] > 0:
        total = v.clocks[CONTEXT_TOTAL] + 1e-9
        left = np.exp(-v.rates[CONTEXT_HALF_LIFE] * elapsed(query.time, v.items[item].last))
        clicks = whole[FIRST_ITEM + CONTEXT_HALF_LIFE]
        for column in range(len(codes)):
            lift = np.nan
            if codes[column] < v.context.shape[1]:
                share = (v.context_total[codes[column]] + 1.0) / (total + 10.0)
                lift = (v.context[item, codes[column]] * left + 2.0 * share) / (clicks + 2.0) / share
                product *= lift
            row[at] = lift
            at += 1
        row[at] = product
        row[at + 1] = product * whole[POPULARITY_2]
        at += 2
    for column in range(len(query.context)):
        row[at + column] = query.context[column]


@njit(cache=True)
def best_evidence(w, chosen, count):  # type: ignore[no-untyped-def]
    """Largest value of each accumulator among the candidates."""
    best = np.zeros(e.WIDTH, np.float32)
    for place in range(count):
        row = w.evidence[w.place[chosen[place]] & 0xFFFF]
        for column in range(e.WIDTH):
            best[column] = max(best[column], row[column])
    return best


@njit(cache=True)
def distinct_items(query):  # type: ignore[no-untyped-def]
    distinct = 0
    for place in range(query.length):
        is_new = True
        for earlier in range(place):
            is_new &= query.prefix[earlier] != query.prefix[place]
        distinct += is_new
    return distinct


@njit(cache=True)
def write_features(v, w, chosen, count, query, met, rows):  # type: ignore[no-untyped-def]
    """Feature rows of the `count` candidates of a query into `rows`. `met`: items met while reading."""
    best = best_evidence(w, chosen, count)
    distinct = distinct_items(query)
    for place in range(count):
        item, row = chosen[place], rows[place]
        accumulators = w.evidence[w.place[item] & 0xFFFF]
        evidence_features(row, accumulators, best)
        item_features(v, row[FIRST_ITEM:], item, query.time)
        session_features(row[FIRST_SESSION:], item, query, distinct)
        confidence_features(v, row[FIRST_CONFIDENCE:], row, accumulators, best, item, query, met)
        context_features(v, row[FIRST_CONTEXT:], row, item, query)
