"""Queries: what the accepted clicks of a batch ask, in arrays.

ClickArrays, Steps ─► queries_of ─► Queries
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.recommender.clicks import ClickArrays
from models.recommender.users import Steps


class Queries(NamedTuple):
    """n questions, in arrays."""

    prefixes: npt.NDArray[np.uint64]  # (n, 20) stable hashes of the session's items, oldest first
    lengths: npt.NDArray[np.int64]  # (n,) 0: the user has only turned down items
    sessions: npt.NDArray[np.uint64]  # (n,) session keys
    times: npt.NDArray[np.float64]  # (n,) epoch seconds
    codes: npt.NDArray[np.uint8]  # (n, K)
    context: npt.NDArray[np.float32]  # (n, C)
    turned_down: npt.NDArray[np.uint32]  # (n, 20) halves of the hashes of items that are not for this user, then 0

    @classmethod
    def joined(cls, parts: Sequence[Queries]) -> Queries:
        """The questions of one or more, one after the other."""
        return parts[0] if len(parts) == 1 else cls(*map(np.concatenate, zip(*parts, strict=True)))


def queries_of(clicks: ClickArrays, steps: Steps) -> Queries:
    """The questions that the accepted clicks of a batch ask, in order."""
    which = np.flatnonzero(steps.is_accepted)
    return Queries(
        steps.prefixes[which],
        steps.lengths[which],
        steps.sessions[which],
        steps.times[which],
        clicks.codes[which],
        clicks.context[which],
        steps.turned_down[which],
    )
