"""`millrace validate`: what is wrong in a file, rule by rule, and what could be learned; and what train says of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.cli import run
from millrace.commands import train
from millrace.commands.train import HistoryError, check_failures
from models.maintenance.training import fleet
from schemas import AssetClass, Maintenance, Telemetry

HEAD = "Timestamp;Machine;Type;Temp [°C];Note"
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MILLRACE_KAFKA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def row(minute: float, machine: str = "P 1", temp: str = "61,5") -> str:
    return f"{START + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S};{machine};pump;{temp};ok"


def write(*rows: str, name: str = "t.csv") -> None:
    Path(name).write_text("\n".join([HEAD, *rows]) + "\n")


def validated(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = run(["validate", *arguments, "--json"])
    [found] = json.loads(capsys.readouterr().out)
    return status, found


def test_a_good_table_passes_and_tells_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    write(*(row(10 * n, f"P {n % 3}", f"{60 + n},5") for n in range(30)))
    assert run(["validate", "t.csv"]) == 0
    said = capsys.readouterr().out
    assert "FAIL" not in said
    assert "WARN" not in said
    assert "UTC is assumed" in said
    assert "pump: 30 readings of 3 assets in 0.2 days, one every 30 min" in said
    assert "Temp [°C]: in 100% of the readings, 60.5 to 89.5" in said
    assert 'sensors = ["Temp [°C]"]' in said
    assert "'Note' is left out" in said
    assert "no model serves this class here" in said


def test_each_rule_is_broken_by_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    write(row(0), row(10), row(5), row(10), row(20, temp="hot"), row(30), row(60 * 24 * 365 * 90), "x;P 1;pump;1;ok")
    status, found = validated(capsys, "t.csv")
    assert status == 1
    rules = {rule["rule"]: rule for rule in found["rules"]}
    assert {name: rule["rows"] for name, rule in rules.items()} == {
        "every row is an event": 2,  # `hot` and `x`
        "no event lies in the future": 1,
        "actions of clicks are words that are known": 0,
        "cells of sensors are numbers, or empty": 1,
        "no local time lies in an hour that clocks left out or repeated": 0,
        "times of one asset or user do not go back": 1,
        "no row comes twice": 1,
    }
    assert rules["no row comes twice"]["verdict"] == "WARN"
    assert rules["every row is an event"]["examples"][-1].startswith("line 9: 'Timestamp': 'x' is no time")
    assert found["asset_classes"]["pump"]["readings"] == 6


def test_what_is_saved_is_read_again(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write(row(0))
    assert run(["validate", "t.csv", "--map", "heat=Temp [°C]", "--zone", "Europe/Berlin", "--save"]) == 0
    capsys.readouterr()
    _, found = validated(capsys, "t.csv")
    assert found["asset_classes"]["pump"]["sensors"] == ["heat"]
    assert any("Europe/Berlin" in line for line in found["columns"])
    write(row(0), name="other.csv")
    _, found = validated(capsys, "other.csv", "--map", "@t.csv.map.toml", "--zone", "UTC")
    assert found["asset_classes"]["pump"]["sensors"] == ["heat"]
    assert any("zone UTC" in line for line in found["columns"])


def test_clicks_and_logs_are_tallied(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.csv").write_text(
        "ts,visitorid,itemid\n" + "".join(f"{1_777_636_800 + n},u{n % 4},i{n}\n" for n in range(9))
    )
    assert run(["validate", "c.csv"]) == 0
    assert "9 clicks of 4 users on 9 items" in capsys.readouterr().out
    events = [
        {"event_time": 1_777_636_800_000 + n, "asset_id": "a", "asset_class": "pump", "kind": "failure", "component": c}
        for n, c in enumerate(["bearing", "bearing", None])
    ]
    Path("log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    assert run(["validate", "log.jsonl"]) == 0
    said = capsys.readouterr().out
    assert "1 failures of whole assets" in said
    assert "bearing 2" in said


@pytest.mark.long
def test_an_error_of_training_speaks_of_training(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    write(row(0), "broken;P 1;pump;1;ok")
    (folder / "pump.toml").write_text('name = "pump"\nsensors = ["Temp [°C]"]\n[target]\nkind = "rul"\ncap = 50\n')
    assert run(["train", "maintenance", "pump.toml", "--events", "t.csv"]) == 1
    said = capsys.readouterr().err
    assert "line 3" in said
    assert "Nothing was trained." in said
    assert "were sent" not in said
    assert "--raw" not in said
    assert run(["train", "maintenance", "pump.toml", "--events", "t.csv", "--skip-bad"]) == 1
    said = capsys.readouterr().err
    assert "1 rows that are no events were left out" in said
    assert "at least 3 are needed" in said


def test_a_file_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "nowhere.csv"]) == 1
    assert "nowhere.csv is not a file" in capsys.readouterr().err


LOG = "Datum;Maschine;Typ;Was;Bauteil\n"


def log_rows(words: list[str], part: str = "", kind: str = "pump") -> str:
    return LOG + "".join(
        f"{START + timedelta(hours=n):%d.%m.%Y %H:%M:%S};P {n % 3};{kind};{word};{part}\n"
        for n, word in enumerate(words)
    )


def test_a_log_in_other_words_is_taken_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("log.csv").write_text(log_rows(["Stillstand"] * 3 + ["Wartung"] * 2))
    assert run(["validate", "log.csv"]) == 1
    said = capsys.readouterr().err
    assert "If it is a maintenance log" in said
    assert "'Was' has 'Stillstand' 3 times, 'Wartung' 2 times" in said
    assert '--map "kind=Was,kind.failure=Stillstand"' in said
    assert run(["validate", "log.csv", "--map", "kind=Was,asset_class=Typ"]) == 1
    said = capsys.readouterr().out
    assert "kind has words of its own: 'Stillstand' 3 times, 'Wartung' 2 times; kind is error or" in said
    assert '--map "kind.failure=Stillstand"' in said
    words = "kind.failure=Stillstand,kind.maintenance=Wartung"
    assert run(["validate", "log.csv", "--map", f"kind=Was,asset_class=Typ,{words}"]) == 0


def test_a_class_with_marks_in_its_name_has_a_cure(capsys: pytest.CaptureFixture[str]) -> None:
    Path("log.csv").write_text(log_rows(["failure"] * 3, kind="Lüfter"))
    status, found = validated(capsys, "log.csv", "--map", "kind=Was,asset_class=Typ")
    assert status == 1
    assert '--map "asset_class.lufter=Lüfter"' in found["rules"][0]["examples"][0]
    assert found["unknown_words"] == {"asset_class": {"Lüfter": 3}}
    assert validated(capsys, "log.csv", "--map", "kind=Was,asset_class=Typ,asset_class.fan=Lüfter")[0] == 0


@pytest.mark.parametrize("is_ours", [False, True])
def test_actions_that_count_as_a_view_are_told(capsys: pytest.CaptureFixture[str], is_ours: bool) -> None:
    actions = ["view", "buy", "buy", "cart", "Like", ""]
    rows = [
        {"event_time": 1_777_636_800_000 + n, "user_id": "u", "item_id": f"i{n}", "action": a}
        for n, a in enumerate(actions)
    ]
    if is_ours:
        Path("c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        text = "".join(",".join(map(str, row.values())) + "\n" for row in rows)
        Path("c.jsonl").with_suffix(".csv").write_text("ts,userid,itemid,action\n" + text)
    file = "c.jsonl" if is_ours else "c.csv"
    assert run(["validate", file]) == 0
    said = capsys.readouterr().out
    assert "WARN  actions of clicks are words that are known: 2 times" in said
    assert "action has words of its own: 'buy' 2 times" in said
    assert "action.cart=buy" in said


def test_what_is_said_of_a_class_without_a_model_is_no_alarm_for_a_history(capsys: pytest.CaptureFixture[str]) -> None:
    write(row(0))
    assert run(["validate", "t.csv"]) == 0
    assert "A history to train from needs none" in capsys.readouterr().out


def test_failures_of_components_are_told_before_anything_is_learned(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    Path("log.csv").write_text(log_rows(["failure"] * 12, part="Lager"))
    assert run(["validate", "log.csv", "--map", "kind=Was,asset_class=Typ", "--save"]) == 0
    assert "none of the whole asset: for the target `rul`" in capsys.readouterr().out
    (folder / "pump.toml").write_text('name = "pump"\nsensors = ["Temp [°C]"]\n[target]\nkind = "rul"\ncap = 50\n')
    assert run(["train", "maintenance", "pump.toml", "--events", "log.csv"]) == 1
    said = capsys.readouterr().err
    assert "Of 12 failures of asset class pump, 0 are of the whole asset" in said
    assert "'Lager' 12" in said
    assert "--map component=." in said
    for entry in ("component=", "component=''"):
        _, found = validated(capsys, "log.csv", "--map", f"kind=Was,asset_class=Typ,{entry}")
        assert found["asset_classes"]["pump"]["failures"] == {"": 12}


@pytest.mark.parametrize(("unit", "is_told"), [('unit = "cycle"', True), ('unit = "day"', False), ("", False)])
def test_a_unit_whose_length_nobody_said_is_told(
    capsys: pytest.CaptureFixture[str], folder: Path, unit: str, is_told: bool
) -> None:
    Path("log.csv").write_text(log_rows(["failure"] * 12))
    (folder / "pump.toml").write_text(
        f'name = "pump"\n{unit}\nsensors = ["Temp [°C]"]\n[target]\nkind = "rul"\ncap = 50\n'
    )
    run(["train", "maintenance", "pump.toml", "--events", "log.csv"])
    assert ("an hour of event time counts as one cycle" in capsys.readouterr().err) == is_told


def test_assets_that_failed_are_held_against_those_that_sent_readings(capsys: pytest.CaptureFixture[str]) -> None:
    pump = AssetClass.model_validate({"name": "pump", "sensors": ["t"], "target": {"kind": "rul", "cap": 50}})
    head = {"event_time": START, "asset_class": "pump"}
    readings = [
        Telemetry.model_validate(head | {"event_id": a, "asset_id": a, "readings": {"t": 1}}) for a in ("7", "8")
    ]

    def failure(asset: str) -> Maintenance:
        return Maintenance.model_validate(head | {"event_id": f"f{asset}", "asset_id": asset, "kind": "failure"})

    check_failures(pump, [*readings, failure("7")])
    assert not capsys.readouterr().err
    check_failures(pump, [*readings, failure("7"), failure("008")])
    assert "1 of 2 assets of class pump that failed sent no reading: '008'" in capsys.readouterr().err
    with pytest.raises(
        HistoryError, match=r"2 of 2 .* sent no reading: '007', '008'; readings are of '7', '8'"
    ) as caught:
        check_failures(pump, [*readings, failure("007"), failure("008")])
    assert "007" in caught.value.advice
    check_failures(pump, [failure("007")])  # that there are no readings is said by training itself


def test_failures_are_held_against_the_target() -> None:
    pump: dict[str, Any] = {"name": "pump", "sensors": ["t"], "target": {"kind": "rul", "cap": 50}}
    parts = pump | {"target": {"kind": "failure_probability", "components": ["bearing"], "horizon": 24}}

    def failures(**counts: int) -> list[Maintenance]:
        event = {"event_id": "e", "event_time": START, "asset_id": "a", "asset_class": "pump", "kind": "failure"}
        of = {"whole": None}
        return [
            Maintenance.model_validate(event | {"component": of.get(name, name)})
            for name, count in counts.items()
            for _ in range(count)
        ]

    check_failures(AssetClass.model_validate(pump), failures(whole=10, bearing=5))
    check_failures(AssetClass.model_validate(pump), failures(whole=2))  # training itself says what is lacking
    check_failures(AssetClass.model_validate(parts), failures(whole=1, bearing=1))
    check_failures(AssetClass.model_validate(parts), [])
    with pytest.raises(HistoryError, match="2 are of the whole asset"):
        check_failures(AssetClass.model_validate(pump), failures(whole=2, bearing=20))
    with pytest.raises(HistoryError, match="they name 'Lager' 2") as caught:
        check_failures(AssetClass.model_validate(parts), failures(Lager=2, whole=3))
    assert "component.bearing=Word" in caught.value.advice
    assert train.LEAST_LIVES == fleet.LEAST_LIVES
