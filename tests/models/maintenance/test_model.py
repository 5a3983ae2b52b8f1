"""The served model of an asset class: trained on a simulated fleet, then asked what it makes of another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from models.maintenance import AssetModel, Decisions, Learned, Preparation, observer_of, sentence_of
from models.maintenance.alerts import CHANGED, CLEARED, RAISED, REPLACED
from models.maintenance.codes import BLANK, DUPLICATE, LATE, LOGGED, SCORED
from models.maintenance.rows import ROW_BYTES
from models.maintenance.training.log import read_log
from models.registry import ModelStore
from schemas import ModelError
from tests.support.fleets import (
    AssetEvent,
    batches,
    entry,
    press_history,
    pump_history,
    pump_readings,
    reading,
)  # fmt: skip

HEALTHY: dict[str, float | None] = {"speed": 100, "heat": 30, "shake": 1, "flow": 70, "room": 21, "serial": 7}


@pytest.fixture(scope="module")
def store(trained_fleets: ModelStore) -> ModelStore:
    return trained_fleets


@pytest.fixture(scope="module")
def pump(store: ModelStore) -> AssetModel:
    return AssetModel(store.load("pump"))


@pytest.fixture(scope="module")
def press(store: ModelStore) -> AssetModel:
    return AssetModel(store.load("press"))


@dataclass
class Plant:
    """Rows of some assets, as an agent would keep them."""

    model: AssetModel
    slots: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = np.zeros(64, self.model.dtype)

    def take(self, events: Sequence[AssetEvent]) -> Decisions:
        slots = np.array([self.slots.setdefault(event.asset_id, len(self.slots)) for event in events], np.int64)
        return self.model.step(self.rows, slots, self.model.encode(events))

    def row(self, asset: str) -> np.void:
        return self.rows[self.slots[asset]]


def life(asset: str, length: int = 100, seed: int = 5, start: int = 0) -> list[AssetEvent]:
    random = np.random.default_rng(seed)
    return [reading(asset, start + age, pump_readings(random, age / length)) for age in range(1, length + 1)]


def test_scores_follow_the_life_that_is_left(pump: AssetModel) -> None:
    history = pump_history(2, assets=10)
    log = read_log(pump.asset_class, [history])
    made = Plant(pump).take(history)
    value, low, high = (column[log.readings, 0] for column in (made.value, made.low, made.high))
    left = np.minimum(log.remaining, 60)
    guess = np.sqrt(np.mean((left - left.mean()) ** 2))
    assert np.sqrt(np.mean((value - left) ** 2)) < 0.5 * guess
    assert 0.8 <= np.mean((low <= left) & (left <= high)) <= 0.99
    assert (low <= value).all()
    assert (value <= high).all()


def test_what_is_left_can_be_compared_between_targets(pump: AssetModel, press: AssetModel) -> None:
    cap = pump.asset_class.target.cap  # type: ignore[union-attr]
    assert pump.health(np.array([[0.0], [cap / 4], [cap], [2 * cap]])).tolist() == [[0.0], [0.25], [1.0], [1.0]]
    assert press.health(np.array([[0.0, 0.25], [1.0, 1.5]])).tolist() == [[1.0, 0.75], [0.0, 0.0]]


def test_served_feature_rows_equal_the_trained_ones_bit_for_bit(store: ModelStore, pump: AssetModel) -> None:
    for name, history in (("pump", pump_history(1)), ("press", press_history(1))):
        model = AssetModel(store.load(name))
        log = read_log(model.asset_class, batches(history))
        trained = log.replay(Learned.from_json(store.load(name).manifest.learned).preparation)
        plant = Plant(model)
        served = np.vstack([plant.take(part).features for part in batches(history, 97)])
        assert (trained.status == SCORED).sum() > 1000
        assert served.tobytes() == trained.features.tobytes()


@pytest.mark.long
def test_decisions_do_not_depend_on_how_events_are_cut_into_batches(press: AssetModel) -> None:
    history = press_history(3, assets=4)
    whole, parts = Plant(press), Plant(press)
    at_once = whole.take(history)
    one_by_one = [parts.take([event]) for event in history]
    assert np.array_equal(at_once.value, np.vstack([made.value for made in one_by_one]), equal_nan=True)
    assert len(at_once.transitions) == sum(len(made.transitions) for made in one_by_one) > 0
    assert whole.rows.tobytes() == parts.rows.tobytes()


def test_a_row_is_small_and_a_model_without_events_is_ready(pump: AssetModel, press: AssetModel) -> None:
    checked = len(pump.asset_class.sensors) * 27 + 8 * 5  # bytes of the memory of the sensors
    assert pump.dtype.itemsize <= ROW_BYTES + checked + 8
    assert press.dtype.itemsize <= ROW_BYTES + 48
    pump.warm()
    assert len(pump.step(np.zeros(1, pump.dtype), np.zeros(0, np.int64), pump.encode([])).status) == 0


def test_a_repeated_event_is_a_duplicate_and_an_older_reading_is_late(pump: AssetModel) -> None:
    events = life("a", 30)
    plant, clean = Plant(pump), Plant(pump)
    clean.take(events)
    made = plant.take([*events[:20], events[19], entry("a", 20, "error"), entry("a", 20, "error"), events[10]])
    assert made.status[20:].tolist() == [DUPLICATE, LOGGED, DUPLICATE, DUPLICATE]
    late = reading("a", 7.5, HEALTHY)
    assert plant.take([late]).status.tolist() == [LATE]
    plant.take(events[20:])
    assert np.array_equal(plant.row("a")["channels"], clean.row("a")["channels"])
    assert (int(plant.row("a")["duplicates"]), int(plant.row("a")["late"])) == (3, 1)


def test_missing_values_are_stood_in_for_and_nothing_known_is_no_score(pump: AssetModel) -> None:
    events = life("a", 60)
    plant, clean = Plant(pump), Plant(pump)
    expected = clean.take(events).value[-1, 0]
    without = [
        event.model_copy(update={"readings": {**event.readings, "heat": None} if n % 3 else event.readings})
        for n, event in enumerate(events)
        if not isinstance(event, str)
    ]
    assert abs(plant.take(without).value[-1, 0] - expected) < 12
    plant.take([reading("a", 60.5, HEALTHY)])  # the one before was not complete: it is applied now
    before = plant.row("a")["channels"].copy()
    nothing = [
        reading("a", 61, dict.fromkeys(HEALTHY)),
        reading("a", 62, {"unknown": 4.0, "speed": 100}),
        reading("a", 63, {"speed": None, "room": 21}),
    ]
    made = plant.take(nothing)
    assert made.status.tolist() == [BLANK] * 3
    assert np.isnan(made.value).all()
    assert np.array_equal(plant.row("a")["channels"], before)


def test_extreme_values_never_spoil_a_row(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life("a", 30))
    values = 1e308, -1e308, 0.0, 1e-308
    wild = [reading("a", 31 + n, dict.fromkeys(HEALTHY, value) | {"speed": 100.0}) for n, value in enumerate(values)]
    assert np.isfinite(plant.take(wild).value).all()
    run_wildly = [reading("a", 41 + n, HEALTHY | {"speed": value}) for n, value in enumerate(values)]
    made = plant.take(run_wildly)
    assert (made.status.tolist(), made.regime.tolist()) == ([BLANK] * 4, [-1] * 4)
    row = plant.row("a")
    assert all(np.isfinite(row[name]).all() for name in pump.dtype.names or () if pump.dtype[name].base.kind == "f")


@pytest.mark.parametrize(("speed", "is_known"), [(93.0, True), (107.0, True), (150.0, False), (230.0, False)])
def test_a_speed_that_the_training_has_not_seen_gets_no_score(pump: AssetModel, speed: float, is_known: bool) -> None:
    """It ran at 100 and at 200. What is normal elsewhere is not known: no score, and no sensor is blamed."""
    plant = Plant(pump)
    plant.take(life("a", 30))
    before = plant.row("a")["channels"].copy()
    random = np.random.default_rng(8)
    said = [pump_readings(random, 0.2) for _ in range(80)]
    slow = [one for one in said if (one["speed"] or 0.0) < 150.0][:30]
    made = plant.take([reading("a", 31 + n, one | {"speed": speed}) for n, one in enumerate(slow)])
    assert (made.regime >= 0).tolist() == [is_known] * 30
    if not is_known:
        assert made.status.tolist() == [BLANK] * 30
        assert not made.faults.any()
        assert np.array_equal(plant.row("a")["channels"], before)
    made = plant.take(life("a", 20, start=61))
    assert np.isfinite(made.value).all()
    assert not made.faults.any()


def test_what_gets_no_score_for_how_it_is_run_is_what_words_are_found_for(pump: AssetModel) -> None:
    """Beyond reach for the kernel, which decides, and for the words, which Python finds."""
    random = np.random.default_rng(9)
    speeds = [*random.uniform(60, 260, 300).tolist(), 1e308, -1e308, 0.0]
    events = [reading(f"a{n}", 1, HEALTHY | {"speed": speed}) for n, speed in enumerate(speeds)]
    rows, slots = np.zeros(len(events), pump.dtype), np.arange(len(events))
    has_score = pump.step(rows, slots, pump.encode(events)).regime >= 0
    assert 0 < has_score.sum() < len(speeds)
    assert [pump.run_anew(event.readings) == "" for event in events] == has_score.tolist()


def test_a_model_of_before_takes_the_nearest_regime(pump: AssetModel) -> None:
    learned = pump._learned.preparation
    without = {name: value for name, value in learned.to_json().items() if name != "reach"}
    assert Preparation.from_json(without).to_json() == without, "rows of before are known by what was learned"
    old = observer_of(pump.asset_class, Preparation.from_json(without))
    rows, slots = np.zeros(1, old.dtype), np.zeros(1, np.int64)
    seen = old(rows, slots, pump.encode([reading("a", 1, HEALTHY | {"speed": 140.0})], [0.0]))
    assert seen.regime.tolist() == pump._learned.preparation.regimes.of(np.array([[100.0]])).tolist()


def test_rare_spikes_cost_little(pump: AssetModel) -> None:
    random = np.random.default_rng(4)
    history = pump_history(6, assets=8)
    log = read_log(pump.asset_class, [history])
    spiked = [
        event.model_copy(update={"readings": {**event.readings, "heat": 100.0}})
        if hasattr(event, "readings") and random.random() < 0.01
        else event
        for event in history
    ]
    left = np.minimum(log.remaining, 60)
    error = [
        np.sqrt(np.mean((Plant(pump).take(events).value[log.readings, 0] - left) ** 2)) for events in (history, spiked)
    ]
    assert error[1] < error[0] + 1.5


def test_an_alert_is_raised_escalates_and_is_cleared_by_the_replacement(pump: AssetModel) -> None:
    plant = Plant(pump)
    made = plant.take(life("a", 100))
    states = made.transitions["state"].tolist()
    assert states == [RAISED, CHANGED, CHANGED]
    assert made.transitions["severity"].tolist() == [1, 2, 3]
    assert made.transitions["sequence"].tolist() == [0, 1, 2]
    assert len(set(made.transitions["raised_at"].tolist())) == 1
    cleared = plant.take([entry("a", 100, "replacement")]).transitions
    assert cleared["state"].tolist() == [CLEARED]
    assert cleared["reason"].tolist() == [REPLACED]
    assert cleared["severity"].tolist() == [3]
    assert np.isfinite([cleared["value"][0], cleared["threshold"][0]]).all()
    again = plant.take(life("a", 100, seed=8, start=100))
    assert again.value[0, 0] > 40
    assert again.transitions["alert"].tolist() == [2, 2, 2]


def test_a_replacement_takes_effect_after_its_own_time_whenever_it_arrives(pump: AssetModel) -> None:
    first, second, done = life("a", 90), life("a", 40, start=90), entry("a", 90, "replacement")
    orders = (
        [*first, done, *second],
        [done, *first, *second],
        [*first[:-1], done, first[-1], *second],
    )
    plants = [Plant(pump) for _ in orders]
    values = [plant.take(events).value[-1, 0] for plant, events in zip(plants, orders, strict=True)]
    assert values[0] == values[1] == values[2]
    assert {int(plant.row("a")["seen"]) for plant in plants} == {40}


def test_an_asset_that_turns_healthy_at_once_begins_a_new_life(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life("a", 90))
    made = plant.take(life("a", 90, seed=9, start=90)[:30])
    assert int(plant.row("a")["seen"]) < 30
    assert CLEARED in made.transitions["state"]
    assert made.value[-1, 0] > 40


def test_a_maintenance_window_holds_alerts_back_until_it_ends(pump: AssetModel) -> None:
    events = life("a", 100)
    plant = Plant(pump)
    plant.take([entry("a", 1, "window_start")])
    made = plant.take(events)
    assert len(made.transitions) == 0
    assert made.is_suppressed.any()
    plant.take([entry("a", 100, "window_end")])
    raised = plant.take([reading("a", 101, pump_readings(np.random.default_rng(0), 1.0))]).transitions
    assert raised["state"].tolist() == [RAISED]
    assert raised["severity"].tolist() == [3]


def test_evidence_names_what_moved_the_score(pump: AssetModel) -> None:
    events = life("a", 100)
    made = Plant(pump).take(events)
    first = made.transitions[0]
    readings = events[first["event"]].readings
    told = pump.explain(made, first, readings)
    raw = float(made.raw[first["event"], 0])
    assert told.base + sum(line["contribution"] for line in told.lines) == pytest.approx(raw)
    sizes = [abs(line["contribution"]) for line in told.lines if line["feature"] != "all else"]
    assert sizes == sorted(sizes, reverse=True)
    worn = [line for line in told.lines if line["feature"] in ("heat", "shake", "flow")]
    assert worn
    for line in worn:
        assert line["value"] == readings[line["feature"]]
        assert line["normal_low"] < line["normal_high"]
        assert f"{line['feature']} " in line["words"]
    assert pump.reason(first) == "reached the advisory level"
    shake = next(line for line in worn if line["feature"] == "shake")
    assert shake["value"] > shake["normal_high"], "the pump shakes more than one that is well"
    sentence = sentence_of(pump.asset_class, "a", None, first, (1.0, 29.0), told)
    assert sentence.startswith("Remaining life of a is about ")
    assert "cycles (1 to 29), advisory, which begins at" in sentence
    assert sentence.count("at this load") == 1
    assert "shake" in sentence
    assert sentence.endswith(".")


@pytest.mark.long
def test_the_part_that_is_going_to_fail_is_told(press: AssetModel) -> None:
    history = press_history(2, assets=6)
    log = read_log(press.asset_class, [history])
    made = Plant(press).take(history)
    assert press.unit == "probability"
    assert np.isnan(made.low).all()
    for number, target in enumerate(press.targets):
        code = len(press.asset_class.errors) + number
        failures = log.entries(code, (4,))
        raised = made.transitions[(made.transitions["target"] == number) & (made.transitions["state"] == RAISED)]
        raised_at = log.batch.time_s[raised["event"]]
        found = [
            ((log.slots[raised["event"]] == log.slots[f]) & (raised_at < log.batch.time_s[f])
             & (raised_at >= log.batch.time_s[f] - 24 * 60)).any()
            for f in failures
        ]  # fmt: skip
        assert target.component in ("bearing", "seal")
        assert np.mean(found) > 0.8


def test_errors_count_within_their_windows_and_only_before_the_reading(press: AssetModel, store: ModelStore) -> None:
    names = store.load("press").manifest.features
    plant = Plant(press)
    normal = {"force": 100.0, "error": 1.0, "age": 3.0}
    plant.take([entry("p", 5, "error", "press", code="jam"), entry("p", 50, "error", "press", code="jam")])
    plant.take(
        [entry("p", 6, "error", "press", code="unheard-of"), entry("p", 7, "replacement", "press", component="seal")]
    )
    made = plant.take([reading("p", hour, normal, "press") for hour in (4, 5, 6, 30, 51, 100)])
    columns = {name: made.features[:, names.index(name)].tolist() for name in names}
    assert columns["jam.count_24"] == [0, 0, 1, 0, 1, 0]
    assert columns["jam.count_72"] == [0, 0, 1, 1, 2, 1]
    assert columns["jam.since"] == [10_000, 10_000, 1, 25, 1, 50]
    assert columns["leak.count_168"] == [0] * 6
    assert columns["seal.since_renewal"] == [10_000, 10_000, 10_000, 23, 44, 93]
    assert columns["bearing.since_renewal"] == [10_000] * 6
    assert columns["age"] == [3] * 6


def test_more_entries_than_the_log_holds_are_remembered_by_kind(press: AssetModel, store: ModelStore) -> None:
    names = store.load("press").manifest.features
    plant = Plant(press)
    many = [entry("p", 1 + n / 100, "error", "press", code="leak") for n in range(60)]
    plant.take([entry("p", 1, "error", "press", code="jam"), *many])
    made = plant.take([reading("p", 3, {"force": 100.0, "error": 1.0, "age": 3.0}, "press")])
    row = dict(zip(names, made.features[0].tolist(), strict=True))
    assert row["jam.since"] == 2
    assert row["leak.count_24"] == 24
    assert row["leak.since"] == pytest.approx(1.41)


def test_a_renewed_part_leaves_the_alert_of_the_other_part_open(press: AssetModel) -> None:
    plant = Plant(press)
    history = press_history(2, assets=1)
    raised = next(
        (event, int(one["target"]))
        for event in history
        for one in plant.take([event]).transitions
        if one["state"] == RAISED
    )
    event, number = raised
    other = press.targets[1 - number].failure_mode
    hour = (event.event_time.timestamp() - 1_704_067_200) / 60
    asset = event.asset_id
    assert len(plant.take([entry(asset, hour, "replacement", "press", component=other)]).transitions) == 0
    mine = press.targets[number].failure_mode
    cleared = plant.take([entry(asset, hour, "replacement", "press", component=mine)]).transitions
    assert cleared["state"].tolist() == [CLEARED]


def test_the_layout_tells_rows_of_another_meaning_apart(store: ModelStore, pump: AssetModel, press: AssetModel) -> None:
    assert AssetModel(store.load("pump")).layout == pump.layout
    assert pump.layout != press.layout


def test_a_model_whose_parts_do_not_fit_is_refused(store: ModelStore) -> None:
    model = store.load("pump")
    swapped = type(model)(model.manifest, store.load("press").scorers, Path("elsewhere"))
    with pytest.raises(ModelError, match="forests take"):
        AssetModel(swapped)
    empty = model.manifest.model_copy(update={"learned": {}})
    with pytest.raises(ModelError, match="learned"):
        AssetModel(type(model)(empty, model.scorers, Path("elsewhere")))
