"""The one sentence of the scorer: it scores exactly like LightGBM."""

import re
from functools import cache

import lightgbm
import numpy as np
import pytest

from models.compiler.compile import compile_forest, gain_shares, source_of
from models.compiler.parity import adversarial_rows, prove_parity
from models.kernel import EVALUATORS
from models.packs import Scorer, read_pack, write_pack
from schemas import ModelError
from tests.models.forests import OBJECTIVES, Case, random_case, small_booster

BLOCKS, ROWS, MEASURED = 1, 1 << 16, 0
SEEDS = (0, 1, 3)  # 3: large trees


@cache
def compiled_case(seed: int, objective: str) -> tuple[Case, bytes]:
    case = random_case(seed, objective)
    return case, compile_forest(case.booster, objective, case.rows)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_scores_are_the_booster_s_bit_for_bit(objective: str, seed: int) -> None:
    case, blob = compiled_case(seed, objective)
    forest = source_of(case.booster, objective).forest
    rng = np.random.default_rng(seed)
    # other rows than those of the gate
    hard = adversarial_rows(forest, case.rows[rng.integers(0, len(case.rows), 600)], seed=seed + 100)
    with np.errstate(over="ignore"):
        kinds = (hard, hard.astype(np.float32))
    for rows in kinds:
        raw, prediction = case.booster.predict(rows, raw_score=True), case.booster.predict(rows)
        for evaluator in EVALUATORS:
            for crossover in (BLOCKS, ROWS, MEASURED):
                scorer = Scorer.load(blob, crossover, evaluator=evaluator)
                for count in (600, 513, 512, 257, 256, 200, 129, 65, 64, 33, 32, 7, 5, 3, 2, 1, 0):
                    assert np.array_equal(scorer.score(rows[:count], raw=True), raw[:count])
                alone = [scorer.score(rows[i : i + 1], raw=True)[0] for i in range(0, 200, 7)]
                assert np.array_equal(alone, raw[:200:7])
                # the same formulas in the same order, but the compiler may choose another exp
                np.testing.assert_allclose(scorer.score(rows), prediction, rtol=1e-14)


@pytest.mark.long
def test_the_cases_reach_every_path() -> None:
    """The random models hold what the kernel tells apart; otherwise the test above proves less than it says."""
    seen = set()
    for objective in OBJECTIVES:
        for seed in SEEDS:
            header, arrays = read_pack(compiled_case(seed, objective)[1])
            seen |= {f"rule {rule}" for rule in np.unique(arrays["column_rule"])}
            seen |= {f"base {base > 0}" for base in np.unique(arrays["column_base"])}
            seen |= {"sets"} if len(arrays["set_bits"]) else set()
            sizes = np.diff(arrays["leaf_offset"].astype(int))
            seen |= {"beyond byte lanes"} if np.any(sizes > 256) else set()
            seen |= {"one tile"} if np.any((sizes > 32) & (sizes <= 64)) else set()  # models/kernel/tiles.h
            seen |= {"several tiles"} if np.any((sizes > 64) & (sizes <= 256)) else set()
            seen |= {"several outputs"} if header.outputs > 1 else set()
            seen |= {header.link}
    assert seen >= {
        *("rule 0", "rule 1", "rule 2", "base False", "base True", "sets", "several outputs"),
        *("one tile", "several tiles", "beyond byte lanes"),
        *("identity", "sigmoid", "exponential", "softmax", "log1p_exp", "signed_square"),
    }


