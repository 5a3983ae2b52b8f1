"""The row that an asset has in the partition state, and views of it for the kernels.

Shape ─► row_dtype ─► structured array (one row an asset, <= 1 KB) ─► views, one strided array a field

Kernels get a view of each field instead of the records, so one compilation serves the rows of every asset class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

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


class RowViews(NamedTuple):
    """The fields of a row; times are epoch seconds, 0: never. A row of zeros is an asset that was never seen."""

    newest: Any  # (n,) f8: time of the newest reading applied
    deviating: Any  # (n,) u8: which of the first 64 sensors were far from what was expected, one bit each
    life_first: Any  # (n,) f8: first reading of this life
    renewed_at: Any  # (n,) f8: newest renewal of the whole asset that took effect
    window_start: Any  # (n,) f8
    window_end: Any  # (n,) f8
    ids: Any  # (n, 16) u8: ring of hashes of event ids
    log_time: Any  # (n, log) f8
    log_settled: Any  # (n, codes) f8: newest entry of each kind that left the log
    applied_at: Any  # (n, T) f8: newest renewal of the target that took effect
    raised_at: Any  # (n, T) f8: of the open alert
    channels: Any  # (n, K, 19) f4
    fall: Any  # (n, 3) f4: level, weight and cusum of the renewal rule
    value: Any  # (n, T) f4: filtered score
    steady: Any  # (n, T) f4: more filtered, for the alerts
    seen: Any  # (n,) u4: readings of this life
    late: Any  # (n,) u4
    duplicates: Any  # (n,) u4
    alert: Any  # (n, T) u4: alerts raised so far
    sequence: Any  # (n, T) u2: transitions of the open alert so far
    beyond: Any  # (n, T, 3) u2: readings in a row beyond each level
    within: Any  # (n, T, 3) u2: readings in a row on the good side of each level's deadband
    id_place: Any  # (n,) u1
    log_code: Any  # (n, log) u1: code + 1, 0: empty
    is_filtered: Any  # (n, T) u1
    is_active: Any  # (n, T, 3) u1
    severity: Any  # (n, T) u1: of the open alert, 1 advisory .. 3 critical, 0: none open


def row_dtype(shape: Shape) -> np.dtype[np.void]:
    targets, log = shape.targets, shape.log_entries
    fields: list[tuple[Any, ...]] = [
        ("newest", "f8"), ("deviating", "u8"), ("life_first", "f8"), ("renewed_at", "f8"),
        ("window_start", "f8"), ("window_end", "f8"),
        ("ids", "u8", (REMEMBERED_IDS,)), ("log_time", "f8", (log,)), ("log_settled", "f8", (shape.codes,)),
        ("applied_at", "f8", (targets,)), ("raised_at", "f8", (targets,)),
        ("channels", "f4", (shape.channels, CHANNEL_STATE)), ("fall", "f4", (3,)),
        ("value", "f4", (targets,)), ("steady", "f4", (targets,)),
        ("seen", "u4"), ("late", "u4"), ("duplicates", "u4"), ("alert", "u4", (targets,)),
        ("sequence", "u2", (targets,)), ("beyond", "u2", (targets, LEVELS)), ("within", "u2", (targets, LEVELS)),
        ("id_place", "u1"), ("log_code", "u1", (log,)), ("is_filtered", "u1", (targets,)),
        ("is_active", "u1", (targets, LEVELS)), ("severity", "u1", (targets,)),
    ]  # fmt: skip
    return np.dtype(fields, align=True)


def affordable_channels(errors: int, components: int, sensors: int) -> int:
    """How many sensors can be channels: a row stays within 1 KB, unless there are very many codes and components."""
    for channels in range(MOST_CHANNELS, LEAST_CHANNELS, -1):
        if row_dtype(Shape(channels, errors, components, components)).itemsize <= ROW_BYTES:
            return min(channels, sensors)
    return min(LEAST_CHANNELS, sensors)


def views(rows: npt.NDArray[np.void]) -> RowViews:
    """Views of the rows (n,); writing to them writes to the rows."""
    return RowViews(*(rows[name] for name in RowViews._fields))
