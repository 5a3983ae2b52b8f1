"""What the page Live suggests to try, and how it tells what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from console import install
from console.live import tried
from console.page import fragment
from schemas import Evidence, SentEvent, Settings, Telemetry
from storage import Placed, Store
from tests.api.conftest import serving
from tests.console.test_pages import Reader
from tests.storage.test_kept import reading
from tests.support.decisions import alert, at, recommendation, score

EVENT = {"asset_id": "p1", "asset_class": "pump", "user_id": "ann"}


def words_of(decisions: list[tuple[str, Any]], **beside: Any) -> str:
    told = [{"topic": topic, "event": one.model_dump(mode="json")} for topic, one in decisions]
    sent = SentEvent(index=0, topic="telemetry.v1", partition=0, offset=7, decisions=told)
    html = fragment("tried.html", took_ms=5.0, is_part=True, **tried(sent, EVENT, **beside))
    return " ".join(Reader(html).words.split())


def test_a_score_is_told_beside_the_one_before() -> None:
    now, was = score(1, "p1", value=12.0), score(0, "p1", value=90.0)
    assert "p1, remaining life: 12 hour, 90 hour before" in words_of([("scores.v1", now)], before={None: was})
    assert "before" not in words_of([("scores.v1", now)])


def test_an_alert_is_told_in_its_sentence() -> None:
    evidence = Evidence(reason="reached", value=12.0, threshold=20.0, sentence="It is <hot>.")
    raised = alert("a-9", 0, 1, asset_id="p1", evidence=evidence)
    words = words_of([("scores.v1", score(1, "p1")), ("alerts.v1", raised)])
    assert "warning wear: It is <hot>." in words
    assert "alert_id" not in words


def test_a_list_is_told_with_what_changed() -> None:
    words = words_of([("recommendations.v1", recommendation("ann", 1, ["b", "a"]))], before=["a", "b"])
    assert "b 1.00 ▲ 1a 0.50 ▼ 1" in words


def test_what_has_no_decision_says_why() -> None:
    sent = SentEvent(index=0, topic="telemetry.v1", partition=0, offset=7, undecided="it repeats one of before")
    html = fragment("tried.html", took_ms=5.0, is_part=True, **tried(sent, EVENT))
    assert "it repeats one of before" in html
    assert "Is an edge worker running" not in html


def test_a_sensor_that_was_never_told_is_said() -> None:
    assert "never told of a sensor vibratoin" in words_of([("scores.v1", score(1, "p1"))], unknown="vibratoin")


@pytest.mark.parametrize(("value", "suggested"), [(9.0, "13"), (0.5, "-8")])
def test_a_reading_far_from_normal_is_suggested(
    console: httpx2.Client, store: Store, value: float, suggested: str
) -> None:
    """Of the sensor that moved the last alert, on the side on which it was not normal."""
    moved = {"feature": "heat", "contribution": -9.0, "value": value, "normal_low": 1.0, "normal_high": 4.0}
    evidence = Evidence(reason="r", value=1.0, threshold=2.0, contributions=[moved])
    store.write([alert("new", 0, 99, asset_id="p1", evidence=evidence), reading(900, 2.0, sensor="heat")], [])
    page = console.get("/").text
    assert 'name="sensor" list="known-sensors" maxlength="100" value="heat"' in page
    assert f'size="8" value="{suggested}.0"' in page


def test_until_an_alert_a_sensor_of_the_machine_is_suggested(trained_home: Path, sqlite_url: str, store: Store) -> None:
    """Not one that says how it is run, which the manifests of its models name."""
    event = {"event_id": "t", "event_time": at(1), "asset_id": "p9", "asset_class": "pump"}
    readings = {"load": 0.5, "speed": 900.0, "vibration": 2.0}
    store.write([score(1, "p9"), Placed(0, 0, Telemetry.model_validate(event | {"readings": readings}))], [])
    with serving(Settings(home=trained_home, database_url=sqlite_url, api_port=0), extend=install) as client:
        page = client.get("/").text
    assert 'maxlength="100" value="vibration"' in page
    assert 'size="8" value="3.0"' in page
