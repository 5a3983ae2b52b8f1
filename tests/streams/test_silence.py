"""What an asset sends raises data alerts: on the page by itself, and from Kafka to rows with a worker that waits."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from schemas import ALERTS, MAINTENANCE, SCORES, TELEMETRY, Alert, Maintenance, Settings, Telemetry
from streams.kafka import EventProducer
from streams.maintain import Maintain
from streams.silence import entries_of
from tests.streams.pages import SETTINGS, checked, records_of, run
from tests.support.kafka import consume, create_topics
from tests.support.workers import TIMEOUT_S, Workers
from tests.support.world import plant_events, topic_of


def healthy(count: int, seed: int = 8) -> list[Telemetry]:
    events = plant_events(cycles=count, pumps=1, seed=seed, name="quiet-")
    return [event for event in events if topic_of(event) == TELEMETRY][:count]


def without(event: Telemetry, *sensors: str) -> Telemetry:
    return event.model_copy(update={"readings": event.readings | dict.fromkeys(sensors)})


def data_alerts(outputs: list[Any]) -> list[Alert]:
    return [alert for alert in checked(outputs, ALERTS) if alert.kind == "data"]


def test_a_lost_sensor_is_one_data_alert_and_the_machine_is_still_scored(maintain: Maintain) -> None:
    events = healthy(80)
    lost = [without(event, "vibration") if 30 <= place < 60 else event for place, event in enumerate(events)]
    outputs, dead, _ = run(maintain, records_of(lost), size=7)
    assert not dead
    assert len(checked(outputs, SCORES)) == len(events)
    raised, cleared = data_alerts(outputs)
    assert (raised.failure_mode, raised.state, raised.severity, raised.score) == ("data", "raised", "advisory", None)
    assert raised.evidence.reason == "cannot be relied on: vibration of the bearing is missing"
    assert [one.model_dump() for one in raised.evidence.sensors] == [{"sensor": "vibration", "fault": "missing"}]
    assert 30 <= raised.caused_by.offset < 40
    assert (cleared.alert_id, cleared.sequence, cleared.state) == (raised.alert_id, 1, "cleared")
    assert cleared.evidence.reason == "is good again"


def test_readings_ahead_of_the_clock_are_dead_letters_and_a_data_alert(maintain: Maintain) -> None:
    events = healthy(80)
    records = records_of(events)
    for record in records[20:40]:
        record.timestamp -= 3_600_000
    outputs, dead, _ = run(maintain, records, size=7)
    assert [letter.record.offset for letter in dead] == list(range(20, 40))
    assert [one.caused_by.offset for one in checked(outputs, SCORES)] == [*range(20), *range(40, len(events))]
    raised, cleared = data_alerts(outputs)
    assert (raised.state, raised.severity) == ("raised", "warning")
    assert raised.evidence.reason == "cannot be relied on: its clock is 60 min ahead of the broker's"
    assert raised.caused_by.topic == TELEMETRY
    assert (cleared.state, cleared.alert_id) == ("cleared", raised.alert_id)


def test_what_is_said_of_silence_is_an_input_that_leads_to_the_alert(maintain: Maintain) -> None:
    events = healthy(40)
    _, _, state = run(maintain, records_of(events), size=40)
    newest = events[-1].event_time.timestamp()
    assert list(entries_of(state, maintain, SETTINGS, newest + 30, 0.0)) == []
    (said,) = entries_of(state, maintain, SETTINGS, newest + 61, 0.0)
    assert (said["kind"], said["asset_id"], said["asset_class"]) == ("silent", events[0].asset_id, "pump")
    assert datetime.fromisoformat(said["event_time"]).timestamp() == pytest.approx(newest + 61)
    (again,) = entries_of(state, maintain, SETTINGS, newest + 66, 0.0)
    assert again["event_id"] == said["event_id"], "of the same silence"

    outputs, dead, _ = run(maintain, records_of([Maintenance.model_validate(said)]), size=1, state=state)
    assert not dead
    (alert,) = data_alerts(outputs)
    assert (alert.state, alert.severity) == ("raised", "warning")
    assert alert.event_time.timestamp() == pytest.approx(newest + 60), "when it began to count, not when it was said"
    assert alert.evidence.value == pytest.approx(61)
    assert alert.evidence.threshold == pytest.approx(60)
    assert "no reading for 61 s" in alert.evidence.reason
    assert alert.caused_by.topic == MAINTENANCE
    assert list(entries_of(state, maintain, SETTINGS, newest + 500, 0.0)) == []


def open_data_alerts(settings: Settings) -> list[Any]:
    with sqlite3.connect(settings.home / "millrace.db") as database:
        found = database.execute("select asset_id, state from alerts where failure_mode = 'data'")
        return sorted(found.fetchall())


@pytest.mark.kafka
async def test_an_asset_that_falls_silent_is_told_and_told_back(settings: Settings, workers: Workers) -> None:
    await create_topics(settings)
    more = {"MILLRACE_SILENT_LEAST_S": "5", "MILLRACE_SILENT_INTERVALS": "3"}
    workers.start("edge", **more)
    workers.start("sink")
    async with EventProducer(settings) as producer:
        readings = iter(healthy(200))

        async def send(*assets: str) -> None:
            said = next(readings).model_dump(mode="json", exclude_none=True)
            for asset in assets:
                now = datetime.now(UTC)
                event = said | {"asset_id": asset, "event_id": f"{asset}-{now}", "event_time": now.isoformat()}
                await (await producer.push(TELEMETRY, event))

        deadline = time.monotonic() + TIMEOUT_S
        while not open_data_alerts(settings):
            assert time.monotonic() < deadline, "nothing was told"
            # "stops" sends for two seconds, the other one goes on
            await send("goes-on", *(["stops"] if time.monotonic() < deadline - TIMEOUT_S + 2 else []))
            await asyncio.sleep(0.2)
        assert open_data_alerts(settings) == [("stops", "raised")]
        await send("stops", "goes-on")
        await workers.until(lambda: open_data_alerts(settings) == [("stops", "cleared")], "it is back")
    entries = [orjson.loads(one.value) for one in await consume(settings, MAINTENANCE, 1)]
    assert {entry["asset_id"] for entry in entries} == {"stops"}
    assert datetime.fromisoformat(entries[0]["event_time"]) - datetime.now(UTC) < timedelta(seconds=1)
