"""Refit: the leaves of a smaller forest, so that its scores come as near to those of the original as they can.

smaller Forest, rows, scores of the original ─► leaf of each row in each tree ─► least squares ─► Forest

No label is used: the original teaches. All leaves are fitted at once, as in Ren et al., Global Refinement of Random
Forest, 2015, with a ridge that draws them to what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, lsmr

from models.arrays import Floats, Ints
from models.compiler import ZERO_THRESHOLD, CategoricalSplit, Forest, NumericSplit, Tree

RIDGE = 3.0  # a leaf moves by half of what its rows ask for if there are RIDGE squared of them
ITERATIONS, TOLERANCE = 40, 1e-4


def refitted(forest: Forest, rows: npt.NDArray[np.float32], target: Floats, group: Ints | None) -> Forest:
    """The forest with other leaves.

    Args:
        rows: (n, features).
        target: (n, outputs) raw scores that the forest should have.
        group: (n,) where only differences within a group count, as in rankings; None: the scores themselves count.
    """
    trees = list(forest.trees)
    for output in range(forest.outputs):
        own = [place for place, tree in enumerate(trees) if tree.output == output]
        fitted = _fit([trees[place] for place in own], rows, target[:, output], group)
        for place, leaves in zip(own, fitted, strict=True):
            trees[place] = replace(trees[place], leaves=leaves)
    return replace(forest, trees=trees)


def leaf_places(tree: Tree, rows: npt.NDArray[np.float32]) -> Ints:
    """(n,) the leaf in which each row ends."""
    found = np.zeros(len(rows), np.int64)
    waiting = [(0 if tree.splits else ~0, np.arange(len(rows)))]
    while waiting:
        node, places = waiting.pop()
        if node < 0:
            found[places] = ~node
            continue
        is_left = goes_left(tree.splits[node], rows[places, tree.splits[node].feature])
        waiting.append((tree.children[node][0], places[is_left]))
        waiting.append((tree.children[node][1], places[~is_left]))
    return found


def goes_left(split: NumericSplit | CategoricalSplit, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(n,) whether a split sends values of its feature to the left."""
    values = values.astype(np.float64)  # or NumPy would round the cut to float32
    if isinstance(split, CategoricalSplit):
        is_named = np.isin(np.trunc(values), split.categories)
        return np.where(np.isnan(values), split.missing_left, is_named == split.named_left)
    is_missing = np.isnan(values)
    if split.zero_is_missing:
        is_missing |= np.abs(values) <= ZERO_THRESHOLD
    return np.where(is_missing, split.missing_left, values <= split.cut)


def _fit(trees: list[Tree], rows: npt.NDArray[np.float32], target: Floats, group: Ints | None) -> list[list[float]]:
    first = np.cumsum([0, *(len(tree.leaves) for tree in trees)])
    columns = np.column_stack([leaf_places(tree, rows) + start for tree, start in zip(trees, first, strict=False)])
    ends = np.arange(0, columns.size + 1, columns.shape[1])
    design = sparse.csr_matrix((np.ones(columns.size), columns.ravel(), ends), (len(rows), first[-1]))
    leaves = np.concatenate([tree.leaves for tree in trees])
    centred = _centring(group)
    system = LinearOperator(
        design.shape,
        matvec=lambda change: centred(design @ change.ravel()),
        rmatvec=lambda missing: design.T @ centred(missing.ravel()),
        dtype=np.float64,
    )
    missing = centred(target - design @ leaves)
    change = lsmr(system, missing, damp=RIDGE, maxiter=ITERATIONS, atol=TOLERANCE, btol=TOLERANCE)[0]
    leaves += change
    return [leaves[start:end].tolist() for start, end in pairwise(first)]


def _centring(group: Ints | None) -> Callable[[Floats], Floats]:
    """Takes the mean of its group from each value (n,); without groups it leaves them as they are."""
    if group is None:
        return lambda values: values
    member = np.unique(group, return_inverse=True)[1]
    size = np.bincount(member)
    return lambda values: np.asarray(values - (np.bincount(member, values) / size)[member])
