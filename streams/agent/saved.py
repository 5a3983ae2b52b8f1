"""Saved: what a changelog holds, as bytes: rows with the number of their checkpoint, and where the partition stands.

Snapshot ─► encode ─► records of one transaction;  records of a changelog ─► Replayed ─► rows, Standing, torn keys

The record of the standing is the last one of a checkpoint, and all are in one partition, so what comes after the last
standing belongs to a checkpoint that is not whole: its rows are refused, and the ones before them are saved again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import structlog

from schemas import MillraceError
from streams.agent.ownership import Placement, Positions
from streams.agent.rows import Changes, Layout, PartitionState, empty_state, out_of_bounds
from streams.metrics import REFUSED_ROWS

log = structlog.get_logger(__name__)
POSITIONS = b"\0positions"  # reserved keys: no table has an empty name
PLACED = b"\0placed/"  # and the owner that wrote it
NUMBER = "checkpoint"  # header of a row
# Raise it whenever rows or standings change so that the code before cannot read them: in a rolling upgrade a worker of
# before may be given a partition that one of after has saved
FORMAT = 2
VERSION_BYTES = 4  # before the raw bytes of each row: the version of its layout, little endian
ROWS_AT_ONCE = 1000  # then the loop may serve events: encoding 1,000 rows takes about 2 ms
MOST_NAMED = 5  # rows out of bounds in one line of the log


class NewerStateError(MillraceError):
    """A newer version of Millrace has saved this partition."""

    title = "The state is newer than this worker"


class Record(NamedTuple):
    """One record of a changelog that is to be written."""

    key: bytes
    value: bytes | None


@dataclass(frozen=True)
class Standing:
    """Where a partition stands, beside its rows."""

    positions: Positions = field(default_factory=dict)
    ahead: frozenset[int] = frozenset()  # offsets of the log beyond its position that are applied
    number: int = 0  # of the checkpoint
    owner: str = ""
    placed: tuple[Placement, ...] = ()  # by earlier owners, of entries that are not in the rows
    outputs: Positions = field(default_factory=dict)  # output topic -> next offset after the last that is covered
    topic_ids: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        document = {
            "format": FORMAT,
            "positions": self.positions,
            "ahead": _ranges(sorted(self.ahead)),
            "number": self.number,
            "owner": self.owner,
            "placed": self.placed,
            "outputs": self.outputs,
            "topic_ids": self.topic_ids,
            "origins": self.origins,
        }
        return json.dumps(document).encode()

    def has_applied(self, offset: int, log_topic: str | None) -> bool:
        """Is this entry of the log in the rows?"""
        return log_topic is None or offset < self.positions.get(log_topic, 0) or offset in self.ahead

    @classmethod
    def from_bytes(cls, data: bytes) -> Standing:
        """Also of the first format, which had the positions alone.

        Raises:
            NewerStateError: it is of a later format.
        """
        document = json.loads(data)
        if "positions" not in document:
            return cls(positions=document)
        if (saved_as := document.pop("format", FORMAT)) > FORMAT:
            raise NewerStateError(
                f"This partition was saved in format {saved_as} by a newer version of Millrace; this one reads up to "
                f"format {FORMAT}. The partition waits, and nothing of it is changed.",
                "Run the newer version on all workers. To go back for good, delete the changelog topic and the "
                "consumer group, run `millrace topics apply`, and replay the events.",
            )
        ahead = frozenset(offset for first, last in document.pop("ahead") for offset in range(first, last + 1))
        placed = tuple((entry, place) for entry, place in document.pop("placed"))
        return cls(**document, ahead=ahead, placed=placed)


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint saves of one partition."""

    standing: Standing
    tables: dict[str, tuple[int, Changes]] = field(default_factory=dict)  # name -> (layout version, changes)
    repaired: Mapping[bytes, bytes | None] = field(default_factory=dict)  # raw keys of a torn checkpoint

    @property
    def rows(self) -> int:
        return sum(len(changes.keys) + len(changes.removed) for _, changes in self.tables.values())


async def encode(snapshot: Snapshot) -> AsyncIterator[Record]:
    """The records of a checkpoint, the standing last."""
    for key, value in snapshot.repaired.items():
        yield Record(key, value)
    for name, (layout, changes) in snapshot.tables.items():
        prefix, version = name.encode() + b"\0", layout.to_bytes(VERSION_BYTES, "little")
        raw, size = changes.rows.tobytes(), changes.rows.dtype.itemsize
        for i, key in enumerate(changes.keys):
            yield Record(prefix + key, version + raw[i * size : (i + 1) * size])
            if i % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
                await asyncio.sleep(0)
        for key in changes.removed:
            yield Record(prefix + key, None)
    yield Record(POSITIONS, snapshot.standing.to_bytes())


