"""The command line as a person and a script meet it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.cli import app, run
from millrace.commands.common import with_kafka_of_home
from millrace.commands.send import _numbers
from millrace.service import Supervisor
from millrace.service.supervisor import what_to_try
from schemas import CLICKS, TELEMETRY, TOPICS, Settings, load_settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MILLRACE_KAFKA", raising=False)


@pytest.fixture
def connected(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MILLRACE_KAFKA", settings.kafka)
    monkeypatch.setenv("MILLRACE_TOPIC_PREFIX", settings.topic_prefix)
    return settings


def commands(group: object = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    import typer

    group = group or typer.main.get_command(app)
    for name, command in getattr(group, "commands", {}).items():
        yield (*path, name)
        yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", [(), *commands()], ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "-h"]) == 0
    short = capsys.readouterr().out
    assert run([*path, "--help"]) == 0
    assert capsys.readouterr().out == short
    assert " ".join(["millrace", *path]) in short


@pytest.mark.long
def test_help_loads_no_heavy_room() -> None:
    """Heavy libraries are imported inside the commands that need them."""
    program = "import sys, millrace.cli; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "lightgbm", "aiokafka", "faust", "sqlalchemy", "fastapi", "pyarrow", "jgo"}
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["topics", "nonsense"],
        ["send", "click", "--user", "u"],
        ["send", "telemetry", "--asset", "a", "--class", "c", "--reading", "no-number-sign"],
        ["worker", "--role", "boss"],
        ["replay", CLICKS],
        ["replay", CLICKS, "a.jsonl", TELEMETRY],
        ["replay", "a.jsonl", "b.jsonl"],
        ["replay", CLICKS, "a.jsonl", "--rate", "5", "--max"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    expected = 1 if arguments == ["replay", CLICKS] else 2  # a file of that name could have been meant
    assert run(arguments) == expected
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert said
    if arguments[1:2] == ["a.jsonl"]:
        assert "are pairs of TOPIC and FILE, or one FILE whose rows tell what they are; 'a.jsonl' stands where" in said


def test_an_error_is_title_detail_and_advice(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["topics", "list"]) == 1
    title, detail, advice = capsys.readouterr().err.splitlines()
    assert title == "A service is not available"
    assert str(tmp_path / "home") in detail
    assert "millrace up" in advice


@pytest.mark.long
def test_debug_shows_where_an_error_comes_from() -> None:
    arguments = [sys.executable, "-m", "millrace", "--debug", "topics", "list"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILLRACE_PARTITIONS", "many")
    assert run(["topics", "list"]) == 1
    assert "MILLRACE_PARTITIONS='many'" in capsys.readouterr().err


def test_a_setting_that_is_empty_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MILLRACE_{name.upper()}", raising=False)
    expected = load_settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"MILLRACE_{name.upper()}", "")
        assert load_settings() == expected, name
    assert expected.notifications_file is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("MILLRACE_PARTITION", "MILLRACE_PARTITION is no setting; did you mean MILLRACE_PARTITIONS?"),
        ("MILLRACE_KAFKA_SASL_USER", "did you mean MILLRACE_KAFKA_SASL_USERNAME?"),
        ("millrace_api_prt", "did you mean MILLRACE_API_PORT?"),
        ("MILLRACE_XYZZY", "MILLRACE_XYZZY is no setting."),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    monkeypatch.setenv(name, "1")
    assert run(["models", "list"]) == 1
    assert said in capsys.readouterr().err
    monkeypatch.delenv(name)
    monkeypatch.setenv("MILLRACE_EVALUATOR", "portable")
    assert run(["models", "list"]) == 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Strom / A=heiss", "'heiss' for Strom / A is no number"),
        ("x=14,5", "'14,5' for x is no number; with a decimal point: 14.5"),
        ("x=nan", "'nan' for x is no number"),
        ("x=", "'' for x is no number"),
        ("=1", "'=1' is not SENSOR=NUMBER"),
    ],
)
def test_a_reading_that_is_no_number_is_told_and_not_sent(
    capsys: pytest.CaptureFixture[str], said: str, told: str
) -> None:
    assert run(["send", "telemetry", "--asset", "a", "--class", "c", "--set", "y=2", "--set", said]) == 2
    assert told in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_numbers_of_sensors_with_odd_names() -> None:
    assert _numbers(["a=b [1/s]=1e3", "T=-4.5"], "--set") == {"a=b [1/s]": 1000.0, "T": -4.5}


def test_an_event_against_the_schema_is_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["send", "telemetry", "--asset", "a", "--class", "not a name", "--reading", "x=1"]) == 1
    assert "asset_class: may hold letters of ASCII, digits" in capsys.readouterr().err
    assert run(["send", "click", "--user", "u", "--item", "i", "--time", "1969-01-01T00:00:00Z"]) == 1
    assert "event_time: is before 1980-01-01" in capsys.readouterr().err


def test_a_click_says_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["send", "click", "--user", "u", "--item", "i", "--action", "kaufen"]) == 2
    assert run(["send", "click", "--user", "u", "--item", "i", "--action", "dislike"]) == 1
    assert "no embedded Kafka runs" in capsys.readouterr().err


def test_doctor_names_the_address_of_the_service_that_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    file, api = tmp_path / "home" / "run.json", "http://127.0.0.1:8173"
    for pid, is_told in ((os.getpid(), True), (2**22 + 1, False)):  # no process has such a number
        file.write_text(json.dumps({"api": api, "pid": pid}))
        run(["doctor", "--json"])
        findings = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}
        assert (api in findings["API port"]["detail"]) == is_told


@pytest.mark.parametrize("has_models", [False, True])
def test_what_up_says_to_try_can_be_done(tmp_path: Path, has_models: bool) -> None:
    """Every command in the hints is one, with options that it has."""
    supervisor = Supervisor(Settings(home=tmp_path), lambda _: None)
    if has_models:
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / "aliases.json").write_text("{}")
    lines = list(what_to_try(supervisor))
    assert any("replay FILE" in line for line in lines)
    assert any("send telemetry" in line for line in lines)
    assert not any("--item first" in line for line in lines)
    for line in lines:
        if words := re.findall(r" (send \w+|replay|validate|models list|doctor)\b", line):
            assert run([*words[0].split(), "--help"]) == 0


def test_models_of_an_empty_home(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run(["models", "rollback", "recommender"]) == 1
    assert "recommender" in capsys.readouterr().err


def test_topics_are_applied_and_listed_for_scripts(connected: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", "apply", "--json"]) == 0
    assert [change["action"] for change in json.loads(capsys.readouterr().out)] == ["created"] * len(TOPICS)
    assert run(["topics", "apply"]) == 0
    assert capsys.readouterr().out == "All topics are as they should be.\n"
    assert run(["topics", "list", "--json"]) == 0
    statuses = json.loads(capsys.readouterr().out)
    assert [status["topic"] for status in statuses] == [connected.topic_prefix + topic.name for topic in TOPICS]
    assert {status["difference"] for status in statuses} == {""}


def test_doctor_finds_what_is_wrong(
    connected: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("MILLRACE_API_PORT", str(other.getsockname()[1]))
        assert run(["doctor", "--json"]) == 1
    findings = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["API port"]["state"] == "failed"
    assert "MILLRACE_API_PORT" in findings["API port"]["cure"]
    assert findings["Kafka"]["state"] == "failed"
    assert f"{connected.topic_prefix}clicks.v1 (missing)" in findings["Kafka"]["detail"]
    assert findings["Kafka"]["cure"].startswith("Run `millrace topics apply`")
    assert {findings[name]["state"] for name in ("Python", "compiled kernels", "home", "disk", "memory")} == {"ok"}

    monkeypatch.setenv("MILLRACE_API_PORT", "0")
    assert run(["topics", "apply"]) == 0
    assert run(["db", "upgrade"]) == 0
    capsys.readouterr()
    assert run(["doctor"]) == 0
    assert f"all {len(TOPICS)} topics are right" in capsys.readouterr().out


@pytest.mark.kafka
def test_the_broker_in_the_foreground_is_found_and_ends_at_sigterm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [sys.executable, "-m", "millrace", "broker"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Kafka is ready on 127.0.0.1:")
        assert run(["topics", "list", "--json"]) == 0  # without MILLRACE_KAFKA: the one that runs in MILLRACE_HOME
        assert {status["difference"] for status in json.loads(capsys.readouterr().out)} == {"missing"}
        assert with_kafka_of_home(load_settings()).kafka.startswith("127.0.0.1:")  # for `millrace api` too
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
        assert output.endswith("Stopping.\n")
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
