"""A Booster as plain trees with LightGBM's decisions made explicit.

Booster ─► model text ─► treelite ─► Forest of Trees of Splits and leaves

treelite reads the forest. Beside it the model text is read for what treelite 4.8.1 loses: `zero_as_missing` (dropped)
and the sigmoid's alpha (rounded to float32).
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import treelite

from models.pack import LINKS
from schemas.errors import ModelError

ZERO_THRESHOLD = float(np.float32(1e-35))  # LightGBM's kZeroThreshold: a row's |x| below or at it is read as 0.0
LINK_OF_POSTPROCESSOR = {
    "identity": "identity",
    "identity_multiclass": "identity",
    "sigmoid": "sigmoid",
    "multiclass_ova": "sigmoid",
    "exponential": "exponential",
    "softmax": "softmax",
    "logarithm_one_plus_exp": "log1p_exp",
    "signed_square": "signed_square",
}
assert set(LINK_OF_POSTPROCESSOR.values()) == set(LINKS)
# treelite's node types and comparison
LEAF, CATEGORICAL = 0, 2
LESS_OR_EQUAL = 3
# LightGBM's missing types: bits 2 and 3 of a split's decision type (its include/LightGBM/bin.h and tree.h)
MISSING_NONE, MISSING_ZERO = 0, 1


class NumericSplit(NamedTuple):
    """Left where x <= cut. NaN goes left or right; where `zero_is_missing`, zero goes with it."""

    feature: int
    cut: float
    missing_left: bool
    zero_is_missing: bool


class CategoricalSplit(NamedTuple):
    """Left where the category is one of these; NaN and every other one go right."""

    feature: int
    categories: tuple[int, ...]


@dataclass
class Tree:
    """Splits in preorder with the children of each (`>= 0` a split, `~leaf` a leaf), leaves from left to right."""

    output: int
    splits: list[NumericSplit | CategoricalSplit] = field(default_factory=list)
    children: list[list[int]] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)
    covers: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Forest:
    """`raw` score of an output: the sum of its trees' leaves; prediction: link(raw / divisor)."""

    features: int
    outputs: int
    link: str
    alpha: float
    divisor: float
    trees: list[Tree]


def forest_of(booster: lightgbm.Booster, name: str) -> Forest:
    """The forest of a Booster (up to its best iteration, like `predict`).

    Raises:
        ModelError: linear trees, several targets, a link or a comparison that packs do not have.
    """
    text = booster.model_to_string()
    if re.search(r"^is_linear=1$", text, re.MULTILINE):
        raise _refused(name, "it has linear trees", "Train without linear_tree.")
    model = _read_by_treelite(text)
    header = model.get_header_accessor().get_field
    if int(header("num_target")[0]) != 1:
        raise _refused(name, "it has several targets", "Train one model for each target.")
    if np.any(np.asarray(header("base_scores"))):
        raise _refused(name, "it has base scores, which LightGBM's do not", "Train with LightGBM.")
    link = LINK_OF_POSTPROCESSOR.get(header("postprocessor"))
    if link is None:
        raise _refused(name, f"its link {header('postprocessor')!r} is unknown", f"Known are {', '.join(LINKS)}.")
    blocks = re.split(r"\nTree=\d+\n", text)[1:]
    if model.num_tree != len(blocks) or not blocks:
        raise _refused(name, f"its text has {len(blocks)} trees and treelite read {model.num_tree}", "")
    outputs = int(header("num_class")[0])
    classes = header("class_id")
    alpha = re.search(r"^objective=.*\bsigmoid:(\S+)", text, re.MULTILINE)
    return Forest(
        features=int(header("num_feature")[0]),
        outputs=outputs,
        link=link,
        alpha=float(alpha.group(1)) if alpha else 1.0,
        divisor=float(len(blocks) // outputs) if int(header("average_tree_output")[0]) else 1.0,
        trees=[
            _tree(model.get_tree_accessor(i), block, max(int(classes[i]), 0), name) for i, block in enumerate(blocks)
        ],
    )


def _read_by_treelite(text: str) -> Any:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        return treelite.frontend.load_lightgbm_model(file.name)


def _integers(block: str, key: str) -> list[int]:
    found = re.search(rf"^{key}=(.*)$", block, re.MULTILINE)
    return [int(value) for value in found.group(1).split()] if found else []


def _tree(accessor: Any, block: str, output: int, name: str) -> Tree:
    """One tree, walked through treelite's nodes and LightGBM's in step, left before right."""
    get = accessor.get_field
    kind, left, right, values, counts = (
        get(key) for key in ("node_type", "cleft", "cright", "leaf_value", "data_count")
    )
    own_left, own_right = _integers(block, "left_child"), _integers(block, "right_child")
    decisions = _integers(block, "decision_type")
    read = _SplitReader(accessor, name)
    tree = Tree(output)
    waiting = [(0, 0, -1, 0)]  # treelite's node, LightGBM's node, parent among ours, side
    while waiting:
        node, own, parent, side = waiting.pop()
        if kind[node] == LEAF:
            place = ~len(tree.leaves)
            tree.leaves.append(float(values[node]))
            tree.covers.append(float(max(counts[node], 1)))  # a leaf that no row reached counts as one row
        else:
            place = len(tree.splits)
            tree.splits.append(read.split(node, decisions[own]))
            tree.children.append([0, 0])
            waiting.append((int(right[node]), own_right[own], place, 1))
            waiting.append((int(left[node]), own_left[own], place, 0))
        if parent >= 0:
            tree.children[parent][side] = place
    if not np.all(np.isfinite(tree.leaves)):
        raise _refused(name, "a leaf is not finite", "Look for infinite labels or weights in its training data.")
    return tree


class _SplitReader:
    """Splits of one treelite tree."""

    def __init__(self, accessor: Any, name: str) -> None:
        get = accessor.get_field
        self._name = name
        self._kind, self._feature, self._threshold = get("node_type"), get("split_index"), get("threshold")
        self._comparison = get("cmp")
        self._categories, self._in_right = get("category_list"), get("category_list_right_child")
        self._begin, self._end = get("category_list_begin"), get("category_list_end")

    def split(self, node: int, decision: int) -> NumericSplit | CategoricalSplit:
        feature = int(self._feature[node])
        if self._kind[node] == CATEGORICAL:
            if self._in_right[node]:
                raise _refused(self._name, "a category list stands for the right child", "")
            chosen = self._categories[int(self._begin[node]) : int(self._end[node])]
            return CategoricalSplit(feature, tuple(int(category) for category in chosen))
        if self._comparison[node] != LESS_OR_EQUAL:
            raise _refused(self._name, f"a comparison has treelite's code {int(self._comparison[node])}", "")
        return _numeric(feature, float(self._threshold[node]), decision)


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


def _refused(name: str, what: str, advice: str) -> ModelError:
    return ModelError(f"Model {name} cannot be compiled: {what}. No pack was written.", advice)
