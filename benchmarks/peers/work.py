"""What each peer does with a reading: state of its asset, features by Millrace's kernels, LightGBM's predict, JSON.

JSON of a reading + row of the asset ─► checked event ─► AssetModel.step, LightGBM's forests ─► row, JSON of a score

This is what a user would write who has the same forests and the same features, and a stream library of their choice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import orjson

from models.maintenance import AssetModel
from models.registry import ModelStore
from schemas import Telemetry

CLASS = "pump"
TOPIC, SCORES = "telemetry.v1", "peer-scores.v1"


class LightGBMForest:
    """A forest by role as `AssetModel` asks it, scored by LightGBM on one thread."""

    def __init__(self, file: Path) -> None:
        self._booster = lgb.Booster(model_file=file)
        self.features = self._booster.num_feature()

    def score(self, rows: Any) -> Any:
        return self._booster.predict(rows, num_threads=1)


class Work:
    """The work, and how long it took: prints events a second and CPU us an event, from the first tenth to the last.

    Args:
        home: MILLRACE_HOME with the model; `forests/` in it has LightGBM's text of its forests.
        count: readings that there are.
    """

    def __init__(self, home: Path, count: int) -> None:
        store = ModelStore(home / "models")
        model = store.load(CLASS)
        forests = {role: LightGBMForest(home / "forests" / f"{CLASS}-{role}.txt") for role in model.scorers}
        self.model = AssetModel(replace(model, scorers=forests))  # type: ignore[arg-type]
        self.empty = np.zeros(1, self.model.dtype).tobytes()
        self._count, self._done = count, 0
        self._first, self._began, self._cpu = count // 10, 0.0, 0.0

    def one(self, value: bytes, row: bytes | None) -> tuple[bytes, bytes]:
        """A reading and the row of its asset to the row after it and a score."""
        rows = np.frombuffer(bytearray(row or self.empty), self.model.dtype)
        [score] = self.many([value], rows, np.zeros(1, np.int64))
        return rows.tobytes(), score

    def many(self, values: Sequence[bytes], rows: Any, slots: Any) -> list[bytes]:
        """Readings of assets in `slots` of `rows`, which are changed in place, to scores."""
        events = [Telemetry.model_validate_json(value) for value in values]
        told = self.model.step(rows, slots, self.model.encode(events))
        columns = told.value[:, 0].tolist(), told.low[:, 0].tolist(), told.high[:, 0].tolist()
        scores = [
            orjson.dumps(
                {
                    "asset_id": event.asset_id, "asset_class": CLASS, "event_time": event.event_time,
                    "event_id": event.event_id, "score": score, "low": low, "high": high,
                }
            )
            for event, score, low, high in zip(events, *columns, strict=True)
        ]  # fmt: skip
        self._tell(len(values))
        return scores

    def _tell(self, more: int) -> None:
        self._done += more
        if not self._began and self._done >= self._first:
            self._first, self._began, self._cpu = self._done, time.perf_counter(), time.process_time()
        elif self._done >= self._count:
            took, events = time.perf_counter() - self._began, self._done - self._first
            print("measured", events / took, (time.process_time() - self._cpu) / events * 1e6, flush=True)
            self._count = 1 << 62


def work_of_environment() -> Work:
    return Work(Path(os.environ["HOME_OF_PEER"]), int(os.environ["COUNT"]))
