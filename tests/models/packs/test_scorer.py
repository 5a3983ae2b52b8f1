"""The scorer's own contract: shapes, types, threads, explanations."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from models.compiler import compile_forest
from models.kernel import EVALUATORS
from models.packs.scorer import Scorer
from schemas import ModelError
from tests.models.forests import random_case, small_booster


@pytest.fixture(scope="module")
def model():
    booster, rows = small_booster(trees=20, leaves=31)
    return booster, rows, compile_forest(booster, "model", rows)


def test_one_row_scores_as_it_does_among_others(model) -> None:
    booster, rows, blob = model
    scorer = Scorer.load(blob)
    together = scorer.score(rows)
    assert [scorer.score_one(row) for row in rows] == together.tolist()
    assert [scorer.score_one(row) for row in rows.astype(np.float32)] == scorer.score(rows.astype(np.float32)).tolist()
    assert together.dtype == np.float64
    np.testing.assert_array_equal(together, booster.predict(rows))


def test_a_pack_is_loaded_from_a_file_too(model, tmp_path: Path) -> None:
    _, rows, blob = model
    path = tmp_path / "score.pack"
    path.write_bytes(blob)
    assert np.array_equal(Scorer.load(path).score(rows), Scorer.load(blob).score(rows))
    with pytest.raises(ModelError, match=r"missing\.pack cannot be read"):
        Scorer.load(tmp_path / "missing.pack")


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((3, 5)),
        np.zeros(5),
        np.zeros((1, 3, 6)),
        np.zeros((3, 6), np.int64),
        np.zeros((3, 6), ">f8"),
        np.zeros((3, 12))[:, ::2],
        np.zeros((3, 6), order="F"),
        np.zeros(3 * 6 * 8 + 1, np.uint8)[1:].view(np.float64).reshape(3, 6),
    ],
    ids=["narrow", "short", "3-d", "integers", "big-endian", "strided", "column-major", "unaligned"],
)
def test_rows_of_another_shape_or_type_are_refused(model, rows: np.ndarray) -> None:
    with pytest.raises((ValueError, BufferError), match=r"C-contiguous|score takes rows of shape \(n, 6\)"):
        Scorer.load(model[2]).score(rows)


def test_score_one_takes_one_row_of_a_model_with_one_output(model) -> None:
    with pytest.raises(ValueError, match="takes one row, not 2"):
        Scorer.load(model[2]).score_one(np.zeros((2, 6)))
    case = random_case(0, "multiclass")
    with pytest.raises(ValueError, match="one output, this one has 3"):
        Scorer.load(compile_forest(case.booster, "three", case.rows)).score_one(case.rows[0])


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_threads_may_share_a_scorer(model, evaluator: str) -> None:
    """Small parts are scored under the GIL, large ones at the same time."""
    _, rows, blob = model
    scorer = Scorer.load(blob, evaluator=evaluator)
    many = np.tile(rows, (10, 1))
    parts = [np.ascontiguousarray(many[i::k]) for k in (2, 3, 500) for i in range(k)] * 3
    expected = [scorer.score(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(scorer.score, parts))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_other_threads_run_while_many_rows_are_scored(model, evaluator: str) -> None:
    _, rows, blob = model
    scorer = Scorer.load(blob, evaluator=evaluator)
    many = np.tile(rows, (100, 1))
    turns, is_running, is_over = 0, threading.Event(), threading.Event()

    def count() -> None:
        nonlocal turns
        while not is_over.is_set():
            turns += 1
            is_running.set()
            time.sleep(0)  # gives the GIL back

    interval = sys.getswitchinterval()
    other = threading.Thread(target=count)
    sys.setswitchinterval(60)  # nobody is made to give the GIL away: only the kernel itself can
    try:
        other.start()
        is_running.wait()
        before = turns
        for _ in range(200):  # the system may be slow to wake the other thread
            scorer.score(many)
            if turns > before:
                break
        assert turns > before
    finally:
        is_over.set()
        other.join()
        sys.setswitchinterval(interval)


def test_the_evaluator_can_be_chosen(model, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, blob = model
    assert Scorer.load(blob).evaluation()["evaluator"] == EVALUATORS[0]
    for name in EVALUATORS:
        assert Scorer.load(blob, evaluator=name).evaluation()["evaluator"] == name
        monkeypatch.setenv("MILLRACE_EVALUATOR", name)
        assert Scorer.load(blob).evaluation()["evaluator"] == name
    monkeypatch.setenv("MILLRACE_EVALUATOR", "")
    assert Scorer.load(blob).evaluation()["evaluator"] == EVALUATORS[0]
    monkeypatch.setenv("MILLRACE_EVALUATOR", "sse9")
    with pytest.raises(ModelError, match=r"no evaluator 'sse9'.*it can run .*portable") as raised:
        Scorer.load(blob)
    assert "MILLRACE_EVALUATOR" in raised.value.advice


@pytest.mark.parametrize("objective", ["regression", "binary", "multiclass", "rf"])
@pytest.mark.parametrize("seed", [0, 1])
def test_contributions_sum_to_the_raw_score_and_are_lightgbm_s(objective: str, seed: int) -> None:
    case = random_case(seed, objective)
    scorer = Scorer.load(compile_forest(case.booster, objective, case.rows))
    for row in case.rows[:8]:
        contributions = scorer.explain(row)
        assert contributions.shape == ((scorer.features + 1,) if scorer.outputs == 1 else (3, scorer.features + 1))
        raw = case.booster.predict(row[None], raw_score=True)[0]
        np.testing.assert_allclose(contributions.sum(-1), raw, rtol=1e-9, atol=1e-9)
        own = case.booster.predict(row[None], pred_contrib=True)[0]
        np.testing.assert_allclose(contributions.ravel(), own, rtol=1e-6, atol=1e-9 + 1e-7 * np.abs(own).max())


@pytest.mark.parametrize("objective", ["regression", "huber", "quantile", "binary"])
def test_the_deepest_tree_is_known(objective: str) -> None:
    """explain() allocates by it."""

    def depth(node: dict) -> int:
        return 1 + max(depth(node["left_child"]), depth(node["right_child"])) if "left_child" in node else 0

    case = random_case(1, objective)
    scorer = Scorer.load(compile_forest(case.booster, objective, case.rows))
    trees = case.booster.dump_model()["tree_info"]
    assert scorer.evaluation()["depth"] == max(depth(tree["tree_structure"]) for tree in trees)


def test_explain_takes_one_row(model) -> None:
    with pytest.raises(ValueError, match="explain takes one row"):
        Scorer.load(model[2]).explain(np.zeros((2, 6)))
