"""Feature rows of the candidates: float32, in the order of `feature_names`, which is the order of the manifest.

candidates of one query ─► relative evidence ─► evidence ─► item ─► session ─► confidence ─► context ─► (n, features)

"Relative" is against the best candidate of the query. Times are in the clock of the profile.
"""

from __future__ import annotations

from itertools import count

import numpy as np

from models.jit import borrowing
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
FIRST_ABSOLUTE, FIRST_NAMED = len(RELATIVE), len(RELATIVE) + len(ABSOLUTE)
_BEFORE = {*vars()}
_place = count(FIRST_NAMED)
# the item
POPULARITY_1 = next(_place)  # recent clicks, by the half-lives of the profile
POPULARITY_2 = next(_place)
POPULARITY_3 = next(_place)
POPULARITY_4 = next(_place)
TREND_SHORT = next(_place)  # popularity_1 against popularity_2
TREND_LONG = next(_place)
ITEM_AGE = next(_place)
ITEM_IDLE = next(_place)  # since its last click
CONTINUED_1 = next(_place)  # clicks that continued from another item
CONTINUED_2 = next(_place)
CONTINUED_SHARE = next(_place)
ITEM_CLICKS = next(_place)
ITEM_REPEAT_RATE = next(_place)
# the session
TIMES_IN_SESSION = next(_place)
CLICKS_SINCE = next(_place)
IS_FIRST_OF_SESSION = next(_place)
SESSION_LENGTH = next(_place)
SESSION_VARIETY = next(_place)
# confidence in the evidence
NEXT_RATE = next(_place)
COSINE_LAST = next(_place)
TOGETHER_RATE = next(_place)
RECENT_RATE = next(_place)
EVIDENCE = next(_place)
BEST_NEIGHBOURS = next(_place)
BEST_AFTER = next(_place)
LAST_ITEM_CLICKS = next(_place)
LAST_ITEM_AGE = next(_place)
ITEMS_MET = next(_place)
BASE = (
    *(f"{e.COLUMNS[number]}_relative" for number in RELATIVE.tolist()),
    *(e.COLUMNS[number] for number in ABSOLUTE.tolist()),
    *(name.lower() for name in [*vars()] if name not in _BEFORE and not name.startswith("_")),  # those just above
)
FIRST_CONTEXT = len(BASE)
# the parts of `evidence`
NEIGHBOURS_R, AFTER_R, COSINE_R, DIRECTED_R, COSINE_ROOT_R, SECOND_ORDER_R, RECENT_RELATIVE = (
    RELATIVE.tolist().index(number)
    for number in (e.NEIGHBOURS, e.AFTER, e.COSINE, e.DIRECTED, e.COSINE_ROOT, e.SECOND_ORDER, e.RECENT)
)
NOT_IN_SESSION = 99.0


def feature_names(profile: RecommenderProfile) -> list[str]:
    """Names in the order of a feature row."""
    lifts = [f"lift_{c.name}" for c in profile.context_popularity]
    products = ["lift_all", "lift_popularity"] if lifts else []
    hour = ["context_hour"] if profile.hour_of_day else []
    return [*BASE, *lifts, *products, *(f"context_{name}" for name in profile.context), *hour]


@borrowing(inline="always")
def evidence_features(row, accumulators, best):
    for place in range(len(RELATIVE)):
        top = best[RELATIVE[place]]
        row[place] = accumulators[RELATIVE[place]] / top if top > 0 else np.float32(0.0)
    for place in range(len(ABSOLUTE)):
        row[FIRST_ABSOLUTE + place] = accumulators[ABSOLUTE[place]]


@borrowing(inline="always")
def item_features(view, row, item, time):
    record = view.items[item]
    for half_life in range(4):
        row[POPULARITY_1 + half_life] = decayed(view, item, half_life, time)
    row[TREND_SHORT] = (row[POPULARITY_1] + 0.1) / (row[POPULARITY_2] + 0.6)
    row[TREND_LONG] = (row[POPULARITY_2] + 0.1) / (row[POPULARITY_4] + 2.4)
    row[ITEM_AGE] = elapsed(time, record.first)
    row[ITEM_IDLE] = elapsed(time, record.last)
    row[CONTINUED_1] = decayed(view, item, CONTINUED, time)
    row[CONTINUED_2] = decayed(view, item, CONTINUED + 1, time)
    row[CONTINUED_SHARE] = (row[CONTINUED_2] + 0.5) / (row[POPULARITY_2] + 1.0)
    row[ITEM_CLICKS] = record.clicks
    row[ITEM_REPEAT_RATE] = (record.repeats + 1.0) / (record.clicks + 10.0)


