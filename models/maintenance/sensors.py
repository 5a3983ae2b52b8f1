"""What a class learns of its sensors, so that a broken one is told from a machine that wears; and the faults' names.

Checked ─► kernel/sensors.c (what each sensor should say), kernel/faults.c (what is wrong with it)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from models.arrays import Floats
from models.maintenance import kernel

CHECKED = 64  # sensors of a class at most; of a class that keeps more none is checked
MODES = 5  # at most
# places of what a class learned: in each regime, and at all times
MEAN, SD, OFFSET, NOISE, SPREAD, SPREAD_PAST = range(6)
BORN, SMALL, STILL, SAME, LUCK, LIMIT, SPIKE, DOUBT_RUN, DOUBT_CUSUM = range(9)
NUMBERS, COUNTS = 5, 7  # of what a row keeps of a sensor: float32, and counts of one byte
OK, MISSING, STUCK, FLAT, SPIKING, DRIFTING, OUT_OF_RANGE, CHANGED_UNIT = range(8)
FAULTS = ("ok", "missing", "stuck", "flat", "spiking", "drifting", "out_of_range", "changed_unit")


class Checked(NamedTuple):
    """What a class learned of its sensors; R regimes, S sensors, M modes of unit variance over a life. All in sd.

    In each regime: mean and sd of the readings (sd 0: it tells nothing), offset, noise, and the sd of the residuals
    against the others and against the past as multiples of what the structure says. At all times: sd of the own
    offsets of new assets, change of a reading that counts as none, greatest chance of a reading that did not move and
    of an exact repeat, nats from which a run of them is no luck, limit of the cusum, residual of one reading that is
    told; nats of a run, and cusum, from which a sensor is in doubt.
    """

    regime: Any  # (R, 6, S)
    sensor: Any  # (9, S)
    load: Any  # (R, S, M)


def unchecked() -> Checked:
    """Of a class whose sensors are not checked."""
    return Checked(np.zeros((1, 6, 0)), np.zeros((9, 0)), np.zeros((1, 0, 0)))


def with_doubt_of_before(sensor: Floats) -> Floats:
    """(9, S) from the (7, S) of a model that did not learn when a sensor is in doubt: as such a model was served."""
    return np.vstack([sensor, np.full_like(sensor[LIMIT], np.inf), 0.35 * sensor[LIMIT]])


class Course(NamedTuple):
    """The check along past lives, n readings."""

    residual: Any  # (n, S) in sd, as are `apart` (against the others) and `past`
    apart: Any
    past: Any
    cusum: Any
    run: Any  # (n, S) nats of readings without change
    own: Any
    fault: Any  # (n, S) u1
    z: Any


def course_of_sensors(learned: Checked, is_first: Any, step: Any, regime: Any, readings: Any) -> Course:
    """The check along past lives, each with a memory of its own; for learning its limits.

    Args:
        is_first: (n,) bool: a life begins.
        step: (n,) f8 units of time since the reading before.
        regime: (n,) i8.
        readings: (n, S) f8 of the sensors that are checked; NaN: missing.
    """
    found = Course(**{name: np.empty(readings.shape, np.uint8 if name == "fault" else None) for name in Course._fields})
    kernel.course_of_sensors(learned, (is_first, step, regime, readings), found)
    return found
