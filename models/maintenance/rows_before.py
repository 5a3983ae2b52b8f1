"""Rows of assets as the version before wrote them, and how they become rows of today: state outlives an update.

saved bytes ─► layout number of then ─► dtype of then ─► migrate ─► row of today

The dtypes are frozen: they must not follow `models.maintenance.rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.maintenance.codes import WINDOW_IS_END
from models.maintenance.rows import RowShape, row_dtype

_IDS, _LOG, _LOG_PLAIN, _LEVELS, _CHANNEL_STATE, _BYTES = 16, 24, 8, 3, 19, 1024
_SAME = (
    "newest", "deviating", "life_first", "renewed_at", "applied_at", "raised_at", "channels", "fall", "value",
    "steady", "seen", "late", "duplicates", "alert", "sequence", "beyond", "within", "is_filtered", "is_active",
    "severity", "log_settled",
)  # fmt: skip


def dtype_1(shape: RowShape) -> np.dtype[np.void]:
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


def migrate_1(old: np.ndarray, shape: RowShape) -> np.ndarray:
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
    rows["window_tag"][:, 1] = np.where(is_ending, WINDOW_IS_END, 0)
    rows["window_past"] = np.where(is_over, end, 0.0)


def dtype_2(shape: RowShape) -> np.dtype[np.void]:
    """Rows of the second layout: as today's, without what is known of the sensors."""
    log = _LOG_PLAIN if shape.codes == 1 else _LOG
    if shape.codes > 1 and _dtype_2(shape, 24, log).itemsize > _BYTES:
        log = 14
    room = (_BYTES - _dtype_2(shape, 24, log).itemsize) // 2
    return _dtype_2(shape, min(max(24 + room, 24), 128), log)


def _dtype_2(shape: RowShape, recent: int, log: int) -> np.dtype[np.void]:
    targets, marks = (shape.targets,), (8 if shape.codes > 1 else 12,)
    held = shape.values if shape.values <= 48 else 0
    eight: list[tuple[Any, ...]] = [
        *((name, "f8") for name in ("newest", "stepped_at", "arrived", "behind_at", "behind_lag")),
        ("deviating", "u8"),
        *((name, "f8") for name in ("life_first", "renewed_at", "service_at", "window_past")),
        ("ids", "u8", (4,)),
        ("log_time", "f8", (log,)),
        ("log_settled", "f8", (shape.codes,)),
        ("applied_at", "f8", targets),
        ("raised_at", "f8", targets),
        ("judged_at", "f8"),
    ]
    four: list[tuple[Any, ...]] = [
        ("log_ids", "u4", (4,)),
        ("window_time", "u4", marks),
        ("behind_span", "f4"),
        ("channels", "f4", (shape.channels, _CHANNEL_STATE)),
        ("fall", "f4", (3,)),
        ("held", "f4", (max(held, 1),)),
        ("variables", "f4", (max(shape.variables, 1),)),
        *((name, "f4", targets) for name in ("value", "steady", "steady_before", "waiting")),
        ("waiting_step", "f4"),
        *((name, "u4") for name in ("seen", "late", "duplicates")),
        ("alert", "u4", targets),
    ]
    return np.dtype([*eight, *four, *_small_fields_2(shape, recent, log, marks)], align=True)


def _small_fields_2(shape: RowShape, recent: int, log: int, marks: tuple[int]) -> list[tuple[Any, ...]]:
    """Those of one or two bytes, behind the others."""
    targets = (shape.targets,)
    return [
        ("sequence", "u2", targets),
        ("beyond", "u2", (shape.targets, _LEVELS)),
        ("within", "u2", (shape.targets, _LEVELS)),
        ("bridged", "u2"),
        ("window_tag", "u2", marks),
        ("recent", "u2", (recent,)),
        *((name, "u1") for name in ("id_place", "recent_place", "log_id_place", "behind", "parts", "comes_in_parts")),
        ("knows_variables", "u1"),
        ("service", "u1"),
        ("log_tag", "u1", (log,)),
        ("log_code", "u1", (log,)),
        ("is_filtered", "u1", targets),
        ("is_active", "u1", (shape.targets, _LEVELS)),
        ("severity", "u1", targets),
    ]


def migrate_2(old: np.ndarray, shape: RowShape) -> np.ndarray:
    """Rows (n,) of `dtype_2` as rows of today; rings and the log may have a few places more or fewer."""
    rows = np.zeros(len(old), row_dtype(shape))
    for name in set(old.dtype.names or ()) - {"recent", "recent_place", "log_time", "log_code", "log_tag"}:
        rows[name] = old[name]
    ring, size = old["recent"].shape[1], rows["recent"].shape[1]
    newest_first = (old["recent_place"][:, None].astype(np.int64) - 1 - np.arange(ring)) % ring
    kept = min(ring, size)
    rows["recent"][:, :kept] = np.take_along_axis(old["recent"], newest_first, 1)[:, :kept][:, ::-1]
    rows["recent_place"] = kept % size
    places = min(old["log_time"].shape[1], rows["log_time"].shape[1])
    order = np.argsort(-np.where(old["log_code"] > 0, old["log_time"], -1.0), axis=1, kind="stable")[:, :places]
    for name in ("log_time", "log_code", "log_tag"):
        rows[name][:, :places] = np.take_along_axis(old[name], order, 1)
    return rows


@dataclass(frozen=True)
class Earlier:
    """Converts rows (n,) of an earlier layout: `earlier(np.frombuffer(saved, earlier.dtype))`."""

    shape: RowShape
    dtype: np.dtype[np.void]
    migrate: Callable[[np.ndarray, RowShape], np.ndarray]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return self.migrate(rows, self.shape)


def earlier_rows(shape: RowShape) -> list[Earlier]:
    """All layouts that were, the newest first."""
    return [Earlier(shape, dtype_2(shape), migrate_2), Earlier(shape, dtype_1(shape), migrate_1)]
