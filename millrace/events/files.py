"""Files of events: JSON Lines (plain or .gz) and Parquet, read row by row and merged in the order of event time.

TOPIC FILE, ... ─► rows with line numbers ─► schema ─► one stream by event_time
"""

from __future__ import annotations

import gzip
import heapq
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from schemas import INPUTS, KEY_FIELDS, InputEvent, MillraceError, text_of

PARQUET_BATCH_ROWS = 4096
Report = Callable[[int], None]


# of each event the fields that it must have
REQUIRED = {
    topic: {name for name, field in kind.model_fields.items() if field.is_required()} for topic, kind in INPUTS.items()
}


class EventFileError(MillraceError):
    title = "The file of events cannot be used"


class EventRow(NamedTuple):
    """One event as it goes to Kafka. `time_s`: its event time, seconds since 1970; 0 when it has none."""

    time_s: float
    topic: str
    key: bytes | None
    value: bytes
    event: InputEvent | None = None  # where it was checked


@dataclass(frozen=True)
class EventFile:
    """One file and the topic of its events; without one each line tells, by a field `topic` or by its other fields."""

    file: Path
    topic: str | None

    def __post_init__(self) -> None:
        if self.topic is not None and self.topic not in INPUTS:
            raise EventFileError(f"{self.topic!r} is not an input topic.", f"One of: {', '.join(INPUTS)}.")
        if not self.file.is_file():
            raise EventFileError(f"{self.file} is not a file.", "Name JSON Lines, .jsonl.gz or Parquet.")


def merged(sources: list[EventFile], *, is_checked: bool, report: Report = lambda _: None) -> Iterator[EventRow]:
    """All rows, by event time; files that are not in that order are taken as they come.

    Args:
        is_checked: events are held against the schema; otherwise everything goes as it is, bad input too.
        report: told how many bytes of the files have been read since the last time.

    Raises:
        EventFileError: a file cannot be read, or a line is not an event; with its number.
    """
    streams = [_rows(source, is_checked, report) for source in sources]
    return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=attrgetter("time_s"))


def _rows(source: EventFile, is_checked: bool, report: Report) -> Iterator[EventRow]:
    read = _parquet if source.file.suffix == ".parquet" else _json_lines
    last_s, number = 0.0, 0
    try:
        for number, text, event in read(source.file, report):  # noqa: B007 - the error names it
            row = _row(source, text, event, is_checked)
            last_s = row.time_s or last_s
            yield row if row.time_s else row._replace(time_s=last_s)
    except (ValueError, TypeError, OSError, EOFError, zlib.error) as error:
        is_event = isinstance(error, ValueError | TypeError)
        where = f"{source.file}, line {number}" if is_event else f"{source.file}, after line {number}"
        raise EventFileError(
            f"{where}: {text_of(error)}. The events before it were sent.",
            "Correct it and run the same command again: it goes on from there. --raw sends lines as they are.",
        ) from error


def _row(source: EventFile, text: bytes | None, event: dict[str, Any] | None, is_checked: bool) -> EventRow:
    """`text` is the line of a text file, `event` the row of a Parquet file."""
    parsed = event or {} if text is None else _parsed(text, is_strict=is_checked or source.topic is None)
    topic = source.topic
    if topic is None:
        topic = parsed.pop("topic", None) or topic_of(parsed)
        if topic is None or topic not in INPUTS:
            raise ValueError(f"topic: {topic!r} is none of {', '.join(INPUTS)}")
        text = None
    value = orjson.dumps(parsed, option=orjson.OPT_NAIVE_UTC) if text is None else text
    if is_checked:
        checked = INPUTS[topic].model_validate_json(value)
        time_s = checked.event_time.timestamp()  # type: ignore[attr-defined]  # all inputs have it
        return EventRow(time_s, topic, str(getattr(checked, KEY_FIELDS[topic])).encode(), value, checked)
    key = parsed.get(KEY_FIELDS[topic])
    return EventRow(_lenient_time(parsed.get("event_time")), topic, None if key is None else str(key).encode(), value)


def topic_of(event: dict[str, Any]) -> str | None:
    """The topic whose event has most of these fields, and lacks fewest; none where no field is any event's."""

    def likeness(topic: str) -> tuple[int, int]:
        there = len(REQUIRED[topic] & event.keys())
        return 2 * there - len(REQUIRED[topic]), there

    best = max(REQUIRED, key=likeness)
    return best if likeness(best)[1] else None


def _parsed(text: bytes, *, is_strict: bool) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        if is_strict:
            raise
        return {}
    if isinstance(found, dict):
        return found
    if is_strict:
        raise ValueError("is not a JSON object")
    return {}


def _lenient_time(value: object) -> float:
    if isinstance(value, int | float):
        return value / 1000
    if isinstance(value, datetime):
        return value.timestamp()
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return 0.0


def _json_lines(file: Path, report: Report) -> Iterator[tuple[int, bytes, None]]:
    with file.open("rb") as stored:
        lines = gzip.GzipFile(fileobj=stored) if file.suffix == ".gz" else stored
        seen = 0
        for number, line in enumerate(lines, 1):
            if text := line.strip():
                yield number, text, None
            if (now := stored.tell()) != seen:
                report(now - seen)
                seen = now


def _parquet(file: Path, report: Report) -> Iterator[tuple[int, None, dict[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(file)
    except pyarrow.ArrowException as error:
        raise OSError(f"is not Parquet: {error}") from error
    size, rows = file.stat().st_size, max(table.metadata.num_rows, 1)
    done = 0
    for batch in table.iter_batches(PARQUET_BATCH_ROWS):
        for number, row in enumerate(batch.to_pylist(maps_as_pydicts="strict"), done + 1):
            yield number, None, {name: value for name, value in row.items() if value is not None}
        done += batch.num_rows
        report(size * batch.num_rows // rows)
