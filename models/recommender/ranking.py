"""The kernels behind the recommender, each over all queries of a batch.

queries ─► build_rows (candidates and features) ─► scores, or hand_weighted ─► best
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.jit import borrowing
from models.recommender.candidates import CandidateSettings, choose, choose_given
from models.recommender.evidence import ROWS, EvidenceSettings, Query
from models.recommender.features import (
    CLICKS_SINCE,
    CONTINUED_1,
    EVIDENCE,
    ITEM_AGE,
    POPULARITY_2,
    RECENT_RELATIVE,
    best_evidence,
    write_features,
)
from models.recommender.gathering import gather
from models.recommender.hashing import find

OWN_DECAY = 3.0  # clicks until the weight of an own item falls by e


class RankingSettings(NamedTuple):
    evidence: EvidenceSettings
    candidates: CandidateSettings


@borrowing()
def build_rows(view, settings, scratch, queries, given, items, rows, facts):
    """Candidates and feature rows of all queries, one after another; returns how many in all.

    Args:
        queries: the fields of `recommender.Queries`, times in the clock of the profile; then (n,) epoch seconds.
        given: (g,) rows in the view of items that somebody asked for: candidates too, if they may be shown.
        items: (n * (max_candidates + g),) receives rows in the view.
        rows: (n * (max_candidates + g), features).
        facts: (n,) candidates of each query, (n,) those that were not given, (n,) items met while reading.
    """
    prefixes, lengths, sessions, times, codes, context, turned_down, now = queries
    total = 0
    for place in range(len(lengths)):
        prefix = scratch.prefix
        prefix[:] = -1
        for n in range(lengths[place]):
            prefix[n] = find(view.item_table, view.items, prefixes[place, n])
        slot = find(view.session_table, view.sessions, sessions[place])
        own_session = view.sessions[slot].number if slot >= 0 else np.int64(-1)
        asked = codes[place], context[place], now[place], turned_down[place]
        query = Query(prefix, lengths[place], own_session, times[place], *asked)
        gather(view, settings.evidence, scratch, query)
        met = scratch.state[ROWS]
        chosen = items[total : total + settings.candidates.max_candidates + len(given)]
        count = choose(view, settings.candidates, scratch, query, chosen)
        best_evidence(scratch, chosen, count)  # not of the given: one does not change the score of another
        facts[1][place], facts[2][place] = count, met
        count = choose_given(view, scratch, query, given, chosen, count)
        write_features(view, scratch, chosen[:count], query, met, rows[total : total + count])
        facts[0][place] = count
        total += count
    return total


@borrowing()
def hand_weighted(rows, counts, chosen, weights, scores):
    """Scores by weights of (evidence, recent, popularity, own); each part is relative to the best of its query.

    Args:
        chosen: (n,) how many of each query's rows, the first of them, say what the best is.
    """
    evidence, recent, popularity, own = weights
    end = 0
    for query in range(len(counts)):
        first, end = end, end + counts[query]
        most = 1e-9
        for n in range(first, first + chosen[query]):
            most = max(most, rows[n, POPULARITY_2] + rows[n, CONTINUED_1])
        for n in range(first, end):
            clicked = (rows[n, POPULARITY_2] + rows[n, CONTINUED_1]) / most
            scores[n] = evidence * rows[n, EVIDENCE] + recent * rows[n, RECENT_RELATIVE] + popularity * clicked
            scores[n] += own * np.exp(-rows[n, CLICKS_SINCE] / OWN_DECAY)


@borrowing()
def choose_best(found, scores, fresh, out):
    """The best of each query by score plus bonus for the fresh, then by key; insertion into short sorted lists.

    Args:
        found: keys (total,), feature rows (total, features), candidates of each query (n,).
        out: (n, length) receives places in `found`, (n, length) their scores.
    """
    keys, rows, counts = found
    bonus, fresh_age = fresh
    top, top_scores = out
    length = top.shape[1]
    end = 0
    for query in range(len(counts)):
        first, end = end, end + counts[query]
        filled = 0
        for n in range(first, end):
            score = scores[n] + (bonus if rows[n, ITEM_AGE] < fresh_age else 0.0)
            place = filled
            while place > 0:
                other = top_scores[query, place - 1]
                if other > score or (other == score and keys[top[query, place - 1]] < keys[n]):
                    break
                place -= 1
            if place == length:
                continue
            filled = min(filled + 1, length)
            for behind in range(filled - 1, place, -1):
                top[query, behind], top_scores[query, behind] = top[query, behind - 1], top_scores[query, behind - 1]
            top[query, place], top_scores[query, place] = n, score
