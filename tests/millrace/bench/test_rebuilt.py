"""A forest rebuilt for another library scores as LightGBM's does, missing values included."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
import pytest
import xgboost

from millrace.bench.rebuilt import xgboost_json


@pytest.mark.parametrize("has_missing", [False, True])
def test_xgboost_scores_as_lightgbm(tmp_path: Path, has_missing: bool) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(4000, 6)).astype(np.float32)
    truth = rows[:, 0] * rows[:, 1] + np.abs(rows[:, 2])
    if has_missing:
        rows[rng.random(rows.shape) < 0.2] = np.nan
    booster = lightgbm.train({"num_leaves": 31, "verbose": -1}, lightgbm.Dataset(rows, truth), 40)
    rows[:50] = np.nan  # also where none was missing in training
    file = tmp_path / "forest.json"
    file.write_bytes(xgboost_json(booster))
    scores = xgboost.Booster({"nthread": 1}, model_file=str(file)).inplace_predict(rows)
    np.testing.assert_allclose(scores, booster.predict(rows), rtol=1e-4, atol=1e-5)
