"""The alert policy at work: from the scores of a batch to filtered values and the transitions of alerts.

raw scores in order ─► Decider: filter ─► levels with on-delay and deadband ─► severity ─► transitions

The rules are in kernel/alerts.c, which follows ISA-18.2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.maintenance import kernel
from models.maintenance.observe import EventBatch, Seen, checked_rows
from models.maintenance.policy import SEVERITIES, Policy
from models.maintenance.rows import fields_of
from models.maintenance.transitions import (
    CHANGED,
    CLEARED,
    CLOSED,
    DECIDED_BY_SCORE,
    ESCALATED,
    MOST_TRANSITIONS,
    RAISED,
    REASONS,
    RECOVERED,
    RENEWED,
    REPLACED,
    RETIRED,
    STEPPED_DOWN,
    STOPPED,
    TRANSITION,
)  # fmt: skip

__all__ = [
    "CHANGED", "CLEARED", "CLOSED", "DECIDED_BY_SCORE", "ESCALATED", "RAISED", "REASONS", "RECOVERED", "RENEWED",
    "REPLACED", "RETIRED", "SEVERITIES", "STEPPED_DOWN", "STOPPED", "TRANSITION", "Decided", "Decider", "decide",
]  # fmt: skip


class Decided(NamedTuple):
    """n events, T targets."""

    value: npt.NDArray[np.float64]  # (n, T) filtered score, NaN unless scored
    is_suppressed: npt.NDArray[np.bool_]  # (n,) a maintenance window held an alert back
    transitions: npt.NDArray[np.void]  # (m,) TRANSITION, in the order of events


class Decider:
    """The policy of one asset class, for rows of a dtype."""

    def __init__(self, dtype: np.dtype[np.void], policy: Policy) -> None:
        self.dtype, of = dtype, policy
        self._native = kernel.Decider(
            fields_of(dtype), dtype.itemsize, (of.sign, of.pull, of.steady_pull, of.pull_units, of.ceiling, of.high),
            (of.errors, of.parts), (of.on, of.clear, of.on_delay, of.off_delay),
        )  # fmt: skip

    def __call__(
        self, rows: npt.NDArray[np.void], slots: npt.NDArray[np.int64], events: EventBatch, seen: Seen,
        raw: npt.NDArray[np.float64],
    ) -> Decided:  # fmt: skip
        """Filter the raw scores (n, T) and move the alerts in the rows, in the order of the events."""
        value, is_suppressed = np.empty(raw.shape), np.empty(len(raw), np.bool_)
        written = np.empty(MOST_TRANSITIONS * raw.size, TRANSITION)
        arrays = raw, value, is_suppressed
        count = self._native.decide(checked_rows(rows, self.dtype), slots, events, seen, arrays, written)
        return Decided(value, is_suppressed, written[:count])


def decide(
    rows: npt.NDArray[np.void],
    slots: npt.NDArray[np.int64],
    events: EventBatch,
    seen: Seen,
    raw: npt.NDArray[np.float64],
    policy: Policy,
) -> Decided:
    """The same of a policy that is tried out once."""
    return Decider(rows.dtype, policy)(rows, slots, events, seen, raw)
