"""What a table does not say plainly is said by us: read one way and told, or refused with what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from millrace.events.files import EventFile, EventFileError, layout_of_file, read_file
from millrace.events.findings import Validation
from millrace.tables import MappingError, parse_mapping
from schemas import CLICKS, ITEMS, TELEMETRY, Settings
from tests.millrace.tables.test_tables import told, write

OWN = {"event_time": "2026-05-01T12:00:00Z", "asset_id": "p1", "asset_class": "pump", "vib": 0.5}
CLICK = {"event_id": "c", "event_time": 1777636800000, "user_id": "u", "item_id": "i"}


def readings(folder: Path, mark: str, *cells: str) -> list[float]:
    quoted = [f'"{cell}"' if mark in cell else cell for cell in cells]
    rows = [f"2026-01-01T00:00:{n:02}Z{mark}p1{mark}{cell}" for n, cell in enumerate(quoted)]
    text = "\n".join([mark.join(("time", "asset", "vib")), *rows]) + "\n"
    return [event.readings["vib"] for event in told(write(folder, "a.csv", text), "asset_class='p'")]


@pytest.mark.parametrize(
    ("mark", "cells", "found"),
    [
        (";", ["1,234"], [1.234]),
        ("\t", ["1,234", "2,5"], [1.234, 2.5]),
        (";", ["1,234", "0.5"], [1234.0, 0.5]),
        (";", ["1,234,567"], [1234567.0]),
        (",", ["1,234"], [1234.0]),
        (",", ["1,234", "0,5"], [1.234, 0.5]),
        ("|", ["1,234.5"], [1234.5]),
    ],
)
def test_a_comma_is_a_decimal_one_where_people_write_them(
    tmp_path: Path, mark: str, cells: list[str], found: list[float]
) -> None:
    assert readings(tmp_path, mark, *cells) == found


def test_a_comma_that_may_be_either_is_told(tmp_path: Path) -> None:
    readings(tmp_path, ",", "1,234", "5,678")
    layout = layout_of_file(EventFile(tmp_path / "a.csv", None, parse_mapping(["asset_class='p'"])))
    assert layout is not None
    assert any(line.startswith("WARN: '1,234' is read as 1234") for line in layout.lines())


def test_parquet_has_the_kinds_of_columns_that_warehouses_write(tmp_path: Path) -> None:
    time = datetime(2026, 5, 1, 12, tzinfo=UTC)
    nanos = int(time.timestamp()) * 10**9 + 123_456_789
    table = pyarrow.table({
        "event_time": pyarrow.array([nanos], pyarrow.timestamp("ns", "UTC")),
        "asset_id": pyarrow.array([Decimal(12345678901234567890)], pyarrow.decimal128(38, 0)),
        "asset_class": ["pump"],
        "vib": pyarrow.array([Decimal("0.25")], pyarrow.decimal128(9, 2)),
        "count": pyarrow.array([Decimal(7)], pyarrow.decimal128(9, 0)),
    })  # fmt: skip
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    [event] = told(tmp_path / "a.parquet", "")
    assert (event.event_time, event.asset_id) == (time + timedelta(microseconds=123_456), "12345678901234567890")
    assert event.readings == {"vib": 0.25, "count": 7.0}


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_our_own_names_with_a_column_a_sensor(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"a.{kind}"
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([OWN]), file)
    else:
        text = json.dumps(OWN) if kind == "jsonl" else f"{','.join(OWN)}\n{','.join(map(str, OWN.values()))}\n"
        file.write_text(text)
    [event] = told(file, "")
    assert event.readings == {"vib": 0.5}


def test_columns_named_as_values_inside_a_field_are_that(tmp_path: Path) -> None:
    text = "time,user_id,item_id,context.device,other\n1777636800123,u,i,phone,x\n"
    [click] = told(write(tmp_path, "c.csv", text), "", CLICKS)
    assert click.context == {"device": "phone"}
    [item] = told(write(tmp_path, "i.csv", "time,item_id,attributes.brand\n1777636800123,i,Alto\n"), "", ITEMS)
    assert item.attributes == {"brand": "Alto"}
    text = "time,asset_id,asset_class,readings.vib\n1777636800123,p,pump,1.5\n"
    [reading] = told(write(tmp_path, "r.csv", text), "", TELEMETRY)
    assert reading.readings == {"vib": 1.5}


@pytest.mark.parametrize(
    ("said", "detail", "advice"),
    [
        ("sensor=Tag,asset_class='p'", "--map names sensor, and no column is value", "sensor=Column,value=Column"),
        ("tme=Stamp,asset_id=Unit,asset_class='p'", "no column is event_time", "Did you mean time by 'tme'?"),
        ("asset_idd=Unit,time=Stamp", "no column is asset_class or asset_id", "Did you mean asset_id by 'asset_idd'?"),
    ],
)
def test_what_was_said_is_held_against_what_is_there(tmp_path: Path, said: str, detail: str, advice: str) -> None:
    file = write(tmp_path, "a.csv", "Stamp,Unit,Tag,Number\n1777636800,7,3,1.5\n")
    with pytest.raises(MappingError) as caught:
        told(file, said, TELEMETRY)
    assert detail in caught.value.detail
    assert advice in caught.value.advice


def test_the_odd_one_of_mixed_times_is_named(tmp_path: Path) -> None:
    text = "time,asset,vib\n2026-01-01T00:00:00Z,7,1\nlast week,7,1\nyesterday,7,1\n"
    with pytest.raises(MappingError, match="'last week'"):
        told(write(tmp_path, "a.csv", text), "asset_class='p'")


@pytest.mark.parametrize(
    ("name", "content"),
    [("head.csv", "time,asset_id,vib\n"), ("word.csv", "hello\n"), ("none.jsonl", ""), ("none.parquet", None)],
)
def test_a_file_without_rows_is_told(tmp_path: Path, name: str, content: str | None) -> None:
    file = tmp_path / name
    if content is None:
        pyarrow.parquet.write_table(pyarrow.table({"a": pyarrow.array([], pyarrow.string())}), file)
    else:
        file.write_text(content)
    with pytest.raises(EventFileError, match=r"has no rows|Empty CSV"):
        list(read_file(EventFile(file, None)))


@pytest.mark.parametrize("content", [json.dumps([CLICK]), json.dumps([CLICK], indent=2), json.dumps(CLICK, indent=2)])
def test_one_json_value_over_all_lines_is_told(tmp_path: Path, content: str) -> None:
    with pytest.raises(EventFileError, match="is one JSON value, not JSON Lines"):
        list(read_file(EventFile(write(tmp_path, "a.json", content), None)))


def test_a_first_line_that_is_no_event_is_told_as_any_other(tmp_path: Path) -> None:
    content = f"no json\n{json.dumps(CLICK)}\n"
    reads = list(read_file(EventFile(write(tmp_path, "a.jsonl", content), None)))
    assert [read.row is None for read in reads] == [True, False]
    assert "is no JSON" in reads[0].why


def test_files_hold_what_topics_take(tmp_path: Path) -> None:
    telemetry: dict[str, Any] = {**OWN, "readings": {"vib": float("nan"), "t": 1.0}}
    del telemetry["vib"]
    for topic, event in ((TELEMETRY, telemetry), (CLICKS, CLICK | {"user_id": 10**25, "event_id": None})):
        file = write(tmp_path, "a.jsonl", json.dumps(event))
        for said in (topic, None):
            [read] = read_file(EventFile(file, said))
            assert read.row is not None, read.why
    assert read.row.key == str(10**25).encode()


def test_local_times_that_do_not_exist_or_come_twice_are_counted(tmp_path: Path) -> None:
    times = ["2026-03-29 01:59", "2026-03-29 02:30", "2026-03-29 03:00", "2026-10-25 01:59", "2026-10-25 02:00",
             "2026-10-25 02:59", "2026-10-25 03:00", "2026-07-01 12:00"]  # fmt: skip
    file = write(tmp_path, "a.csv", "time,asset,vib\n" + "".join(f"{time}:00,7,{n}\n" for n, time in enumerate(times)))
    for zone, unclear in (("Europe/Berlin", {3: "does not exist", 6: "comes twice", 7: "comes twice"}), ("UTC", {})):
        validation = Validation(Settings())
        reads = list(read_file(EventFile(file, None, parse_mapping(["asset_class='p'"], zone=zone))))
        for read in reads:
            validation.take(read)
        found = {read.number: read.unclear for read in reads if read.unclear}
        assert found.keys() == unclear.keys()
        assert all(says in found[number] for number, says in unclear.items())
        assert (validation.is_clear.broken, validation.is_clear.verdict) == (
            len(unclear),
            "WARN" if unclear else "PASS",
        )
