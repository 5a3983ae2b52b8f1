"""The filter of scores: what is told of an asset follows the forest's word with some delay, by event time.

raw score ─► value (told), steady (compared with the levels of alerts) ─► row, journal
"""

from __future__ import annotations

import numpy as np

from models.jit import njit


@njit(cache=True)
def filtered(before, raw, step, pull, ceiling):
    """What is known to fall by one per unit of time, pulled towards the forest's word; event time sets the pull."""
    drift = step if before < ceiling else 0.0
    kept = (1 - pull) ** step
    return kept * max(before - drift, 0.0) + (1 - kept) * raw


@njit(cache=True)
def filter_score(row, at, raw, step, policy, journal):
    """Filter one score; returns what is compared with the levels."""
    target = at.target
    raw = min(max(raw, 0.0), policy.high)
    row.steady_before[target] = row.steady[target] if row.is_filtered[target] == 1 else raw
    if row.is_filtered[target] == 1:
        before, steady = row.value[target], row.steady[target]
        row.value[target] = filtered(before, raw, step, policy.pull, policy.ceiling)
        row.steady[target] = filtered(steady, raw, step, policy.steady_pull, policy.ceiling)
    else:
        row.is_filtered[target] = 1
        row.value[target] = raw
        row.steady[target] = raw
    journal.value[at.event, target] = row.value[target]
    return np.float64(row.steady[target])


@njit(cache=True)
def tell_score(row, at, raw, step, gap, policy, journal):
    """The filtered value of a score that moves nothing.

    Args:
        step: units that the filter would take.
        gap: units that the reading is older than what the filter knows.
    """
    raw = min(max(raw, 0.0), policy.high)
    value = raw
    if row.is_filtered[at.target] == 1:
        before = np.float64(row.value[at.target])
        if policy.ceiling > -np.inf:
            before = min(before + gap, policy.high)
        value = filtered(before, raw, step, policy.pull, policy.ceiling)
    journal.value[at.event, at.target] = value
