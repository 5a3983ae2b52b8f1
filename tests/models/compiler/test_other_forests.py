"""Packs of XGBoost and scikit-learn: the same leaf in every tree, the same sums up to the library's own rounding."""

import json
import sys
from functools import cache

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn import ensemble
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from models.compiler.compile import compile_forest, source_of
from models.compiler.forest import cut_of_float32
from models.compiler.parity import adversarial_rows, prove_parity
from models.packs import Scorer, read_pack, write_pack
from schemas import ModelError
from tests.models.compiler.other_forests import SKLEARN, XGBOOST, OtherCase, random_rows, sklearn_case, xgboost_case
from tests.models.forests import small_booster

pytestmark = pytest.mark.long

SEEDS = (0, 1)


@pytest.fixture(autouse=True)
def _one_thread():
    """The libraries' own threads wait for each other by burning the processor."""
    with threadpool_limits(1):
        yield


@cache
def compiled(library: str, seed: int, kind: str) -> tuple[OtherCase, bytes]:
    case = xgboost_case(seed, kind) if library == "xgboost" else sklearn_case(seed, kind)
    return case, compile_forest(case.model, kind, case.rows)


def hard_rows(case: OtherCase, seed: int) -> list[np.ndarray]:
    """Other rows than those of the gate, as far as the library reads them."""
    source = source_of(case.model, "model")
    rng = np.random.default_rng(seed)
    hard = adversarial_rows(source.forest, case.rows[rng.integers(0, len(case.rows), 150)], seed=seed + 100)
    with np.errstate(over="ignore"):
        return [source.readable(hard), source.readable(hard.astype(np.float32))]


