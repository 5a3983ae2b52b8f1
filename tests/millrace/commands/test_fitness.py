"""A poor model is not promoted without a word: what was found, in units, and what is too little."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from millrace.commands.fitness import complaints_of, said_of
from millrace.commands.train import PoorModelError, _finish
from models.registry import ModelStore
from schemas import Manifest

FOUND = {
    "cv_failures": 27.0, "cv_failures_found": 26 / 27, "cv_false_alarms_per_asset_month": 0.156, "cv_median_lead": 18.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def press(trained_fleets: ModelStore) -> Manifest:
    return trained_fleets.load("press").manifest


@pytest.fixture(scope="module")
def pump(trained_fleets: ModelStore) -> Manifest:
    return trained_fleets.load("pump").manifest


def measured(manifest: Manifest, **metrics: float) -> Manifest:
    return manifest.model_copy(update={"metrics": metrics})


def test_what_was_found_is_said_with_units(press: Manifest, pump: Manifest) -> None:
    assert said_of(measured(press, **FOUND)) == (
        "Of 27 failures, judged by models that had not seen them, 26 were found, 18 hours ahead, and 1 missed; "
        "0.16 false alarms an asset and month."
    )
    said = said_of(pump)
    assert said.startswith("Of 24 lives, each judged by a model that had not seen it: remaining life wrong by ")
    assert f" cycles (root mean square; a guess without readings: {pump.metrics['cv_rmse_blind']:.3g}), " in said
    assert pump.metrics["cv_rmse"] < pump.metrics["cv_rmse_blind"]
    assert said_of(measured(pump)) == ""


def test_models_that_are_trained_well_have_no_complaint(press: Manifest, pump: Manifest) -> None:
    assert complaints_of(pump) == complaints_of(press) == []


def test_each_limit_is_a_complaint_of_its_own(press: Manifest, pump: Manifest) -> None:
    assert complaints_of(measured(press, **FOUND | {"cv_failures_found": 0.3})) == [
        "30% of the failures were found; 50% is the least"
    ]
    false = measured(press, **FOUND | {"cv_precision": 0.164})
    assert complaints_of(false) == ["16% of the alerts came true; 20% is the least"]
    none = FOUND | {"cv_failures_found": 0.0, "cv_false_alarms_per_asset_month": 0.0, "cv_precision": 0.0}
    assert complaints_of(measured(press, **none)) == [
        "no alert was raised, so none of the failures was found; 50% is the least"
    ]
    blind = measured(pump, cv_rmse=0.491, cv_rmse_blind=0.406)
    assert [text.split(";")[0] for text in complaints_of(blind)] == [
        "the remaining life is wrong by 0.491, and a guess that looks at no reading by 0.406"
    ]
    assert complaints_of(measured(pump, cv_rmse=0.13, cv_rmse_blind=0.406)) == []
    poor = measured(pump, cv_lives_alerted=0.2, cv_coverage=0.5, cv_alerts_per_life=7.0)
    assert len(complaints_of(poor)) == 3
    assert complaints_of(measured(pump)) == [], "what was not judged is not called poor"


def test_a_poor_model_is_kept_but_not_promoted_unless_somebody_wants_it(
    trained_fleets: ModelStore, pump: Manifest, press: Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(trained_fleets.folder, tmp_path / "models")
    (tmp_path / "models" / "aliases.json").unlink()
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    poor, store = measured(press, **FOUND | {"cv_failures_found": 0.3}), ModelStore(tmp_path / "models")
    with pytest.raises(PoorModelError, match=r"30% of the failures were found.*What served before goes on") as said:
        _finish([poor, pump], promote=True, anyway=False)
    assert "--anyway" in said.value.advice
    assert set(store.aliases().models) == {"pump"}, "the other one is good enough"
    _finish([poor], promote=True, anyway=True)
    assert set(store.aliases().models) == {"pump", "press"}
