"""The alert policy of an asset class: severities with thresholds, delays and deadbands, as arrays for the kernel.

PolicyLevel of the class, or what was learned ─► life_policy | probability_policy ─► Policy
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from models.maintenance.rows import LEVELS
from schemas import PolicyLevel

SEVERITIES = ("", "advisory", "warning", "critical")
# of a remaining life, measured on 709 out-of-fold engines with cap 125: every engine alerted once, warning with
# a median lead of 29, none above 60
LIFE_LEVELS = (("advisory", 45.0, 70.0, 3, 10), ("warning", 31.0, 55.0, 2, 10), ("critical", 12.0, 25.0, 2, 10))
LIFE_LEVELS_CAP = 125.0
Pulls = tuple[float, float, float]  # told, steady, and within how many units of time; see Policy


class Policy(NamedTuple):
    """For the kernel; T targets, 3 levels, thresholds times `sign` so that more is worse. inf: no such level."""

    sign: float  # -1: a remaining life, 1: a probability
    on: Any  # (T, 3) f8
    clear: Any  # (T, 3) f8
    on_delay: Any  # (T, 3) i8
    off_delay: Any  # (T, 3) i8
    pull: float  # of a reading on the published value, within `pull_units`
    steady_pull: float  # the same on the value that is compared with the levels
    pull_units: float  # units of time
    ceiling: float  # below it a remaining life falls by 1 per unit of time; -inf: never
    high: float  # scores lie between 0 and this
    errors: int  # codes of log entries that come before those of the parts
    parts: int  # how many; the code after them means the asset as a whole


def life_levels(cap: float) -> list[PolicyLevel]:
    """The default policy of a remaining life, scaled to the cap of the class."""
    scale = cap / LIFE_LEVELS_CAP
    return [
        PolicyLevel(severity=name, on=on * scale, clear=clear * scale, on_delay=on_delay, off_delay=off_delay)
        for name, on, clear, on_delay, off_delay in LIFE_LEVELS
    ]


def _table(levels: Sequence[Sequence[PolicyLevel]], field: str, absent: float, sign: float = 1.0) -> Any:
    table = np.full((len(levels), LEVELS), absent)
    for target, given in enumerate(levels):
        for level in given:
            table[target, SEVERITIES.index(level.severity) - 1] = sign * getattr(level, field)
    return table


def life_policy(levels: Sequence[PolicyLevel], cap: float, pulls: Pulls, errors: int) -> Policy:
    """Policy of a remaining life between 0 and `cap`.

    Args:
        pulls: of a reading, on the published value and on the one that is compared with the levels.
        errors: number of error codes of the class.
    """
    return _build([levels], -1.0, pulls, (0.96 * cap, cap), (errors, 0))


def probability_policy(levels: Sequence[Sequence[PolicyLevel]], pulls: Pulls, errors: int) -> Policy:
    """Policy of the failure probabilities of T components, with the levels of each."""
    return _build(levels, 1.0, pulls, (-np.inf, 1.0), (errors, len(levels)))


def _build(
    levels: Sequence[Sequence[PolicyLevel]],
    sign: float,
    pulls: Pulls,
    bounds: tuple[float, float],
    codes: tuple[int, int],
) -> Policy:
    delays = (_table(levels, "on_delay", 1).astype(np.int64), _table(levels, "off_delay", 1).astype(np.int64))
    on, clear = _table(levels, "on", np.inf, sign), _table(levels, "clear", np.inf, sign)
    return Policy(sign, on, clear, *delays, *pulls, *bounds, *codes)