@pytest.mark.parametrize("kind", XGBOOST)
@pytest.mark.parametrize("seed", SEEDS)
def test_predictions_are_xgboost_s_up_to_its_float32(kind: str, seed: int) -> None:
    case, blob = compiled("xgboost", seed, kind)
    types = case.model.feature_types
    for rows in hard_rows(case, seed):
        data = xgboost.DMatrix(rows, feature_types=types, enable_categorical=True)
        for crossover in (1, 1 << 16):
            scorer = Scorer.load(blob, crossover)
            raw = case.model.predict(data, output_margin=True)
            np.testing.assert_allclose(scorer.score(rows, raw=True), raw, rtol=2e-5, atol=2e-5)
            np.testing.assert_allclose(scorer.score(rows), case.model.predict(data), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("kind", SKLEARN)
@pytest.mark.parametrize("seed", SEEDS)
def test_predictions_are_scikit_learn_s(kind: str, seed: int) -> None:
    """Raw scores bit for bit, since scikit-learn adds in the same order here (one thread)."""
    case, blob = compiled("sklearn", seed, kind)
    source = source_of(case.model, kind)
    for rows in hard_rows(case, seed):
        with np.errstate(over="ignore", invalid="ignore"):  # of scikit-learn's look for infinite values
            raw = source.raw(rows)
            expected = case.model.predict_proba(rows) if "Classifier" in kind else case.model.predict(rows)
        if "Classifier" in kind and expected.shape[1] == 2:
            expected = expected[:, 1]
        for crossover in (1, 1 << 16):
            scorer = Scorer.load(blob, crossover)
            found = scorer.score(rows, raw=True) / source.forest.divisor
            assert np.array_equal(found, raw.reshape(found.shape))
            np.testing.assert_allclose(scorer.score(rows), expected, rtol=1e-13)


def test_the_cases_reach_every_path() -> None:
    seen = set()
    for library, kinds in (("xgboost", XGBOOST), ("sklearn", SKLEARN)):
        for kind in kinds:
            for seed in SEEDS:
                header, arrays = read_pack(compiled(library, seed, kind)[1])
                seen |= {f"{library} rule {rule}" for rule in np.unique(arrays["column_rule"])}
                limits = arrays["class_limits"].reshape(-1, 3)
                seen |= {f"{library} NaN as others {same}" for same in limits[:, 1] == limits[:, 2]}
                seen |= {f"{library} {header.link}"} | ({f"{library} several"} if header.outputs > 1 else set())
    assert seen >= {
        *("xgboost rule 1", "xgboost NaN as others True", "xgboost NaN as others False", "xgboost several"),
        *("sklearn rule 0", "sklearn rule 1", "sklearn NaN as others True", "sklearn several"),
        *(f"{library} {link}" for library in ("xgboost", "sklearn") for link in ("identity", "sigmoid", "softmax")),
        *("xgboost exponential", "sklearn exponential"),
    }


@pytest.mark.parametrize("is_strict", [False, True])
def test_cuts_decide_as_the_row_that_is_rounded_to_float32(is_strict: bool) -> None:
    rng = np.random.default_rng(0)
    wide = np.concatenate([rng.normal(size=300) * 10.0 ** rng.integers(-46, 38, 300), [0.0, -0.0, 5e-324, -5e-324]])
    edges = np.array([3.4028234663852886e38, 2.0**128 - 2.0**103, 1e39, 1.0, 2.0**-149, 2.0**-150, 3 * 2.0**-150])
    thresholds = np.concatenate([wide, wide.astype(np.float32), edges, -edges])
    for threshold in thresholds:
        cut = cut_of_float32(float(threshold), is_strict)
        near = np.array([threshold, cut, *edges, *-edges, 0.0, -0.0])
        near = np.concatenate([near, np.nextafter(near, -np.inf), np.nextafter(near, np.inf)])
        with np.errstate(over="ignore"):
            rounded = near.astype(np.float32).astype(np.float64)
        expected = rounded < threshold if is_strict else rounded <= threshold
        assert np.array_equal(near <= cut, expected), (threshold, cut)
        assert np.array_equal(rounded <= cut, expected), (threshold, cut)


def _cut_one_bit_up(arrays: dict[str, np.ndarray]) -> None:
    arrays["cut"][len(arrays["cut"]) // 2] = np.nextafter(arrays["cut"][len(arrays["cut"]) // 2], np.inf)


def _leaf_up(arrays: dict[str, np.ndarray]) -> None:
    leaves = arrays["leaf_value"]
    leaves[np.argmax(np.abs(leaves[len(leaves) // 2 :])) + len(leaves) // 2] *= 1.001


def _base_up(arrays: dict[str, np.ndarray]) -> None:
    arrays["leaf_value"][0] += 1e-4


def _swap_children(arrays: dict[str, np.ndarray]) -> None:
    left, right, place = arrays["node_left"], arrays["node_right"], len(arrays["node_left"]) // 2
    left[place], right[place] = right[place], left[place]


def _other_sentinel(arrays: dict[str, np.ndarray]) -> None:
    arrays["column_sentinel"][:] = 255 - arrays["column_sentinel"]


def _other_class_for_nan(arrays: dict[str, np.ndarray]) -> None:
    limits = arrays["class_limits"]
    limits[1] = (limits[1] + 1) % limits[0]


@pytest.mark.parametrize(
    "spoil", [_cut_one_bit_up, _leaf_up, _base_up, _swap_children, _other_sentinel, _other_class_for_nan]
)
@pytest.mark.parametrize("library", ["xgboost", "sklearn"])
def test_the_gate_notices_a_wrong_table(library: str, spoil) -> None:
    source, rows, blob = _spoiled_model(library)
    header, arrays = read_pack(blob)
    arrays = {name: content.copy() for name, content in arrays.items()}
    spoil(arrays)
    with pytest.raises(ModelError, match=r"(?s)(scores|finds the leaves of) \d+ of .*otherwise than the model"):
        prove_parity(source, write_pack(header, arrays), "model", rows)


@cache
def _spoiled_model(library: str):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(900, 4))
    rows[:, 0] = rng.integers(0, 30, 900)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    target = np.nan_to_num(rows[:, 1:]).sum(1) + np.isnan(rows).sum(1) + np.nan_to_num(rows[:, 0]) % 3
    if library == "xgboost":
        data = xgboost.DMatrix(rows, target, feature_types=["c", "q", "q", "q"], enable_categorical=True)
        model = xgboost.train({"max_cat_to_onehot": 1, "max_depth": 4}, data, 9)
    else:
        model = ensemble.HistGradientBoostingRegressor(max_iter=9, categorical_features=[0]).fit(rows, target)
    return source_of(model, "model"), rows[:20], compile_forest(model, "model", rows[:20])


def test_models_as_their_libraries_wrap_them() -> None:
    """Estimators of LightGBM and XGBoost with early stopping: up to the best iteration, as their predict."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(300, 3))
    target = rows[:, 0] + rng.normal(size=300)
    early = xgboost.XGBRegressor(n_estimators=60, early_stopping_rounds=3)
    early.fit(rows[:200], target[:200], eval_set=[(rows[200:], target[200:])], verbose=False)
    blob = compile_forest(early, "early", rows)
    assert read_pack(blob)[0].trees == early.best_iteration + 2 < early.get_booster().num_boosted_rounds()
    np.testing.assert_allclose(Scorer.load(blob).score(rows), early.predict(rows), rtol=1e-5, atol=1e-6)
    whole = early.get_booster()
    assert read_pack(compile_forest(whole, "whole", rows))[0].trees == whole.num_boosted_rounds() + 1
    wrapped = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(rows, target)
    assert np.array_equal(
        Scorer.load(compile_forest(wrapped, "wrapped", rows)).score(rows), wrapped.booster_.predict(rows)
    )


def test_infinite_values_are_very_large_ones() -> None:
    """A DMatrix refuses them; XGBoost's prediction in place does not, and agrees."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(300, 3))
    booster = xgboost.train({"max_depth": 4}, xgboost.DMatrix(rows, rows[:, 0] + rows[:, 1] ** 2), 6)
    scorer = Scorer.load(compile_forest(booster, "model", rows))
    rows[rng.random(rows.shape) < 0.2] = np.inf
    rows[rng.random(rows.shape) < 0.2] = -1e300
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(scorer.score(rows), booster.inplace_predict(rows), rtol=1e-5, atol=1e-5)


def test_trees_that_are_chains() -> None:
    """Each split takes the largest label away: as deep as a tree can be with so many leaves."""
    rows = np.arange(600.0)[:, None]
    model = ensemble.RandomForestRegressor(1, bootstrap=False).fit(rows, 4.0 ** np.minimum(rows[:, 0], 500))
    scorer = Scorer.load(compile_forest(model, "deep", rows))
    assert scorer.evaluation()["depth"] > 400
    assert np.array_equal(scorer.score(rows), model.predict(rows))
    with pytest.raises(ValueError, match="too deep to be explained"):
        scorer.explain(rows[0])


def test_more_cuts_than_a_pack_can_tell_apart_are_refused() -> None:
    rows = np.arange(70_000.0)[:, None]
    model = ensemble.ExtraTreesRegressor(1).fit(rows, np.random.default_rng(0).normal(size=len(rows)))
    with pytest.raises(ModelError, match="it has 69,999 different cuts of a feature; up to 65,534 are possible"):
        compile_forest(model, "model", rows[:9])


def test_a_model_of_an_older_xgboost() -> None:
    """Up to XGBoost 3.0 the base score was one number."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(300, 3))
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, rows[:, 0] > 0.5), 4)
    written = json.loads(booster.save_raw("json"))
    written["version"] = [2, 1, 0]
    written["learner"]["learner_model_param"]["base_score"] = "3E-1"
    older = xgboost.Booster()
    older.load_model(bytearray(json.dumps(written).encode()))
    scores = Scorer.load(compile_forest(older, "older", rows)).score(rows)
    np.testing.assert_allclose(scores, older.predict(xgboost.DMatrix(rows)), rtol=1e-6)
    assert abs(scores - booster.predict(xgboost.DMatrix(rows))).max() > 0.003


@pytest.mark.parametrize("kind", ["reg:squarederror", "binary:logistic", "multi:softprob", "count:poisson"])
def test_contributions_are_xgboost_s(kind: str) -> None:
    case, blob = compiled("xgboost", 0, kind)
    scorer = Scorer.load(blob)
    data = xgboost.DMatrix(case.rows[:6], feature_types=case.model.feature_types, enable_categorical=True)
    expected = case.model.predict(data, pred_contribs=True)
    found = np.array([scorer.explain(row) for row in case.rows[:6]])
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-3, atol=1e-4)


def _xgboost(target, **options):
    rows = np.random.default_rng(0).normal(size=(50, 3))
    rounds = options.pop("rounds", 3)
    return xgboost.train(options | {"verbosity": 0}, xgboost.DMatrix(rows, target(rows)), rounds), rows


def _fitted(model, target=lambda rows: rows[:, 0], categories=False):
    rows = np.random.default_rng(0).normal(size=(50, 3))
    if categories:
        rows[:, 0] = np.round(rows[:, 0])
    return model.fit(rows, target(rows)), rows


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: _xgboost(lambda r: r[:, 0], booster="gblinear"), "its booster 'gblinear' has no trees"),
        (lambda: _xgboost(lambda r: r[:, 0] > 0, objective="binary:hinge"), "its link 'hinge' is unknown"),
        (lambda: _xgboost(lambda r: r[:, 0] > 99, objective="binary:logistic"), "its base score is infinite"),
        (lambda: _xgboost(lambda r: r[:, :2]), "it has several targets"),
        (lambda: _xgboost(lambda r: r[:, :2], multi_strategy="multi_output_tree"), "it has several targets"),
        (lambda: _xgboost(lambda r: r[:, 0], rounds=0), "it has no trees"),
        (lambda: _fitted(xgboost.XGBRegressor(n_estimators=2, missing=0.0)), "it takes 0.0 for a missing value"),
        (lambda: _fitted(ensemble.RandomForestRegressor(2), lambda r: r[:, :2]), "it has several targets"),
        (lambda: _fitted(ensemble.IsolationForest(n_estimators=2)), "IsolationForest is none of the forests"),
        (lambda: _fitted(ensemble.AdaBoostRegressor(n_estimators=2)), "AdaBoostRegressor is none of the forests"),
        (
            lambda: _fitted(ensemble.GradientBoostingRegressor(n_estimators=2, init=DecisionTreeRegressor())),
            "it starts from a model of its own",
        ),
        (
            lambda: _fitted(ensemble.HistGradientBoostingRegressor(max_iter=2, categorical_features=[0]), categories=1),
            "feature 0 has categories that are not whole numbers from 0",
        ),
        (lambda: (ensemble.RandomForestRegressor(), np.zeros((1, 3))), "it was not fitted"),
        (lambda: (3, np.zeros((1, 3))), "it is a int"),
    ],
)
def test_what_packs_do_not_hold_is_refused_with_advice(made, message: str) -> None:
    model, rows = made()
    with pytest.raises(ModelError, match=f"cannot be compiled: .*{message}.*No pack was written") as error:
        compile_forest(model, "model", rows)
    assert error.value.advice


def test_other_libraries_are_imported_only_for_their_models(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("xgboost", "sklearn", "models.compiler.xgboost", "models.compiler.sklearn"):
        monkeypatch.setitem(sys.modules, library, None)  # an import of it fails
    booster, rows = small_booster()
    assert compile_forest(booster, "model", rows)


def test_random_rows_hold_what_they_say() -> None:
    rows, categorical = random_rows(np.random.default_rng(0), categories=50)
    assert rows.ndim == 2
    assert all(0 <= f < rows.shape[1] for f in categorical)
