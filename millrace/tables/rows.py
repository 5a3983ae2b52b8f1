"""Rows: the fields of one event from each row of a wide table, or from the rows of one asset and time of a long one.

chunks, Layout ─► cells as text, numbers, times ─► fields of an event, or why the row has none
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from math import isnan
from typing import Any, NamedTuple, get_args

from millrace.tables.cells import Clock, number_of, text_of
from millrace.tables.columns import Layout, joined
from millrace.tables.mapping import NOW, READINGS, SENSOR, TIME
from millrace.tables.reading import Chunk
from schemas import TELEMETRY, MaintenanceKind

KINDS = frozenset(get_args(MaintenanceKind))
YES = ("true", "yes", "y", "ja", "j")
YES_NO = {**dict.fromkeys(YES, True), **dict.fromkeys(("false", "no", "n", "nein"), False)}


class TableRow(NamedTuple):
    """The fields of one event, or why there is none. `odd`: cells that are no numbers, though their column has them.
    `unclear`: why its time may be another one.
    """

    number: int
    fields: dict[str, Any] | None
    why: str = ""
    odd: Sequence[str] = ()
    unclear: str = ""


def read_rows(chunks: Iterable[Chunk], layout: Layout) -> Iterator[TableRow]:
    """One a row that has anything to tell: of telemetry, rows without any number are passed over."""
    rows = (row for chunk in chunks for row in _chunk_rows(chunk, layout))
    return _grouped(rows) if layout.long is not None else rows


def _chunk_rows(chunk: Chunk, layout: Layout) -> Iterator[TableRow]:
    yield from (TableRow(number, None, why) for number, why in chunk.broken)
    columns = chunk.columns
    if absent := [name for name in _used(layout) if name not in columns]:
        columns = columns | {name: [None] * len(chunk.numbers) for name in absent}  # of JSON: not in these lines
    times = {name: (joined([columns[one] for one in found]), clock) for name, (found, clock) in layout.clocks.items()}
    texts = {name: columns[column] for name, column in layout.fields.items()}
    inside = {key: columns[column] for key, column in layout.inside.items()}
    constants = _constants(layout)
    for place, number in enumerate(chunk.numbers):
        fields: dict[str, Any] = dict(constants)
        why = _times(fields, times, place, layout)
        unclear = _unclear(fields, times, place) if layout.mapping.zone and not why else ""
        for name, cells in texts.items():
            if (text := text_of(cells[place])) is not None:
                fields[name] = _meant(name, text, layout)
            elif name in ("asset_id", "asset_class", "user_id", "item_id", "kind"):
                why = why or f"{layout.fields[name]!r} is empty, so there is no {name}"
        for (name, inner), cells in inside.items():
            if (value := _value(cells[place], layout.decimal)) is not None:
                fields.setdefault(name, {})[inner] = value
        if why:
            yield TableRow(number, None, why)
        elif layout.topic != TELEMETRY:
            yield TableRow(number, fields, unclear=unclear)
        else:
            yield from (row._replace(unclear=unclear) for row in _reading(number, fields, columns, place, layout))


def _constants(layout: Layout) -> dict[str, Any]:
    """The fields that are the same in all rows."""
    found: dict[str, Any] = {name: value for name, value in layout.mapping.constants.items() if value}
    return found | ({TIME: datetime.now(UTC)} if found.get(TIME) == NOW else {})


def _used(layout: Layout) -> Iterator[str]:
    yield from (*layout.fields.values(), *layout.sensors.values(), *layout.inside.values(), *(layout.long or ()))
    for columns, _ in layout.clocks.values():
        yield from columns


def _times(fields: dict[str, Any], times: dict[str, tuple[list[Any], Clock]], place: int, layout: Layout) -> str:
    """Put the times into the fields; why there is none, empty where all is well."""
    why = ""
    for name, (cells, clock) in times.items():
        try:
            time = clock.time_of(cells[place])
        except ValueError as error:
            why = why or f"{'+'.join(layout.clocks[name][0])!r}: {error}"
            continue
        if time is not None:
            fields[name] = time
        elif name == TIME:
            why = why or f"{'+'.join(layout.clocks[name][0])!r} is empty, so there is no time"
    return why


def _unclear(fields: dict[str, Any], times: dict[str, tuple[list[Any], Clock]], place: int) -> str:
    found = (clock.unclear(cells[place], fields[name]) for name, (cells, clock) in times.items() if name in fields)
    return next(filter(None, found), "")


def _meant(name: str, text: str, layout: Layout) -> Any:
    """What a word stands for: as it was said, or one of our own words in other letters."""
    words = layout.mapping.words.get(name, {})
    if name == "available":
        return _is_available(words.get(text, text), layout.decimal)
    if text in words:
        return words[text]
    if name == "kind":
        own = text.casefold().replace(" ", "_").replace("-", "_")
        return own if own in KINDS else text
    return text.casefold() if name == "action" else text


def _is_available(text: str, decimal: str) -> bool | str:
    """By a word, or by how many there are; what is neither stays text, which no event takes."""
    if (said := YES_NO.get(text.casefold())) is not None:
        return said
    count = number_of(text, decimal)
    return text if count is None or isnan(count) else count > 0


def _value(cell: Any, decimal: str) -> Any:
    """A number where it is one, otherwise text; none where it is empty."""
    text = text_of(cell)
    if text is None:
        return None
    number = number_of(cell, decimal)
    return text if number is None else number


def _reading(
    number: int, fields: dict[str, Any], columns: dict[str, list[Any]], place: int, layout: Layout
) -> Iterator[TableRow]:
    readings: dict[str, float] = {}
    odd: list[str] = []
    for sensor, cells in _cells(columns, place, layout):
        value = number_of(cells[place], layout.decimal)
        if value is None:
            odd.append(f"{text_of(cells[place])!r:.60} is no number - at {sensor}")
        elif not isnan(value):
            readings[sensor] = value
    if readings or odd:
        why = "" if readings else f"no reading can be used: {odd[0]}"
        yield TableRow(number, {**fields, READINGS: readings} if readings else None, why, odd)


def _cells(columns: dict[str, list[Any]], place: int, layout: Layout) -> Iterator[tuple[str, list[Any]]]:
    if layout.long is None:
        yield from ((sensor, columns[column]) for sensor, column in layout.sensors.items())
        return
    names, values = (columns[column] for column in layout.long)
    if (sensor := text_of(names[place])) is not None:
        yield layout.mapping.words.get(SENSOR, {}).get(sensor, sensor), values


def _grouped(rows: Iterable[TableRow]) -> Iterator[TableRow]:
    """Rows one after the other of one asset and time, with different sensors, are one reading."""
    open_row: TableRow | None = None
    for row in rows:
        if open_row is not None and _belongs(open_row, row):
            open_row.fields[READINGS].update(row.fields[READINGS])  # type: ignore[index]  # _belongs has looked
            continue
        if open_row is not None:
            yield open_row
        open_row = row
    if open_row is not None:
        yield open_row


def _belongs(first: TableRow, row: TableRow) -> bool:
    if first.fields is None or row.fields is None or first.odd or row.odd:
        return False
    return first.fields[READINGS].keys().isdisjoint(row.fields[READINGS]) and all(
        first.fields.get(name) == row.fields.get(name) for name in (TIME, "asset_id", "asset_class", "event_id")
    )
