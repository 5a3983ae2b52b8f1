"""The part of the profile that a question to the view needs, as a row that the kernels read.

profile ─► settings_of ─► (1,) SETTINGS ─► View.build_rows
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.recommender.arrays import ACTIONS, MOST_ACTIONS, action_weights
from models.recommender.kernel import GENERATORS
from schemas import RecommenderProfile

_LIMITS = (
    "reads",
    "all_reads",
    "prefix_items",
    "window",
    "neighbours",
    "second_order_items",
    "second_order_reads",
    "max_candidates",
    "min_candidates",
    "own_items",
    "hot_items",
    "new_items",
)
_DECAYS = (
    "age_decay",
    "fast",
    "slow",
    "neighbour_recency",
    "neighbour_recency_short",
    "prefix_decay",
    "prefix_decay_short",
    "distance_decay",
    "distance_decay_short",
)
SETTINGS = np.dtype(
    [
        *((name, "i8") for name in _LIMITS),
        *((name, "f8") for name in _DECAYS),
        ("quotas", "i8", (len(GENERATORS),)),
        ("weights", "f4", (MOST_ACTIONS,)),  # of actions, in co-visitation
    ]
)


def settings_of(profile: RecommenderProfile) -> npt.NDArray[Any]:
    """(1,) SETTINGS."""
    settings = np.zeros(1, SETTINGS)
    for name in (*_LIMITS, *_DECAYS):
        settings[name] = getattr(profile, name)
    settings["quotas"] = [getattr(profile.quotas, generator) for generator in GENERATORS]
    settings["weights"][0, : len(ACTIONS)] = action_weights(profile)
    return settings
