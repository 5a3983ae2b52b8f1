"""Data alerts in words: which sensors, what is wrong with each, how long an asset is silent.

transition (DATA_TRANSITION), faults told with its event ─► reason, sensors
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from models.maintenance.policy import SEVERITIES
from models.maintenance.sensors import FAULTS
from models.maintenance.transitions import CLEARED
from models.maintenance.watch_rows import CLOCK, IS_HERE, IS_RETIRED, IS_WELL, REGIME, SENSORS, SILENCE

WORDS = {
    "missing": "is missing",
    "stuck": "is stuck",
    "flat": "hardly moves",
    "spiking": "spikes again and again",
    "drifting": "drifts away from the other sensors",
    "out_of_range": "is out of any range that was seen",
    "changed_unit": "has another unit",
}
MOST_NAMED = 5  # sensors in a sentence


class BrokenSensor(TypedDict):
    """A sensor that a data alert names."""

    sensor: str
    fault: str


def broken_sensors(sensors: Sequence[str], transition: np.void, faults: npt.NDArray[np.int8]) -> list[BrokenSensor]:
    """Those that the alert names and the event tells a fault of.

    Args:
        faults: (sensors,) places in FAULTS.
    """
    named = int(transition["named"])
    return [
        {"sensor": sensor, "fault": FAULTS[faults[place]]}
        for place, sensor in enumerate(sensors)
        if named >> place & 1 and faults[place] > 0
    ]


def data_reason(transition: np.void, broken: Sequence[BrokenSensor], regime: Sequence[str]) -> str:
    """What happened, as a clause that continues the name of the failure mode, `data`.

    Args:
        regime: variables of the class that tell how an asset is run.
    """
    if transition["state"] == CLEARED:
        return _end(transition)
    causes, clauses = int(transition["causes"]), []
    if causes & SILENCE:
        clauses.append(_silence(transition))
    if causes & SENSORS:
        clauses += [f"{one['sensor']} {WORDS[one['fault']]}" for one in broken[:MOST_NAMED]]
        clauses += [f"{len(broken) - MOST_NAMED} more sensors are not believed"] if len(broken) > MOST_NAMED else []
        clauses += [] if broken else ["sensors spike again and again"]
    if causes & REGIME:
        of = f" ({', '.join(regime)})" if regime else ""
        clauses.append(f"readings do not tell how the asset is run{of}")
    if causes & CLOCK:
        clauses.append("the clock of its readings is not the broker's")
    return f"cannot be relied on: {', '.join(clauses)}"


def _silence(transition: np.void) -> str:
    silent_s, usual_s = float(transition["silent_s"]), float(transition["usual_s"])
    if not silent_s:
        return "the asset was silent"
    return f"no reading for {_duration(silent_s)}, usually one every {_duration(usual_s)}"


def _end(transition: np.void) -> str:
    end = transition["end"]
    if end == IS_HERE:
        return f"comes again, after {_duration(float(transition['silent_s']))} of silence"
    if end == IS_WELL:
        return "is good again"
    if end == IS_RETIRED:
        return "ended: the asset was taken out of service"
    return f"was closed by hand while {SEVERITIES[transition['severity']]}"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