@pytest.mark.long
def test_categories_by_the_hundred() -> None:
    """Sets of more classes than a 64-bit word has bits."""
    rng = np.random.default_rng(5)
    rows = np.stack([rng.integers(0, 300, 4000), rng.normal(size=4000)], axis=1)
    target = rng.normal(size=300)[rows[:, 0].astype(int)] + rows[:, 1]
    data = lightgbm.Dataset(rows, target, categorical_feature=[0], params={"verbose": -1})
    options = {"num_leaves": 31, "max_cat_threshold": 100, "min_data_per_group": 1, "cat_smooth": 0.1, "verbose": -1}
    booster = lightgbm.train(options | {"num_threads": 1}, data, 30)
    blob = compile_forest(booster, "many", rows)
    _, arrays = read_pack(blob)
    assert arrays["class_limits"][0] > 64
    every = np.stack([np.arange(-5, 320), np.zeros(325)], axis=1)
    for evaluator in EVALUATORS:
        for crossover in (BLOCKS, ROWS):
            scores = Scorer.load(blob, crossover, evaluator=evaluator).score(every, raw=True)
            assert np.array_equal(scores, booster.predict(every, raw_score=True))


LONG_ROWS = [pytest.param(*wide, marks=pytest.mark.long) for wide in ((500, 256), (700, 512))]


