"""Columns: what each column of a table is, from what a person said of it, its name, and its first rows.

names and a first chunk, Mapping ─► the topic ─► a column for each field ─► how numbers and times are written ─► Layout
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from millrace.tables.advice import OTHERWISE, as_log
from millrace.tables.cells import Clock, clock_of, decimal_of, number_of, odd_time, text_of
from millrace.tables.complaints import are, check_pair, meant_fields, unknown
from millrace.tables.mapping import (
    EVENT_FIELDS,
    INSIDE,
    READINGS,
    SENSOR,
    TIME,
    VALUE,
    Mapping,
    MappingError,
    zone_of,
)
from millrace.tables.reading import Chunk
from schemas import CLICKS, INPUTS, ITEMS, MAINTENANCE, TELEMETRY

SAMPLE_ROWS = 2000
NO_ZONE = "without a zone: UTC is assumed, --zone says another"
TIMES = (TIME, "published_at")
# What people call our fields, without case, spaces and marks; in the order in which they are looked for.
NAMES = {
    "event_id": ("eventid", "uuid"),
    TIME: ("eventtime", "timestamp", "datetime", "time", "ts", "zeitstempel", "zeit", "datum", "date"),
    "asset_id": (
        "assetid", "asset", "machineid", "machine", "equipmentid", "equipment", "deviceid", "device", "maschine",
        "anlage", "engineid", "engine",
    ),
    "asset_class": ("assetclass", "assettype", "machineclass", "machinetype", "equipmenttype", "maschinentyp", "class"),
    SENSOR: ("sensor", "sensorid", "signal", "parameter", "metric", "tag", "tagname", "variable", "channel"),
    VALUE: ("value", "reading", "messwert", "wert"),
    "kind": ("kind", "eventtype", "event"),
    "component": ("component", "part", "bauteil"),
    "code": ("code", "errorcode", "errorid", "error"),
    "user_id": ("userid", "user", "visitorid", "visitor", "customerid", "customer"),
    "item_id": ("itemid", "item", "productid", "product", "articleid", "article", "sku"),
    "session_id": ("sessionid", "session"),
    "action": ("action", "eventtype", "event"),
    "title": ("title", "name"),
    "category": ("category", "categoryid"),
    "available": ("available", "instock", "stock", "verfügbar", "verfuegbar", "bestand", "lagerbestand"),
    "published_at": ("publishedat", "published"),
    "recommendation_id": ("recommendationid",),
}  # fmt: skip
WEAK = ("type", "typ")  # of readings the class of an asset, of a log the kind of an entry
ORDER = (CLICKS, MAINTENANCE, TELEMETRY, ITEMS)  # in which a topic is looked for: the first whose marks are all there
MARKS = {
    CLICKS: ("user_id", "item_id"),
    MAINTENANCE: ("asset_id", "kind"),
    TELEMETRY: ("asset_id",),
    ITEMS: ("item_id",),
}


@dataclass(frozen=True)
class Layout:
    """What the columns of a table are.

    `fields` has the column of each field that is text, `clocks` the columns and the form of each time, `sensors` the
    column of each sensor of a wide table, `long` the columns of sensor and value of a long one, `inside` those of
    single values of `context` and `attributes`. `left_out` says why a column is none of these.
    """

    topic: str
    mapping: Mapping
    fields: dict[str, str]
    clocks: dict[str, tuple[tuple[str, ...], Clock]]
    sensors: dict[str, str] = field(default_factory=dict)
    long: tuple[str, str] | None = None
    inside: dict[tuple[str, str], str] = field(default_factory=dict)
    decimal: str = "."
    left_out: dict[str, str] = field(default_factory=dict)
    doubtful: str = ""  # a number whose comma is taken for that of thousands, and could be a decimal one

    def lines(self) -> list[str]:
        """What was found, for people: a line for each field."""
        found = [f"{name} = {column!r}" for name, column in self.fields.items()]
        for name, (columns, clock) in self.clocks.items():
            zone = f"in the zone {self.mapping.zone}" if self.mapping.zone else NO_ZONE
            zone = "which tells its zone" if clock.has_zone else zone
            found.append(f"{name} = {'+'.join(columns)!r}, {clock.form}, {zone}")
        for name, value in self.mapping.constants.items():
            found.append(f"{name} = {value!r} in all rows" if value else f"{name} is no column: --map says so")
        found += [f"{name}.{inner} = {column!r}" for (name, inner), column in self.inside.items()]
        if self.long is not None:
            found.append(f"a sensor's name in {self.long[0]!r}, its number in {self.long[1]!r}")
        if self.sensors:
            found.append(f"sensors: {', '.join(self.sensors)}")
        if self.decimal == ",":
            found.append("numbers have a decimal comma")
        if self.doubtful:
            read = self.doubtful.replace(",", "")
            found.append(
                f"WARN: {self.doubtful!r} is read as {read}, and no number tells whether its comma is a decimal one"
            )
        return [*found, *(f"{column!r} is left out: {why}" for column, why in self.left_out.items())]


def layout_of(first: Chunk, mapping: Mapping) -> Layout:
    """What the columns are, from the first rows.

    Raises:
        MappingError: a column that was named is not there, or a field that an event needs has none; with the names.
    """
    names = list(first.columns)
    sample = {name: cells[:SAMPLE_ROWS] for name, cells in first.columns.items()}
    said = {name: _columns(names, name, column) for name, column in mapping.columns.items()}
    taken = {column for columns in said.values() for column in columns}
    topic = mapping.topic or _topic(names, mapping, taken)
    own = (*EVENT_FIELDS[topic], SENSOR, VALUE) if topic == TELEMETRY else EVENT_FIELDS[topic]
    fields = _guessed([name for name in names if name not in taken], topic, mapping)
    fields |= {name: columns for name, columns in said.items() if name in own}
    check_pair(fields, names)
    inside = {_inside(name): columns[0] for name, columns in said.items() if name not in own and _inside(name)[0]}
    free = set(names) - taken.union(*fields.values())
    inside |= {_inside(n): n for n in names if n in free and _inside(n)[0] in own and _inside(n) not in inside}
    renamed = {name: columns[0] for name, columns in said.items() if name not in own and not _inside(name)[0]}
    if renamed and topic != TELEMETRY:
        raise unknown(renamed, topic)
    renamed |= {inner: column for (name, inner), column in inside.items() if name == READINGS}
    used = taken.union(*fields.values(), inside.values())
    rest = [name for name in names if name not in used and mapping.constants.get(name) != ""]
    numeric = (*rest, *renamed.values(), *fields.get(VALUE, ()))
    decimal, doubtful = decimal_of((cell for name in numeric for cell in sample[name]), first.delimiter)
    long = (fields.pop(SENSOR)[0], fields.pop(VALUE)[0]) if fields.keys() >= {SENSOR, VALUE} else None
    sensors = {} if long is not None or topic != TELEMETRY else _sensors(rest, sample, decimal) | renamed
    layout = Layout(
        topic,
        mapping,
        {name: columns[0] for name, columns in fields.items() if name not in TIMES},
        {name: (fields[name], _clock(fields[name], sample, mapping, name)) for name in TIMES if name in fields},
        sensors,
        long,
        {key: column for key, column in inside.items() if key[0] != READINGS},
        decimal,
        {name: _why(topic, long) for name in rest if name not in sensors.values()},
        doubtful,
    )
    _check_complete(layout, names, {name: sample[name] for name in rest})
    return layout


def _columns(names: Sequence[str], field_name: str, said: str) -> tuple[str, ...]:
    """The column that is meant; `Date+Time` are two whose texts belong together."""
    found = _like(names, said)
    parts = [_like(names, part) for part in said.split("+")]
    if found is None and len(parts) > 1 and None not in parts:
        return tuple(part for part in parts if part is not None)
    if found is not None:
        return (found,)
    near = difflib.get_close_matches(said, names, 3, 0.5)
    raise MappingError(
        f"There is no column {said!r} for {field_name}. {are(names)}",
        f"Did you mean {' or '.join(map(repr, near))}?" if near else "Write the name as it is in the header.",
    )


def _like(names: Sequence[str], said: str) -> str | None:
    """The column of that name, case and spaces aside where it is not there exactly."""
    bare = " ".join(said.split())
    exact = [name for name in names if name == bare]
    return next(iter(exact or [name for name in names if name.casefold() == bare.casefold()]), None)


def _topic(names: Sequence[str], mapping: Mapping, taken: set[str]) -> str:
    """By the fields that are there or said."""
    there = mapping.columns.keys() | mapping.constants.keys()
    weak = WEAK if "kind" in mapping.words else ()
    for topic in ORDER:
        if all(mark in there or _named(names, mark, taken, weak if mark == "kind" else ()) for mark in MARKS[topic]):
            return topic
    raise MappingError(
        f"Nothing tells what the rows are. {are(names)}",
        "Name the columns of an event: time and asset_id for readings, with kind for a maintenance log; time, user_id "
        "and item_id for clicks. For example --map time=Timestamp,asset_id=Machine,asset_class='pump'.",
    )


def _named(names: Iterable[str], field_name: str, taken: set[str], more: Sequence[str] = ()) -> str | None:
    """A column by one of the names that people give the field."""
    bare = {re.sub(r"[\W_]+", "", name.casefold()): name for name in names if name not in taken}
    wanted = (re.sub(r"_", "", field_name), *NAMES.get(field_name, ()), *more)
    return next((bare[one] for one in wanted if one in bare), None)


def _guessed(names: Sequence[str], topic: str, mapping: Mapping) -> dict[str, tuple[str, ...]]:
    there = mapping.columns.keys() | mapping.constants.keys()
    wanted = [name for name in EVENT_FIELDS[topic] if name not in INSIDE]
    found: dict[str, tuple[str, ...]] = {}
    used: set[str] = set()
    if topic == TELEMETRY and {SENSOR, VALUE} - there:
        long = {name: _named(names, name, used) for name in (SENSOR, VALUE) if name not in there}
        wanted += list(long) if None not in long.values() else []
    for name in wanted:
        more = WEAK if name == {TELEMETRY: "asset_class", MAINTENANCE: "kind"}.get(topic) else ()
        if name not in there and (column := _named(names, name, used, more)) is not None:
            found[name] = (column,)
            used.add(column)
    return found


def _inside(name: str) -> tuple[str, str]:
    """`context.device` is a value inside a field; otherwise two empty texts."""
    outer, _, inner = name.partition(".")
    return (outer, inner) if outer in INSIDE and inner else ("", "")


def _sensors(rest: Sequence[str], sample: dict[str, list[Any]], decimal: str) -> dict[str, str]:
    """Of a wide table all other columns whose cells are mostly numbers, or empty."""

    def is_numeric(cells: list[Any]) -> bool:
        full = [cell for cell in cells if text_of(cell) is not None]
        return 2 * sum(number_of(cell, decimal) is not None for cell in full) >= len(full)

    return {name: name for name in rest if is_numeric(sample[name])}


def _why(topic: str, long: tuple[str, str] | None) -> str:
    if topic != TELEMETRY:
        return "no field of the event has its name"
    return "sensor and value have columns of their own" if long else "most of its cells are no numbers"


def _clock(columns: Sequence[str], sample: dict[str, list[Any]], mapping: Mapping, name: str) -> Clock:
    cells = joined([sample[column] for column in columns])
    zone = zone_of(mapping.zone) if mapping.zone else UTC
    clock = clock_of(cells, zone, mapping.time_format if name == TIME else "")
    if clock is None or clock.doubt:
        shown = odd_time(cells) or "nothing"
        what = clock.doubt if clock is not None else f"has {shown!r:.60}, which is no time that can be guessed"
        raise MappingError(
            f"The column {'+'.join(columns)!r} for {name}: {what}. Nothing was read.",
            "Say how it is written: --time-format '%d/%m/%Y %H:%M:%S', as Python's strptime has it.",
        )
    return clock


def joined(columns: Sequence[list[Any]]) -> list[Any]:
    """The cells of one column; of several their texts with a space between."""
    if len(columns) == 1:
        return columns[0]
    texts = [[text_of(cell) for cell in column] for column in columns]
    return [None if None in row else " ".join(str(cell) for cell in row) for row in zip(*texts, strict=True)]


def _check_complete(layout: Layout, names: Sequence[str], rest: dict[str, list[Any]]) -> None:
    there = {*layout.fields, *layout.clocks, *(name for name, value in layout.mapping.constants.items() if value)}
    needed = {name for name, one in INPUTS[layout.topic].model_fields.items() if one.is_required()} - {
        "event_id",
        READINGS,
    }
    missing = sorted(needed - there)
    if missing:
        meant = meant_fields([name for name in layout.mapping.columns if name in layout.sensors], layout.topic)
        raise MappingError(
            f"The rows are {layout.topic}, and no column is {' or '.join(missing)}. {are(names)}",
            f"{meant} Name it: --map {'time' if missing[0] == TIME else missing[0]}=Column"
            f"{OTHERWISE.get(missing[0], '')}.",
        )
    if layout.topic == TELEMETRY and layout.long is None and _has_no_number(layout, rest):
        raise MappingError(
            f"No column has numbers of a sensor. {are(names)}",
            f"{as_log(rest)}Of a table with one row a sensor and time name both: --map sensor=Column,value=Column.",
        )


def _has_no_number(layout: Layout, rest: dict[str, list[Any]]) -> bool:
    """No sensor; or, beside a column of words, only columns that are empty so far, which may be anything."""
    cells = [rest.get(column, [0]) for column in layout.sensors.values()]
    is_empty = all(text_of(cell) is None for some in cells for cell in some)
    return not cells or (is_empty and as_log(rest) != "")
