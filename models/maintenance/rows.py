"""The row that an asset has in the partition state, and views of it for the kernels.

RowShape ─► row_dtype ─► structured array, one row an asset, <= 1 KB

The kernels (kernel/row.h) are told where the fields of a class lie when its model is built.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.maintenance.kernel import ROW_FIELDS
from models.maintenance.recursions import CHANNEL_STATE
from models.maintenance.sensors import COUNTS, NUMBERS

REMEMBERED_IDS = 4  # of the newest readings, whole: no other reading is taken for one of them
RECENT_MOST, RECENT_LEAST = 128, 24  # readings remembered by 16 bits against late repeats: what there is room for
SERVICE_IDS, OTHER_IDS = 3, 1  # of the newest entries that take out of service or into it; that have no effect
LOG_ENTRIES, LOG_ENTRIES_TIGHT = 24, 14  # renewals and errors remembered one by one; older ones by kind

LOG_ENTRIES_PLAIN = 8  # for a class without errors and components
WINDOW_MARKS, WINDOW_MARKS_PLAIN = 8, 12  # begins and ends of maintenance windows that are not over
HELD_MOST = 48  # values of a reading that comes in parts; classes with more apply each part by itself
LEVELS = 3  # severities
MOST_CHANNELS, LEAST_CHANNELS = 8, 6
ROW_BYTES = 1024
LATEST_S = 7_258_118_400.0  # the year 2200: no sound row knows of a later time
MOST_COUNTED = 1e9  # readings of a life, alerts of an asset: 30 years of 1 a second
MAY_BE_MISSING = ("held",)  # fields that may hold NaN
MOST_SIGNAL = 1e12  # of the state of a channel, where ages in units of the class are the largest numbers


@dataclass(frozen=True)
class RowShape:
    """Sizes of a row: K channels, E error codes, C components, T targets, values of a reading, V regime variables."""

    channels: int
    errors: int
    components: int
    targets: int
    values: int = 0  # sensors, regime variables and constants of the class
    variables: int = 0
    checked: int = 0  # sensors whose faults are told
    modes: int = 0

    @property
    def codes(self) -> int:
        """Kinds of log entries that are remembered: errors, renewals of components, of the asset as a whole."""
        return self.errors + self.components + 1

    @property
    def log_entries(self) -> int:
        if self.codes == 1:
            return LOG_ENTRIES_PLAIN
        is_tight = _row_dtype(self, RECENT_LEAST, LOG_ENTRIES).itemsize > row_bytes(self)
        return LOG_ENTRIES_TIGHT if is_tight else LOG_ENTRIES

    @property
    def window_marks(self) -> int:
        return WINDOW_MARKS if self.codes > 1 else WINDOW_MARKS_PLAIN

    @property
    def held(self) -> int:
        """Places for the values of a reading that comes in parts; 0: there is no room for them."""
        return self.values if self.values <= HELD_MOST else 0


def row_dtype(shape: RowShape) -> np.dtype[np.void]:
    """Fields of a row; times are epoch seconds, 0: never. A row of zeros is an asset that was never seen."""
    least = _row_dtype(shape, RECENT_LEAST, shape.log_entries)
    room = (row_bytes(shape) - least.itemsize) // 2
    return _row_dtype(shape, min(max(RECENT_LEAST + room, RECENT_LEAST), RECENT_MOST), shape.log_entries)


def fields_of(dtype: np.dtype[np.void]) -> npt.NDArray[np.int64]:
    """Where the kernel finds the fields of a row: (fields, 4) offset, kind, bytes of a value, how many."""
    assert dtype.fields is not None
    found = []
    for name in ROW_FIELDS:
        field, offset = dtype.fields[name][:2]
        found.append((offset, ord(field.base.kind), field.base.itemsize, int(np.prod(field.shape))))
    return np.array(found, np.int64)


def row_bytes(shape: RowShape) -> int:
    """Of a row, unless there are very many codes and components: 1 KB, and what the check of the sensors keeps."""
    return ROW_BYTES + max(shape.checked, 1) * (4 * NUMBERS + COUNTS) + 4 * max(shape.modes, 1) + 1


def _row_dtype(shape: RowShape, recent: int, log: int) -> np.dtype[np.void]:
    return np.dtype([*_times(shape, log), *_signals(shape), *_counts(shape, recent, log)], align=True)


def _times(shape: RowShape, log: int) -> list[tuple[Any, ...]]:
    """Fields of eight bytes."""
    targets = shape.targets
    return [
        ("newest", "f8"),  # time of the newest reading, held or applied
        ("stepped_at", "f8"),  # time of the newest reading that the channels know
        ("arrived", "f8"),  # newest record time of a reading
        ("behind_at", "f8"),  # last of the late readings in a row that may mean a clock was set back
        ("behind_lag", "f8"),  # s that their records are later than they; a clock without battery is decades behind
        ("deviating", "u8"),  # which of the first 64 sensors were far from what was expected, one bit each
        ("life_first", "f8"),  # first reading of this life
        ("renewed_at", "f8"),  # newest renewal of the whole asset that took effect
        ("service_at", "f8"),  # newest entry that took it out of service or into it
        ("window_past", "f8"),  # windows up to here are over and forgotten
        ("ids", "u8", (REMEMBERED_IDS,)),  # ring of hashes of event ids
        ("log_time", "f8", (log,)),
        ("log_settled", "f8", (shape.codes,)),  # newest entry of each kind that left the log
        ("applied_at", "f8", (targets,)),  # newest renewal of the target that took effect
        ("raised_at", "f8", (targets,)),  # of the open alert
        ("judged_at", "f8"),  # newest reading that the alerts know
    ]


def _signals(shape: RowShape) -> list[tuple[Any, ...]]:
    """Fields of four bytes."""
    targets = shape.targets
    return [
        ("log_ids", "u4", (SERVICE_IDS + OTHER_IDS,)),  # hashes: a ring of those about service, then the others
        ("window_time", "u4", (shape.window_marks,)),  # begins and ends of windows, in whole seconds
        ("behind_span", "f4"),  # s from the first to the last of them
        ("channels", "f4", (shape.channels, CHANNEL_STATE)),
        ("modes", "f4", (max(shape.modes, 1),)),  # of the sensors, see `models.maintenance.sensors`
        ("sensors", "f4", (NUMBERS, max(shape.checked, 1))),
        ("fall", "f4", (3,)),  # level, weight and cusum of the renewal rule
        ("held", "f4", (max(shape.held, 1),)),  # values of the newest reading while it is not complete, NaN: not yet
        ("variables", "f4", (max(shape.variables, 1),)),  # last known
        ("value", "f4", (targets,)),  # filtered score
        ("steady", "f4", (targets,)),  # more filtered, for the alerts
        ("steady_before", "f4", (targets,)),  # the same without the newest reading
        ("waiting", "f4", (targets,)),  # score of the newest reading before all its parts are there; -1: none
        ("waiting_step", "f4"),  # units since the reading before; 0: no score waits
        ("seen", "u4"),  # readings of this life
        ("late", "u4"),
        ("duplicates", "u4"),
        ("alert", "u4", (targets,)),  # alerts raised so far
    ]


def _counts(shape: RowShape, recent: int, log: int) -> list[tuple[Any, ...]]:
    """Fields of two bytes and one."""
    targets = shape.targets
    return [
        ("sequence", "u2", (targets,)),  # transitions of the open alert so far
        ("beyond", "u2", (targets, LEVELS)),  # readings in a row beyond each level
        ("within", "u2", (targets, LEVELS)),  # readings in a row on the good side of each level's deadband
        ("bridged", "u2"),  # readings in a row whose regime was not told
        ("window_tag", "u2", (shape.window_marks,)),  # begin or end, and of which window
        ("recent", "u2", (recent,)),  # ring of 16 bits of event ids
        ("sensor_counts", "u1", (COUNTS, max(shape.checked, 1))),
        ("doubted", "u1"),  # readings in a row with a sensor in doubt
        ("id_place", "u1"),
        ("recent_place", "u1"),
        ("log_id_place", "u1"),
        ("behind", "u1"),  # late readings in a row, see kernel/clocks.c
        ("parts", "u1"),  # records of the reading that is held; 0: none is
        ("comes_in_parts", "u1"),  # bits, see kernel/parts.c
        ("knows_variables", "u1"),
        ("service", "u1"),  # 0 in service, 1 out of it, 2 decommissioned
        ("log_tag", "u1", (log,)),  # 8 bits of the entry's id
        ("log_code", "u1", (log,)),  # code + 1, 0: empty
        ("is_filtered", "u1", (targets,)),
        ("is_active", "u1", (targets, LEVELS)),
        ("severity", "u1", (targets,)),  # of the open alert, 1 advisory .. 3 critical, 0: none open
    ]


def affordable_channels(shape: RowShape, sensors: int) -> int:
    """How many sensors can be channels: a row stays within 1 KB, unless there are very many codes and components."""
    for channels in range(MOST_CHANNELS, LEAST_CHANNELS, -1):
        if row_dtype(replace(shape, channels=channels)).itemsize <= row_bytes(shape):
            return min(channels, sensors)
    return min(LEAST_CHANNELS, sensors)


_TIMES = (
    "newest", "life_first", "renewed_at", "stepped_at", "arrived", "behind_at", "behind_span", "service_at",
    "window_past", "log_time", "log_settled", "applied_at", "raised_at", "judged_at",
)  # fmt: skip


def row_bounds(shape: RowShape, high: float = MOST_SIGNAL) -> dict[str, tuple[float, float]]:
    """Lowest and highest value, inclusive, that each field of a sound row can hold. Only `MAY_BE_MISSING` may hold
    NaN.

    A row outside was written by a fault: other code's layout, memory that was overwritten. It is told, not applied.

    Args:
        high: of a score, see `Policy.high`.
    """
    score = float(np.nextafter(np.float32(high), np.float32(np.inf)))
    own = {
        "window_time": (0.0, 2.0**32),
        "waiting": (-1.0, score),
        "waiting_step": (0.0, MOST_SIGNAL),
        "behind_lag": (-LATEST_S, LATEST_S),
        "id_place": (0.0, REMEMBERED_IDS - 1.0),
        "recent_place": (0.0, row_dtype(shape)["recent"].shape[0] - 1.0),
        "log_id_place": (0.0, SERVICE_IDS - 1.0),
        "comes_in_parts": (0.0, 3.0),
        "service": (0.0, 2.0),
        "log_code": (0.0, float(shape.codes)),
        "severity": (0.0, float(LEVELS)),
    }
    shared = {
        _TIMES: (0.0, LATEST_S),
        ("deviating", "ids", "log_ids", "recent"): (0.0, 2.0**64),
        ("channels", "fall", "modes"): (-MOST_SIGNAL, MOST_SIGNAL),
        ("held", "variables", "sensors"): (-np.inf, np.inf),
        ("value", "steady", "steady_before"): (0.0, score),
        ("seen", "late", "duplicates", "alert"): (0.0, MOST_COUNTED),
        ("sequence", "beyond", "within", "bridged", "window_tag"): (0.0, 65_535.0),
        ("behind", "parts", "log_tag", "sensor_counts", "doubted"): (0.0, 255.0),
        ("knows_variables", "is_filtered", "is_active"): (0.0, 1.0),
    }
    return own | {name: bounds for names, bounds in shared.items() for name in names}


def is_within(rows: np.ndarray, bounds: dict[str, tuple[float, float]]) -> np.ndarray:
    """Whether each row (n,) is within the bounds of all its fields, (n,)."""
    sound = np.ones(len(rows), np.bool_)
    for name, (low, high) in bounds.items():
        values = rows[name].reshape(len(rows), -1)
        inside = (values >= low) & (values <= high)
        sound &= (inside | np.isnan(values) if name in MAY_BE_MISSING else inside).all(1)
    return sound
