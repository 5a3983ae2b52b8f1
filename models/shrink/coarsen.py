"""Coarser numbers: fewer cuts, cuts of float32, leaves of float16 or float32, covers of two bytes.

Forest ─► with_fewer_cuts ─► rounded ─► Forest
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.compiler import CategoricalSplit, Forest, NumericSplit, Tree
from models.shrink.prune import pruned, pruning_order

Split = NumericSplit | CategoricalSplit
Leaves = Literal["float64", "float32", "float16"]
FLOAT32_MAX = float(np.finfo(np.float32).max)
MOST_COVER = 65_535


def with_fewer_cuts(forest: Forest, share: float, rows: npt.NDArray[np.float32]) -> Forest:
    """Neighbouring cuts of a feature become one until a share of all cuts is left.

    Those merge first that move the fewest rows, each counted as often as the cut is asked (Ward's criterion on the
    ranks of the cuts among the rows). What both would become is the one that is asked more often.
    """
    asked: dict[int, dict[float, int]] = {}
    for split in (split for tree in forest.trees for split in tree.splits):
        if isinstance(split, NumericSplit) and not split.zero_is_missing:
            cuts = asked.setdefault(split.feature, {})
            cuts[split.cut] = cuts.get(split.cut, 0) + 1
    total = sum(len(cuts) for cuts in asked.values())
    becomes = _merge_cuts(asked, total - max(1, round(share * total)), rows)
    trees = [
        replace(tree, splits=[_moved(s, becomes.get((s.feature, getattr(s, "cut", 0.0)))) for s in tree.splits])
        for tree in forest.trees
    ]
    return replace(forest, trees=trees)


def _merge_cuts(
    asked: dict[int, dict[float, int]], merges: int, rows: npt.NDArray[np.float32]
) -> dict[tuple[int, float], float]:
    """(feature, cut) -> the cut that it becomes. Zero is not crossed: NaN may be zero."""
    groups: list[tuple[float, float, int, list[float]]] = []  # weight, mean rank, feature, cuts
    following: dict[int, int] = {}
    for feature, cuts in asked.items():
        values = np.sort(rows[:, feature])
        for cut in sorted(cuts):
            rank = float(np.searchsorted(values, cut, side="right")) / max(len(values), 1)
            if groups and groups[-1][2] == feature and (groups[-1][3][0] >= 0) == (cut >= 0):
                following[len(groups) - 1] = len(groups)
            groups.append((float(cuts[cut]), rank, feature, [cut]))
    before = {right: left for left, right in following.items()}

    def cost(left: int, right: int) -> tuple[float, int, int, int]:
        (w, r, _, own), (w2, r2, _, others) = groups[left], groups[right]
        return w * w2 / (w + w2) * (r2 - r) ** 2, left, right, len(own) + len(others)

    heap = [cost(left, right) for left, right in following.items()]
    heapify(heap)
    while heap and merges > 0:
        _, left, right, size = heappop(heap)
        if following.get(left) != right or size != len(groups[left][3]) + len(groups[right][3]):
            continue  # one of them was merged since
        (w, r, feature, own), (w2, r2, _, others) = groups[left], groups[right]
        groups[left] = w + w2, (w * r + w2 * r2) / (w + w2), feature, own + others
        merges -= 1
        following.pop(left)
        if (after := following.pop(right, None)) is not None:
            following[left], before[after] = after, left
            heappush(heap, cost(left, after))
        if (earlier := before.get(left)) is not None:
            heappush(heap, cost(earlier, left))
    return {
        (feature, cut): max(cuts, key=lambda one: (asked[feature][one], -one))
        for _, _, feature, cuts in groups
        if len(cuts) > 1
        for cut in cuts
    }


def _moved(split: Split, cut: float | None) -> Split:
    return split if cut is None or isinstance(split, CategoricalSplit) else split._replace(cut=cut)


def rounded(forest: Forest, leaves: Leaves) -> Forest:
    """Cuts, leaves and covers in fewer bytes; leaves that become equal are merged.

    Cuts are rounded down to float32: rows of float32, which is what serving makes, are decided as before. What the
    leaves of a tree lose on average is handed on to the next tree of its output. Covers, which only explanations use,
    become whole numbers of at most 65,535.
    """
    if leaves == "float64":
        return forest
    most = max(max(tree.covers) for tree in forest.trees)
    unit = 2.0 ** max(0, int(np.ceil(np.log2(most / MOST_COVER))))
    carried = np.zeros(forest.outputs)
    trees = []
    for tree in forest.trees:
        values, covers = np.array(tree.leaves) + carried[tree.output], np.array(tree.covers)
        with np.errstate(over="ignore"):
            narrow = values.astype(leaves).astype(np.float64)
        if not np.all(np.isfinite(narrow)):
            narrow = values
        carried[tree.output] = np.average(values - narrow, weights=covers)
        splits = [_moved(split, _float32_below(getattr(split, "cut", 0.0))) for split in tree.splits]
        fewer = np.maximum(1.0, np.round(covers / unit))
        trees.append(Tree(tree.output, splits, tree.children, narrow.tolist(), fewer.tolist()))
    made = replace(forest, trees=trees)
    return pruned(made, [pruning_order(tree) for tree in trees], 0.0)


def _float32_below(cut: float) -> float:
    """The largest float32 that is not above the cut."""
    narrow = np.float32(np.clip(cut, -FLOAT32_MAX, FLOAT32_MAX))
    return float(np.nextafter(narrow, np.float32(-np.inf)) if float(narrow) > cut else narrow)
