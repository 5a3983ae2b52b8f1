"""Files of events: our own events as JSON Lines or Parquet, and any table, read row by row and merged by event time.

FILE, topic, mapping ─► rows with numbers ─► fields of events ─► schema ─► one stream by event_time
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from millrace.events.rows import REQUIRED, EventRow, bytes_of, checked_row, row_of, topic_of
from millrace.tables import (
    EVENT_FIELDS,
    UNREADABLE,
    WORDS,
    FileKind,
    Layout,
    Mapping,
    Report,
    TableRow,
    chunks_of_objects,
    cure_of,
    kind_of,
    layout_of,
    load_mapping,
    mapping_file_of,
    read_chunks,
    read_lines,
    read_rows,
)
from schemas import INPUTS, TELEMETRY, MillraceError, faults_of, text_of

MOST_LINES = 100  # that may be no JSON before the first that is


class EventFileError(MillraceError):
    title = "The file of events cannot be used"


class Read(NamedTuple):
    """One row of a file as an event, or why it is none. `odd`: its cells that are no numbers, though they should be;
    `strange`: by field, words that are none of the field's; `unclear`: why its time may be another one.
    """

    number: int
    row: EventRow | None
    why: str = ""
    odd: Sequence[str] = ()
    strange: Sequence[tuple[str, str]] = ()
    unclear: str = ""


@dataclass(frozen=True)
class EventFile:
    """One file, the topic of its events and how it is read.

    Without a topic each line tells, by a field `topic` or by its other fields, and a table by its columns. Without a
    mapping that of `FILE.map.toml` counts, where it is there.
    """

    file: Path
    topic: str | None
    mapping: Mapping = field(default_factory=Mapping)

    def __post_init__(self) -> None:
        if self.topic is not None and self.topic not in INPUTS:
            raise EventFileError(f"{self.topic!r} is not an input topic.", f"One of: {', '.join(INPUTS)}.")
        if not self.file.is_file():
            raise EventFileError(f"{self.file} is not a file.", "Name CSV, Parquet or JSON Lines, also as .gz or .zst.")

    def said(self) -> Mapping:
        """What a person said of the table, on the command line or in the saved mapping."""
        saved = mapping_file_of(self.file)
        found = load_mapping(saved) if not self.mapping and saved.is_file() else self.mapping
        topic = self.topic or found.topic
        return Mapping(topic, found.columns, found.constants, found.words, found.zone, found.time_format)


@dataclass(frozen=True)
class Purpose:
    """What reading is for: what the error of a row says of those before it, and what to do."""

    consequence: str
    advice: str


REPLAY = Purpose(
    "The events before it were sent.",
    "Correct it and run the same command again: it goes on from there. --skip-bad leaves such rows out, --raw sends "
    "lines as they are, `millrace validate FILE` shows all of them.",
)
TRAIN = Purpose(
    "Nothing was trained.",
    "Correct it, or leave such rows out with --skip-bad; `millrace validate FILE` shows all of them.",
)


def merged(
    sources: list[EventFile],
    *,
    is_checked: bool,
    report: Report = lambda _: None,
    purpose: Purpose = REPLAY,
    skip: Callable[[EventFile, Read], None] | None = None,
) -> Iterator[EventRow]:
    """All rows, by event time; files that are not in that order are taken as they come.

    Args:
        is_checked: events are held against the schema; otherwise everything goes as it is, bad input too.
        report: told how many bytes of the files have been read since the last time.
        skip: told of each row that is no event, which is then left out; without it such a row is an error.

    Raises:
        EventFileError: a file cannot be read, or a line is not an event; with its number.
        MappingError: a table's columns do not tell what an event needs.
    """
    streams = [_events(source, is_checked, report, purpose, skip) for source in sources]
    return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=attrgetter("time_s"))


def _events(
    source: EventFile,
    is_checked: bool,
    report: Report,
    purpose: Purpose,
    skip: Callable[[EventFile, Read], None] | None,
) -> Iterator[EventRow]:
    last_s = 0.0
    for read in read_file(source, is_checked=is_checked, report=report, purpose=purpose):
        if read.row is None:
            if skip is None:
                raise EventFileError(
                    f"{source.file}, line {read.number}: {read.why}. {purpose.consequence}", purpose.advice
                )
            skip(source, read)
            continue
        last_s = read.row.time_s or last_s
        yield read.row if read.row.time_s else read.row._replace(time_s=last_s)


def read_file(
    source: EventFile, *, is_checked: bool = True, report: Report = lambda _: None, purpose: Purpose = REPLAY
) -> Iterator[Read]:
    """Every row of one file, those that are no events too.

    Raises:
        EventFileError: the file cannot be read any further.
        MappingError: the columns of a table do not tell what an event needs.
    """
    count = 0
    with _told(source, purpose.consequence, purpose.advice) as last:
        for read in _table(source, report) if is_checked and is_table(source) else _own(source, is_checked, report):
            last[0] = read.number
            count += 1
            yield read
    if not count:
        raise EventFileError(f"{source.file} has no rows of events. {purpose.consequence}", "Give a file with rows.")


def is_table(source: EventFile) -> bool:
    """Whether the file has rows of somebody's own instead of our events: as its mapping or its first row shows."""
    if source.said():
        return True
    kind = kind_of(source.file)
    if kind is FileKind.CSV:
        return True
    first = next(_parquet(source.file), (0, None))[1] if kind is FileKind.PARQUET else _first_object(source.file)
    if first is None or "topic" in first:
        return False
    topic = source.topic or topic_of(first)
    if topic == TELEMETRY and "readings" not in first and first.keys() - EVENT_FIELDS[TELEMETRY]:
        return True  # under our own names, with a column a sensor
    return topic is None or 2 * len(REQUIRED[topic] & first.keys()) < len(REQUIRED[topic])


