"""The two pages by themselves: real models and real rows, records in hand instead of a broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest
from prometheus_client import REGISTRY

from models.maintenance import AssetModel
from models.recommender import CatalogueView, Recommender
from models.registry import ModelStore
from models.stages import STAGES, Stage
from schemas import (
    ALERTS,
    CLICKS,
    FEED,
    ITEMS,
    KEY_FIELDS,
    OUTPUTS,
    RECOMMENDATIONS,
    SCORES,
    TELEMETRY,
    Alert,
    InputEvent,
    Maintenance,
    ModelRef,
    Recommendation,
    Score,
    Settings,
)
from streams.agent import Output, PartitionState, empty_state
from streams.kafka import ConsumerRecord
from streams.maintain import Maintain
from streams.metrics import BatchMetrics
from streams.recommend import Recommend, ServedRanker
from tests.support.world import START, plant_events, shop_events, topic_of

SETTINGS = Settings(topic_prefix="p.")


def records_of(events: Sequence[InputEvent], partition: int = 1) -> list[ConsumerRecord]:
    """As the source would hand them over; offsets count within each topic."""
    offsets: dict[str, Iterator[int]] = {}
    made = []
    for event in events:
        topic = topic_of(event)
        number = next(offsets.setdefault(topic, iter(range(10**9))))
        one = record(topic, getattr(event, KEY_FIELDS[topic]), event.model_dump_json().encode(), number, partition)
        one.timestamp = int(event.event_time.timestamp() * 1000)  # type: ignore[attr-defined]  # all inputs have it
        made.append(one)
    return made


def record(topic: str, key: str | None, value: bytes | None, offset: int = 0, partition: int = 1) -> ConsumerRecord:
    return SimpleNamespace(
        topic=f"p.{topic}", partition=partition, offset=offset, key=key.encode() if key else None, value=value,
        timestamp=int(START * 1000) + offset, headers=[("traceparent", b"00-abc-def-01")],
    )  # fmt: skip


def checked(outputs: Sequence[Output], topic: str) -> list[Any]:
    """The outputs of a topic, held against their schema; keys and headers as the contract says."""
    events = []
    for output in outputs:
        if output.topic == topic:
            assert output.value is not None
            event: Any = OUTPUTS[topic].model_validate_json(output.value)
            headers = dict(output.headers)
            assert headers["ce_specversion"] == b"1.0"
            assert headers["content-type"] == b"application/json"
            assert headers["traceparent"] == b"00-abc-def-01"
            assert output.key == (event.user_id if topic == RECOMMENDATIONS else event.asset_id).encode()
            events.append(event)
    return events


@pytest.fixture(scope="module")
def pump(trained_home: Path) -> AssetModel:
    return AssetModel(ModelStore(trained_home / "models").load("pump"))


@pytest.fixture
def maintain(pump: AssetModel) -> Maintain:
    return Maintain(SETTINGS, {"pump": pump})


def run(handler: Any, records: Sequence[ConsumerRecord], size: int, state: PartitionState | None = None) -> Any:
    """Outputs and dead letters of the records, in batches of `size`, and the state they leave."""
    state = state or empty_state(1, handler.layouts())
    outputs, dead = [], []
    for start in range(0, len(records), size):
        outcome = handler.handle(state, records[start : start + size])
        outputs += outcome.outputs
        dead += outcome.dead
    return outputs, dead, state


def test_a_life_becomes_scores_that_fall_and_one_alert_that_escalates(maintain: Maintain) -> None:
    events = plant_events(cycles=330, pumps=2, seed=21, name="new-")
    outputs, dead, state = run(maintain, records_of(events), size=37)
    assert not dead
    scores: list[Score] = checked(outputs, SCORES)
    assert len(scores) == sum(topic_of(event) == TELEMETRY for event in events)
    assert len({score.score_id for score in scores}) == len(scores)
    assert all(score.low is not None and score.high is not None and score.low <= score.high for score in scores)
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
    assert state.tables["pump"].array.dtype.itemsize <= 1024


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
        ({"asset_class": "toaster"}, "a", "no model for asset class 'toaster'; this worker has: pump"),
        ({}, "b", "the record's key is 'b' but asset_id is 'a'"),
        ({}, None, "the record's key is none"),
        ({"readings": {"vibration": "high"}}, "a", "readings.vibration"),
        ({"readings": {}}, "a", "readings"),
        ({"event_time": "yesterday"}, "a", "event_time"),
        ({"event_time": "2023-11-14T00:00:00"}, "a", "timezone"),
        ({"event_time": 1_700_000_000}, "a", "milliseconds"),
        ({"event_time": "2031-01-01T00:00:00Z"}, "a", "MILLRACE_MAX_FUTURE_TELEMETRY_S"),
        ({"event_id": ""}, "a", "event_id"),
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


def counted(what: str) -> float:
    return REGISTRY.get_sample_value("millrace_readings_beside_total", {"asset_class": "pump", "what": what}) or 0.0


def skipped(reason: str) -> float:
    labels = {"agent": "maintain", "reason": reason}
    return REGISTRY.get_sample_value("millrace_skipped_total", labels) or 0.0


class Shop:
    """The recommend page with the view that its own feed records build, as in a worker."""

    def __init__(self, home: Path, is_trained: bool) -> None:
        model = ModelStore(home / "models").load("recommender")
        assert model.manifest.profile is not None
        self.view = CatalogueView(model.manifest.profile)
        self.recommender = Recommender(model if is_trained else None, model.manifest.profile)
        served = ServedRanker(self.recommender, self.view, ModelRef(name="recommender", version="v"))
        self.page = Recommend(SETTINGS, served)
        self.state = empty_state(1, self.page.layouts())
        self.feed_offset = 0

    def handle(self, records: Sequence[ConsumerRecord]) -> tuple[list[Recommendation], list[Any]]:
        outcome = self.page.handle(self.state, records)
        for output in outcome.outputs:
            if output.topic == FEED:
                assert output.partition == 0
                assert output.value is not None
                self.view.apply(output.value, self.feed_offset)
                self.feed_offset += 1
        return checked(outcome.outputs, RECOMMENDATIONS), outcome.dead


def test_each_click_gets_items_of_the_shop_best_first(trained_home: Path) -> None:
    shop, found = Shop(trained_home, is_trained=True), []
    events = shop_events(900, seed=6)
    records = records_of(events)
    for start in range(0, len(records), 16):
        found += shop.handle(records[start : start + 16])[0]
    clicks = [event for event in events if topic_of(event) == CLICKS]
    known = {event.item_id for event in events}  # type: ignore[attr-defined]
    assert len(found) == len(clicks)
    assert {answer.strategy for answer in found[100:]} == {"ranker"}
    for answer, click in zip(found, clicks, strict=True):
        assert answer.caused_by.event_id == click.event_id
        ids, scores = [item.item_id for item in answer.items], [item.score for item in answer.items]
        assert len(set(ids)) == len(ids) <= 20
        assert set(ids) <= known
        assert scores == sorted(scores, reverse=True)
    sessions = {click.event_id: click.session_id for click in clicks}
    hits, cases = 0, 0
    for place, click in enumerate(clicks):
        later = next((other for other in clicks[place + 1 :] if sessions[other.event_id] == click.session_id), None)
        if place >= 300 and later is not None:
            cases += 1
            hits += later.item_id in [item.item_id for item in found[place].items]
    assert hits / cases > 0.6  # 80 items, 20 shown: chance is 0.25


def test_a_new_user_of_an_empty_shop_gets_an_answer_and_removed_items_vanish(trained_home: Path) -> None:
    shop = Shop(trained_home, is_trained=False)
    items = [event for event in shop_events(85) if topic_of(event) == ITEMS]
    click = next(event for event in shop_events(200) if topic_of(event) == CLICKS)
    shop.handle(records_of(items))
    answer = shop.handle(records_of([click]))[0][0]
    assert answer.strategy == "trending"
    assert answer.items
    gone = answer.items[0].item_id
    shop.handle([record(ITEMS, gone, None, offset=500)])
    again = click.model_copy(update={"event_id": "again"})
    later = shop.handle([record(CLICKS, again.user_id, again.model_dump_json().encode(), offset=501)])[0][0]
    assert gone not in [item.item_id for item in later.items]


def test_a_repeated_click_is_neither_answered_nor_counted(trained_home: Path) -> None:
    shop = Shop(trained_home, is_trained=False)
    clicks = [event for event in shop_events(150) if topic_of(event) == CLICKS][:30]
    shop.handle(records_of(clicks))
    counted = shop.view.clicks
    repeated = [record(CLICKS, c.user_id, c.model_dump_json().encode(), 100 + n) for n, c in enumerate(clicks[-10:])]
    answers, dead = shop.handle(repeated)
    assert (answers, dead) == ([], [])
    assert shop.view.clicks == counted
    assert np.array_equal(shop.view.arrays.counters[:1], [counted])
