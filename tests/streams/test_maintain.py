"""The maintenance page by itself: real models and real rows, records in hand instead of a broker."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from prometheus_client import REGISTRY

from models.maintenance import AssetModel
from models.stages import STAGES, Stage
from schemas import (
    ALERTS,
    CLICKS,
    MAINTENANCE,
    SCORES,
    TELEMETRY,
    UNDECIDED,
    WHY_HEADER,
    Alert,
    Maintenance,
    Score,
    Telemetry,
)
from streams.agent import empty_state
from streams.maintain import Maintain
from streams.metrics import BESIDE, BatchMetrics
from streams.undecided import what_lacks
from tests.streams.pages import SETTINGS, Shop, checked, record, records_of, run
from tests.support.world import plant_events, shop_events, topic_of


def test_a_life_becomes_scores_that_fall_and_one_alert_that_escalates(maintain: Maintain, pump: AssetModel) -> None:
    events = plant_events(cycles=330, pumps=2, seed=21, name="new-")
    outputs, dead, state = run(maintain, records_of(events), size=37)
    assert not dead
    scores: list[Score] = checked(outputs, SCORES)
    assert len(scores) == sum(topic_of(event) == TELEMETRY for event in events)
    assert len({score.score_id for score in scores}) == len(scores)
    assert all(score.low is not None and score.high is not None and score.low <= score.high for score in scores)
    cap = pump.asset_class.target.cap
    assert all(score.health == pytest.approx(score.value / cap, abs=1e-6) for score in scores)
    assert max(score.health for score in scores) > 0.9, "a new one has nearly all of its life"
    assert len({score.regime for score in scores}) == len(pump._learned.preparation.regimes) > 1
    failed = next(event for event in events if getattr(event, "kind", "") == "failure")
    before = [score for score in scores if score.asset_id == failed.asset_id and score.event_time < failed.event_time]
    assert before[40].value > 80
    assert before[-1].value < 25
    alerts: list[Alert] = [alert for alert in checked(outputs, ALERTS) if alert.asset_id == failed.asset_id]
    first = [alert for alert in alerts if alert.alert_id == alerts[0].alert_id]
    assert [alert.sequence for alert in first] == list(range(len(first)))
    assert [alert.severity for alert in first][:3] == ["advisory", "warning", "critical"]
    assert (first[0].state, first[-1].state) == ("raised", "cleared")
    assert first[0].evidence.contributions
    assert first[0].event_time < failed.event_time
    assert len(state.tables["pump"]) == 2
    assert state.tables["pump"].array.dtype.itemsize <= 1300  # of it 27 bytes a sensor to tell which one is broken


def test_scores_tell_of_a_broken_sensor_and_of_the_quality_of_their_input(maintain: Maintain) -> None:
    events = [event for event in plant_events(cycles=60, pumps=1, seed=21) if isinstance(event, Telemetry)]
    lost = [
        event.model_copy(update={"readings": event.readings | {"bearing_temperature": None}}) for event in events[40:]
    ]
    outputs, dead, _ = run(maintain, records_of([*events[:40], *lost]), size=13)
    assert not dead
    scores: list[Score] = checked(outputs, SCORES)
    assert [score.quality for score in scores[:40]].count("good") > 35
    assert [len(score.sensors) for score in scores[40:]] == [0, 0, *[1] * (len(scores) - 42)]
    assert scores[-1].quality == "degraded"
    assert (scores[-1].sensors[0].sensor, scores[-1].sensors[0].fault) == ("bearing_temperature", "missing")


def test_decisions_do_not_depend_on_how_records_are_cut(maintain: Maintain) -> None:
    records = records_of(plant_events(cycles=60, pumps=3, seed=22))
    whole, _, state = run(maintain, records, size=len(records))
    pieces, _, state_of_pieces = run(maintain, records, size=7)
    by_id = [sorted((output.topic, output.value) for output in outputs) for outputs in (whole, pieces)]
    assert by_id[0] == by_id[1]
    rows = [
        {key: table.array[table.find(key)].tobytes() for key in table.keys()}  # noqa: SIM118 - not a dict
        for table in (state.tables["pump"], state_of_pieces.tables["pump"])
    ]
    assert rows[0] == rows[1]


def test_a_batch_leaves_its_cpu_time_by_stage_in_the_metrics(maintain: Maintain, trained_home: Path) -> None:
    shop = Shop(trained_home, is_trained=True)
    clicks = records_of([event for event in shop_events(200) if topic_of(event) == CLICKS])
    readings = records_of(plant_events(cycles=20, pumps=3, seed=24))
    for page, state, records in (
        (shop.page, shop.state, clicks),
        (maintain, empty_state(1, maintain.layouts()), readings),
    ):
        metrics, before = BatchMetrics(page.name), cpu_seconds(page.name)
        with metrics.handling():
            page.handle(state, records)
        metrics.applied(records, page.topics)
        after = cpu_seconds(page.name)
        assert tuple(after) == STAGES
        assert all(after[stage] > before[stage] for stage in STAGES), (page.name, before, after)
        metrics.applied([], page.topics)
        assert cpu_seconds(page.name) == after


def cpu_seconds(agent: str) -> dict[Stage, float]:
    """As Prometheus would see them."""
    name = "millrace_stage_cpu_seconds_total"
    return {stage: REGISTRY.get_sample_value(name, {"agent": agent, "stage": stage}) or 0.0 for stage in STAGES}


def test_repeated_events_are_not_applied_twice(maintain: Maintain) -> None:
    records = records_of(plant_events(cycles=20, pumps=1, seed=23))
    _, _, state = run(maintain, records, size=50)
    before = state.tables["pump"].array.copy()
    outputs, dead, _ = run(maintain, records[-5:], size=5, state=state)
    assert (outputs, dead) == ([], [])
    after = state.tables["pump"].array
    assert after["duplicates"].sum() == 5
    assert all(
        after[name].tobytes() == before[name].tobytes() for name in after.dtype.names or () if name != "duplicates"
    )


GOOD = {
    "event_id": "e-1", "event_time": "2023-11-14T00:00:00Z", "asset_id": "a", "asset_class": "pump",
    "readings": {"vibration": 1.0, "speed": 900, "load": 0.35},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        ({}, "b", "the record's key is 'b' but asset_id is 'a'"),
        ({}, None, "the record's key is none"),
        ({"readings": {"vibration": "high"}}, "a", "readings.vibration"),
        ({"readings": {}}, "a", "readings"),
        ({"event_time": "yesterday"}, "a", "event_time"),
        ({"event_time": "2023-11-14T00:00:00"}, "a", "timezone"),
        ({"event_time": 1_700_000_000}, "a", "milliseconds"),
        ({"event_time": "2031-01-01T00:00:00Z"}, "a", "MILLRACE_MAX_FUTURE_TELEMETRY_S"),
        ({"event_id": ["e"]}, "a", "event_id"),
        ({"asset_id": "a\n"}, "a\n", "asset_id"),
    ],
)
def test_bad_readings_are_quarantined_with_the_reason(
    maintain: Maintain, change: dict[str, Any], key: str | None, reason: str
) -> None:
    bad = record(TELEMETRY, key, orjson.dumps(GOOD | change), offset=7)
    fine = record(TELEMETRY, "a", orjson.dumps(GOOD | {"event_id": "e-2"}), offset=8)
    outputs, dead, _ = run(maintain, [bad, fine], size=2)
    assert [letter.record for letter in dead] == [bad]
    assert reason in dead[0].reason
    assert len(checked(outputs, SCORES)) == 1


def test_events_of_a_class_without_a_model_are_counted_and_answered_and_never_quarantined(
    maintain: Maintain, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured = structlog.testing.LogCapture()  # whatever another test has configured
    log = structlog.wrap_logger(None, processors=[captured], wrapper_class=structlog.BoundLogger)
    monkeypatch.setattr("streams.no_model.log", log)
    alike = record(TELEMETRY, "a", orjson.dumps(GOOD | {"asset_class": "Pmup"}), offset=7)
    silent = record(TELEMETRY, "a", orjson.dumps(GOOD | {"asset_class": "toaster"}), offset=8)
    entry = {name: value for name, value in GOOD.items() if name != "readings"} | {"kind": "error", "code": "e1"}
    logged = record(MAINTENANCE, "a", orjson.dumps(entry | {"asset_class": "toaster"}), offset=1)
    alike.headers = logged.headers = [(WHY_HEADER, b"")]
    fine = record(TELEMETRY, "a", orjson.dumps(GOOD | {"event_id": "e-2"}), offset=9)
    before = skipped("no_model")
    outputs, dead, state = run(maintain, [alike, silent, logged, fine], size=4)
    assert not dead
    assert skipped("no_model") == before + 3
    assert len(checked(outputs, SCORES)) == 1
    assert set(state.tables["pump"].keys()) == {b"a"}
    made = [orjson.loads(output.value) for output in outputs if output.topic == UNDECIDED]
    answers = {answer["caused_by"]["topic"]: answer for answer in made}
    assert {answer["reason"] for answer in answers.values()} == {"no_model"}
    detail = answers[TELEMETRY]["detail"]
    assert "no model for asset class 'Pmup' yet; this worker has: pump; did you mean 'pump'?" in detail
    assert "train one with" in answers[MAINTENANCE]["detail"]
    assert "did you mean" not in answers[MAINTENANCE]["detail"]
    told = {line["asset_class"]: (line["events"], line["perhaps_meant"]) for line in captured.entries}
    assert told == {"Pmup": (1, "pump"), "toaster": (2, None)}
    run(maintain, [silent], size=1, state=state)
    assert len(captured.entries) == 2, "once a minute"


def test_readings_put_back_after_newer_ones_are_scored_late_and_decide_nothing(maintain: Maintain) -> None:
    events = [event for event in plant_events(cycles=60, pumps=1, seed=25) if topic_of(event) == TELEMETRY]
    missed, live = records_of(events)[:40], records_of(events)[40:]
    outputs, _, state = run(maintain, live, size=50)
    assert not any(score.late for score in checked(outputs, SCORES))
    before = counted("late"), skipped("late")
    outputs, dead, _ = run(maintain, missed, size=50, state=state)
    scores = checked(outputs, SCORES)
    assert not dead
    assert (counted("late"), skipped("late")) == (before[0] + len(missed), before[1])
    assert [score.late for score in scores] == [True] * len(missed)
    assert not checked(outputs, ALERTS)


def test_late_readings_of_an_earlier_life_and_entries_of_the_log_are_skipped_by_reason(maintain: Maintain) -> None:
    events = [event for event in plant_events(cycles=60, pumps=1, seed=25) if topic_of(event) == TELEMETRY]
    missed, first_life, second_life = records_of(events)[:10], records_of(events)[10:30], records_of(events)[30:]
    entry = {"event_id": "r", "event_time": events[29].model_dump()["event_time"], "kind": "replacement"}
    renewal = Maintenance(asset_id="pump-01", asset_class="pump", **entry)
    before = counted("late"), skipped("late"), skipped("logged")
    _, _, state = run(maintain, [*first_life, *records_of([renewal]), *second_life], size=50)
    outputs, dead, _ = run(maintain, missed, size=50, state=state)
    assert (outputs, dead) == ([], [])
    assert (counted("late"), skipped("late"), skipped("logged")) == (before[0], before[1] + 10, before[2] + 1)


def test_readings_beside_the_known_are_ignored_and_counted(maintain: Maintain) -> None:
    before = counted("unknown")
    beside = {"Temp °C": 1.0, "ns=2;s=Mode": "AUTO", "": None, "nested": {"a": [1, {"b": True}]}, "x" * 5000: -1}
    good = orjson.dumps(GOOD | {"readings": GOOD["readings"] | beside})  # type: ignore[operator]
    only = orjson.dumps(GOOD | {"event_id": "e-9", "event_time": "2023-11-14T00:00:01Z", "readings": beside})
    outputs, dead, _ = run(maintain, [record(TELEMETRY, "a", good), record(TELEMETRY, "a", only, 1)], size=2)
    assert (len(checked(outputs, SCORES)), dead) == (1, [])
    assert counted("unknown") == before + 2 * len(beside)


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        ({}, "late", "older than the asset's present life"),
        ({"event_id": "of the newest"}, "duplicate", "was sent before"),
        (
            {"event_time": "2023-11-14T22:15:00Z", "readings": {"nothing": 1.0}},
            "blank",
            "sensor of pump, which are: bearing_temperature, vibration",
        ),
    ],
)
def test_whoever_asks_is_told_why_a_reading_has_no_score(
    maintain: Maintain, change: dict[str, Any], reason: str, detail: str
) -> None:
    events = [event for event in plant_events(cycles=60, pumps=1, seed=25) if topic_of(event) == TELEMETRY]
    missed, first_life = events[0], records_of(events)[10:30]
    renewal = {"event_id": "r", "event_time": events[29].model_dump()["event_time"], "kind": "replacement"}
    log = records_of([Maintenance(asset_id="pump-01", asset_class="pump", **renewal)])
    _, _, state = run(maintain, [*first_life, *log, *records_of(events)[30:]], size=50)
    if "event_id" in change:
        missed, change = events[-1], {}
    value = orjson.dumps(missed.model_dump(mode="json") | change)
    silent, asking = (record(TELEMETRY, "pump-01", value, offset=7) for _ in range(2))
    assert run(maintain, [silent], size=1, state=deepcopy(state))[0] == []
    asking.headers.append((WHY_HEADER, b"1"))
    [told], dead, _ = run(maintain, [asking], size=1, state=state)
    assert not dead
    answer = orjson.loads(told.value or b"")
    assert (told.topic, told.partition, answer["reason"]) == (UNDECIDED, 0, reason)
    assert detail in answer["detail"]
    assert answer["caused_by"] == {"topic": TELEMETRY, "partition": 1, "offset": 7}


def test_a_reading_that_lacks_how_the_asset_is_run_is_named(pump: AssetModel) -> None:
    readings = {"readings": {"vibration": 1.0, "speed": 900}}
    told = what_lacks(pump.asset_class, Telemetry.model_validate(GOOD | readings), "")
    assert told == "it lacks how the asset is run: load"


def test_a_reading_of_an_asset_that_is_run_anew_says_so(pump: AssetModel) -> None:
    readings = {"vibration": 1.0, "speed": 90_000.0, "load": 0.5}
    told = what_lacks(
        pump.asset_class, Telemetry.model_validate(GOOD | {"readings": readings}), pump.run_anew(readings)
    )
    assert told.startswith("it is run as no reading of the training was: speed 90,000")
    assert pump.run_anew({"speed": 90_000.0}) == ""


BYTES = [b"", b"{", b"[]", b"null", b'{"readings": NaN}', b"[" * 5000, b"\xff\xfe", b"1" * 1_000_001]


@pytest.mark.parametrize("value", BYTES)
def test_bytes_that_are_no_event_are_quarantined(maintain: Maintain, value: bytes) -> None:
    outputs, dead, _ = run(maintain, [record(TELEMETRY, "a", value)], size=1)
    assert not outputs
    assert len(dead) == 1
    assert len(dead[0].reason) > 10


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b'"high"', b"[1]", b"9" * 400])
def test_a_known_reading_that_is_no_number_is_missing_and_the_others_are_used(
    maintain: Maintain, number: bytes
) -> None:
    before = counted("not_a_number")
    value = orjson.dumps(GOOD | {"readings": {"vibration": 9.25, "flow": 30, "speed": 900, "load": 0.35}})
    value = value.replace(b"9.25", number)
    assert number in value
    outputs, dead, _ = run(maintain, [record(TELEMETRY, "a", value)], size=1)
    assert (len(checked(outputs, SCORES)), dead) == (1, [])
    assert counted("not_a_number") == before + 1


def test_what_is_told_of_a_class_is_there_before_it_happens(pump: AssetModel) -> None:
    BESIDE.clear()
    maintain = Maintain(SETTINGS, {})
    assert BESIDE.collect()[0].samples == []
    maintain.served = maintain.served.with_champion(pump)
    assert {what: counted(what) for what in ("late", "unknown", "clock_set_back", "not_a_number")} == {
        "late": 0, "unknown": 0, "clock_set_back": 0, "not_a_number": 0,
    }  # fmt: skip
    assert BESIDE.collect()[0].samples


def counted(what: str) -> float:
    return REGISTRY.get_sample_value("millrace_readings_beside_total", {"asset_class": "pump", "what": what}) or 0.0


def skipped(reason: str) -> float:
    labels = {"agent": "maintain", "reason": reason}
    return REGISTRY.get_sample_value("millrace_skipped_total", labels) or 0.0


def test_an_alert_that_a_person_closed_is_cleared_by_the_worker(maintain: Maintain) -> None:
    events = plant_events(cycles=330, pumps=1, seed=21, name="new-")
    until = next(place for place, event in enumerate(events) if getattr(event, "kind", "") == "failure")
    asset = events[0].asset_id
    closed = Maintenance(
        event_id="c", event_time=events[until - 1].event_time, asset_id=asset, asset_class="pump",
        kind="alert_closed", component="wear",
    )  # fmt: skip
    outputs, dead, _ = run(maintain, records_of([*events[:until], closed, closed]), size=50)
    assert not dead
    alerts: list[Alert] = checked(outputs, ALERTS)
    assert [alert.state for alert in alerts].count("cleared") == 1
    assert (alerts[-1].state, "closed by hand" in alerts[-1].evidence.reason) == ("cleared", True)
    assert alerts[-1].alert_id == alerts[0].alert_id
