"""How good the input of scores was, in words: which sensors are broken, and whether what stands in is enough.

Decisions ─► for each event its quality and its broken sensors
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.maintenance.codes import QUALITIES
from models.maintenance.sensors import FAULTS


def inputs_told(
    sensors: Sequence[str], quality: npt.NDArray[np.int8], faults: npt.NDArray[np.int8]
) -> list[dict[str, Any]]:
    """Fields of a score for each event: `quality`, and `sensors`, the broken ones with their faults.

    Args:
        sensors: of the class.
        quality: (n,) places in `QUALITIES`.
        faults: (n, sensors) places in `FAULTS`.
    """
    found: list[dict[str, Any]] = [{"quality": QUALITIES[one], "sensors": []} for one in quality.tolist()]
    for place, sensor in np.argwhere(faults > 0).tolist():
        found[place]["sensors"].append({"sensor": sensors[sensor], "fault": FAULTS[faults[place, sensor]]})
    return found
