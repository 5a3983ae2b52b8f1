"""Training of failure probabilities; the work is in progress."""

from __future__ import annotations

from models.asset_log import AssetLog
from models.preparation import TrainingError
from models.train_rul import Outcome, Progress


def train_failure(log: AssetLog, progress: Progress) -> Outcome:
    raise TrainingError(f"{log.asset_class.name}: this target cannot be trained yet.", "Train a `rul` target.")
