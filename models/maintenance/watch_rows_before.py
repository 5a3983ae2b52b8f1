"""Rows of the watch as versions before wrote them, and how they become rows of today.

The dtypes are frozen: they must not follow `models.maintenance.watch_rows`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.maintenance.watch_rows import WATCH

_F8 = ("newest", "arrived", "claimed", "counts_from", "raised_at", "service_at", "judged_at")
_F4 = ("usual_s", "longest_s", "pace", "off_s", "wrong_s")
_U1 = ("bad", "good", "blanks", "bridges", "spikes", "clock", "causes", "severity", "service", "waits")
WATCH_1 = np.dtype(
    [
        *((name, "f8") for name in _F8),
        ("named", "u8"),
        ("out", "u8"),
        *((name, "f4") for name in _F4),
        ("sequence", "u2"),
        *((name, "u1") for name in _U1),
    ],
    align=True,
)


@dataclass(frozen=True)
class EarlierWatch:
    """Rows of a layout that lacks some of today's fields: those begin as zeros."""

    dtype: np.dtype[np.void]

    def __call__(self, rows: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        found = np.zeros(len(rows), WATCH)
        for name in self.dtype.names or ():
            found[name] = rows[name]
        return found


WATCH_EARLIER = {1: EarlierWatch(WATCH_1)}  # knew of no sensor that was accepted to be missing
