"""Replaying files onto the real broker."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from millrace.events.files import EventFile, EventFileError, merged
from millrace.events.replay import Pace, Replay
from schemas import CLICKS, ITEMS, MAINTENANCE, TELEMETRY, Settings, UnavailableError
from tests.support import consume, create_topics

BEGIN_S = 1_700_000_000


def reading(number: int, after_s: float) -> dict[str, Any]:
    return {
        "event_id": f"t{number}", "event_time": int((BEGIN_S + after_s) * 1000), "asset_id": f"asset-{number % 3}",
        "asset_class": "pump", "readings": {"pressure": 1.5, "flow": None},
    }  # fmt: skip


def entry(number: int, after_s: float) -> dict[str, Any]:
    return {
        "event_id": f"m{number}", "event_time": datetime.fromtimestamp(BEGIN_S + after_s, UTC), "asset_id": "asset-1",
        "asset_class": "pump", "kind": "error", "code": "E1", "component": None,
    }  # fmt: skip


def click(number: int) -> dict[str, Any]:
    return {
        "event_id": f"c{number}",
        "event_time": (BEGIN_S + number) * 1000,
        "user_id": f"u{number % 7}",
        "item_id": "i",
    }


def write_lines(file: Path, events: list[Any]) -> Path:
    text = "".join((e if isinstance(e, str) else json.dumps(e)) + "\n" for e in events).encode()
    file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
    return file


def test_files_of_all_kinds_are_merged_by_event_time(tmp_path: Path) -> None:
    readings = write_lines(tmp_path / "r.jsonl.gz", [reading(n, n * 10) for n in range(6)])
    log = tmp_path / "log.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([entry(n, 5 + n * 20) for n in range(3)]), log)
    read = 0

    def report(count: int) -> None:
        nonlocal read
        read += count

    rows = list(merged([EventFile(readings, TELEMETRY), EventFile(log, MAINTENANCE)], is_checked=True, report=report))
    assert [json.loads(row.value)["event_id"] for row in rows] == ["t0", "m0", "t1", "t2", "m1", "t3", "t4", "m2", "t5"]
    assert {(row.topic, row.key) for row in rows if row.key == b"asset-1"} == {
        (TELEMETRY, b"asset-1"), (MAINTENANCE, b"asset-1"),
    }  # fmt: skip
    assert json.loads(rows[1].value)["event_time"] == "2023-11-14T22:13:25+00:00"
    assert read == readings.stat().st_size + log.stat().st_size


def test_a_map_column_of_parquet_is_an_object(tmp_path: Path) -> None:
    file = tmp_path / "r.parquet"
    event = reading(0, 0) | {"readings": [("pressure", 1.5)]}
    columns = {name: [value] for name, value in event.items() if name != "readings"}
    readings = pyarrow.array([event["readings"]], pyarrow.map_(pyarrow.string(), pyarrow.float64()))
    pyarrow.parquet.write_table(pyarrow.table({**columns, "readings": readings}), file)
    [row] = merged([EventFile(file, TELEMETRY)], is_checked=True)
    assert json.loads(row.value)["readings"] == {"pressure": 1.5}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{not json", "is no JSON: key must be a string at character 2"),
        ("time;asset;heat", "; of a table the file's name ends in .csv or .tsv"),
        ('{"event_id": "c"}', "event_time: is missing; user_id: is missing"),
        ("[1]", "is not a JSON object"),
        (json.dumps(click(1) | {"event_time": "yesterday"}), "event_time: is no time: RFC 3339"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    file = write_lines(tmp_path / "c.jsonl", [click(0), "", line])
    rows = merged([EventFile(file, CLICKS)], is_checked=True)
    assert next(rows).key == b"u0"
    with pytest.raises(EventFileError) as caught:
        next(rows)
    assert caught.value.detail.startswith(f"{file}, line 3: ")
    assert reason in caught.value.detail


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match=r"none\.jsonl is not a file"):
        EventFile(tmp_path / "none.jsonl", CLICKS)
    with pytest.raises(EventFileError, match=r"'scores\.v1' is not an input topic"):
        EventFile(write_lines(tmp_path / "s.jsonl", []), "scores.v1")
    for name in ("half.jsonl.gz", "not.parquet"):
        file = tmp_path / name
        file.write_bytes(gzip.compress(json.dumps(click(0)).encode() * 1000)[:-20])
        with pytest.raises(EventFileError, match="after line 0"):
            list(merged([EventFile(file, CLICKS)], is_checked=True))


def test_paces() -> None:
    assert Pace(rate=200).due_s(100, 7.0) == 0.5
    assert Pace(speed=3600).due_s(100, 7200.0) == 2.0
    assert Pace().due_s(100, 7200.0) == 0.0


async def test_an_interrupted_replay_goes_on_where_it_ended(settings: Settings, tmp_path: Path) -> None:
    """A bad line ends the first run; the second run sends the rest, so every event is there once and in order."""
    await create_topics(settings, CLICKS)
    events: list[Any] = [click(n) for n in range(500)]
    file = write_lines(tmp_path / "c.jsonl", [*events[:300], "broken", *events[300:]])
    with pytest.raises(EventFileError, match="line 301"):
        await Replay(settings, [EventFile(file, CLICKS)]).run()
    write_lines(file, [*events[:300], *events[300:]])
    with pytest.raises(EventFileError, match="is shorter than when 300 events were sent"):
        await Replay(settings, [EventFile(file, CLICKS)]).run()
    write_lines(file, [*events, click(500)])
    done = await Replay(settings, [EventFile(file, CLICKS)]).run()
    assert (done.sent, done.skipped) == (201, 300)
    assert (await Replay(settings, [EventFile(file, CLICKS)]).run()).sent == 0

    records = await consume(settings, CLICKS, until=501)
    assert sorted(json.loads(r.value)["event_id"] for r in records) == sorted(f"c{n}" for n in range(501))
    assert {r.key for r in records} == {f"u{n}".encode() for n in range(7)}
    for partition in (0, 1):
        numbers = [int(json.loads(r.value)["event_id"][1:]) for r in records if r.partition == partition]
        assert numbers == sorted(numbers)
    assert (await Replay(settings, [EventFile(file, CLICKS)]).run(restart=True)).sent == 501


async def test_lines_may_name_their_topics_and_raw_lines_go_as_they_are(settings: Settings, tmp_path: Path) -> None:
    await create_topics(settings, CLICKS, ITEMS)
    item = {"item_id": "i", "event_time": BEGIN_S * 1000}
    file = write_lines(tmp_path / "all.jsonl", [{"topic": ITEMS, **item}, {"topic": CLICKS, **click(0)}])
    await Replay(settings, [EventFile(file, None)]).run()
    bad = write_lines(tmp_path / "bad.jsonl", ["\x00 not json", '{"user_id": 5}'])
    await Replay(settings, [EventFile(bad, CLICKS)], is_checked=False).run()
    records = await consume(settings, [CLICKS, ITEMS], until=4)
    found = {(r.topic.removeprefix(settings.topic_prefix), r.key, r.value) for r in records}
    assert found == {
        (ITEMS, b"i", json.dumps(item, separators=(",", ":")).encode()),
        (CLICKS, b"u0", json.dumps(click(0), separators=(",", ":")).encode()),
        (CLICKS, None, b"\x00 not json"),
        (CLICKS, b"5", b'{"user_id": 5}'),
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_rate_is_kept_and_a_signal_saves_the_position(
    settings: Settings, tmp_path: Path, number: signal.Signals
) -> None:
    await create_topics(settings, CLICKS)
    file = write_lines(tmp_path / "c.jsonl", [click(n) for n in range(2000)])
    environment = {
        "MILLRACE_KAFKA": settings.kafka, "MILLRACE_HOME": str(settings.home), "PATH": "",
        "MILLRACE_TOPIC_PREFIX": settings.topic_prefix,
    }  # fmt: skip
    arguments = [sys.executable, "-m", "millrace", "replay", CLICKS, str(file), "--rate", "500"]
    started = time.monotonic()
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    await consume(settings, CLICKS, until=200)
    assert time.monotonic() - started >= 200 / 500
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"it goes on from there" in said
    [saved] = (settings.home / "replay").glob("*.json")
    acknowledged = json.loads(saved.read_bytes())["acknowledged"]
    assert 200 <= acknowledged < 2000
    assert (await Replay(settings, [EventFile(file, CLICKS)]).run()).sent == 2000 - acknowledged
    records = await consume(settings, CLICKS, until=2000)
    assert len({json.loads(r.value)["event_id"] for r in records}) == len(records) == 2000


async def test_a_missing_topic_is_told(settings: Settings, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "c.jsonl", [click(0)])
    with pytest.raises(UnavailableError, match="millrace topics apply"):
        await Replay(settings, [EventFile(file, CLICKS)]).run()
