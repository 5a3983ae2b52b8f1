"""An asset class without sensors on the page: entries of its log lead to scores and alerts, and so does time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from models.maintenance import AssetModel, every_s
from models.registry import ModelStore
from schemas import ALERTS, MAINTENANCE, SCORES, Alert, Maintenance
from streams.agent import empty_state
from streams.maintain import Maintain
from streams.silence import entries_of
from tests.streams.batches import packed
from tests.streams.pages import SETTINGS, checked, records_of, run
from tests.support.fleets import AssetEvent, log_history, logged_class, train_logged

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def handler(tmp_path_factory: pytest.TempPathFactory) -> Maintain:
    store = ModelStore(tmp_path_factory.mktemp("models"))
    train_logged(store)
    return Maintain(SETTINGS, {"logged": AssetModel(store.load("logged"))})


def test_each_entry_that_tells_something_is_scored_for_each_component(handler: Maintain) -> None:
    history = log_history(5, assets=3, hours=200)
    outputs, dead, _ = run(handler, records_of(history), size=9)
    assert not dead
    scores = checked(outputs, SCORES)
    telling = [place for place, event in enumerate(history) if event.kind != "failure"]  # type: ignore[union-attr]
    assert [score.caused_by.offset for score in scores] == sorted(telling * 2)
    assert {score.caused_by.topic for score in scores} == {MAINTENANCE}
    assert len({score.score_id for score in scores}) == len(scores)
    assert {score.component for score in scores} == {"bearing", "seal"}
    alerts = checked(outputs, ALERTS)
    assert {alert.kind for alert in alerts} == {"machine"}
    assert {alert.state for alert in alerts} == {"raised", "cleared"}
    said = [line["words"] for alert in alerts if alert.state == "raised" for line in alert.evidence.contributions]
    assert any("error jam" in words or "error leak" in words for words in said)
    assert not any("present" in words for words in said)


def test_scores_are_the_same_in_bulk(handler: Maintain) -> None:
    records = records_of(log_history(5, assets=3, hours=200))
    outputs = handler.handle(empty_state(1, handler.layouts()), records).outputs
    one_by_one = [output for output in outputs if output.topic == SCORES]
    assert len(one_by_one) > 100
    assert asyncio.run(packed(outputs, SCORES, 20_000)) == asyncio.run(packed(one_by_one, SCORES, 20_000))


def test_a_component_that_is_not_learned_has_no_score(tmp_path: Path) -> None:
    def is_kept(event: AssetEvent) -> bool:
        return not (isinstance(event, Maintenance) and event.kind == "failure" and event.component == "seal")

    store = ModelStore(tmp_path)
    train_logged(store, [event for event in log_history(1, assets=24) if is_kept(event)])
    handler = Maintain(SETTINGS, {"logged": AssetModel(store.load("logged"))})
    records = records_of(log_history(5, assets=3, hours=200))
    outputs = handler.handle(empty_state(1, handler.layouts()), records).outputs
    one_by_one = [output for output in outputs if output.topic == SCORES]
    assert {score.component for score in checked(one_by_one, SCORES)} == {"bearing"}
    assert asyncio.run(packed(outputs, SCORES, 20_000)) == asyncio.run(packed(one_by_one, SCORES, 20_000))
    assert {alert.failure_mode for alert in checked(list(outputs), ALERTS)} == {"bearing"}


def test_time_that_passes_is_an_entry_and_leads_to_scores_until_the_alert_is_over(handler: Maintain) -> None:
    history, alerts, state = log_history(5, assets=1, hours=300), list[Alert](), None
    while not (alerts and alerts[-1].state == "raised"):
        event = history.pop(0)
        outputs, _, state = run(handler, records_of([event]), size=1, state=state)
        alerts += checked(outputs, ALERTS)
    now = event.event_time.timestamp()
    assert list(entries_of(state, handler, SETTINGS, now + 60, 0.0)) == []
    wait_s, rounds = every_s(logged_class()), 0
    while alerts[-1].state == "raised":
        now, rounds = now + wait_s + 0.01, rounds + 1
        (said,) = entries_of(state, handler, SETTINGS, now, 0.0)
        assert (said["kind"], said["asset_id"]) == ("silent", event.asset_id)
        assert list(entries_of(state, handler, SETTINGS, now, 0.0)) == [said], "of the same moment"
        outputs, dead, _ = run(handler, records_of([Maintenance.model_validate(said)]), size=1, state=state)
        assert not dead
        assert len(checked(outputs, SCORES)) == 2
        alerts += checked(outputs, ALERTS)
        assert rounds < 100, "the alert is over some time"
