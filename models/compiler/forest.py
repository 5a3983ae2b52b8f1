"""A forest of any library as plain trees, with the library's decisions made explicit.

model ─► reader of its library (lightgbm, xgboost, sklearn) ─► Source: its Forest, and the model to prove it by

treelite reads all of them; each reader adds what treelite loses of its library. xgboost and scikit-learn are imported
only for a model that is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from models.packs import LINKS
from schemas import ModelError

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
# treelite's node types and comparisons
LEAF, CATEGORICAL = 0, 2
LESS, LESS_OR_EQUAL = 2, 3
FLOAT32_MAX = float(np.finfo(np.float32).max)
ZERO_THRESHOLD = float(np.float32(1e-35))  # LightGBM's kZeroThreshold: a row's |x| below or at it is read as 0.0
BASE_SCORE = -1  # number of the tree that holds a base score: the library has no such tree


class NumericSplit(NamedTuple):
    """Left where x <= cut. NaN goes left or right; where `zero_is_missing`, zero goes with it."""

    feature: int
    cut: float
    missing_left: bool
    zero_is_missing: bool = False


class CategoricalSplit(NamedTuple):
    """The categories of the list go to the side `named_left` says, every other one to the opposite; NaN by its own."""

    feature: int
    categories: tuple[int, ...]
    named_left: bool = True
    missing_left: bool = False


Split = NumericSplit | CategoricalSplit


@dataclass
class Tree:
    """Splits in preorder with the children of each (`>= 0` a split, `~leaf` a leaf), leaves from left to right.

    `number` is the place of the tree in the library's model, `nodes` the library's number of each leaf.
    """

    output: int
    splits: list[Split] = field(default_factory=list)
    children: list[list[int]] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)
    covers: list[float] = field(default_factory=list)
    number: int = BASE_SCORE
    nodes: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Forest:
    """`raw` score of an output: the sum of its trees' leaves; prediction: link(raw / divisor)."""

    features: int
    outputs: int
    link: str
    alpha: float
    divisor: float
    trees: list[Tree]


class Source(Protocol):
    """A model of some library, as the parity gate asks it."""

    @property
    def forest(self) -> Forest: ...

    @property
    def rounding(self) -> float | None:
        """Unit roundoff of the library's own sums; None: the sums of the pack have their bits."""

    def raw(self, rows: np.ndarray) -> np.ndarray:
        """Raw scores of the library, (n,) or (n, outputs); of averaged forests the average if `rounding` is set."""

    def leaves(self, rows: np.ndarray) -> np.ndarray:
        """The library's number of the leaf of each row in each of its trees, (n, trees). Needed with `rounding`."""

    def readable(self, rows: np.ndarray) -> np.ndarray:
        """The rows, with other values in the place of those that the library refuses."""


