"""A class without a model, on a real broker: its readings and log are kept and shown, and scored once a model comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from schemas import MAINTENANCE, SCORES, TELEMETRY, Maintenance, Score, Settings, Telemetry
from storage import Reader, Store
from tests.support.centre import Centre
from tests.support.kafka import consume, create_topics, produce
from tests.support.workers import Workers
from tests.support.world import plant_events

pytestmark = pytest.mark.kafka


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = Store(settings.database())
    yield store
    store.close()


Seen = Callable[[Callable[[Reader], bool]], Callable[[], bool]]


@pytest.fixture
def holds(store: Store) -> Seen:
    """Of a condition on what is read: whether it holds at the moment."""

    def of(condition: Callable[[Reader], bool]) -> Callable[[], bool]:
        def is_so() -> bool:
            with store.reading() as reader:
                return condition(reader)

        return is_so

    return of


async def test_a_class_is_kept_and_shown_without_a_model_and_scored_from_then_on(
    settings: Settings, centre: Centre, workers: Workers, store: Store, holds: Seen
) -> None:
    await create_topics(settings)
    readings = [event for event in plant_events(cycles=40, pumps=2, seed=61) if isinstance(event, Telemetry)]
    before, later = readings[:40], readings[40:]
    entry = {"event_id": "e", "event_time": before[0].event_time, "kind": "error", "code": "overheated"}
    logged = Maintenance(asset_id="pump-03", asset_class="pump", **entry)
    workers.start("edge")
    workers.start("sink")
    await produce(settings, MAINTENANCE, [(logged.asset_id, logged)])
    await produce(settings, TELEMETRY, [(event.asset_id, event) for event in before])
    await workers.until(holds(lambda reader: is_shown(reader, before[-1])), "assets without a score are listed")
    await workers.until(lambda: "asset class without a model" in workers.log.read_text(), "the worker says so")
    with store.reading() as reader:
        check_without_score(reader)

    await centre.point("v1", centre.make("v1"))
    await workers.until(holds(runs_a_model), "the worker serves the class")
    await produce(settings, TELEMETRY, [(event.asset_id, event) for event in later])
    scores = [Score.model_validate_json(record.value) for record in await consume(settings, SCORES, len(later))]
    assert {score.event_time for score in scores} == {event.event_time for event in later}
    wanted = {event.asset_id for event in later}
    await workers.until(holds(lambda reader: scored(reader) == wanted), "all later ones are scored")
    with store.reading() as reader:
        assert not reader.count_assets().without_model
        assert reader.dead_letters(None, None, 9) == []


def is_shown(reader: Reader, last: Telemetry) -> bool:
    seen = {one.asset_id: one.last_seen for one in reader.assets("pump", None, 9)}
    return reader.count_assets().without_model == {"pump": 3} and max(seen.values(), default=None) == last.event_time


def check_without_score(reader: Reader) -> None:
    shown = reader.assets("pump", None, 9)
    assert [(one.latest_scores, one.health) for one in shown] == [([], None)] * 3
    assert reader.reading_series(("pump", shown[0].asset_id), None, None, 9, []).series
    assert [entry.code for _, entry in reader.log(("pump", "pump-03"), None, None, None, 9)] == ["overheated"]


def scored(reader: Reader) -> set[str]:
    return {one.asset_id for one in reader.assets("pump", None, 9) if one.latest_scores}


def runs_a_model(reader: Reader) -> bool:
    told = reader.workers(datetime.now(UTC) - timedelta(seconds=30))
    return any(running.name == "pump" for status in told for running in status.running)
