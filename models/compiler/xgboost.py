"""An XGBoost model as a Forest: the same leaf in every tree, the sums in float64 where XGBoost's are in float32.

Booster ─► its UBJSON ─► treelite ─► Forest (the base scores are trees of one leaf, before all others)

Beside treelite the model's JSON is read for the weights of dart (the product with the leaf in full) and for the margin
of a base score that is a probability (XGBoost takes its logit in float32).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import treelite
import xgboost

from models.compiler.forest import (
    FLOAT32_MAX,
    LESS,
    CategoricalSplit,
    Forest,
    NumericSplit,
    Split,
    Tree,
    TreeReader,
    base_trees,
    cut_of_float32,
    link_of,
    read_by_treelite,
    refused,
)


class XGBoostSource:
    """A Booster with all of its rounds, or an XGBModel up to its best iteration: as their `predict`."""

    rounding = 2.0**-24

    def __init__(self, model: Any, name: str) -> None:
        booster = model
        if isinstance(model, xgboost.XGBModel):
            if model.missing is not None and not np.isnan(model.missing):
                what = f"it takes {model.missing!r} for a missing value"
                raise refused(name, what, "Train with missing=nan, and put NaN into the rows.")
            booster = model.get_booster()
            rounds = getattr(model, "best_iteration", None) if model.early_stopping_rounds else None
            booster = booster if rounds is None else booster[: rounds + 1]
        self._booster: Any = booster
        learner = json.loads(booster.save_raw("json"))["learner"]
        if learner["gradient_booster"]["name"] not in {"gbtree", "dart"}:
            what = f"its booster {learner['gradient_booster']['name']!r} has no trees"
            raise refused(name, what, "Train with gbtree or dart.")
        _check_categories(learner, name)
        self.forest = _forest_of(booster, learner, name)
        asked = {s.feature for tree in self.forest.trees for s in tree.splits if isinstance(s, CategoricalSplit)}
        # a file need not have the types: then the trees tell which features they ask for a category
        self._types = booster.feature_types or ["c" if i in asked else "q" for i in range(self.forest.features)]
        self._categorical = [i for i, kind in enumerate(self._types) if kind == "c"]

    def raw(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._booster.predict(self._matrix(rows), output_margin=True, validate_features=False))

    def leaves(self, rows: np.ndarray) -> np.ndarray:
        found = self._booster.predict(self._matrix(rows), pred_leaf=True, validate_features=False)
        return np.asarray(found).astype(np.int64).reshape(len(rows), -1)

    def readable(self, rows: np.ndarray) -> np.ndarray:
        """DMatrix refuses what is infinite as a float32; categories are whole numbers."""
        rows = np.clip(rows, -FLOAT32_MAX, FLOAT32_MAX)
        rows[:, self._categorical] = np.floor(rows[:, self._categorical])
        return rows

    def _matrix(self, rows: np.ndarray) -> Any:
        return xgboost.DMatrix(rows, feature_types=self._types, enable_categorical=True, nthread=1)


def _check_categories(learner: dict[str, Any], name: str) -> None:
    """Raises:
    ModelError: a feature's categories were texts in training: rows have numbers, and only XGBoost knows which is which.
    """
    booster = learner["gradient_booster"]
    encoders = (booster.get("gbtree", booster)["model"].get("cats") or {}).get("enc") or []
    named = learner["feature_names"] or [str(number) for number in range(len(encoders))]
    encoded = [feature for feature, one in zip(named, encoders, strict=False) if one.get("values")]
    if encoded:
        what = f"the categories of {', '.join(encoded)} were given as text, and rows have numbers"
        advice = "Train with the categories as whole numbers from 0 on, and feature_types 'c'."
        raise refused(name, what, advice)


def _forest_of(booster: Any, learner: dict[str, Any], name: str) -> Forest:
    model = read_by_treelite(lambda: treelite.frontend.from_xgboost(booster), name)
    header = model.get_header_accessor().get_field
    link = link_of(header, name)
    outputs = int(header("num_class")[0])
    bases = np.asarray(header("base_scores"), np.float64)
    if link == "sigmoid":
        probability = np.asarray(json.loads(learner["learner_model_param"]["base_score"]), np.float32)
        with np.errstate(divide="ignore"):
            bases = -np.log(np.float32(1) / probability - np.float32(1))
    booster_of = learner["gradient_booster"]
    own = booster_of.get("gbtree", booster_of)["model"]
    dropped = booster_of.get("weight_drop") or own.get("weight_drop")  # of dart: there in XGBoost 3.2, here in 3.4
    weights = np.asarray(dropped or np.ones(model.num_tree), np.float32)
    classes = header("class_id")
    return Forest(
        features=int(header("num_feature")[0]),
        outputs=outputs,
        link=link,
        alpha=1.0,
        divisor=1.0,
        trees=[
            *base_trees(np.broadcast_to(bases, outputs), name),
            *(
                _tree(model.get_tree_accessor(i), own["trees"][i], i, max(int(classes[i]), 0), float(weights[i]), name)
                for i in range(model.num_tree)
            ),
        ],
    )


def _tree(accessor: Any, own: dict[str, Any], number: int, output: int, weight: float, name: str) -> Tree:
    """`own`: the tree in XGBoost's JSON, whose leaves are under `split_conditions`."""
    reader = TreeReader(accessor, name)

    def split(node: int, _: int) -> Split:
        feature, missing_left = reader.feature(node), bool(reader.default_left[node])
        if reader.is_categorical(node):
            categories, in_right = reader.categories(node)
            return CategoricalSplit(feature, categories, not in_right, missing_left)
        return NumericSplit(feature, cut_of_float32(reader.threshold(node, LESS), is_strict=True), missing_left)

    tree = reader.tree(output, (own["left_children"], own["right_children"]), split)
    tree.number = number
    tree.leaves = [float(np.float32(own["split_conditions"][node])) * weight for node in tree.nodes]
    return tree
