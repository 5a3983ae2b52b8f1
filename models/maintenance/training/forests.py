"""What the trainers of asset classes share: progress, what they hand on, and how a forest is grown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from models.arrays import Floats
from models.held_out import HeldOut
from models.maintenance import Learned

FOLDS = 5
HELD_OUT, NOTHING = 0, -1  # the fold that the forest does not learn from where rows are wanted; and where not


@dataclass
class Trained:
    """What was learned of a group of sister classes: boosters by role are shared, the rest is by class."""

    boosters: dict[str, lgb.Booster]
    learned: list[Learned]
    metrics: list[dict[str, float]]
    check_rows: dict[str, npt.NDArray[np.float32]]  # rows of the kind that each role scores
    rows: int
    held_out: HeldOut | None = None  # rows of the fold that was held out of the forests, of all classes
    left_out: Mapping[int, float] = field(default_factory=dict)  # sensors that move and are not used, see `Chosen`


def grow(
    settings: Mapping[str, Any], rounds: int, rows: np.ndarray, target: Floats, weight: Floats | None = None
) -> lgb.Booster:
    """A forest, on one thread. A leaf needs a hundredth of the rows where that is less than the settings say."""
    leaf = int(np.clip(len(rows) // 100, 10, settings["min_data_in_leaf"]))
    return lgb.train({**settings, "min_data_in_leaf": leaf}, lgb.Dataset(rows, target, weight=weight), rounds)
