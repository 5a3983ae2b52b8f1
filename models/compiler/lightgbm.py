"""A LightGBM Booster as a Forest whose raw scores have the Booster's bits.

Booster ─► model text ─► treelite ─► Forest

Beside treelite the model text is read for what treelite 4.8.1 loses: `zero_as_missing` (dropped), the sigmoid's alpha
(rounded to float32), and models of several outputs with an objective of one's own (refused).
"""

from __future__ import annotations

import re
import tempfile
from typing import Any

import lightgbm
import numpy as np
import treelite

from models.compiler.forest import (
    LESS_OR_EQUAL,
    ZERO_THRESHOLD,
    CategoricalSplit,
    Forest,
    NumericSplit,
    Split,
    Tree,
    TreeReader,
    link_of,
    read_by_treelite,
    refused,
)

# LightGBM's missing types: bits 2 and 3 of a split's decision type (its include/LightGBM/bin.h and tree.h)
MISSING_NONE, MISSING_ZERO = 0, 1


class LightGBMSource:
    """A Booster (or the Booster of an LGBMModel) up to its best iteration, like `predict`."""

    rounding = None

    def __init__(self, model: Any, name: str) -> None:
        self._booster = model.booster_ if isinstance(model, lightgbm.LGBMModel) else model
        self.forest = _forest_of(self._booster, name)

    def raw(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._booster.predict(rows, raw_score=True, pred_early_stop=False))

    def leaves(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._booster.predict(rows, pred_leaf=True)).reshape(len(rows), -1)

    def readable(self, rows: np.ndarray) -> np.ndarray:
        return rows


def _forest_of(booster: lightgbm.Booster, name: str) -> Forest:
    text = booster.model_to_string()
    if re.search(r"^is_linear=1$", text, re.MULTILINE):
        raise refused(name, "it has linear trees", "Train without linear_tree.")
    outputs = int(re.findall(r"^num_tree_per_iteration=(\d+)$", text, re.MULTILINE)[0])
    has_objective = re.search(r"^objective=", text, re.MULTILINE) is not None
    if not has_objective and outputs > 1:  # one's own objective; treelite wants to read that of some multiclass model
        text = re.sub(r"^(num_class=.*)$", rf"\1\nobjective=multiclass num_class:{outputs}", text, flags=re.MULTILINE)
    model = read_by_treelite(lambda: _read(text), name)
    header = model.get_header_accessor().get_field
    blocks = re.split(r"\nTree=\d+\n", text)[1:]
    if model.num_tree != len(blocks):
        what = f"its text has {len(blocks)} trees and treelite read {model.num_tree}"
        raise refused(name, what, "Please report it with the model's text.")
    alpha = re.search(r"^objective=.*\bsigmoid:(\S+)", text, re.MULTILINE)
    return Forest(
        features=int(header("num_feature")[0]),
        outputs=outputs,
        link=link_of(header, name) if has_objective else "identity",
        alpha=float(alpha.group(1)) if alpha else 1.0,
        divisor=float(len(blocks) // outputs) if int(header("average_tree_output")[0]) else 1.0,
        trees=[_tree(model.get_tree_accessor(i), block, i, i % outputs, name) for i, block in enumerate(blocks)],
    )


def _read(text: str) -> Any:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        return treelite.frontend.load_lightgbm_model(file.name)


def _integers(block: str, key: str) -> list[int]:
    found = re.search(rf"^{key}=(.*)$", block, re.MULTILINE)
    return [int(value) for value in found.group(1).split()] if found else []


def _tree(accessor: Any, block: str, number: int, output: int, name: str) -> Tree:
    reader = TreeReader(accessor, name)
    decisions = _integers(block, "decision_type")

    def split(node: int, own: int) -> Split:
        feature = reader.feature(node)
        if reader.is_categorical(node):
            categories, in_right = reader.categories(node)
            return CategoricalSplit(feature, categories, not in_right)
        return _numeric(feature, reader.threshold(node, LESS_OR_EQUAL), decisions[own])

    tree = reader.tree(output, (_integers(block, "left_child"), _integers(block, "right_child")), split)
    tree.number, tree.nodes = number, [~node for node in tree.nodes]  # LightGBM's leaves are ~leaf among its children
    return tree


def _numeric(feature: int, threshold: float, decision: int) -> NumericSplit:
    """Rows keep their values, so what LightGBM does to a row before the trees is done to the cut instead.

    It reads |x| <= 1e-35f as 0.0: a cut within that band moves to its edge, on the side that keeps 0.0 where it was.
    NaN is 0.0 for a split without missing values; with missing type Zero, 0.0 and NaN take the default direction.
    """
    missing = decision >> 2 & 3
    cut = threshold
    if -ZERO_THRESHOLD <= cut < ZERO_THRESHOLD:
        cut = float(np.nextafter(-ZERO_THRESHOLD, -np.inf)) if cut < 0 else ZERO_THRESHOLD
    missing_left = cut >= 0.0 if missing == MISSING_NONE else bool(decision & 2)
    return NumericSplit(feature, cut, missing_left, missing == MISSING_ZERO)
