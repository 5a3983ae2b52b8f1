"""Kept rows: what a batch of input records, dead letters and figures means for the kept tables.

Placed, Quarantined, WorkerStatus ─► kept_of ─► rows by table, each key once
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from schemas import AgentFigures, Asset, Click, Figures, Item, Maintenance, Telemetry, WorkerStatus
from storage.records import Keeping, Placed, Quarantined, Record, Removal
from storage.tables import EPOCH, MICROSECOND

Row = dict[str, Any]
MinuteKey = tuple[str, datetime]  # worker, minute
ITEM_FIELDS = ("title", "category", "attributes", "published_at", "available")
NOTHING_SAID: Row = {"title": None, "category": None, "attributes": None, "published_at": None, "available": True}
MOST_WORDS, MOST_CHARS = 20, 40  # of one item; of a word
MOST_SENSORS = 512  # of a reading
MOST_KEPT_BYTES = 65_536  # of a dead letter's value; all of it stays on the quarantine topic
_WORD = re.compile(r"[^\W_]+")


@dataclass
class KeptRows:
    """What is written beside the decisions. Items and sites are changes in their order: what they lead to depends on
    the row.
    """

    items: dict[str, list[Item | Removal]] = field(default_factory=dict)
    sites: dict[str, list[Asset | Removal]] = field(default_factory=dict)
    clicks: list[Row] = field(default_factory=list)
    forgotten: dict[str, datetime | None] = field(default_factory=dict)  # users, and when; later clicks are above
    readings: list[Row] = field(default_factory=list)
    log: list[Row] = field(default_factory=list)
    dead_letters: list[Row] = field(default_factory=list)
    figures: list[Row] = field(default_factory=list)

    def change(self, change: Item | Asset | Removal) -> None:
        """Of an item, or of where an asset stands."""
        match change:
            case Item(item_id=key) | Removal("items.v1", key):
                self.items.setdefault(key, []).append(change)
            case Asset(asset_id=key) | Removal("assets.v1", key):
                self.sites.setdefault(key, []).append(change)


def kept_of(records: Sequence[Record], keeping: Keeping) -> KeptRows:
    """The rows of a batch, sorted by key: writers of the same rows then lock them in the same order."""
    rows = KeptRows()
    readings: dict[tuple[str, str, datetime], Row] = {}
    figures: dict[MinuteKey, Row] = {}
    for record in records:
        match record:
            case Placed(partition, offset, Click() as click):
                rows.clicks.append(_click(partition, offset, click))
            case Placed(_, _, (Item() | Asset()) as change):
                rows.change(change)
            case Placed(_, _, Telemetry() as reading):
                _add_reading(readings, reading, keeping.readings_every_s)
            case Placed(partition, offset, Maintenance() as entry):
                rows.log.append(_entry(partition, offset, entry))
            case Quarantined():
                rows.dead_letters.append(_dead_letter(record))
            case Removal("clicks.v1", user_id, at):
                rows.clicks = [row for row in rows.clicks if row["user_id"] != user_id]
                rows.forgotten[user_id] = at
            case Removal("items.v1" | "assets.v1"):
                rows.change(record)
            case WorkerStatus() if record.figures is not None:
                _add_figures(figures, record.worker, record.event_time, record.figures)
    rows.items = dict(sorted(rows.items.items()))
    rows.sites = dict(sorted(rows.sites.items()))
    rows.readings = [row for _, row in sorted(readings.items(), key=lambda pair: pair[0])]
    rows.log.sort(key=lambda row: (row["asset_class"], row["asset_id"], row["event_time"]))
    rows.figures = list(figures.values())
    return rows


def _add_figures(rows: dict[MinuteKey, Row], worker: str, time: datetime, figures: Figures) -> None:
    """The last of a minute, with the greatest of it."""
    minute = time.replace(second=0, microsecond=0)
    peaks = {name: _peak(own) for name, own in figures.agents.items()}
    known = rows.get((worker, minute))
    rows[worker, minute] = {
        "worker": worker,
        "minute": minute,
        "figures": figures.model_dump(mode="json", exclude_none=True),
        "peaks": greatest(known["peaks"], peaks) if known else peaks,
    }


def _peak(own: AgentFigures) -> dict[str, Any]:
    return {"lag": own.lag, "events_per_s": own.events_per_s, "decision_p99_ms": own.decision_p99_ms}


def greatest(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> dict[str, Any]:
    """By agent and figure; a figure that only one tells is that one's."""
    found: dict[str, Any] = {}
    for agent in sorted({*(one or {}), *other}):
        told = [peaks[agent] for peaks in (one or {}, other) if agent in peaks]
        names = {name for peak in told for name in peak}
        values = {name: [peak[name] for peak in told if peak.get(name) is not None] for name in sorted(names)}
        found[agent] = {name: max(given, default=None) for name, given in values.items()}
    return found