def layout_of_file(source: EventFile) -> Layout | None:
    """How a table is read; none for a file of our own events."""
    with _told(source, ""):
        if not is_table(source):
            return None
        first = next(_chunks(source), None)
        return None if first is None else layout_of(first, source.said())


@contextmanager
def _told(source: EventFile, consequence: str, advice: str = "") -> Iterator[list[int]]:
    """What a file that cannot be read raises, in words; the last number read is put into the list."""
    last = [0]
    try:
        yield last
    except UNREADABLE as error:
        detail = f"{source.file}, after line {last[0]}: {text_of(error)}. {consequence}".strip()
        raise EventFileError(detail, advice) from error


def _chunks(source: EventFile, report: Report = lambda _: None) -> Iterator[Any]:
    if kind_of(source.file) is not FileKind.JSON_LINES:
        return read_chunks(source.file, report)
    return chunks_of_objects(_objects(source.file, report))


def _objects(file: Path, report: Report = lambda _: None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Lines that are objects; `is_table` looks at the first, and a table of objects has no other."""
    yield from _objects_of(read_lines(file, report))


def _objects_of(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines:
        try:
            found = from_json(line)
        except ValueError:
            found = None
        yield number, found if isinstance(found, dict) else {}


def _first_object(file: Path) -> dict[str, Any] | None:
    """The first line that is an object, among the first few: others are told one by one.

    Raises:
        OSError: the file is one JSON value over all of its lines.
    """
    for number, line in itertools.islice(read_lines(file), MOST_LINES):
        if number == 1 and (line.startswith(b"[") or line == b"{"):
            raise OSError("is one JSON value, not JSON Lines: `jq -c '.[]' FILE` makes a line of each entry of a list")
        if found := next(_objects_of([(number, line)]))[1]:
            return found
    return None


def _table(source: EventFile, report: Report) -> Iterator[Read]:
    chunks = _chunks(source, report)
    first = next(chunks, None)
    if first is None:
        return
    layout = layout_of(first, source.said())
    for row in read_rows(itertools.chain([first], chunks), layout):
        yield _read_row(row, layout.topic)


def _read_row(row: TableRow, topic: str) -> Read:
    if row.fields is None:
        return Read(row.number, None, row.why, row.odd)
    try:
        return Read(row.number, checked_row(bytes_of(row.fields), topic, row.fields), "", row.odd, (), row.unclear)
    except ValueError as error:
        strange = tuple(
            (fault.path, fault.value)
            for fault in (faults_of(error) if isinstance(error, ValidationError) else ())
            if fault.path in WORDS and isinstance(fault.value, str)
        )
        cure = f"; say what it means: {cure_of(*strange[0])}" if strange else ""
        return Read(row.number, None, f"{text_of(error)}{cure}", row.odd, strange)


def _own(source: EventFile, is_checked: bool, report: Report) -> Iterator[Read]:
    """Our own events. A line is sent as it is, unless something of it is to be left out or added."""
    is_parquet = kind_of(source.file) is FileKind.PARQUET
    rows: Iterable[tuple[int, Any]] = (_parquet if is_parquet else read_lines)(source.file, report)
    for number, content in rows:
        try:
            yield Read(number, row_of(source.topic, content, is_checked=is_checked))
        except (ValueError, TypeError) as error:
            yield Read(number, None, text_of(error))


def _parquet(file: Path, report: Report = lambda _: None) -> Iterator[tuple[int, dict[str, Any]]]:
    for chunk in read_chunks(file, report):
        names = list(chunk.columns)
        for number, row in zip(chunk.numbers, zip(*chunk.columns.values(), strict=True), strict=True):
            yield number, {name: value for name, value in zip(names, row, strict=True) if value is not None}
