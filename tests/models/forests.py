"""Random LightGBM models of every kind that a pack can hold, small enough to train by the dozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

OBJECTIVES = (
    *("regression", "binary", "multiclass", "multiclassova", "poisson", "lambdarank", "rf", "cross_entropy_lambda"),
    *("huber", "reg_sqrt", "quantile", "regression_l1", "mape", "fair", "tweedie", "gamma", "cross_entropy"),
    *("rank_xendcg", "dart", "goss", "rf_binary", "own", "own_multiclass", "monotone", "no_average"),
)


def _own(predicted: np.ndarray, data: lightgbm.Dataset) -> tuple[np.ndarray, np.ndarray]:
    return predicted - data.get_label(), np.ones_like(predicted)


def _own_of_three(predicted: np.ndarray, data: lightgbm.Dataset) -> tuple[np.ndarray, np.ndarray]:
    return predicted - np.eye(3)[data.get_label().astype(int)], np.ones_like(predicted)


AVERAGED = {"boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1}
VARIANTS: dict[str, dict[str, Any]] = {
    "rf": AVERAGED | {"objective": "regression"},
    "rf_binary": AVERAGED | {"objective": "binary"},
    "reg_sqrt": {"objective": "regression", "reg_sqrt": True},
    "dart": {"objective": "regression", "boosting": "dart", "drop_rate": 0.5, "skip_drop": 0.2},
    "goss": {"objective": "regression", "data_sample_strategy": "goss"},
    "own": {"objective": _own},
    "own_multiclass": {"objective": _own_of_three},
    "monotone": {"objective": "regression", "path_smooth": 1.0},
    "no_average": {"objective": "regression", "boost_from_average": False},
}


@dataclass
class Case:
    booster: lightgbm.Booster
    rows: np.ndarray
    objective: str


def random_case(seed: int, objective: str) -> Case:
    """A model on random data: few or many cuts, NaN, zeros, values near 1e-35, categories, each missing type.

    Every fourth seed has trees of up to 400 leaves, features of more than 255 cuts, and many categories.
    """
    rng = np.random.default_rng([seed, OBJECTIVES.index(objective)])
    is_large = seed % 4 == 3
    rows, categorical = _random_rows(rng, 2500 if is_large else int(rng.integers(60, 900)))
    target = np.nan_to_num(rows[:, 0] / (np.nanstd(rows[:, 0]) + 1e-300)) + rng.normal(size=len(rows))
    target += sum(2 * np.sin(1e3 * np.nan_to_num(rows[:, f])) for f in categorical)  # each category on its own
    options, target, group = _objective(rng, objective, target)
    if objective == "monotone":
        options["monotone_constraints"] = [0 if f in categorical else 1 for f in range(rows.shape[1])]
    data = lightgbm.Dataset(
        rows, target, group=group, categorical_feature=categorical, params={"verbose": -1}, free_raw_data=False
    )
    large = {"num_leaves": 400, "max_bin": 5000, "min_data_in_leaf": 2, "max_cat_threshold": 200} if is_large else {}
    booster = lightgbm.train(_shape(rng) | large | options, data, int(rng.integers(1, 10 if is_large else 25)))
    return Case(booster, rows, objective)


def small_booster(features: int = 6, trees: int = 12, leaves: int = 15, **options: Any) -> tuple[Any, np.ndarray]:
    """A regression with NaN and a categorical feature, and the rows that it was trained on."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(600, features))
    rows[:, 0] = rng.integers(0, 30, 600)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    target = np.nan_to_num(rows[:, 1] * 2 + rows[:, 0] % 3)
    settings = {"verbose": -1, "num_threads": 1, "num_leaves": leaves, "min_data_in_leaf": 3, "min_data_per_group": 3}
    data = lightgbm.Dataset(rows, target, categorical_feature=[0], params={"verbose": -1}, free_raw_data=False)
    return lightgbm.train(settings | options, data, trees), rows


def _random_rows(rng: np.random.Generator, count: int) -> tuple[np.ndarray, list[int]]:
    features = int(rng.integers(1, 12))
    rows = rng.normal(size=(count, features)) * 10.0 ** rng.integers(-3, 4, features)
    for f in range(features):
        kind = rng.integers(0, 6)
        if kind == 0:
            rows[:, f] = np.round(rows[:, f])
        elif kind == 1:
            rows[rng.random(count) < rng.random(), f] = 0
        elif kind == 2:
            rows[:, f] *= 10.0 ** rng.choice([-37, -35, -34, 30])
    categorical = [f for f in range(features) if rng.random() < 0.3]
    for f in categorical:
        rows[:, f] = rng.integers(0, 500 if count > 900 else rng.choice([2, 5, 40, 700]), count) * rng.choice([1, 1, 7])
    if rng.random() < 0.6:
        rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows, categorical


def _shape(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "verbose": -1,
        "num_threads": 1,
        "seed": int(rng.integers(1 << 30)),
        "learning_rate": 0.2,
        "num_leaves": int(rng.choice([2, 3, 7, 15, 63, 64, 255, 257, 400])),
        "min_data_in_leaf": int(rng.integers(1, 8)),
        "min_sum_hessian_in_leaf": 1e-6,
        "min_data_in_bin": 1,
        "min_data_per_group": 1,
        "max_cat_threshold": int(rng.integers(1, 64)),
        "max_cat_to_onehot": int(rng.integers(1, 6)),
        "cat_l2": 0.1,
        "max_bin": int(rng.choice([3, 15, 255, 1000, 5000])),
        "zero_as_missing": bool(rng.random() < 0.25),
        "use_missing": bool(rng.random() < 0.8),
        "extra_trees": bool(rng.random() < 0.2),
        "feature_pre_filter": False,
    }


def _objective(rng: np.random.Generator, name: str, target: np.ndarray) -> tuple[dict[str, Any], np.ndarray, Any]:
    thirds = np.digitize(target, np.quantile(target, [0.3, 0.7]))
    halves = (target > np.median(target)).astype(int)
    options: dict[str, Any] = {"objective": name} | VARIANTS.get(name, {})
    if name == "binary":
        return options | {"sigmoid": float(rng.choice([1.0, 0.7]))}, halves, None
    if name == "rf_binary":
        return options, halves, None
    if "multiclass" in name:
        return options | {"num_class": 3}, thirds, None
    if name in {"poisson", "tweedie", "gamma"}:
        return options, np.abs(target) + 1e-3, None
    if name.startswith("cross_entropy"):
        return options, (target - target.min()) / (np.ptp(target) + 1e-9), None
    if name in {"lambdarank", "rank_xendcg"}:
        return options, thirds, [len(target)]
    return options, target, None
