"""The watch over what an asset sends: whether it is monitored, and by what. One data alert an asset, after ISA-18.2.

events of a batch, what the model saw of them ─► causes (sensors, regime, clock, silence) ─► raised, changed, cleared

The rules are in kernel/watch.c, those about intervals and clocks in kernel/watch_times.c.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.maintenance import kernel
from models.maintenance.observe import checked_rows
from models.maintenance.watch_rows import DATA_TRANSITION, MOST_DATA_TRANSITIONS, WATCH, Patience


class Input(NamedTuple):
    """n events of a batch, and what the model saw of them."""

    time_s: Any  # (n,) f8
    arrived_s: Any  # (n,) f8, NaN: not known; None: of none
    kind: Any  # (n,) i1
    code: Any  # (n,) i2
    status: Any  # (n,) i1
    role: Any  # (n,) i1
    quality: Any  # (n,) i1
    hold: Any  # (n, T) u1: HELD within a maintenance window
    is_bridged: Any  # (n,) bool: the regime was not told
    is_set_back: Any  # (n,) bool: the asset's clock
    is_excused: Any  # (n,) bool: it may have been silent since the reading before
    faults: Any  # (n, sensors) i1


def watch(
    rows: npt.NDArray[np.void], slots: npt.NDArray[np.int64], given: Input, whole: int, patience: Patience
) -> npt.NDArray[np.void]:
    """Apply the events to the rows (WATCH), in their order; `slots` (n,) says whose each event is.

    Args:
        whole: code of the asset as a whole; the next one is that of its data.

    Returns:
        (m,) DATA_TRANSITION, in the order of events.
    """
    written = np.empty(MOST_DATA_TRANSITIONS * len(slots), DATA_TRANSITION)
    widths = given.faults.shape[1], given.hold.shape[1]
    count = kernel.watch(checked_rows(rows, WATCH), slots, given, widths, whole, patience, written)
    return written[:count]
