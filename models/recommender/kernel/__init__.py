"""The kernels of the recommender, in C: on rows of users, on the arrays of the catalogue view, on feature rows.

arrays ─► View (checked once; clicks.c, items.c, hot.c) ─► questions (evidence.c to ranking.c) ─► the caller's arrays
rows of users ─► advance (users.c);  feature rows ─► hand_weighted, choose_best (ranking.c)

Names and numbers that both languages know are declared there and taken from here. All arrays are checked: ValueError.
May import: nothing.
"""

from models.recommender.kernel._native import (
    ALL_PAIRS,
    ALL_READS,
    CLOCKS,
    CO_VISITS,
    COLUMNS,
    COUNTERS,
    DENSE,
    FEATURES,
    GENERATORS,
    KEPT,
    LAYOUTS,
    LIST_LENGTH,
    TURN_DOWN,
    VIEW,
    Repeats,
    View,
    advance,
    choose_best,
    hand_weighted,
    index,
    threshold,
)

__all__ = [
    "ALL_PAIRS",
    "ALL_READS",
    "CLOCKS",
    "COLUMNS",
    "COUNTERS",
    "CO_VISITS",
    "DENSE",
    "FEATURES",
    "GENERATORS",
    "KEPT",
    "LAYOUTS",
    "LIST_LENGTH",
    "TURN_DOWN",
    "VIEW",
    "Repeats",
    "View",
    "advance",
    "choose_best",
    "hand_weighted",
    "index",
    "threshold",
]