@pytest.mark.long
@pytest.mark.parametrize(("columns", "more_than"), [(60, 32), (120, 64), (250, 128), *LONG_ROWS])
def test_rows_wider_than_a_register(columns: int, more_than: int) -> None:
    """Vector evaluators hold a row in 1, 2, 4 or 8 registers; beyond 512 columns they walk the trees."""
    rng = np.random.default_rng(columns)
    rows = rng.normal(size=(700, columns))
    target = rows @ rng.normal(size=columns)
    options = {"verbose": -1, "num_threads": 1, "num_leaves": 20, "feature_fraction": 0.2, "max_bin": 15}
    booster = lightgbm.train(options, lightgbm.Dataset(rows, target, params=options), 20 + columns // 10)
    blob = compile_forest(booster, "wide", rows)
    used = len(read_pack(blob)[1]["column_feature"])
    assert more_than < used <= columns
    for evaluator in EVALUATORS:
        for crossover in (BLOCKS, ROWS):
            scores = Scorer.load(blob, crossover, evaluator=evaluator).score(rows[:70], raw=True)
            assert np.array_equal(scores, booster.predict(rows[:70], raw_score=True))


def test_best_iteration_is_honoured() -> None:
    booster, rows = small_booster()
    booster.best_iteration = 5
    scorer = Scorer.load(compile_forest(booster, "early", rows))
    assert scorer.evaluation()["trees"] == 5
    assert np.array_equal(scorer.score(rows, raw=True), booster.predict(rows, raw_score=True))


def test_a_model_that_learned_nothing_is_a_pack_too() -> None:
    booster, rows = small_booster(min_data_in_leaf=10_000)
    scorer = Scorer.load(compile_forest(booster, "constant", rows))
    assert np.array_equal(scorer.score(rows, raw=True), booster.predict(rows, raw_score=True))
    assert scorer.explain(rows[0])[:-1].tolist() == [0.0] * 6


def test_a_booster_from_its_text_is_the_same_pack() -> None:
    booster, rows = small_booster()
    from_text = lightgbm.Booster(model_str=booster.model_to_string())
    assert compile_forest(from_text, "model", rows) == compile_forest(booster, "model", rows)


def test_prediction_that_stops_early_is_not_what_is_promised() -> None:
    """LightGBM may leave trees out of a prediction by a setting of the model; a pack adds them all."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 3))
    stopping = {"pred_early_stop": True, "pred_early_stop_freq": 1, "pred_early_stop_margin": 0.1}
    settings = {"verbose": -1, "num_threads": 1, "objective": "binary"} | stopping
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, rows[:, 0] > 0, params={"verbose": -1}), 20)
    raw = Scorer.load(compile_forest(booster, "stops", rows)).score(rows, raw=True)
    assert np.array_equal(raw, booster.predict(rows, raw_score=True, pred_early_stop=False))


class OneBitOff(lightgbm.Booster):
    """A Booster whose raw score of the seventh row is one bit higher."""

    def predict(self, *args, **options):  # type: ignore[no-untyped-def]
        scores = super().predict(*args, **options)
        scores[6] = np.nextafter(scores[6], np.inf)
        return scores


def test_the_gate_notices_one_bit() -> None:
    booster, rows = small_booster()
    off = OneBitOff(model_str=booster.model_to_string())
    with pytest.raises(ModelError, match=r"scores 1 of \d+ float64 rows otherwise.*No pack was written"):
        compile_forest(off, "off", rows)


def _cut_one_bit_up(arrays: dict[str, np.ndarray], place: int) -> None:
    arrays["cut"][place] = np.nextafter(arrays["cut"][place], np.inf)


def _leaf_up(arrays: dict[str, np.ndarray], place: int) -> None:
    arrays["leaf_value"][place] *= 1 + 1e-12  # a single bit can vanish when the leaf is added to a larger sum


def _other_sentinel(arrays: dict[str, np.ndarray], place: int) -> None:
    # Missing values are high in this data: splits that see any send them right (255). The columns of those that send
    # them left are only asked where no missing value arrives any more, so that nothing could be noticed.
    asked = np.flatnonzero(arrays["column_sentinel"] == 255)
    arrays["column_sentinel"][asked[place * len(asked) // len(arrays["column_rule"])]] = 0


def _swap_children(arrays: dict[str, np.ndarray], place: int) -> None:
    left, right = arrays["node_left"], arrays["node_right"]
    left[place], right[place] = right[place], left[place]


def _invert_set(arrays: dict[str, np.ndarray], place: int) -> None:
    arrays["set_bits"][place] = ~arrays["set_bits"][place]


@pytest.mark.parametrize("where", np.linspace(0, 0.999, 6))
@pytest.mark.parametrize(
    ("array", "spoil"),
    [
        ("cut", _cut_one_bit_up),
        ("leaf_value", _leaf_up),
        ("node_left", _swap_children),
        ("column_sentinel", _other_sentinel),
        ("set_bits", _invert_set),
    ],
    ids=["cut", "leaf", "children", "missing", "categories"],
)
def test_the_gate_notices_a_wrong_table(spoiled_model, array: str, where: float, spoil) -> None:
    """Wherever in the pack the error is: every cut, leaf and split is asked by some row of the gate."""
    booster, rows, blob = spoiled_model
    header, arrays = read_pack(blob)
    arrays = {name: content.copy() for name, content in arrays.items()}
    spoil(arrays, int(where * len(arrays[array])))
    with pytest.raises(ModelError, match="otherwise than the"):
        prove_parity(source_of(booster, "model"), write_pack(header, arrays), "model", rows)


@pytest.fixture(scope="module")
def spoiled_model():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(900, 5))
    rows[:, 0] = rng.integers(0, 30, 900)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    target = np.nan_to_num(rows[:, 1:]).sum(1) + np.isnan(rows).sum(1) + np.nan_to_num(rows[:, 0]) % 3
    data = lightgbm.Dataset(rows, target, categorical_feature=[0], params={"verbose": -1})
    booster = lightgbm.train({"verbose": -1, "num_threads": 1, "num_leaves": 12, "min_data_per_group": 5}, data, 9)
    return booster, rows[:20], compile_forest(booster, "model", rows[:20])


def test_linear_trees_are_refused() -> None:
    booster, rows = small_booster(linear_tree=True)
    with pytest.raises(ModelError, match=r"linear trees.*Train without linear_tree"):
        compile_forest(booster, "linear", rows)


def test_rows_that_do_not_fit_prove_nothing() -> None:
    booster, rows = small_booster()
    with pytest.raises(ModelError, match=re.escape("check_rows has shape (600, 5), the model has 6 features")):
        compile_forest(booster, "model", rows[:, :5])
    with pytest.raises(ModelError, match="check_rows has shape"):
        compile_forest(booster, "model", rows[:0])


def test_gain_shares_sum_to_one() -> None:
    booster, _ = small_booster()
    shares = gain_shares(booster, list("abcdef"))
    assert list(shares) == list("abcdef")
    assert sum(shares.values()) == pytest.approx(1.0)
    assert max(shares, key=shares.__getitem__) == "b"