class Replayed:
    """The records of a changelog, taken one after the other."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}  # of whole checkpoints: the last value of each key
        self.standing: Standing | None = None
        self._open: dict[bytes, tuple[int, bytes | None]] = {}  # since the last standing: number, value
        self._placed: dict[bytes, list[Placement]] = {}

    def take(self, records: Iterable[Any]) -> None:
        for record in records:
            if record.key == POSITIONS:
                self._close(Standing.from_bytes(record.value))
            elif record.key.startswith(PLACED):
                self._placed[record.key] = [tuple(p) for p in json.loads(record.value)] if record.value else []
            else:
                self._open[record.key] = _number_of(record), record.value

    def _close(self, standing: Standing) -> None:
        """What lies before a standing is whole, up to its number; the first format had none."""
        self.standing = standing
        for key, (number, value) in list(self._open.items()):
            if number <= standing.number or standing.number == 0:
                del self._open[key]
                if value is None:
                    self.rows.pop(key, None)
                else:
                    self.rows[key] = value

    @property
    def torn(self) -> dict[bytes, bytes | None]:
        """Keys of a checkpoint that is not whole, with what they were before."""
        return {key: self.rows.get(key) for key in self._open}

    @property
    def newest_number(self) -> int:
        return max([self.standing.number if self.standing else 0, *(number for number, _ in self._open.values())])

    @property
    def placed(self) -> list[Placement]:
        """Of entries of the log that may not be in the rows, in the order of application."""
        if self.standing is None:
            return []
        return [*self.standing.placed, *self._placed.get(PLACED + self.standing.owner.encode(), ())]

    def forgotten(self) -> list[bytes]:
        """Keys of what earlier owners wrote of placements: `placed` of the next standing has what still counts."""
        return [key for key, value in self._placed.items() if value]


def restore(number: int, layouts: Mapping[str, Layout], records: Mapping[bytes, bytes]) -> PartitionState:
    """Rows from the records of a changelog. Those of an earlier layout are taken over where the layout knows how; the
    others, and rows that are out of bounds, are left out, and deleted at the next checkpoint.

    They must not stay: were their layout to come back, they would be taken for rows that stand at the positions. Rows
    of tables that the handler does not name are left alone.
    """
    state = empty_state(number, layouts)
    found: dict[str, dict[int, dict[bytes, bytes]]] = {name: {} for name in layouts}  # by version
    for full_key, value in records.items():
        table, _, key = full_key.partition(b"\0")
        if (name := table.decode()) in layouts:
            version = int.from_bytes(value[:VERSION_BYTES], "little")
            found[name].setdefault(version, {})[key] = value[VERSION_BYTES:]
    for name, by_version in found.items():
        _restore_table(state, name, layouts[name], by_version)
    return state


def _restore_table(
    state: PartitionState, name: str, layout: Layout, by_version: Mapping[int, Mapping[bytes, bytes]]
) -> None:
    rows: dict[bytes, bytes] = {}
    stale: list[bytes] = []
    changed: list[bytes] = []
    for version, saved in by_version.items():
        current, left = _converted(layout, version, saved)
        rows |= current
        stale += left
        changed += list(current) if version != layout.version else []
    sound = _sound(state.number, name, layout, rows)
    stale += [key for key in rows if key not in sound]
    if stale:
        log.warning("rows of another layout are not loaded", partition=state.number, table=name, rows=len(stale))
    if changed:
        log.info("rows of an earlier layout are taken over", partition=state.number, table=name, rows=len(changed))
    table = state.tables[name]
    table.load(sound, stale)
    table.touch(np.array([table.find(key) for key in changed if key in sound], np.int64))


def _converted(layout: Layout, version: int, saved: Mapping[bytes, bytes]) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Rows of this layout, and keys of those that cannot be had."""
    size = layout.dtype.itemsize
    if version == layout.version:
        return {k: v for k, v in saved.items() if len(v) == size}, [k for k, v in saved.items() if len(v) != size]
    convert = layout.earlier.get(version)
    if convert is None or any(len(value) != convert.dtype.itemsize for value in saved.values()):
        return {}, list(saved)
    rows = convert(np.frombuffer(b"".join(saved.values()), convert.dtype)).tobytes()
    return {key: rows[i * size : (i + 1) * size] for i, key in enumerate(saved)}, []


def _sound(number: int, name: str, layout: Layout, rows: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """Those within their bounds; the others are told."""
    if not rows or not layout.bounds:
        return rows
    wrong = out_of_bounds(np.frombuffer(b"".join(rows.values()), layout.dtype), layout.bounds)
    if not wrong:
        return rows
    REFUSED_ROWS.labels(name).inc(len(wrong))
    keys = list(rows)
    examples = {keys[place].decode(errors="replace"): wrong[place] for place in list(wrong)[:MOST_NAMED]}
    log.error(
        "saved rows are out of bounds and not loaded: their keys begin anew. Something has written over them; please "
        "report it",
        partition=number, table=name, rows=len(wrong), examples=examples,
    )  # fmt: skip
    refused = {keys[place] for place in wrong}
    return {key: value for key, value in rows.items() if key not in refused}


def _number_of(record: Any) -> int:
    """Of the checkpoint that a row belongs to; 0: of the first format."""
    for name, value in record.headers:
        if name == NUMBER:
            return int(value)
    return 0


def _ranges(offsets: list[int]) -> list[list[int]]:
    """Runs of offsets, as their first and last one."""
    runs: list[list[int]] = []
    for offset in offsets:
        if runs and offset == runs[-1][1] + 1:
            runs[-1][1] = offset
        else:
            runs.append([offset, offset])
    return runs
