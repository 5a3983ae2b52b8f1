"""Training of asset classes: what it refuses, sister classes, and a history that is not tidy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.maintenance import AssetModel, Learned
from models.maintenance.training.log import read_log
from models.maintenance.training.preparation import TrainingError
from models.maintenance.training.train import train
from models.registry import ModelStore
from schemas import AssetClass, Telemetry, parse_asset_class
from tests.support.fleets import (
    PUMP,
    AssetEvent,
    batches,
    entry,
    press_class,
    press_history,
    pump_class,
    pump_history,
    reading,
)

pytestmark = pytest.mark.long


def refusal(tmp_path: Path, asset_class: AssetClass, events: list[AssetEvent]) -> str:
    with pytest.raises(TrainingError) as caught:
        train([(asset_class, batches(events))], ModelStore(tmp_path))
    assert not list(tmp_path.iterdir())
    return str(caught.value)


def test_sister_classes_share_a_forest_and_keep_their_own_preparation(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    store = ModelStore(tmp_path)
    names = ("small", "large")
    histories = [(pump_class(name), batches(pump_history(n, assets=10, name=name))) for n, name in enumerate(names)]
    manifests = train(histories, store, lambda what, share: told.append((what, share)))
    assert [manifest.name for manifest in manifests] == ["small", "large"]
    assert manifests[0].packs["score"].sha256 == manifests[1].packs["score"].sha256
    assert manifests[0].learned["preparation"]["mean"] != manifests[1].learned["preparation"]["mean"]
    for manifest in manifests:
        assert manifest.asset_class is not None
        assert manifest.kind == "rul"
        assert manifest.metrics["cv_lives"] == 10
        assert manifest.metrics["cv_lives_alerted"] > 0.8
        assert 0.8 <= manifest.metrics["cv_coverage"] <= 1
        assert manifest.metrics["cv_rmse"] < 12
        AssetModel(store.load(manifest.name, manifest.version)).warm()
        assert len(manifest.features) == manifest.packs["score"].features
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_life_is_told_as_well_in_a_unit_of_which_it_lasts_few(tmp_path: Path) -> None:
    """Cycles of a minute, and the same lives in hours: the score follows the readings, not a clock of the unit."""
    errors = []
    for unit_s in (60, 3600):
        text = PUMP.replace("unit_seconds = 60", f"unit_seconds = {unit_s}")
        asset_class = parse_asset_class(text.replace("cap = 60", f"cap = {3600 / unit_s}"))
        [manifest] = train([(asset_class, batches(pump_history(3, assets=10)))], ModelStore(tmp_path / str(unit_s)))
        errors.append(manifest.metrics["cv_rmse"] * unit_s)
        assert manifest.metrics["cv_rmse"] < 0.5 * manifest.metrics["cv_rmse_blind"]
        assert manifest.metrics["cv_lives_alerted"] > 0.8
    assert errors[1] < 1.8 * errors[0]
    assert Learned.from_json(manifest.learned).pull_units == 1 / 125
    del manifest.learned["pull_units"]
    assert Learned.from_json(manifest.learned).pull_units == 1, "a model of before is smoothed as it was"


def test_preparation_finds_regimes_and_leaves_out_what_says_nothing(tmp_path: Path) -> None:
    [manifest] = train([(pump_class(), batches(pump_history(3, assets=12)))], ModelStore(tmp_path))
    learned = manifest.learned["preparation"]
    assert len(learned["centroids"]) == 2
    assert [pump_class().sensors[place] for place in learned["sensors"]] == ["heat", "shake", "flow"]


def test_too_few_failures_are_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, pump_class(), pump_history(1, assets=2))
    assert "2 lives that end with a failure" in text
    assert "at least 3 are needed, 1 more" in text
    events = [event for event in press_history(1, assets=4) if getattr(event, "kind", "") != "failure"]
    assert "too few failures of every component: bearing (0), seal (0)" in refusal(tmp_path, press_class(), events)


def test_names_that_no_reading_has_are_refused(tmp_path: Path) -> None:
    wrong = parse_asset_class(PUMP.replace('"shake"', '"shaek"'))
    text = refusal(tmp_path, wrong, pump_history(1, assets=2))
    assert "names shaek, which no reading" in text
    assert "shake" in text
    assert "no reading of asset class pump" in refusal(tmp_path, pump_class(), press_history(1, assets=1, hours=5))


def test_sensors_that_do_not_move_are_refused(tmp_path: Path) -> None:
    still = parse_asset_class(PUMP.replace('"heat", "shake", "flow", ', ""))
    text = refusal(tmp_path, still, pump_history(1, assets=12))
    assert "serial 0.00" in text
    assert "room" in text


def test_classes_that_are_no_sisters_are_refused(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    pairs = (
        ([pump_class(), pump_class()], "same name"),
        ([pump_class(), parse_asset_class(PUMP.replace("cap = 60", "cap = 61").replace("pump", "other"))], "`target`"),
        ([press_class(), pump_class()], "only classes whose target"),
        ([], "No asset class"),
    )
    for classes, words in pairs:
        with pytest.raises(TrainingError, match=words):
            train([(one, []) for one in classes], store)


def test_lives_end_with_failures_and_what_follows_a_preventive_replacement_is_a_new_life() -> None:
    normal: dict[str, float | None] = {"speed": 100, "heat": 30, "shake": 1, "flow": 70, "room": 21, "serial": 7}
    events: list[AssetEvent] = [reading("a", cycle, normal) for cycle in range(1, 13)]
    log = read_log(
        pump_class(),
        [[*events, entry("a", 4, "replacement"), entry("a", 9, "failure"), entry("a", 9, "replacement")]],
    )
    nan = np.nan
    expected = [nan, nan, nan, nan, 4, 3, 2, 1, 0, nan, nan, nan]
    assert np.array_equal(log.remaining, expected, equal_nan=True)
    assert np.diff(log.life).nonzero()[0].tolist() == [3, 8]


def test_a_history_with_gaps_repetitions_and_late_readings_trains(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    events: list[AssetEvent] = []
    for whole in pump_history(4, assets=12, lives=2):
        event, draw = whole, random.random()
        if isinstance(event, Telemetry) and draw < 0.1:
            continue
        if isinstance(event, Telemetry) and draw < 0.2:
            lost = ("flow",) if draw < 0.18 else ("flow", "heat", "shake")
            event = event.model_copy(update={"readings": {**event.readings, **dict.fromkeys(lost)}})
        events += [event, event] if draw < 0.3 else [event]
    for place in range(50, len(events) - 50, 97):
        events[place], events[place + 40] = events[place + 40], events[place]
    [manifest] = train([(pump_class(), batches(events))], ModelStore(tmp_path))
    assert manifest.metrics["cv_lives"] == 24
    assert manifest.metrics["cv_rmse"] < 12
