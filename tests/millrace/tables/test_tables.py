"""Tables of every shape become the same events: wide and long, packed and not, in the writing of several countries."""

from __future__ import annotations

import contextlib
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.events.files import EventFile, EventFileError, merged, read_file
from millrace.tables import MappingError, load_mapping, parse_mapping
from millrace.tables.cells import Clock, clock_of, decimal_of, number_of
from schemas import CLICKS, ITEMS, MAINTENANCE, TELEMETRY

START = datetime(2026, 3, 25, 6, 0, tzinfo=UTC)
SENSORS = ("Temp. Lager A [°C]", "Last %")
READINGS = [
    (START + timedelta(minutes=7 * n), f"P {n % 2}", {SENSORS[0]: 60.5 + n, SENSORS[1]: float(n)}) for n in range(40)
]
MAP = "time=When,asset_id=Machine,asset_class='pump'"


def wide(mark: str = ",", decimal: str = ".", form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    def number(value: float) -> str:
        return str(value).replace(".", decimal)

    rows = [(t.strftime(form), asset, *map(number, values.values())) for t, asset, values in READINGS]
    return "\n".join(mark.join(row) for row in [("When", "Machine", *SENSORS), *rows]) + "\n"


def long() -> str:
    rows = [(t.isoformat(), a, name, str(v)) for t, a, values in READINGS for name, v in values.items()]
    return "\n".join(",".join(row) for row in [("When", "Machine", "Tag", "Value"), *rows]) + "\n"


def objects() -> list[dict[str, Any]]:
    return [{"When": int(t.timestamp() * 1000), "Machine": a, **values} for t, a, values in READINGS]


def told(file: Path, said: str = MAP, topic: str | None = None, zone: str = "") -> list[Any]:
    source = EventFile(file, topic, parse_mapping([said] if said else [], topic, zone))
    return [row.event for row in merged([source], is_checked=True)]


def write(folder: Path, name: str, text: str | bytes) -> Path:
    content = text.encode() if isinstance(text, str) else text
    if name.endswith(".gz"):
        content = gzip.compress(content)
    if name.endswith(".zst"):
        content = pyarrow.compress(content, "zstd", asbytes=True)
    file = folder / name
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("name", "content", "zone"),
    [
        ("a.csv", wide(), ""),
        ("a.csv.gz", wide(), ""),
        ("a.csv.zst", wide(), ""),
        ("no-suffix", wide(), ""),
        ("bom.csv", b"\xef\xbb\xbf" + wide().encode(), ""),
        ("utf16.csv", wide().encode("utf-16"), ""),
        ("latin.csv", wide(";", ",").encode("latin-1"), ""),
        ("tabs.tsv", wide("\t", ","), ""),
        ("windows.csv", wide().replace("\n", "\r\n"), ""),
        ("german.csv", wide(";", ",", "%d.%m.%Y %H:%M:%S"), "UTC"),
        ("american.csv", wide(form="%m/%d/%Y %I:%M:%S %p"), ""),
        ("seconds.csv", wide(form="%s"), ""),
        ("headed.csv", "Export of line 3\n\n" + wide(), ""),
        ("blank.csv", wide().replace("\n", "\n\n"), ""),
        ("long.csv", long(), ""),
        ("flat.jsonl", "\n".join(map(json.dumps, objects())), ""),
        ("flat.ndjson.zst", "\n".join(map(json.dumps, objects())), ""),
    ],
)
def test_the_same_readings_in_many_writings(tmp_path: Path, name: str, content: str | bytes, zone: str) -> None:
    events = told(write(tmp_path, name, content), zone=zone)
    assert [(e.event_time, e.asset_id, e.readings) for e in events] == READINGS
    assert {e.asset_class for e in events} == {"pump"}


