"""What a pack tells of itself is what its model was."""

from pathlib import Path

import lightgbm
import numpy as np
import pytest

from models.compiler import compile_forest, gain_shares
from models.packs.anatomy import anatomy_of
from models.packs.scorer import Scorer
from tests.models.forests import small_booster

NAMES = list("abcdef")


def test_figures_are_those_of_the_booster(tmp_path: Path) -> None:
    booster, rows = small_booster(trees=20, leaves=31)
    path = tmp_path / "score.pack"
    path.write_bytes(compile_forest(booster, "model", rows))
    found = anatomy_of(path, Scorer.load(path, 8), NAMES)
    trees = booster.dump_model()["tree_info"]
    assert (found.name, found.trees, found.features, found.outputs, found.link) == ("model", 20, 6, 1, "identity")
    assert found.leaves == sum(tree["num_leaves"] for tree in trees)
    assert found.largest_tree == max(tree["num_leaves"] for tree in trees)
    assert found.features_asked == int(np.count_nonzero(booster.feature_importance("split")))
    assert found.category_sets > 0
    assert found.crossover == 8
    assert found.bytes == path.stat().st_size == sum(found.bytes_of.values())


def test_variance_that_splits_explain_is_the_gain_of_a_plain_regression(tmp_path: Path) -> None:
    """With squared loss and no regularisation LightGBM's gain is just that, so importance from the pack is right."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(800, 6))
    rows[:, 5] = rng.integers(0, 12, 800)
    target = rows[:, 0] * 3 + rows[:, 1] ** 2 + rows[:, 5] % 3 + rng.normal(size=800) * 0.1
    plain = {"verbose": -1, "num_threads": 1, "lambda_l2": 0, "cat_l2": 0, "cat_smooth": 0, "min_data_per_group": 1}
    data = lightgbm.Dataset(rows, target, categorical_feature=[5], params={"verbose": -1})
    booster = lightgbm.train(plain, data, 15)
    path = tmp_path / "score.pack"
    path.write_bytes(compile_forest(booster, "model", rows))
    found = anatomy_of(path, Scorer.load(path, 8), NAMES).variance_shares
    expected = gain_shares(booster, NAMES)
    assert max(expected.values()) < 0.9
    assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-3, abs=1e-6)


def test_a_model_that_learned_nothing_has_no_shares(tmp_path: Path) -> None:
    booster, rows = small_booster(min_data_in_leaf=10_000)
    path = tmp_path / "score.pack"
    path.write_bytes(compile_forest(booster, "constant", rows))
    found = anatomy_of(path, Scorer.load(path), NAMES)
    assert found.variance_shares == {}
    assert (found.depth, found.features_asked, found.columns) == (0, 0, 0)