def slot_of(time: datetime, every_s: float) -> datetime:
    """The beginning of the slot that a time lies in."""
    width = max(1, round(every_s * 1e6))
    return EPOCH + timedelta(microseconds=(time - EPOCH) // MICROSECOND // width * width)


def words_of(text: str) -> set[str]:
    """The words by which something is found, in small letters."""
    return {word[:MOST_CHARS] for word in list(dict.fromkeys(_WORD.findall(text.casefold())))[:MOST_WORDS]}


def merged(known: Row | None, changes: Iterable[Item | Removal], item_id: str) -> Row:
    """The row of an item after some changes, in the order of its topic. Field by field the newest event stands."""
    row = dict(known) if known is not None else _unknown(item_id)
    for change in changes:
        if isinstance(change, Removal):
            removed_at = max(change.at or row["updated_at"], row["updated_at"])
            row = {**_unknown(item_id), "updated_at": removed_at, "removed_at": removed_at}
            continue
        if row["removed_at"] is not None:
            if change.event_time < row["removed_at"]:  # it was said of what is gone
                continue
            row = _unknown(item_id)  # what comes back begins anew
        time = (change.event_time - EPOCH) // MICROSECOND
        told = dict(row["told"])
        for name in change.model_fields_set.intersection(ITEM_FIELDS):
            if told.get(name, -math.inf) <= time:
                value = _storable(getattr(change, name))
                row[name], told[name] = NOTHING_SAID[name] if value is None else value, time
        row["told"], row["updated_at"] = told, max(row["updated_at"], change.event_time)
    return row


def _storable(value: Any) -> Any:
    """PostgreSQL has no null character in texts."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list) else value


def _unknown(item_id: str) -> Row:
    return {"item_id": item_id, **NOTHING_SAID, "updated_at": EPOCH, "removed_at": None, "told": {}}


def _click(partition: int, offset: int, click: Click) -> Row:
    names = ("user_id", "event_time", "item_id", "action", "session_id", "recommendation_id")
    event_hash = hash_of(f"{click.user_id}\n{click.event_id}")
    return {"partition": partition, "offset": offset, **{n: getattr(click, n) for n in names}, "event_hash": event_hash}


def hash_of(text: str) -> bytes:
    """16 bytes that stand for a text, also where the text itself must not be kept."""
    return hashlib.sha256(text.encode()).digest()[:16]


def _entry(partition: int, offset: int, entry: Maintenance) -> Row:
    names = ("asset_class", "asset_id", "event_time", "kind", "code", "component")
    event_hash = hash_of(entry.event_id)
    return {"partition": partition, "offset": offset, **{n: getattr(entry, n) for n in names}, "event_hash": event_hash}


def _add_reading(rows: dict[tuple[str, str, datetime], Row], reading: Telemetry, every_s: float) -> None:
    """The first of a slot, with the parts that have its time."""
    key = (reading.asset_class, reading.asset_id, slot_of(reading.event_time, every_s))
    numbers = _numbers(reading.readings)
    row = rows.setdefault(
        key,
        dict(zip(("asset_class", "asset_id", "slot"), key, strict=True))
        | {"event_time": reading.event_time, "readings": {}},
    )
    if row["event_time"] == reading.event_time:
        row["readings"] |= numbers


def _numbers(readings: dict[str, Any]) -> dict[str, float]:
    """What can be drawn. A name with a null character is none for PostgreSQL."""
    found: dict[str, float] = {}
    for name, value in readings.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and abs(value) < 1e300 and "\0" not in name and len(found) < MOST_SENSORS:
            found[name] = float(value)
    return found


def _dead_letter(letter: Quarantined) -> Row:
    row = letter._asdict()
    row |= {name: row[name].replace("\0", "\\0") for name in ("exception", "reason")}
    for name in ("key", "value"):
        if row[name] is not None:
            row[name] = row[name][:MOST_KEPT_BYTES]
    return row