@pytest.mark.parametrize("has_zone", [False, True])
def test_parquet_with_types_of_its_own(tmp_path: Path, has_zone: bool) -> None:
    zone = ZoneInfo("Europe/Berlin")
    rows = [
        {"When": t.astimezone(zone) if has_zone else t.astimezone(zone).replace(tzinfo=None), "Machine": a, **values}
        for t, a, values in READINGS
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    events = told(tmp_path / "a.parquet", zone="" if has_zone else "Europe/Berlin")
    assert [(e.event_time, e.readings) for e in events] == [(t, values) for t, _, values in READINGS]


def test_names_that_people_use_are_known(tmp_path: Path) -> None:
    text = "Timestamp,Machine ID,Machine Type,Pressure\n2026-01-01 00:00,7,pump,1.5\n"
    [reading] = told(write(tmp_path, "a.csv", text), "")
    assert (reading.asset_id, reading.asset_class, reading.readings) == ("7", "pump", {"Pressure": 1.5})
    text = "Datum;Anlage;Typ;Bauteil\n01.02.2026;7;Ausfall;Lager\n"
    said = "asset_class='pump',kind.failure=Ausfall,component.bearing=Lager"
    [entry] = told(write(tmp_path, "log.csv", text), said)
    assert (entry.kind, entry.component, entry.event_time) == ("failure", "bearing", datetime(2026, 2, 1, tzinfo=UTC))
    [click] = told(
        write(tmp_path, "c.csv", "ts,visitorid,itemid,device\n1777636800123,5,9,phone\n"), "context.d=device"
    )
    assert (click.user_id, click.item_id, click.context) == ("5", "9", {"d": "phone"})
    [item] = told(write(tmp_path, "i.csv", "time,sku,title,inStock\n1777636800,9,Shoe,no\n"), "", ITEMS)
    assert (item.item_id, item.title, item.available) == ("9", "Shoe", False)


@pytest.mark.parametrize(
    ("cells", "said", "expected"),
    [
        ("ja,nein,Yes,0,1", "", [True, False, True, False, True]),
        ("17,0,-3,1.200", "", [True, False, False, True]),
        ("lieferbar,weg,3", "available.true=lieferbar,available.false=weg", [True, False, True]),
    ],
)
def test_what_is_available_by_words_or_by_how_many_there_are(
    tmp_path: Path, cells: str, said: str, expected: list[bool]
) -> None:
    text = "sku,Bestand\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells.split(",")))
    events = told(write(tmp_path, "i.csv", text), ",".join(["time=now", *([said] if said else [])]), ITEMS)
    assert [event.available for event in events] == expected
    assert all(abs((event.event_time - datetime.now(UTC)).total_seconds()) < 60 for event in events)


def test_a_word_that_is_neither_available_nor_not_is_told_with_the_cure(tmp_path: Path) -> None:
    file = write(tmp_path, "i.csv", "sku,available\n1,maybe\n")
    [bad] = read_file(EventFile(file, ITEMS, parse_mapping(["time=now"])))
    assert bad.row is None
    assert '--map "available.true=maybe"' in bad.why


@pytest.mark.parametrize("entry", ["component=", "component=''"])
def test_a_column_that_was_guessed_wrongly_is_no_column(tmp_path: Path, entry: str) -> None:
    text = "time,asset_id,asset_class,kind,component\n2026-01-01,7,p,failure,3\n"
    [event] = told(write(tmp_path, "l.csv", text), entry)
    assert event.component is None
    (tmp_path / "m.toml").write_text(parse_mapping([entry]).text())
    assert load_mapping(tmp_path / "m.toml") == parse_mapping([entry])
    text = "time,asset_id,asset_class,a,b\n2026-01-01,7,p,1,2\n"
    [reading] = told(write(tmp_path, "r.csv", text), "b=")
    assert reading.readings == {"a": 1.0}


def test_what_is_said_counts_more_than_what_is_guessed(tmp_path: Path) -> None:
    text = "Date,Time,Timestamp,Machine,Old name,Tag\n2026-01-01,06:30,x,7,1.5,3\n"
    [reading] = told(write(tmp_path, "a.csv", text), "time=Date+Time,asset_id=machine,asset_class='p',heat=Old name")
    assert reading.event_time == datetime(2026, 1, 1, 6, 30, tzinfo=UTC)
    assert reading.readings == {"heat": 1.5, "Tag": 3.0}


def test_ids_are_of_what_a_row_says(tmp_path: Path) -> None:
    """Sent again, from another file and place, a row is the same event; another row is another one."""
    first = told(write(tmp_path, "a.csv", wide()))
    again = told(write(tmp_path, "b.csv", "\n".join([wide().splitlines()[0], *wide().splitlines()[11:]])))
    assert [e.event_id for e in again] == [e.event_id for e in first[10:]]
    assert len({e.event_id for e in first}) == len(first)
    line = json.dumps({"event_time": 1777636800000, "user_id": "u", "item_id": "i"})
    own = told(write(tmp_path, "own.jsonl", line), "", CLICKS)
    assert own[0].event_id.startswith("row-")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2026-02-30T00:00:00Z,P 1,1,2", "'2026-02-30T00:00:00Z' is no time"),
        (",P 1,1,2", "'When' is empty"),
        ("2026-03-25T00:00:00Z,,1,2", "'Machine' is empty"),
        ("2026-03-25T00:00:00Z,P 1,1", "has 3 cells, the header 4"),
        ("2026-03-25T00:00:00Z,P 1,1,2,3", "has 5 cells, the header 4"),
        ("2026-03-25T00:00:00Z,P 1,broken,", "no reading can be used: 'broken' is no number"),
        ("1926-03-25T00:00:00Z,P 1,1,2", "is before 1980-01-01"),
        (f"2026-03-25T00:00:00Z,{'x' * 201},1,2", "asset_id"),
    ],
)
def test_a_bad_row_is_told_and_costs_no_other(tmp_path: Path, row: str, why: str) -> None:
    lines = wide().splitlines()
    file = write(tmp_path, "a.csv", "\n".join([*lines[:20], row, *lines[20:]]))
    source = EventFile(file, None, parse_mapping([MAP]))
    reads = list(read_file(source))
    [bad] = [read for read in reads if read.row is None]
    assert bad.number == 21
    assert why in bad.why
    assert len(reads) == len(READINGS) + 1
    with pytest.raises(EventFileError, match=r"a\.csv, line 21: .* were sent"):
        list(merged([source], is_checked=True))
    skipped: list[int] = []
    rows = merged([source], is_checked=True, skip=lambda _, read: skipped.append(read.number))
    assert len(list(rows)) == len(READINGS)
    assert skipped == [21]


