"""The Azure adapter, on files of the same shape, and what counts as a failure that was found."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.azure import COMPONENTS, figures, served, write_events
from benchmarks.cmapss import read_events
from schemas import Maintenance, Telemetry

FIRST = datetime(2015, 2, 28, 6, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    hours = [FIRST + timedelta(hours=n) for n in range(48)]
    rows = [f"{time:%Y-%m-%d %H:%M:%S},{machine},170,450,100,40" for machine in (1, 2) for time in hours]
    files = {
        "telemetry_m1-20_90d": ["datetime,machineID,volt,rotate,pressure,vibration", *rows],
        "machines": ['"machineID","model","age"', '1,"model3",18', '2,"model1",7', '30,"model1",7'],
        "errors": ["datetime,machineID,errorID", "2015-02-28 08:00:00,1,error2", "2015-02-28 08:00:00,30,error2"],
        "maint": ["datetime,machineID,comp", "2014-07-01 06:00:00,2,comp4", "2015-03-01 06:00:00,1,comp2"],
        "failures": ["datetime,machineID,failure", "2015-03-01 06:00:00,1,comp2"],
    }
    for name, lines in files.items():
        (tmp_path / f"PdM_{name}.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_files_become_events_in_time_order(data: Path, tmp_path: Path) -> None:
    write_events(data, tmp_path / "out")
    train, test = (
        [e for batch in read_events(tmp_path / "out" / f"azure-{part}.jsonl") for e in batch]
        for part in ("train", "test")
    )
    events = [*train, *test]
    assert sum(isinstance(event, Telemetry) for event in events) == 96
    assert [event.event_time for event in events] == sorted(event.event_time for event in events)
    log = [event for event in events if isinstance(event, Maintenance)]
    assert [(event.kind, event.code or event.component) for event in log] == [
        ("replacement", "comp4"), ("error", "error2"), ("replacement", "comp2"), ("failure", "comp2"),
    ]  # fmt: skip
    first = next(event for event in events if isinstance(event, Telemetry))
    assert (first.readings["model"], first.readings["age"]) == (3.0, 18.0)
    assert max(event.event_time for event in train) < datetime(2015, 3, 1, tzinfo=UTC)


def test_what_was_served_becomes_the_same_files(tmp_path: Path) -> None:
    def lines(name: str, records: list[dict[str, object]]) -> Path:
        (tmp_path / name).write_text("".join(json.dumps({"asset_class": "azure"} | r) + "\n" for r in records))
        return tmp_path / name

    before, after = "2015-02-28T23:00:00Z", "2015-03-01T06:00:00Z"
    scores = [
        {"asset_id": "azure-001", "event_time": time, "component": component, "value": value}
        for time in (before, after)
        for component, value in zip(COMPONENTS, (0.1, 0.2, 0.3, 0.4), strict=True)
    ]
    alerts = [
        {"asset_id": "azure-001", "event_time": time, "failure_mode": "comp4", "sequence": sequence}
        for time, sequence in ((before, 0), (after, 0), (after, 1))
    ]
    served(tmp_path, lines("scores.jsonl", scores), lines("alerts.jsonl", alerts))
    assert (tmp_path / "azure-scores.csv").read_text().splitlines()[1:] == [
        f"azure-001,{after},0.100000,0.200000,0.300000,0.400000"
    ]
    assert (tmp_path / "azure-alerts.csv").read_text().splitlines()[1:] == [f"azure-001,{after},comp4"]


def test_figures_count_what_was_found_in_time() -> None:
    def text(hour: float) -> str:
        return (datetime(2015, 3, 2, tzinfo=UTC) + timedelta(hours=hour)).isoformat()

    def epoch(hour: float) -> float:
        return datetime.fromisoformat(text(hour)).timestamp()

    scores = [
        {"asset_id": "azure-001", "event_time": text(hour), **dict.fromkeys(COMPONENTS, "0.0")} for hour in range(600)
    ]
    for hour in range(280, 301):
        scores[hour]["comp1"] = "0.9"
    alerts = [
        {"asset_id": "azure-001", "event_time": text(hour), "component": component}
        for hour, component in ((280, "comp1"), (100, "comp2"), (590, "comp3"))
    ]
    failed: dict[str, list[tuple[int, float]]] = {component: [] for component in COMPONENTS}
    failed["comp1"] = [(1, epoch(300)), (1, epoch(5))]  # the second one is too early to be judged
    failed["comp2"] = [(1, epoch(400))]
    found = figures(scores, alerts, failed, dict.fromkeys(COMPONENTS, 0.5))
    assert (found["failures"], found["found"], found["false_alarms"]) == (2, 1, 1)
    assert found["median_lead_h"] == 20
    assert found["hour_f1"] == pytest.approx((2 * 21 / (21 + 31)) / 4)
