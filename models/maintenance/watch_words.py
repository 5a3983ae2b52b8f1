"""Data alerts in words: which sensors, what is wrong with each, how long an asset is silent.

transition (DATA_TRANSITION), faults told with its event ─► reason, sensors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from models.maintenance.policy import SEVERITIES
from models.maintenance.sensors import FAULTS
from models.maintenance.transitions import CLEARED
from models.maintenance.watch_rows import CLOCK, CLOCK_WRONG_S, IS_HERE, IS_RETIRED, IS_WELL, REGIME, SENSORS, SILENCE
from schemas import AssetClass

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


def data_reason(
    asset_class: AssetClass,
    transition: np.void,
    broken: Sequence[BrokenSensor],
    said: Mapping[str, str],
    run_anew: str = "",
) -> str:
    """What happened, as a clause that continues the name of the failure mode, `data`.

    Args:
        said: what the broken sensors say, and what is normal, in words.
        run_anew: how the asset is run, in words, where no reading of the training was run so.
    """
    if transition["state"] == CLEARED:
        return _end(transition)
    causes, clauses = int(transition["causes"]), []
    if causes & SILENCE:
        clauses.append(_silence(transition))
    if causes & SENSORS:
        clauses += _of_sensors(asset_class, int(transition["named"]), broken, said)
    if causes & REGIME and run_anew:
        clauses.append(f"it is run as no reading of the training was ({run_anew})")
    elif causes & REGIME:
        of = f" ({', '.join(asset_class.words_of(one)[0] for one in asset_class.regime)})" if asset_class.regime else ""
        clauses.append(f"readings do not tell how the asset is run{of}")
    if causes & CLOCK:
        clauses.append(_clock(float(transition["off_s"])))
    return f"cannot be relied on: {', '.join(clauses)}"


def _of_sensors(
    asset_class: AssetClass, named: int, broken: Sequence[BrokenSensor], said: Mapping[str, str]
) -> list[str]:
    if broken:
        clauses = [
            f"{asset_class.words_of(one['sensor'])[0]} {WORDS[one['fault']]}{said.get(one['sensor'], '')}"
            for one in broken[:MOST_NAMED]
        ]
        more = len(broken) - MOST_NAMED
        return [*clauses, f"{more} more sensors are not believed"] if more > 0 else clauses
    names = [asset_class.words_of(one)[0] for place, one in enumerate(asset_class.sensors) if named >> place & 1]
    if not names:
        return ["sensors spike again and again"]
    return [f"{' and '.join(names[:MOST_NAMED])} could not be believed before"]


def _clock(off_s: float) -> str:
    if abs(off_s) < CLOCK_WRONG_S:
        return "its clock was set back, and is right now"
    return f"its clock is {_duration(abs(off_s))} {'ahead of' if off_s > 0 else 'behind'} the broker's"


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
