"""Forests made smaller: what each step keeps, and what it costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.compiler import Forest, NumericSplit, Tree, compile_forest, forest_of_pack, pack_of
from models.compiler.compile import source_of
from models.compiler.parity import adversarial_rows
from models.packs import Scorer, read_pack
from models.shrink.coarsen import rounded, with_fewer_cuts
from models.shrink.prune import fewer_features, first_trees, pruned, pruning_order
from models.shrink.refit import leaf_places, refitted
from tests.models.forests import OBJECTIVES, random_case, small_booster

pytestmark = pytest.mark.long


def right_of(cut: float, feature: int = 0) -> NumericSplit:
    return NumericSplit(feature, cut, missing_left=False, zero_is_missing=False)


def forest(*trees: Tree, features: int = 2) -> Forest:
    return Forest(features, 1, "identity", 1.0, 1.0, list(trees))


def hand_made() -> Tree:
    """Leaves 1 (10 rows) and 2 (30 rows) under one split, 10 (60 rows) beside them."""
    return Tree(0, [right_of(5.0), right_of(2.0)], [[1, ~2], [~0, ~1]], [1.0, 2.0, 10.0], [10.0, 30.0, 60.0])


def raw_scores(made: Forest, rows: np.ndarray) -> np.ndarray:
    return Scorer.load(pack_of(made, "smaller")).score(rows, raw=True)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_a_pack_becomes_a_forest_and_the_same_pack_again(objective: str, seed: int) -> None:
    case = random_case(seed, objective)
    blob = compile_forest(case.booster, "model", case.rows)
    assert pack_of(forest_of_pack(blob), "model") == blob


@pytest.mark.parametrize("objective", ["regression", "multiclass", "rf"])
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_leaf_places_are_the_leaves_that_score(objective: str, seed: int) -> None:
    case = random_case(seed, objective)
    blob = compile_forest(case.booster, "model", case.rows)
    made = forest_of_pack(blob)
    with np.errstate(over="ignore"):
        rows = adversarial_rows(made, case.rows[:100], seed=5).astype(np.float32)
    sums = np.zeros((len(rows), made.outputs))
    for tree in made.trees:
        sums[:, tree.output] += np.array(tree.leaves)[leaf_places(tree, rows)]
    assert np.array_equal(sums, Scorer.load(blob).score(rows, raw=True).reshape(sums.shape))


def test_merging_costs_the_squared_change_of_the_training_rows() -> None:
    tree = hand_made()
    left = 10 * 30 / 40 * (2 - 1) ** 2
    whole = 40 * 60 / 100 * (10 - 1.75) ** 2
    assert pruning_order(tree) == pytest.approx([whole, left])
    one = pruned(forest(tree), [pruning_order(tree)], left).trees[0]
    assert (one.splits, one.children) == ([right_of(5.0)], [[~0, ~1]])
    assert (one.leaves, one.covers) == ([1.75, 10.0], [40.0, 60.0])
    none = pruned(forest(tree), [pruning_order(tree)], whole).trees[0]
    assert none.leaves == pytest.approx([0.1 * 1 + 0.3 * 2 + 0.6 * 10])
    assert none.splits == []


def test_a_subtree_goes_at_once_where_its_leaves_together_are_worth_least() -> None:
    """The two lower leaves differ and their mean is that of the third: only the whole is worth nothing a leaf."""
    tree = Tree(0, [right_of(5.0), right_of(2.0)], [[1, ~2], [~0, ~1]], [-1.0, 1.0, 0.0], [10.0, 10.0, 10.0])
    assert pruning_order(tree) == pytest.approx([10.0, 10.0])  # 20 for two leaves


@pytest.mark.parametrize("seed", [0, 3])
def test_pruning_nests(seed: int) -> None:
    case = random_case(seed, "regression")
    made = source_of(case.booster, "model").forest
    orders = [pruning_order(tree) for tree in made.trees]
    for tree, order in zip(made.trees, orders, strict=True):
        for node, children in enumerate(tree.children):
            assert all(order[child] <= order[node] for child in children if child >= 0)
    assert pruned(made, orders, -1.0) == made
    penalties = np.quantile(np.concatenate(orders), [0.2, 0.5, 0.9])
    smaller = [pruned(made, orders, float(penalty)) for penalty in penalties]
    sizes = [sum(len(tree.leaves) for tree in one.trees) for one in (made, *smaller)]
    assert sizes == sorted(sizes, reverse=True)
    changes = [np.mean((raw_scores(one, case.rows) - raw_scores(made, case.rows)) ** 2) for one in smaller]
    assert changes == sorted(changes)


def test_a_tree_without_splits_is_added_to_another() -> None:
    flat = Tree(0, [right_of(1.0, 1)], [[~0, ~1]], [3.0, 3.0], [50.0, 50.0])
    both = forest(flat, hand_made())
    made = pruned(both, [pruning_order(tree) for tree in both.trees], 0.0)
    assert len(made.trees) == 1
    rows = np.array([[0.0, 0.0], [3.0, 9.0], [9.0, 0.0]])
    assert np.array_equal(raw_scores(made, rows), raw_scores(both, rows))


@pytest.mark.parametrize("objective", ["regression", "multiclass", "rf"])
def test_the_first_trees_are_an_earlier_booster(objective: str) -> None:
    case = random_case(4, objective)
    rounds = case.booster.current_iteration()
    assert rounds > 3
    kept = max(1, round(0.5 * rounds))
    made = first_trees(source_of(case.booster, "model").forest, 0.5)
    found = Scorer.load(pack_of(made, "model")).score(case.rows)
    np.testing.assert_allclose(found, case.booster.predict(case.rows, num_iteration=kept), rtol=1e-12)


def test_splits_of_the_feature_that_says_least_go_for_the_heavier_child() -> None:
    """Feature 1 is asked below and beside feature 0 and moves the output less."""
    tree = Tree(
        0,
        [right_of(5.0), right_of(2.0, 1), right_of(3.0, 1), right_of(1.0)],
        [[1, 2], [~0, ~1], [3, ~4], [~2, ~3]],
        [1.0, 1.1, 9.0, 12.0, 10.0],
        [10.0, 30.0, 20.0, 10.0, 25.0],
    )
    made = fewer_features(forest(tree), 0.5).trees[0]
    assert made.splits == [right_of(5.0), right_of(1.0)]
    assert made.children == [[~0, 1], [~1, ~2]]
    assert made.leaves == [1.1, 9.0, 12.0]
    assert made.covers == [30.0, 20.0, 10.0]
    assert fewer_features(forest(tree), 1.0) == forest(tree)


def test_neighbouring_cuts_merge_where_the_fewest_rows_lie_between() -> None:
    cuts = [1.0, 1.1, 5.0, 9.0]
    trees = [Tree(0, [right_of(cut)], [[~0, ~1]], [0.0, 1.0], [1.0, 1.0]) for cut in [*cuts, 1.1]]
    rows = np.linspace(0, 10, 101, dtype=np.float32)[:, None].repeat(2, axis=1)
    made = with_fewer_cuts(forest(*trees), 0.75, rows)
    assert [tree.splits[0].cut for tree in made.trees if isinstance(tree.splits[0], NumericSplit)] == [
        *(1.1, 1.1, 5.0, 9.0, 1.1)
    ]
    assert with_fewer_cuts(made, 1.0, rows) == made


def test_cuts_do_not_merge_across_zero() -> None:
    trees = [Tree(0, [right_of(cut)], [[~0, ~1]], [0.0, 1.0], [1.0, 1.0]) for cut in (-0.1, 0.1)]
    made = with_fewer_cuts(forest(*trees), 0.1, np.zeros((10, 2), np.float32))
    assert made == forest(*trees)


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_rounded_forests_decide_float32_rows_alike(seed: int) -> None:
    case = random_case(seed, "regression")
    made = source_of(case.booster, "model").forest
    with np.errstate(over="ignore"):
        rows = adversarial_rows(made, case.rows[:200], seed=9).astype(np.float32)
    narrow = rounded(made, "float32")
    np.testing.assert_allclose(raw_scores(narrow, rows), raw_scores(made, rows), rtol=1e-5, atol=1e-5)
    assert rounded(made, "float64") == made


def test_float16_leaves_and_their_tables() -> None:
    booster, rows = small_booster(trees=40, leaves=31)
    made = source_of(booster, "model").forest
    narrow = rounded(made, "float16")
    header, arrays = read_pack(pack_of(narrow, "model"))
    stored = {name: kind for name, (_, _, kind) in header.arrays.items()}
    assert (stored["leaf_value"], stored["cut"], stored["leaf_cover"]) == ("f2", "f4", "u1")
    assert len(pack_of(narrow, "model")) < 0.65 * len(pack_of(made, "model"))
    assert np.array_equal(arrays["leaf_value"], arrays["leaf_value"].astype(np.float16))
    change = raw_scores(narrow, rows.astype(np.float32)) - raw_scores(made, rows.astype(np.float32))
    largest = max(abs(leaf) for tree in made.trees for leaf in tree.leaves)
    assert np.abs(change).max() < 40 * largest * 2.0**-11
    assert abs(change.mean()) < largest * 2.0**-11  # the errors of the trees do not add up


def test_leaves_beyond_float16_stay_as_they_are() -> None:
    tree = replace(hand_made(), leaves=[1e6 + 0.1, 2e6, 3e6], covers=[1e9, 2e5, 1.0])
    made = rounded(forest(tree), "float16").trees[0]
    assert made.leaves == tree.leaves
    assert max(made.covers) <= 65_535
    assert min(made.covers) == 1.0


def test_refitting_leads_back_to_the_original() -> None:
    booster, rows = small_booster(trees=10)
    made = source_of(booster, "model").forest
    many = rows[np.random.default_rng(0).integers(0, len(rows), 4000)].astype(np.float32)
    target = raw_scores(made, many)
    orders = [pruning_order(tree) for tree in made.trees]
    smaller = pruned(made, orders, float(np.median(np.concatenate(orders))))
    before = np.mean((raw_scores(smaller, many) - target) ** 2)
    after = np.mean((raw_scores(refitted(smaller, many, target[:, None], None), many) - target) ** 2)
    assert after < 0.5 * before


def test_in_rankings_only_differences_within_a_query_are_fitted() -> None:
    booster, rows = small_booster(trees=10)
    made = source_of(booster, "model").forest
    many = rows.astype(np.float32)
    group = np.repeat(np.arange(60), 10)
    shifted = raw_scores(made, many) + np.random.default_rng(1).normal(size=60)[group] * 100
    found = raw_scores(refitted(made, many, shifted[:, None], group), many)
    change = found - raw_scores(made, many)
    within = change - (np.bincount(group, change) / 10)[group]
    assert np.abs(within).max() < 1e-6