def test_a_cell_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    lines = wide().splitlines()
    when = "2026-03-25T00:00:00Z"
    extra = [f"{when},P 1,n/a,7", f"{when},P 1,kaputt,7", f"{when},P 1,,"]
    reads = list(
        read_file(EventFile(write(tmp_path, "a.csv", "\n".join([*lines, *extra])), None, parse_mapping([MAP])))
    )
    rows = [read for read in reads if read.number > len(lines)]
    assert [read.row.event.readings for read in rows if read.row] == [{"Last %": 7.0}] * 2  # type: ignore[union-attr]
    assert [list(read.odd) for read in rows] == [[], [f"'kaputt' is no number - at {SENSORS[0]}"]]


@pytest.mark.parametrize(
    ("said", "content", "detail", "advice"),
    [
        ("time=Wenn", wide(), "no column 'Wenn' for event_time", "'When'"),
        ("nonsense", wide(), "'nonsense', which is not FIELD=Column", "time=Timestamp"),
        ("time=When", wide(), "no column is asset_class.", "asset_class='pump'"),
        ("user=Machine", "When,item_id,user_id,Machine\n2026-01-01,1,2,3\n", "do not have", "user_id"),
        ("asset_id=", "time,asset_id,asset_class,x\n2026-01-01,1,p,3\n", "no column is asset_id.", "asset_id='pump-7'"),
        ("asset_class='p'", "asset_id,x\n1,3\n", "no column is event_time.", "time=now"),
        (MAP, "a,b\n1,2\n", "no column 'When'", "header"),
        ("", "a,b\n1,2\n", "Nothing tells what the rows are", "asset_id"),
        (MAP, wide(form="%m/%d/%Y").replace("25/", "05/"), "day or the month first", "--time-format"),
        (MAP, wide(form="week %W"), "no time that can be guessed", "--time-format"),
    ],
)
def test_a_mapping_that_does_not_fit_is_told(tmp_path: Path, said: str, content: str, detail: str, advice: str) -> None:
    with pytest.raises(MappingError) as caught:
        told(write(tmp_path, "a.csv", content), said)
    assert detail in caught.value.detail
    assert advice in caught.value.advice


def test_files_that_are_no_tables_are_told(tmp_path: Path) -> None:
    for name, content in (("w.xlsx", b"PK\x03\x04rest"), ("empty.csv", b""), ("half.csv.zst", _half())):
        with pytest.raises(EventFileError, match="after line"):
            told(write(tmp_path, name.replace(".zst", ".z"), content))


