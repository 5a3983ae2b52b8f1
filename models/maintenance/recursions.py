"""What an asset's past means for its future: a few decayed sums per channel, O(1) for each reading.

channel value, trust, time step ─► update_channel ─► 19 float32 of state ─► 18 features

A channel is a health index or a normalised sensor. Levels, trends and curvature are exponential smoothings at four
speeds (Brown 1959) whose decay follows event time, so lost and irregular readings do not change what a feature means;
the change point is a one-sided cusum (Page 1954). A trust of 0 (the channel was not measured) changes nothing but
the decay.
"""

from __future__ import annotations

import numpy as np

from models.jit import njit

ALPHAS = np.array([0.3, 0.12, 0.05, 0.02])  # share that one unit of time forgets, fast to slow
SPEEDS = len(ALPHAS)
BASELINE_READINGS = 12.0  # the own baseline is the mean of the first readings of a life
SLACK = 0.5  # allowance of the cusum, in sd of the channel
CUSUM_MAX = 1e4
CHANNEL_STATE = 19
# places in the state of a channel; three numbers a speed come first: level, level of the level, weight so far
CURVATURE, SPREAD, LIFE_WEIGHT, BASELINE, CUSUM, CHANGED_AT = 12, 14, 15, 16, 17, 18
FEATURES = (
    "level_fast", "level", "level_slow", "level_slowest",
    "trend_fast", "trend", "trend_slow", "trend_slowest",
    "curvature", "curvature_slow", "spread", "rise", "reading", "cusum", "since_change", "cusum_rate", "lag",
    "life_slope",
)  # fmt: skip
# What does not grow without bound with the age of an asset that is never renewed as a whole.
STATIONARY = tuple(
    name for name in FEATURES if name not in ("rise", "cusum", "since_change", "cusum_rate", "life_slope")
)


@njit(cache=True)
def decays(step, keep):
    """What each speed keeps over a time step, in units of the class; `keep` (4,) is written."""
    for speed in range(SPEEDS):
        keep[speed] = (1 - ALPHAS[speed]) ** step


@njit(cache=True)
def _smooth(state, keep, value, trust, out):
    """Levels and trends at each speed: features 0 .. 7. The weights correct the bias of the start."""
    for speed in range(SPEEDS):
        place = 3 * speed
        gain = trust * (1 - keep[speed])
        weight = keep[speed] * state[place + 2] + gain
        state[place + 2] = weight
        if weight > 0:
            gain = gain / weight
        state[place] += gain * (value - state[place])
        state[place + 1] += gain * (state[place] - state[place + 1])
        out[speed] = state[place]
        out[SPEEDS + speed] = (state[place] - state[place + 1]) * ALPHAS[speed] / (1 - ALPHAS[speed])


@njit(cache=True)
def _shares(state, keep, trust, speed):
    """Gain of what is smoothed along with a speed."""
    weight = state[3 * speed + 2]
    return trust * (1 - keep[speed]) / weight if weight > 0 else 0.0


@njit(cache=True)
def update_channel(state, seen, age, keep, value, trust, out):
    """Advance one channel by one reading.

    Args:
        state: (19,) float32, of the channel.
        seen: readings of this life, this one included.
        age: time since the first reading of the life plus one, in units of the class.
        keep: (4,) from `decays`.
        value: of the channel, in sd.
        trust: weight of the reading, 1 on average, 0: not measured.
        out: (18,) receives `FEATURES`.
    """
    if trust <= 0:
        value = np.float64(state[0])
    _smooth(state, keep, value, trust, out)
    for k in range(2):
        trend = out[SPEEDS + 1 + k]
        state[CURVATURE + k] += _shares(state, keep, trust, 1 + k) * (trend - state[CURVATURE + k])
        out[8 + k] = trend - state[CURVATURE + k]
    level = np.float64(state[3])
    deviation = value - level
    state[SPREAD] += _shares(state, keep, trust, 1) * (deviation * deviation - state[SPREAD])
    state[LIFE_WEIGHT] += trust
    if seen <= BASELINE_READINGS and trust > 0:
        state[BASELINE] += (value - state[BASELINE]) * trust / state[LIFE_WEIGHT]
    cusum = state[CUSUM] + trust * (value - state[BASELINE] - SLACK)
    if cusum <= 0.0:
        cusum = 0.0
        state[CHANGED_AT] = age
    state[CUSUM] = min(cusum, CUSUM_MAX)
    since = max(age - state[CHANGED_AT], -1.0)  # a late reading may be older than the change
    out[10] = np.sqrt(state[SPREAD])
    out[11] = level - state[BASELINE]
    out[12] = value
    out[13] = state[CUSUM]
    out[14] = since
    out[15] = state[CUSUM] / (since + 5.0)
    out[16] = out[1] - out[3]
    out[17] = (level - state[BASELINE]) / (age + 10.0)
