"""Rows of assets as the version before wrote them, and how they become rows of today: state outlives an update.

saved bytes ─► layout number of then ─► dtype of then ─► migrate ─► row of today

The dtype is frozen: it must not follow `models.maintenance.rows`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.maintenance.rows import Shape, row_dtype
from models.maintenance.windows import END

_IDS, _LOG, _LOG_PLAIN, _LEVELS, _CHANNEL_STATE = 16, 24, 8, 3, 19
_SAME = (
    "newest", "deviating", "life_first", "renewed_at", "applied_at", "raised_at", "channels", "fall", "value",
    "steady", "seen", "late", "duplicates", "alert", "sequence", "beyond", "within", "is_filtered", "is_active",
    "severity", "log_settled",
)  # fmt: skip


def dtype_1(shape: Shape) -> np.dtype[np.void]:
    """Rows of the first layout, with one ring of ids and one maintenance window."""
    targets, log = shape.targets, _LOG if shape.codes > 1 else _LOG_PLAIN
    fields: list[tuple[Any, ...]] = [
        ("newest", "f8"),
        ("deviating", "u8"),
        ("life_first", "f8"),
        ("renewed_at", "f8"),
        ("window_start", "f8"),
        ("window_end", "f8"),
        ("ids", "u8", (_IDS,)),
        ("log_time", "f8", (log,)),
        ("log_settled", "f8", (shape.codes,)),
        ("applied_at", "f8", (targets,)),
        ("raised_at", "f8", (targets,)),
        ("channels", "f4", (shape.channels, _CHANNEL_STATE)),
        ("fall", "f4", (3,)),
        ("value", "f4", (targets,)),
        ("steady", "f4", (targets,)),
        ("seen", "u4"),
        ("late", "u4"),
        ("duplicates", "u4"),
        ("alert", "u4", (targets,)),
        ("sequence", "u2", (targets,)),
        ("beyond", "u2", (targets, _LEVELS)),
        ("within", "u2", (targets, _LEVELS)),
        ("id_place", "u1"),
        ("log_code", "u1", (log,)),
        ("is_filtered", "u1", (targets,)),
        ("is_active", "u1", (targets, _LEVELS)),
        ("severity", "u1", (targets,)),
    ]
    return np.dtype(fields, align=True)


def migrate_1(old: np.ndarray, shape: Shape) -> np.ndarray:
    """Rows (n,) of `dtype_1` as rows of today, with all that they knew: state, open alerts, log, window, last ids."""
    rows = np.zeros(len(old), row_dtype(shape))
    for name in _SAME:
        rows[name] = old[name]
    rows["stepped_at"] = rows["judged_at"] = old["newest"]
    rows["steady_before"] = old["steady"]
    kept, places = rows["ids"].shape[1], (old["id_place"][:, None].astype(np.int64) - 1 - np.arange(_IDS)) % _IDS
    newest_first = np.take_along_axis(old["ids"], places, 1)
    rows["ids"] = newest_first[:, :kept]
    known = min(_IDS, rows["recent"].shape[1])
    rows["recent"][:, :known] = (newest_first[:, :known] & np.uint64(0xFFFF)).astype(np.uint16)
    rows["recent_place"] = known % rows["recent"].shape[1]
    _migrate_log(old, rows)
    _migrate_window(old, rows)
    return rows


def _migrate_log(old: np.ndarray, rows: np.ndarray) -> None:
    """The newest entries stay one by one, older ones by when each kind was last."""
    kept = rows["log_time"].shape[1]
    order = np.argsort(-np.where(old["log_code"] > 0, old["log_time"], -1.0), axis=1, kind="stable")
    time, code = (np.take_along_axis(old[name], order, 1) for name in ("log_time", "log_code"))
    rows["log_time"], rows["log_code"] = time[:, :kept], code[:, :kept]
    for place in range(kept, time.shape[1]):
        for row in np.flatnonzero(code[:, place]).tolist():
            kind = int(code[row, place]) - 1
            rows["log_settled"][row, kind] = max(rows["log_settled"][row, kind], time[row, place])


def _migrate_window(old: np.ndarray, rows: np.ndarray) -> None:
    """A window that is open, or yet to end. One that ended, and an end without a start, are forgotten for good."""
    start, end = old["window_start"], old["window_end"]
    is_over = (end >= start) & (end <= old["newest"])
    is_ending = (end > start) & ~is_over
    rows["window_time"][:, 0] = np.where((start > 0) & ~is_over, np.floor(start), 0.0)
    rows["window_time"][:, 1] = np.where(is_ending, np.ceil(end), 0.0)
    rows["window_tag"][:, 1] = np.where(is_ending, END, 0)
    rows["window_past"] = np.where(is_over, end, 0.0)


@dataclass(frozen=True)
class Earlier:
    """Converts rows (n,) of an earlier layout: `earlier(np.frombuffer(saved, earlier.dtype))`."""

    shape: Shape

    @property
    def dtype(self) -> np.dtype[np.void]:
        return dtype_1(self.shape)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return migrate_1(rows, self.shape)
