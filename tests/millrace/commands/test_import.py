"""`millrace models import`: forests of other libraries become versions of a model, or a sentence says why not."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pyarrow
import pytest
import xgboost
from sklearn.ensemble import RandomForestRegressor

from millrace.cli import run
from models.compiler import compile_forest
from models.registry import ModelStore

pytestmark = pytest.mark.long


@pytest.fixture
def store(trained_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    shutil.copytree(trained_home / "models", tmp_path / "models")
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.delenv("MILLRACE_KAFKA", raising=False)
    monkeypatch.chdir(tmp_path)
    return ModelStore(tmp_path / "models")


def data(columns: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    rows = random.normal(size=(600, columns)).astype(np.float32)
    rows[random.random(rows.shape) < 0.1] = np.nan
    return rows, np.nan_to_num(rows[:, 0]) * 20 + 60


def chosen(store: ModelStore) -> tuple[list[str], list[int]]:
    """Some of the features of the pumps' model, in another order."""
    names = store.load("pump").manifest.features
    places = list(range(len(names) - 1, 0, -3))
    return [names[place] for place in places], places


def train(kind: str, names: list[str]) -> Any:
    rows, target = data(len(names))
    if kind == "lightgbm":
        set_ = lightgbm.Dataset(rows, target, feature_name=[name.replace(" ", "_") for name in names])
        return lightgbm.train({"verbose": -1, "num_threads": 1}, set_, 5)
    return xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, target, feature_names=names), 5)


@pytest.mark.parametrize("file", ["forest.txt", "forest.json", "forest.ubj"])
def test_a_forest_scores_as_its_library_does(store: ModelStore, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    names, places = chosen(store)
    forest = train("lightgbm" if file.endswith("txt") else "xgboost", names)
    forest.save_model(file)
    before = store.load("pump").manifest
    assert run(["models", "import", file, "pump"]) == 0, capsys.readouterr().err
    made = store.load("pump", capsys.readouterr().out.split()[1].rstrip(":"))
    made.check_golden()
    rows = np.full((600, len(before.features)), 7.0, np.float32)
    rows[:, places] = data(len(names))[0]
    mine = np.ascontiguousarray(rows[:, places])
    known = forest.predict(xgboost.DMatrix(mine, feature_names=names) if "txt" not in file else mine)
    np.testing.assert_allclose(made.scorers["score"].score(rows), known, rtol=1e-5)
    assert made.manifest.learned == before.learned
    assert store.load("pump").manifest.version == before.version, "nothing serves it yet"
    assert "was trained elsewhere" in (made.folder / "card.md").read_text()


def test_a_forest_of_scikit_learn_comes_as_a_pack(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    names, _ = chosen(store)
    rows, target = data(len(names))
    model = RandomForestRegressor(5, random_state=0).fit(rows, target)
    Path("forest.pack").write_bytes(compile_forest(model, "mine", rows))
    assert run(["models", "import", "forest.pack", "pump"]) == 1
    assert "--features" in capsys.readouterr().err
    Path("names.txt").write_text("\n".join(names))
    assert run(["models", "import", "forest.pack", "pump", "--features", "names.txt"]) == 0, capsys.readouterr().err


def test_what_cannot_be_imported_is_told_in_a_sentence(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    names, _ = chosen(store)
    Path("p.pkl").write_bytes(pickle.dumps({}))
    Path("half.txt").write_bytes(b"tree\nversion=v4\n")
    Path("other.json").write_text("{}")
    train("xgboost", ["odd", *names[1:]]).save_model("odd.json")
    rows, target = data(2)
    xgboost.train({}, xgboost.DMatrix(rows, target), 2).save_model("bare.json")
    named = xgboost.DMatrix(rows, target > 60, feature_names=names[:2])
    xgboost.train({"objective": "binary:logistic"}, named, 2).save_model("logistic.json")
    for file, said in (
        ("nowhere", "cannot be read"),
        ("p.pkl", "may run any program"),
        ("half.txt", "not whole"),
        ("other.json", "neither LightGBM's text"),
        ("odd.json", "not in the rows of the model, such as 'odd'"),
        ("bare.json", "features have no names"),
        ("logistic.json", "link sigmoid; pump takes 1 with link identity"),
    ):
        assert run(["models", "import", file, "pump"]) == 1
        told = capsys.readouterr().err
        assert said in told
        assert "Check failed" not in told
    assert run(["models", "import", "bare.json", "pump", "--role", "nothing"]) == 1
    assert "has no forest 'nothing'" in capsys.readouterr().err


def test_a_text_that_is_cut_anywhere_is_told_and_ends_nothing(
    store: ModelStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """LightGBM ends the process for some: the first line alone, or a text that ends inside a tree."""
    train("lightgbm", chosen(store)[0]).save_model("forest.txt")
    text = Path("forest.txt").read_text()
    tree = text.index("Tree=0")
    for end in (5, 40, tree // 2, tree, tree + 9, text.index("leaf_value") + 20, len(text) // 2):
        Path("cut.txt").write_text(text[:end])
        status = run(["models", "import", "cut.txt", "pump"])
        told = capsys.readouterr().err
        assert (status, "not whole" in told) == (1, True), (end, told)


def test_categories_are_those_of_the_trees_and_texts_are_refused(
    store: ModelStore, capsys: pytest.CaptureFixture[str]
) -> None:
    names, _ = chosen(store)
    random = np.random.default_rng(1)
    codes, number = random.integers(0, 5, 400), random.normal(size=400)
    target = 50 + 9.0 * (codes == 2) + number
    table = {names[0]: number, names[1]: codes.astype(float)}
    matrix = xgboost.DMatrix(
        np.column_stack(list(table.values())), target, feature_names=names[:2], feature_types=["q", "c"],
        enable_categorical=True,
    )  # fmt: skip
    forest = xgboost.train({"max_cat_to_onehot": 1}, matrix, 4)
    forest.save_model("typed.json")
    bare = json.loads(Path("typed.json").read_text())
    bare["learner"]["feature_types"] = []
    Path("untyped.json").write_text(json.dumps(bare))
    for file in ("typed.json", "untyped.json"):
        assert run(["models", "import", file, "pump"]) == 0, capsys.readouterr().err
    texts = pyarrow.table({**table, names[1]: pyarrow.array([f"kind {c}" for c in codes]).dictionary_encode()})
    matrix = xgboost.DMatrix(texts, target, enable_categorical=True)
    xgboost.train({"max_cat_to_onehot": 1}, matrix, 4).save_model("texts.json")
    capsys.readouterr()
    assert run(["models", "import", "texts.json", "pump"]) == 1
    told = capsys.readouterr().err
    assert f"the categories of {names[1]} were given as text" in told
    assert "/project/" not in told