def _half() -> bytes:
    return bytes(pyarrow.compress(wide().encode() * 50, "zstd", asbytes=True)[:-20])


def test_a_saved_mapping_says_the_same(tmp_path: Path) -> None:
    said = r"time=Date\, local,asset_id=Machine,asset_class='a, b',kind.failure='broken, dead',heat=Temp [°C]"
    mapping = parse_mapping([said], MAINTENANCE, "Europe/Berlin", "%d")
    assert mapping.columns == {"event_time": "Date, local", "asset_id": "Machine", "heat": "Temp [°C]"}
    assert mapping.constants == {"asset_class": "a, b"}
    assert mapping.words == {"kind": {"broken, dead": "failure"}}
    (tmp_path / "m.toml").write_text(mapping.text())
    assert load_mapping(tmp_path / "m.toml") == mapping
    more = parse_mapping([f"@{tmp_path / 'm.toml'}", "asset_id=Unit"])
    assert more.columns == {**mapping.columns, "asset_id": "Unit"}
    for bad in ("columns = 5", 'colours = "x"', "[columns", "[columns]\na = 5"):
        (tmp_path / "bad.toml").write_text(bad)
        with pytest.raises(MappingError, match="Nothing was read"):
            load_mapping(tmp_path / "bad.toml")


@given(st.lists(st.floats(-1e9, 1e9).map(lambda x: round(x, 3)), min_size=1), st.sampled_from(".,"), st.booleans())
def test_numbers_of_both_kinds_are_read_back(values: list[float], decimal: str, is_grouped: bool) -> None:
    texts = [f"{value:,.3f}" if is_grouped else f"{value:.3f}" for value in values]
    if decimal == ",":
        texts = [text.translate(str.maketrans(",.", ".,")) for text in texts]
    cells = [text.encode() for text in texts]
    assert [number_of(cell, decimal) for cell in cells] == values
    if decimal == "," and not is_grouped:
        assert decimal_of([*cells, b"0,5"]) == (",", "")
    if decimal == ".":
        assert decimal_of(cells)[0] == "."


@given(
    st.datetimes(datetime(1990, 1, 13), datetime(2100, 1, 1)).map(lambda t: t.replace(microsecond=0)),
    st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
)
def test_times_in_a_zone_are_read_back(local: datetime, form: str, zone: str) -> None:
    clock = clock_of([local.replace(day=13).strftime(form)], ZoneInfo(zone))
    assert isinstance(clock, Clock)
    assert clock.time_of(local.strftime(form).encode()) == local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_epochs_are_told_apart_by_their_size(unit: int) -> None:
    stamp = int(START.timestamp()) * unit
    clock = clock_of([stamp, str(stamp).encode()], UTC)
    assert isinstance(clock, Clock)
    assert clock.time_of(stamp) == START
    with pytest.raises(ValueError, match="is no time"):
        clock.time_of(b"17")


@pytest.mark.long
def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    lines = wide().splitlines()
    body = "\n".join(lines[1:]) + "\n"
    file = write(tmp_path, "big.csv", lines[0] + "\n" + body * 1500 + "bad\n" + body)
    numbers = [read.number for read in read_file(EventFile(file, TELEMETRY, parse_mapping([MAP])))]
    assert sorted(numbers) == list(range(2, 40 * 1501 + 3))


DAMAGED = (wide(";", ","), long(), "\n".join(map(json.dumps, objects()[:5])), "ts,user,item\n1777636800,1,2\n")


@given(
    st.sampled_from(["a.csv", "a.jsonl", "a.parquet", "a", "a.csv.gz"]),
    st.sampled_from(DAMAGED),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.binary(max_size=6)), max_size=6),
    st.sampled_from(["", MAP, "asset_class='p'", "sensor=Tag,value=Value,asset_class='p'"]),
)
def test_damaged_files_are_read_as_far_as_they_go_or_told(
    tmp_path_factory: pytest.TempPathFactory, name: str, text: str, changes: list[tuple[float, int, bytes]], said: str
) -> None:
    content = text.encode()
    for place, gone, put in changes:
        at = int(place * len(content))
        content = content[:at] + put + content[at + gone :]
    file = write(tmp_path_factory.mktemp("damaged"), name, content)
    with contextlib.suppress(EventFileError, MappingError):
        for read in read_file(EventFile(file, None, parse_mapping([said] if said else []))):
            assert (read.row is None) == bool(read.why)
