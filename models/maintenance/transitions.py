"""Transitions of alerts: what one says, and the words for it."""

from __future__ import annotations

import numpy as np

RAISED, CHANGED, CLEARED = range(3)
REACHED, ESCALATED, STEPPED_DOWN, RECOVERED, REPLACED, RENEWED, RETIRED, CLOSED, STOPPED = range(9)
MOST_TRANSITIONS = 3  # by one event of one target
DECIDED_BY_SCORE = (REACHED, ESCALATED, STEPPED_DOWN, RECOVERED)
REASONS = (
    "reached the {severity} level",
    "rose to the {severity} level",
    "fell back to the {severity} level",
    "recovered beyond the deadband",
    "was replaced",
    "began a new life",
    "was decommissioned",
    "was closed by hand",
    "was taken out of service",
)
TRANSITION = np.dtype(
    [
        ("event", "i8"),  # place in the batch
        ("target", "i2"),
        ("state", "u1"),  # RAISED, CHANGED or CLEARED
        ("severity", "u1"),  # place in SEVERITIES; of a cleared alert, the one it had
        ("reason", "u1"),  # place in REASONS
        ("alert", "u4"),  # 1, 2, ... of this asset and target
        ("sequence", "u2"),  # 0, 1, ... of this alert
        ("value", "f8"),  # what was compared with the threshold
        ("threshold", "f8"),  # of the level that was reached or left
        ("raised_at", "f8"),  # event time in epoch seconds at which the alert was raised
    ],
    align=True,
)
