"""The row that an asset has in the partition state, and views of it for the kernels.

Shape ─► row_dtype ─► structured array, one row an asset, <= 1 KB

Kernels are compiled once for each shape and take a row as a record: passing one array a field instead would serve all
shapes with one compilation, of 24 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.recursions import CHANNEL_STATE

REMEMBERED_IDS = 16
LOG_ENTRIES = 24  # renewals and errors remembered one by one; older ones only by when each kind was last
LOG_ENTRIES_PLAIN = 8  # for a class without errors and components
LEVELS = 3  # severities
MOST_CHANNELS, LEAST_CHANNELS = 8, 2
ROW_BYTES = 1024


@dataclass(frozen=True)
class Shape:
    """Sizes of a row: K channels, E error codes, C components, T targets."""

    channels: int
    errors: int
    components: int
    targets: int

    @property
    def codes(self) -> int:
        """Kinds of log entries that are remembered: errors, renewals of components, of the asset as a whole."""
        return self.errors + self.components + 1

    @property
    def log_entries(self) -> int:
        return LOG_ENTRIES if self.codes > 1 else LOG_ENTRIES_PLAIN


def row_dtype(shape: Shape) -> np.dtype[np.void]:
    """Fields of a row; times are epoch seconds, 0: never. A row of zeros is an asset that was never seen."""
    targets, log = shape.targets, shape.log_entries
    fields: list[tuple[Any, ...]] = [
        ("newest", "f8"),  # time of the newest reading applied
        ("deviating", "u8"),  # which of the first 64 sensors were far from what was expected, one bit each
        ("life_first", "f8"),  # first reading of this life
        ("renewed_at", "f8"),  # newest renewal of the whole asset that took effect
        ("window_start", "f8"),
        ("window_end", "f8"),
        ("ids", "u8", (REMEMBERED_IDS,)),  # ring of hashes of event ids
        ("log_time", "f8", (log,)),
        ("log_settled", "f8", (shape.codes,)),  # newest entry of each kind that left the log
        ("applied_at", "f8", (targets,)),  # newest renewal of the target that took effect
        ("raised_at", "f8", (targets,)),  # of the open alert
        ("channels", "f4", (shape.channels, CHANNEL_STATE)),
        ("fall", "f4", (3,)),  # level, weight and cusum of the renewal rule
        ("value", "f4", (targets,)),  # filtered score
        ("steady", "f4", (targets,)),  # more filtered, for the alerts
        ("seen", "u4"),  # readings of this life
        ("late", "u4"),
        ("duplicates", "u4"),
        ("alert", "u4", (targets,)),  # alerts raised so far
        ("sequence", "u2", (targets,)),  # transitions of the open alert so far
        ("beyond", "u2", (targets, LEVELS)),  # readings in a row beyond each level
        ("within", "u2", (targets, LEVELS)),  # readings in a row on the good side of each level's deadband
        ("id_place", "u1"),
        ("log_code", "u1", (log,)),  # code + 1, 0: empty
        ("is_filtered", "u1", (targets,)),
        ("is_active", "u1", (targets, LEVELS)),
        ("severity", "u1", (targets,)),  # of the open alert, 1 advisory .. 3 critical, 0: none open
    ]
    return np.dtype(fields, align=True)


def affordable_channels(errors: int, components: int, sensors: int) -> int:
    """How many sensors can be channels: a row stays within 1 KB, unless there are very many codes and components."""
    for channels in range(MOST_CHANNELS, LEAST_CHANNELS, -1):
        if row_dtype(Shape(channels, errors, components, components)).itemsize <= ROW_BYTES:
            return min(channels, sensors)
    return min(LEAST_CHANNELS, sensors)
