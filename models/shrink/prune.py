"""Fewer trees, fewer features and merged leaves.

Forest ─► first_trees ─► fewer_features ─► pruning_order ─► pruned ─► Forest
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.arrays import Floats
from models.compiler import Forest, Tree


def first_trees(forest: Forest, share: float) -> Forest:
    """A share of the trees of each output, the first ones; an averaged forest is then averaged over those."""
    kept: list[Tree] = []
    for output in range(forest.outputs):
        own = [tree for tree in forest.trees if tree.output == output]
        kept += own[: max(1, round(share * len(own)))]
    divisor = max(1.0, forest.divisor * len(kept) / len(forest.trees)) if forest.divisor > 1.0 else forest.divisor
    return replace(forest, trees=kept, divisor=divisor)


def fewer_features(forest: Forest, share: float) -> Forest:
    """Splits of the features that say least go, each for the child in which more training rows ended.

    What a feature says is the squared change, over the training rows, if the sides of its splits were merged.
    """
    said: dict[int, float] = {}
    for tree in forest.trees:
        for split, gain in zip(tree.splits, _gains(tree), strict=True):
            said[split.feature] = said.get(split.feature, 0.0) + gain
    ranked = sorted(said, key=lambda feature: (-said[feature], feature))
    kept = set(ranked[: max(1, round(share * len(ranked)))])
    return replace(forest, trees=_folded([_only_features(tree, kept) for tree in forest.trees], forest.outputs))


def _gains(tree: Tree) -> Floats:
    """(splits,) squared change of the output over the training rows if the two sides of each split were merged."""
    rows, mean, _, _ = _merged(tree)
    gains = np.zeros(len(tree.splits))
    for node, children in enumerate(tree.children):
        (n, m), (n2, m2) = ((rows[c], mean[c]) if c >= 0 else (tree.covers[~c], tree.leaves[~c]) for c in children)
        gains[node] = (m2 - m) ** 2 * (n * n2 / (n + n2))
    return gains


def _only_features(tree: Tree, kept: set[int]) -> Tree:
    if all(split.feature in kept for split in tree.splits):
        return tree
    rows, _, _, _ = _merged(tree)

    def followed(node: int) -> int:
        while node >= 0 and tree.splits[node].feature not in kept:
            left, right = (rows[child] if child >= 0 else tree.covers[~child] for child in tree.children[node])
            node = tree.children[node][int(right > left)]
        return node

    return _rebuilt(tree, followed, lambda leaf: (tree.leaves[~leaf], tree.covers[~leaf]))


def pruning_order(tree: Tree) -> Floats:
    """For each split the penalty per leaf from which on it is not worth its leaves; a split never outlives its parent.

    Weakest-link pruning (Breiman et al., Classification and Regression Trees, 1984, section 3.3). The cost of merging
    leaves is the squared change of the tree's output over the training rows that ended there.
    """
    count = len(tree.splits)
    _, _, squares, below = _merged(tree)
    parent = _parents(tree)
    alpha, kept, leaves = np.full(count, np.inf), np.zeros(count), below.astype(np.float64)
    is_open = np.ones(count, np.bool_)  # `kept`: cost of what is already pruned below; `leaves`: those still there
    floor = 0.0
    while is_open.any():
        gain = np.where(is_open, (squares - kept) / np.maximum(leaves - 1.0, 1e-9), np.inf)
        weakest = int(np.argmin(gain))
        floor = max(floor, float(gain[weakest]))
        _close(tree, weakest, is_open, alpha, floor)
        cost, gone = squares[weakest] - kept[weakest], leaves[weakest] - 1.0
        node = parent[weakest]
        while node >= 0:
            kept[node] += cost
            leaves[node] -= gone
            node = parent[node]
    return alpha


def _close(tree: Tree, top: int, is_open: npt.NDArray[np.bool_], alpha: Floats, value: float) -> None:
    waiting = [top]
    while waiting:
        node = waiting.pop()
        if is_open[node]:
            is_open[node], alpha[node] = False, value
            waiting.extend(child for child in tree.children[node] if child >= 0)


def _parents(tree: Tree) -> list[int]:
    parent = [-1] * len(tree.splits)
    for node, children in enumerate(tree.children):
        for child in children:
            if child >= 0:
                parent[child] = node
    return parent


def _merged(tree: Tree) -> tuple[Floats, Floats, Floats, npt.NDArray[np.int64]]:
    """What each split would be as a leaf: training rows, mean, squared change in all, and the leaves below it."""
    count = len(tree.splits)
    rows, mean, squares = np.zeros(count), np.zeros(count), np.zeros(count)
    leaves = np.zeros(count, np.int64)
    for node in range(count - 1, -1, -1):  # children come after their parents
        sides = [
            (rows[c], mean[c], squares[c], leaves[c]) if c >= 0 else (tree.covers[~c], tree.leaves[~c], 0.0, 1)
            for c in tree.children[node]
        ]
        (n, m, s, k), (n2, m2, s2, k2) = sides
        rows[node], leaves[node] = n + n2, k + k2
        mean[node] = m + (m2 - m) * (n2 / (n + n2))
        squares[node] = s + s2 + (m2 - m) ** 2 * (n * n2 / (n + n2))
    return rows, mean, squares, leaves


def pruned(forest: Forest, orders: Sequence[Floats], penalty: float) -> Forest:
    """Splits whose place in `pruning_order` is at or below the penalty become leaves: the mean of those below them.

    Args:
        orders: of each tree of the forest.
        penalty: below 0 nothing changes.
    """
    return replace(
        forest,
        trees=_folded([_cut_back(t, a <= penalty) for t, a in zip(forest.trees, orders, strict=True)], forest.outputs),
    )


def _cut_back(tree: Tree, is_gone: npt.NDArray[np.bool_]) -> Tree:
    if not is_gone.any():
        return tree
    rows, mean, _, _ = _merged(tree)

    def leaf(node: int) -> tuple[float, float]:
        return (float(mean[node]), float(rows[node])) if node >= 0 else (tree.leaves[~node], tree.covers[~node])

    return _rebuilt(tree, lambda node: node, leaf, is_gone)


def _rebuilt(
    tree: Tree,
    followed: Callable[[int], int],
    leaf: Callable[[int], tuple[float, float]],
    is_leaf: npt.NDArray[np.bool_] | None = None,
) -> Tree:
    """A tree of what is left of another one, in preorder.

    Args:
        followed: node (or ~leaf) -> the one that stands in its place.
        leaf: node (or ~leaf) -> value and cover of the leaf that it becomes.
        is_leaf: (splits,) those that become leaves.
    """
    made = Tree(tree.output)
    waiting = [(0 if tree.splits else ~0, -1, 0)]
    while waiting:
        given, parent, side = waiting.pop()
        node = followed(given)
        if node >= 0 and (is_leaf is None or not is_leaf[node]):
            place = len(made.splits)
            made.splits.append(tree.splits[node])
            made.children.append([0, 0])
            waiting.append((tree.children[node][1], place, 1))
            waiting.append((tree.children[node][0], place, 0))
        else:
            place = ~len(made.leaves)
            value, cover = leaf(node)
            made.leaves.append(value)
            made.covers.append(cover)
        if parent >= 0:
            made.children[parent][side] = place
    return made


def _folded(trees: list[Tree], outputs: int) -> list[Tree]:
    """Trees of a single leaf are added to the leaves of another tree of their output, where there is one."""
    kept: list[Tree] = []
    for output in range(outputs):
        own = [tree for tree in trees if tree.output == output]
        grown = [tree for tree in own if tree.splits] or own[:1]
        constant = sum(tree.leaves[0] for tree in own if not tree.splits and tree is not grown[0])
        if constant:
            grown[0] = replace(grown[0], leaves=[leaf + constant for leaf in grown[0].leaves])
        kept += grown
    return kept if len(kept) < len(trees) else trees
