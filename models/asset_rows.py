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
LATEST_S = 7_258_118_400.0  # the year 2200: no sound row knows of a later time
MOST_COUNTED = 1e9  # readings of a life, alerts of an asset: 30 years of 1 a second
MOST_SIGNAL = 1e12  # of the state of a channel, where ages in units of the class are the largest numbers


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


def row_bounds(shape: Shape, high: float = MOST_SIGNAL) -> dict[str, tuple[float, float]]:
    """Lowest and highest value, inclusive, that each field of a sound row can hold. No field may hold NaN.

    A row outside was written by a fault: other code's layout, memory that was overwritten. It is told, not applied.

    Args:
        high: of a score, see `Policy.high`.
    """
    time, count, flag, anything = (0.0, LATEST_S), (0.0, MOST_COUNTED), (0.0, 1.0), (0.0, 2.0**64)
    score = (0.0, float(np.nextafter(np.float32(high), np.float32(np.inf))))
    return {
        "newest": time,
        "deviating": anything,
        "life_first": time,
        "renewed_at": time,
        "window_start": time,
        "window_end": time,
        "ids": anything,
        "log_time": time,
        "log_settled": time,
        "applied_at": time,
        "raised_at": time,
        "channels": (-MOST_SIGNAL, MOST_SIGNAL),
        "fall": (-MOST_SIGNAL, MOST_SIGNAL),
        "value": score,
        "steady": score,
        "seen": count,
        "late": count,
        "duplicates": count,
        "alert": count,
        "sequence": (0.0, 65_535.0),
        "beyond": (0.0, 65_535.0),
        "within": (0.0, 65_535.0),
        "id_place": (0.0, REMEMBERED_IDS - 1.0),
        "log_code": (0.0, float(shape.codes)),
        "is_filtered": flag,
        "is_active": flag,
        "severity": (0.0, float(LEVELS)),
    }


def is_within(rows: np.ndarray, bounds: dict[str, tuple[float, float]]) -> np.ndarray:
    """Whether each row (n,) is within the bounds of all its fields, (n,)."""
    sound = np.ones(len(rows), np.bool_)
    for name, (low, high) in bounds.items():
        values = rows[name].reshape(len(rows), -1)
        sound &= ((values >= low) & (values <= high)).all(1)
    return sound
