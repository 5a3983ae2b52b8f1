"""Forests rebuilt node by node for libraries that do not read LightGBM's text: XGBoost and YDF.

LightGBM's dump ─► its nodes ─► XGBoost's JSON | trees of YDF

Both go left or right by `x < cut` of float32 where LightGBM asks `x <= threshold` of float64, so a cut is the next
float32 above the threshold. For forests of numbers. Imports numpy alone, see contestants.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


def trees_of(booster: Any) -> Iterator[dict[str, Any]]:
    """Root of each tree, as LightGBM dumps it."""
    return (tree["tree_structure"] for tree in booster.dump_model()["tree_info"])


def cut_of(node: dict[str, Any]) -> float:
    """The smallest float32 that is above the threshold."""
    threshold = node["threshold"]
    with np.errstate(over="ignore"):  # infinity: all that is not missing
        cut = np.float32(threshold)
    return float(cut if float(cut) > threshold else np.nextafter(cut, np.float32(np.inf)))


def goes_left_without(node: dict[str, Any]) -> bool:
    """Where a missing value goes; it counts as 0 where none was missing in training."""
    return bool(node["default_left"]) if node["missing_type"] == "NaN" else node["threshold"] >= 0.0


def xgboost_json(booster: Any) -> bytes:
    """The forest as XGBoost's `load_model` takes it; scores are sums of float32."""
    trees = [_xgboost_tree(number, tree, booster.num_feature()) for number, tree in enumerate(trees_of(booster))]
    model = {
        "gbtree_model_param": {"num_trees": str(len(trees)), "num_parallel_tree": "1"},
        "iteration_indptr": list(range(len(trees) + 1)),
        "trees": trees,
        "tree_info": [0] * len(trees),
    }
    learner = {
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {"name": "gbtree", "model": model},
        "learner_model_param": {
            "base_score": "0", "boost_from_average": "0", "num_class": "0", "num_target": "1",
            "num_feature": str(booster.num_feature()),
        },
        "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
    }  # fmt: skip
    return json.dumps({"learner": learner, "version": [2, 0, 0]}).encode()


def _xgboost_tree(number: int, root: dict[str, Any], features: int) -> dict[str, Any]:
    """Breadth-first, as the right child must follow the left one."""
    nodes, parents, lefts = [root], [2**31 - 1], list[int]()
    for place, node in enumerate(nodes):  # which grows meanwhile
        lefts.append(-1 if "leaf_value" in node else len(nodes))
        if "leaf_value" not in node:
            nodes += [node["left_child"], node["right_child"]]
            parents += [place, place]
    count = len(nodes)
    columns = {
        "left_children": lefts,
        "right_children": [left + 1 if left > 0 else -1 for left in lefts],
        "parents": parents,
        "split_indices": [node.get("split_feature", 0) for node in nodes],
        "split_conditions": [node["leaf_value"] if "leaf_value" in node else cut_of(node) for node in nodes],
    }
    return columns | {
        "id": number,
        "base_weights": [0.0] * count,
        "loss_changes": [0.0] * count,
        "sum_hessian": [1.0] * count,
        "default_left": [int("leaf_value" not in node and goes_left_without(node)) for node in nodes],
        "split_type": [0] * count,
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "tree_param": {
            "num_nodes": str(count), "num_feature": str(features), "num_deleted": "0", "size_leaf_vector": "1",
        },
    }  # fmt: skip


def ydf_model(library: Any, booster: Any, folder: Path) -> Any:
    """The forest in YDF; its constructor is training, so a small forest is trained and gets other trees."""
    names = [f"x{number:03}" for number in range(booster.num_feature())]
    rows = np.random.default_rng(0).normal(size=(256, len(names))).astype(np.float32)
    data = dict(zip(names, rows.T, strict=True)) | {"y": rows[:, 0]}
    learner = library.GradientBoostedTreesLearner(
        label="y", task=library.Task.REGRESSION, num_trees=1, validation_ratio=0.0, working_dir=str(folder)
    )
    model = learner.train(data, verbose=0)
    places = model.input_features_col_idxs()
    model.set_initial_predictions([0.0])
    for number, root in enumerate(trees_of(booster)):
        tree = library.tree.Tree(root=_ydf_node(library.tree, root, places))
        if number == 0:
            model.set_tree(0, tree)
        else:
            model.add_tree(tree)
    return model


def _ydf_node(kinds: Any, node: dict[str, Any], places: list[int]) -> Any:
    if "leaf_value" in node:
        return kinds.Leaf(value=kinds.RegressionValue(num_examples=1.0, value=node["leaf_value"]))
    condition = kinds.NumericalHigherThanCondition(
        missing=not goes_left_without(node), score=0.0, attribute=places[node["split_feature"]], threshold=cut_of(node)
    )
    below, above = (_ydf_node(kinds, node[side], places) for side in ("left_child", "right_child"))
    return kinds.NonLeaf(condition=condition, pos_child=above, neg_child=below)
