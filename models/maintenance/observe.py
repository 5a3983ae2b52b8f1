"""From events to feature rows: the pass over the rows of the assets that serving and training share.

events in order ─► Observer: repeated? late? log entry? ─► regime ─► z ─► indexes ─► recursions ─► feature rows

The work and the rules of time are in kernel/observe.c; here is what goes into it and what comes out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.maintenance import kernel
from models.maintenance.codes import WINDOWS
from models.maintenance.preparation import Preparation
from models.maintenance.recursions import FEATURES
from models.maintenance.rows import RowShape, fields_of, row_dtype
from models.maintenance.sensors import unchecked


class EventBatch(NamedTuple):
    """Columns of a batch; n events."""

    time_s: Any  # (n,) f8: epoch seconds
    kind: Any  # (n,) i1: place in KINDS
    code: Any  # (n,) i2: error code, component, or the whole asset; -1: not of this class
    event_id: Any  # (n,) u8: hash
    readings: Any  # (n, sensors) f8, NaN: missing
    variables: Any  # (n, V) f8
    constants: Any  # (n, constants) f8
    arrived_s: Any = None  # (n,) f8: epoch seconds of the records, NaN: not known; None: of none


class Seen(NamedTuple):
    """What the pass found; n events, T targets, F features. A late reading has a score if it has a regime."""

    status: Any  # (n,) i1: place in STATUSES
    regime: Any  # (n,) i2: -1 unless scored
    step: Any  # (n,) f8: units since the reading before, in the same life; of a late one, that it is late
    is_renewed: Any  # (n, T) u1: a new life of the target begins here
    features: Any  # (n, F) f4; 0 unless scored
    role: Any  # (n,) i1: WHOLE, PART, ANOTHER, LAST
    hold: Any  # (n, T) u1: HELD, RENEWED_SOON, PLANNED, DOUBTFUL; what keeps alerts from moving
    is_set_back: Any  # (n,) bool: from here on the asset's clock is an earlier one, and is followed
    quality: Any  # (n,) i1: place in QUALITIES, of what has a score
    faults: Any  # (n, sensors of the class) i1: place in models.maintenance.sensors.FAULTS
    is_bridged: Any  # (n,) bool: what tells the regime was not there; it is concluded
    is_excused: Any  # (n,) bool: a maintenance window was open since the reading before


class Observer:
    """The pass over the rows of one asset class.

    Args:
        chosen: names among `FEATURES` that each channel contributes.
        has_age: whether the time since the first reading of the life is a feature.
        widths: sensors, regime variables and constants of an event.
    """

    def __init__(
        self, preparation: Preparation, shape: RowShape, unit_s: float, chosen: tuple[str, ...], has_age: bool,
        widths: tuple[int, int, int],
    ) -> None:  # fmt: skip
        self.shape, self.dtype = shape, row_dtype(shape)
        self._widths = widths
        per_code = shape.errors * len(WINDOWS) + shape.codes - 1
        self.feature_count = shape.channels * len(chosen) + has_age + per_code + widths[2]
        of, places = preparation, np.array([FEATURES.index(name) for name in chosen], np.int64)
        learned = (
            of.centre, of.scale, of.centroids, of.sensors, of.mean, of.sd, of.weights, of.bias, of.trust,
            of.expected_offset, of.expected_load, of.noise, places, *(of.check or unchecked()),
            np.full(len(of.centroids), np.inf) if of.reach is None else of.reach,
        )  # fmt: skip
        self._native = kernel.Observer(
            fields_of(self.dtype), self.dtype.itemsize, widths, (shape.errors, shape.components),
            (has_age, shape.held > 0, of.fall_channel), of.fall_limit, unit_s,
            tuple(np.ascontiguousarray(one) for one in learned),
        )  # fmt: skip

    def __call__(self, rows: npt.NDArray[np.void], slots: npt.NDArray[np.int64], events: EventBatch) -> Seen:
        """Apply the events to the rows, in order; `slots` (n,) says whose each event is.

        Raises:
            ValueError: an array has another type or shape, or a slot is no row.
        """
        n, targets = len(slots), self.shape.targets
        seen = Seen(
            np.zeros(n, np.int8), np.zeros(n, np.int16), np.zeros(n), np.zeros((n, targets), np.uint8),
            np.zeros((n, self.feature_count), np.float32), np.zeros(n, np.int8), np.zeros((n, targets), np.uint8),
            np.zeros(n, np.bool_), np.zeros(n, np.int8), np.zeros((n, self._widths[0]), np.int8),
            np.zeros(n, np.bool_), np.zeros(n, np.bool_),
        )  # fmt: skip
        self._native.observe(checked_rows(rows, self.dtype), slots, events, seen)
        return seen

    def trace(self, row: npt.NDArray[np.void], time_s: float, arrays: tuple[Any, ...]) -> tuple[int, float]:
        """One step of a row (1,), and what the reading comes to on its way: regime (-1: nothing), units of the step.

        Args:
            arrays: readings, variables and constants (1, ...) of the reading; then what receives z and is_present
                (1, kept sensors), index and trust (1, channels).
        """
        return self._native.trace(checked_rows(row, self.dtype), time_s, arrays)


def checked_rows(rows: npt.NDArray[np.void], dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """The rows, of which the kernel knows no more than the size.

    Raises:
        ValueError: they are laid out in another way.
    """
    if rows.dtype != dtype:
        raise ValueError(f"rows ({rows.dtype.itemsize} bytes each) have another layout than those of the class")
    return rows
