"""Random models of XGBoost and scikit-learn of every kind that a pack can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from sklearn import ensemble

XGBOOST = {
    "reg:squarederror": {},
    "reg:squarederror dart": {"booster": "dart", "rate_drop": 0.5},
    "reg:squarederror parallel": {"num_parallel_tree": 4, "subsample": 0.6},
    "reg:squarederror pruned": {"tree_method": "exact", "gamma": 0.5},
    "reg:absoluteerror": {},
    "reg:quantileerror": {"quantile_alpha": 0.3},
    "reg:pseudohubererror": {},
    "reg:squaredlogerror": {},
    "reg:logistic": {},
    "reg:gamma": {},
    "reg:tweedie": {},
    "count:poisson": {},
    "survival:cox": {},
    "binary:logistic": {},
    "binary:logistic base": {"base_score": 0.9},
    "binary:logitraw": {},
    "multi:softprob": {"num_class": 3},
    "multi:softprob parallel": {"num_class": 3, "num_parallel_tree": 2, "subsample": 0.7},
    "rank:ndcg": {},
    "rank:pairwise": {},
}
SKLEARN = {
    "RandomForestRegressor": {"n_estimators": 7},
    "RandomForestRegressor poisson": {"n_estimators": 7, "criterion": "poisson", "max_depth": 6},
    "ExtraTreesRegressor": {"n_estimators": 5},
    "RandomForestClassifier": {"n_estimators": 7},
    "RandomForestClassifier three": {"n_estimators": 5, "class_weight": "balanced", "max_leaf_nodes": 60},
    "ExtraTreesClassifier three": {"n_estimators": 4, "bootstrap": True, "max_depth": 8},
    "GradientBoostingRegressor": {"n_estimators": 15, "max_depth": 5},
    "GradientBoostingRegressor huber": {"n_estimators": 9, "loss": "huber", "init": "zero", "subsample": 0.7},
    "GradientBoostingRegressor early": {"n_estimators": 100, "n_iter_no_change": 2},
    "GradientBoostingClassifier": {"n_estimators": 9},
    "GradientBoostingClassifier exponential": {"n_estimators": 9, "loss": "exponential"},
    "GradientBoostingClassifier three": {"n_estimators": 6},
    "HistGradientBoostingRegressor": {"max_iter": 12},
    "HistGradientBoostingRegressor poisson": {"max_iter": 9, "loss": "poisson"},
    "HistGradientBoostingRegressor gamma": {"max_iter": 9, "loss": "gamma"},
    "HistGradientBoostingRegressor large": {"max_iter": 4, "max_leaf_nodes": None, "min_samples_leaf": 1},
    "HistGradientBoostingClassifier": {"max_iter": 9, "class_weight": "balanced"},
    "HistGradientBoostingClassifier three": {"max_iter": 6, "early_stopping": True},
}
OPTIONAL_NAN = ("RandomForest", "ExtraTrees", "Hist")


@dataclass
class OtherCase:
    model: Any
    rows: np.ndarray
    categorical: list[int]


def xgboost_case(seed: int, kind: str) -> OtherCase:
    """A Booster on random data: few or many cuts, NaN, denormals, categories in one hot and in sets."""
    rng = np.random.default_rng([seed, list(XGBOOST).index(kind)])
    objective = kind.split(" ", maxsplit=1)[0]
    rows, categorical = random_rows(rng, categories=50 if "exact" not in XGBOOST[kind].values() else 0)
    target = _target(rng, rows, objective, categorical)
    types = ["c" if f in categorical else "q" for f in range(rows.shape[1])]
    data = xgboost.DMatrix(rows, target, feature_types=types, enable_categorical=True, nthread=1)
    if objective.startswith("rank"):
        data.set_group([len(rows)])
    options = {
        "objective": objective,
        "nthread": 1,
        "verbosity": 0,
        "max_depth": int(rng.choice([1, 3, 6, 10])),
        "max_bin": int(rng.choice([4, 64, 1000])),
        "min_child_weight": 0.1,
        "max_cat_to_onehot": int(rng.choice([1, 100])),
        "learning_rate": 0.4,
    }
    return OtherCase(xgboost.train(options | XGBOOST[kind], data, int(rng.integers(1, 15))), rows, categorical)


def sklearn_case(seed: int, kind: str) -> OtherCase:
    """A fitted forest of scikit-learn; NaN and categories where it takes them."""
    rng = np.random.default_rng([seed, list(SKLEARN).index(kind)])
    takes_categories = kind.startswith("Hist")
    rows, categorical = random_rows(rng, categories=50 if takes_categories else 0)
    rows = np.clip(rows, -1e37, 1e37)
    if not kind.startswith(OPTIONAL_NAN):
        rows = np.nan_to_num(rows)
    options: dict[str, Any] = SKLEARN[kind] | {"random_state": seed}
    if takes_categories:
        options["categorical_features"] = categorical
    meant = "multi" if "three" in kind else "binary" if "Classifier" in kind else "reg:gamma"
    model = getattr(ensemble, kind.split(" ", maxsplit=1)[0])(**options)
    return OtherCase(model.fit(rows, _target(rng, rows, meant, categorical)), rows, categorical)


def random_rows(rng: np.random.Generator, categories: int) -> tuple[np.ndarray, list[int]]:
    count, features = int(rng.integers(80, 700)), int(rng.integers(1, 9))
    rows = rng.normal(size=(count, features)) * 10.0 ** rng.integers(-3, 4, features)
    for f in range(features):
        kind = rng.integers(0, 5)
        if kind == 0:
            rows[:, f] = np.round(rows[:, f])
        elif kind == 1:
            rows[:, f] *= 10.0 ** rng.choice([-42, -37, 30])
    categorical = [f for f in range(features) if categories and rng.random() < 0.4]
    for f in categorical:
        rows[:, f] = rng.integers(0, rng.choice([2, 5, categories]), count) * rng.choice([1, 1, 7])
    if rng.random() < 0.7:
        rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows, categorical


def _target(rng: np.random.Generator, rows: np.ndarray, objective: str, categorical: list[int]) -> np.ndarray:
    target = np.nan_to_num(rows[:, 0] / (np.nanstd(rows[:, 0]) + 1e-300)) + rng.normal(size=len(rows))
    target += sum(2 * np.sin(1e3 * np.nan_to_num(rows[:, f])) for f in categorical)
    if objective.startswith(("binary", "reg:logistic")):
        return (target > np.median(target)).astype(int)
    if objective.startswith(("multi", "rank")):
        return np.digitize(target, np.quantile(target, [0.3, 0.7]))
    if objective.startswith(("reg:gamma", "reg:tweedie", "count", "survival", "reg:squaredlog")):
        return np.abs(target) + 0.01
    return target