@borrowing(inline="always")
def session_features(row, item, query, distinct):
    prefix, length = query.prefix, query.length
    times, since = 0, NOT_IN_SESSION
    for place in range(length):
        if prefix[place] == item:
            times += 1
            since = length - 1 - place
    row[TIMES_IN_SESSION] = times
    row[CLICKS_SINCE] = since
    row[IS_FIRST_OF_SESSION] = 1.0 if item == prefix[0] else 0.0
    row[SESSION_LENGTH] = length
    row[SESSION_VARIETY] = distinct / max(length, 1)


@borrowing(inline="always")
def confidence_features(view, row, accumulators, best, item, query, met):
    clicks = view.items[item].clicks
    last = query.prefix[query.length - 1]
    last_clicks = view.items[last].clicks if last >= 0 else 0
    together = accumulators[e.TOGETHER_LAST]
    row[NEXT_RATE] = accumulators[e.NEXT_LAST] / (last_clicks + 3.0)
    row[COSINE_LAST] = together / np.sqrt((last_clicks + e.SMOOTHING) * (clicks + e.SMOOTHING))
    row[TOGETHER_RATE] = together / (clicks + 2.0)
    row[RECENT_RATE] = accumulators[e.RECENT] / (row[POPULARITY_2] + 1.0)
    once = row[NEIGHBOURS_R] + row[AFTER_R] + row[COSINE_R] + row[DIRECTED_R] + row[COSINE_ROOT_R]
    row[EVIDENCE] = once + 2.0 * row[SECOND_ORDER_R]
    row[BEST_NEIGHBOURS] = best[e.NEIGHBOURS]
    row[BEST_AFTER] = best[e.AFTER]
    row[LAST_ITEM_CLICKS] = last_clicks
    row[LAST_ITEM_AGE] = elapsed(query.time, view.items[last].first) if last >= 0 else np.nan
    row[ITEMS_MET] = met


@borrowing(inline="always")
def context_features(view, row, item, query):
    """How much more the item is clicked under each value of the context than other items are, then the context."""
    at, product, codes = FIRST_CONTEXT, 1.0, query.codes
    if view.context.shape[1] > 0:
        total = view.clocks[CONTEXT_TOTAL] + 1e-9
        left = np.exp(-view.rates[CONTEXT_HALF_LIFE] * elapsed(query.time, view.items[item].last))
        clicks = row[POPULARITY_1 + CONTEXT_HALF_LIFE]
        for column in range(len(codes)):
            lift = np.nan
            if codes[column] < view.context.shape[1]:
                share = (view.context_total[codes[column]] + 1.0) / (total + 10.0)
                lift = (view.context[item, codes[column]] * left + 2.0 * share) / (clicks + 2.0) / share
                product *= lift
            row[at] = lift
            at += 1
        row[at] = product
        row[at + 1] = product * row[POPULARITY_2]
        at += 2
    for column in range(len(query.context)):
        row[at + column] = query.context[column]


@borrowing()
def best_evidence(scratch, chosen, count):
    """Largest value of each accumulator among the candidates, into `scratch.best`: what the features take as 1."""
    best = scratch.best
    best[:] = np.float32(0.0)
    for place in range(count):
        row = scratch.evidence[scratch.place[chosen[place]] & 0xFFFF]
        for column in range(e.WIDTH):
            best[column] = max(best[column], row[column])


@borrowing()
def distinct_items(query):
    distinct = 0
    for place in range(query.length):
        is_new = True
        for earlier in range(place):
            is_new &= query.prefix[earlier] != query.prefix[place]
        distinct += is_new
    return distinct


@borrowing()
def write_features(view, scratch, chosen, query, met, rows):
    """Feature rows of the chosen candidates of a query into `rows`.

    Args:
        met: items met while reading.
    """
    distinct = distinct_items(query)
    for place in range(len(chosen)):
        item, row = chosen[place], rows[place]
        accumulators = scratch.evidence[scratch.place[item] & 0xFFFF]
        evidence_features(row, accumulators, scratch.best)
        item_features(view, row, item, query.time)
        session_features(row, item, query, distinct)
        confidence_features(view, row, accumulators, scratch.best, item, query, met)
        context_features(view, row, item, query)
