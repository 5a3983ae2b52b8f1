"""The features of a channel: a few decayed sums of its past. kernel/recursions.c says how they come about.

A channel is a health index or a normalised sensor. Levels, trends and curvature are exponential smoothings at four
speeds whose decay follows event time; the change point is a one-sided cusum.
"""

from __future__ import annotations

import numpy as np

from models.arrays import Floats
from models.maintenance.kernel import channel_course

CHANNEL_STATE = 19  # float32 of a channel that a row keeps
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


def features_along(value: Floats, trust: Floats, step: Floats) -> Floats:
    """`FEATURES` (n, 18) of a channel after each reading of one life.

    Args:
        value: (n,) of the channel, in sd.
        trust: (n,) weight of the reading, 1 on average, 0: not measured.
        step: (n,) units of time since the reading before, 1 for the first one.
    """
    found = np.empty((len(value), len(FEATURES)))
    channel_course((value, trust, step, found))
    return found
