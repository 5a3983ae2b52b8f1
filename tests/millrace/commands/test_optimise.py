"""`millrace models optimise` on models that were trained a moment ago."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from millrace.cli import run
from models.held_out import read_held_out
from models.maintenance import AssetModel
from models.maintenance.training import train as train_maintenance
from models.recommender import Recommender
from models.recommender.training import Sampling
from models.recommender.training import train as train_recommender
from models.registry import ModelStore
from models.shrink import optimise_model, save_optimised
from schemas import AssetClass, ModelError
from tests.models.recommender.shoppers import batches as click_batches
from tests.models.recommender.shoppers import shopping, small
from tests.support.fleets import AssetEvent, batches, press_class, press_history, pump_class, pump_history

pytestmark = pytest.mark.long

QUICK = Sampling(queries=1500, least_clicks=3000, held_out=0.3, trees=30)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Champions `pump`, `press` and `recommender`, and their held-out rows."""
    home = tmp_path_factory.mktemp("home")
    store = ModelStore(home / "models")
    fleets: Sequence[tuple[AssetClass, list[AssetEvent]]] = (
        (pump_class(), pump_history(3, assets=25)),
        (press_class(), press_history(3, assets=20)),
    )
    for asset_class, history in fleets:
        rows = home / f"{asset_class.name}.parquet"
        [manifest] = train_maintenance([(asset_class, batches(history))], store, held_out=rows)
        store.promote(manifest.name, manifest.version)
    profile = small("shop", hand_weights={"evidence": 0.0, "recent": 0.0, "popularity": 1.0, "own": 0.0})
    log = click_batches(shopping(6000, users=200), 500)
    manifest = train_recommender(log, profile, store, sampling=QUICK, held_out=home / "recommender.parquet")
    store.promote(manifest.name, manifest.version)
    return home


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(home))


def test_the_rows_are_those_that_the_metrics_are_of(home: Path) -> None:
    store = ModelStore(home / "models")
    model = store.load("recommender")
    held_out = read_held_out(home / "recommender.parquet", model.manifest)
    recall = np.bincount(held_out.group, held_out.labels["label"])
    asked = model.manifest.metrics["held_out_queries"]
    assert recall.sum() / asked == pytest.approx(model.manifest.metrics["candidate_recall"])
    pump = read_held_out(home / "pump.parquet", store.load("pump").manifest)
    assert len(np.unique(pump.group[pump.is_labelled])) == 5  # a fifth of the assets
    assert len(np.unique(pump.group[~pump.is_labelled])) == 20
    press = read_held_out(home / "press.parquet", store.load("press").manifest)
    assert set(press.labels) == {"label-bearing", "label-seal"}
    assert {0.0, 1.0} == set(np.unique(press.labels["label-seal"][press.is_labelled]))


@pytest.mark.parametrize("name", ["pump", "recommender"])
def test_a_smaller_version_is_saved_and_not_promoted(home: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = ModelStore(home / "models")
    before = store.load(name)
    assert run(["models", "optimise", name, "--rows", str(home / f"{name}.parquet"), "--loss", "10%"]) == 0
    told = capsys.readouterr().out
    assert "►" in told
    assert store.load(name).manifest.version == before.manifest.version
    saved = store.versions(name)[-1]
    assert saved.version.endswith("-opt")
    assert f"models promote {name} {saved.version}" in told
    optimised = saved.optimised
    assert optimised is not None
    assert optimised.from_version == before.manifest.version
    assert max(optimised.loss, optimised.loss_on_choice) <= 0.1
    assert 0 < optimised.bytes_ratio < 0.6
    sizes = [sum(pack.bytes for pack in one.packs.values()) for one in (saved, before.manifest)]
    assert optimised.bytes_ratio == pytest.approx(sizes[0] / sizes[1])
    assert set(optimised.forests) == set(saved.packs)
    picture = home / "models" / name / saved.version / "frontier.svg"
    assert picture.read_text().count("<svg") == 1
    assert run(["models", "show", name, saved.version]) == 0
    assert f"Made smaller from version {before.manifest.version}" in capsys.readouterr().out
    store.promote(name, saved.version)
    model = store.load(name)
    if saved.profile is None:
        AssetModel(model).warm()
    else:
        assert Recommender(model, saved.profile).scorer is not None
    store.rollback(name)


def test_scripts_get_the_whole_frontier(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["models", "optimise", "press", "champion", "--rows", str(home / "press.parquet"), "--json"]
    assert run([*arguments, "--loss", "0.1", "--picture", str(tmp_path / "here.svg")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (tmp_path / "here.svg").exists()
    assert found["picture"] == str(tmp_path / "here.svg")
    assert [forest["role"] for forest in found["forests"]] == ["score-bearing", "score-seal"]
    for forest in found["forests"]:
        frontier = forest["frontier"]
        assert forest["metric"] == "log_loss"
        costs = [one["bytes_ratio"] * one["time_ratio"] for one in frontier]
        assert costs == sorted(costs)
        original = next(one for one in frontier if one["leaf_type"] == "float64")
        assert (original["bytes_ratio"], original["loss"], original["loss_on_choice"]) == (1.0, 0.0, 0.0)
        chosen = [one for one in frontier if one["is_chosen"]]
        assert all(max(one["loss"], one["loss_on_choice"]) <= 0.1 for one in chosen)


def test_where_nothing_is_within_the_loss_nothing_is_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ModelStore(home / "models")
    model = store.load("press")
    before = sorted((home / "models").rglob("*"))
    held_out = read_held_out(home / "press.parquet", model.manifest)
    found = optimise_model(model, held_out, allowed=-0.9)  # would have to be far better than the original
    assert [one.chosen for one in found] == [None, None]
    with pytest.raises(ModelError, match="No smaller press loses at most"):
        save_optimised(store, model, found, -0.9)
    assert sorted((home / "models").rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["pump", "--rows", "none.parquet"], 1, "none.parquet cannot be read as Parquet"),
        (["nobody", "--rows", "pump.parquet"], 1, "nobody has no champion"),
        (["pump", "--rows", "press.parquet"], 1, "columns that pump .* needs"),
        (["pump", "--rows", "pump.parquet", "--loss", "much"], 2, "is no share"),
        (["pump", "--rows", "pump.parquet", "--loss", "200%"], 2, "is no share"),
        (["pump"], 2, "rows"),
    ],
    ids=str,
)
def test_what_cannot_be_optimised_is_told(
    home: Path,
    arguments: list[str],
    status: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(home)
    count = len(ModelStore(home / "models").versions())
    assert run(["models", "optimise", *arguments]) == status
    captured = capsys.readouterr()
    assert re.search(message, " ".join(captured.err.split()))
    assert len(ModelStore(home / "models").versions()) == count


def test_a_model_without_a_forest_is_refused(tmp_path: Path, home: Path) -> None:
    store = ModelStore(tmp_path)
    manifest = train_recommender(click_batches(shopping(200), 50), small("shop"), store, name="young")
    held_out = read_held_out(home / "recommender.parquet", ModelStore(home / "models").load("recommender").manifest)
    with pytest.raises(ModelError, match="has no forest"):
        optimise_model(store.load("young", manifest.version), held_out, 0.1)