def read_by_treelite(read: Callable[[], Any], name: str) -> Any:
    """What `read` gives: a model of treelite, whose errors become ours.

    Raises:
        ModelError: treelite does not know this kind of model, or it has no trees, or several targets.
    """
    import treelite

    try:
        with np.errstate(invalid="ignore"):  # its scikit-learn reader casts NaN among known categories
            model = read()
    except (treelite.TreeliteError, NotImplementedError, AssertionError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise refused(name, f"treelite does not read it ({reason})", "docs/pack.md says what packs hold.") from error
    if int(model.get_header_accessor().get_field("num_target")[0]) != 1:
        raise refused(name, "it has several targets", "Train one model for each target.")
    if model.num_tree == 0:
        raise refused(name, "it has no trees", "Train at least one round.")
    return model


def link_of(header: Callable[[str], Any], name: str) -> str:
    """The link that treelite calls a postprocessor.

    Raises:
        ModelError: packs do not have it.
    """
    link = LINK_OF_POSTPROCESSOR.get(header("postprocessor"))
    if link is None:
        advice = f"Known are {', '.join(LINKS)}: train with an objective that has one of them."
        raise refused(name, f"its link {header('postprocessor')!r} is unknown", advice)
    return link


def base_trees(values: np.ndarray, name: str) -> list[Tree]:
    """The base score of each output as a tree of one leaf. They come before the trees that they are added to.

    Raises:
        ModelError: one is infinite, as the logit of labels that are all of one class.
    """
    if not np.all(np.isfinite(values)):
        raise refused(name, "its base score is infinite", "Train on labels of both classes.")
    return [Tree(output, leaves=[float(value)], covers=[1.0], nodes=[0]) for output, value in enumerate(values)]


class TreeReader:
    """One tree of treelite: its arrays, and the walk over them."""

    def __init__(self, accessor: Any, name: str) -> None:
        get = self._get = accessor.get_field
        self.name = name
        self.left, self.right = get("cleft"), get("cright")
        self.default_left = get("default_left")
        self._kind, self._feature, self._threshold = get("node_type"), get("split_index"), get("threshold")
        self._comparison, self._values = get("cmp"), get("leaf_value")
        self._categories, self._in_right = get("category_list"), get("category_list_right_child")
        self._begin, self._end = get("category_list_begin"), get("category_list_end")
        counts = get("data_count")
        self._covers = counts if len(counts) else get("sum_hess")

    def tree(self, output: int, own: tuple[Any, Any], split: Callable[[int, int], Split]) -> Tree:
        """The tree, walked through treelite's nodes and the library's own in step, left before right.

        Args:
            output: that the tree adds to.
            own: the library's left and right child of each of its nodes.
            split: of a node, by treelite's and the library's number of it.

        Raises:
            ModelError: a leaf is not finite.
        """
        tree = Tree(output)
        waiting = [(0, 0, -1, 0)]  # treelite's node, the library's, parent among ours, side
        while waiting:
            node, own_node, parent, side = waiting.pop()
            if self._kind[node] == LEAF:
                place = ~len(tree.leaves)
                tree.leaves.append(float(self._values[node]))
                tree.covers.append(float(self._covers[node]) or 1.0)  # a leaf that no row reached counts as one row
                tree.nodes.append(own_node)
            else:
                place = len(tree.splits)
                tree.splits.append(split(node, own_node))
                tree.children.append([0, 0])
                waiting.append((int(self.right[node]), int(own[1][own_node]), place, 1))
                waiting.append((int(self.left[node]), int(own[0][own_node]), place, 0))
            if parent >= 0:
                tree.children[parent][side] = place
        if not np.all(np.isfinite(tree.leaves)):
            raise refused(
                self.name, "a leaf is not finite", "Look for infinite labels or weights in its training data."
            )
        return tree

    def is_categorical(self, node: int) -> bool:
        return bool(self._kind[node] == CATEGORICAL)

    def feature(self, node: int) -> int:
        return int(self._feature[node])

    def categories(self, node: int) -> tuple[tuple[int, ...], bool]:
        """The categories that the split names, and whether they go right."""
        chosen = self._categories[int(self._begin[node]) : int(self._end[node])]
        return tuple(int(category) for category in chosen), bool(self._in_right[node])

    def threshold(self, node: int, comparison: int) -> float:
        """The threshold of a split that compares so.

        Raises:
            ModelError: it compares otherwise, or with NaN.
        """
        threshold = float(self._threshold[node])
        if self._comparison[node] != comparison or np.isnan(threshold):
            what = f"a split compares with {threshold!r} by treelite's code {int(self._comparison[node])}"
            raise refused(self.name, what, "Please report it with the model.")
        return threshold


def cut_of_float32(threshold: float, is_strict: bool) -> float:
    """The float64 cut for which `x <= cut` decides as `float32(x) <= threshold`, or as `<` where `is_strict`.

    float32(x) rounds to the nearest, ties to even. So the cut is the middle between the largest float32 that goes left
    and the next one, or the float64 below it where the middle itself rounds up.
    """
    with np.errstate(over="ignore"):
        left = np.float32(threshold)
        if float(left) > threshold or (is_strict and float(left) == threshold):
            left = np.nextafter(left, np.float32(-np.inf))
        if left == np.inf:
            return np.inf
        right = np.nextafter(left, np.float32(np.inf))
        # infinity stands where the next float32 would be, 2^128
        low, high = (float(np.clip(float(edge), -(2.0**128), 2.0**128)) for edge in (left, right))
        middle = (low + high) / 2
        return middle if np.float32(middle) <= left else float(np.nextafter(middle, -np.inf))


def refused(name: str, what: str, advice: str) -> ModelError:
    return ModelError(f"Model {name} cannot be compiled: {what}. No pack was written.", advice)
