"""Asset events: records become columns of each asset class, and events only where one is asked for.

records ─┬─► readings of the canonical shape ─► streams.wire ─────────────────────┬─► AssetEvents, one an asset class
         └─► all others ─► pydantic ─► event or dead letter ─► AssetModel.encode ─┘

pydantic is the contract: what the native way reads, it reads to the same columns (tests/streams/test_asset_events.py).
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import orjson

from models.maintenance import AHEAD, READING, Ahead, AssetEvent, Encoder, EventBatch, event_hashes, moment_after
from schemas import MAINTENANCE, TELEMETRY, Settings, Telemetry, parse_event, topic_name
from streams.agent import (
    EPOCH,
    MICROSECOND,
    DeadLetter,
    decode_topics,
    epoch_us,
    given_id,
    most_future,
    record_time_s,
    record_times_s,
)
from streams.kafka import ConsumerRecord
from streams.metrics import BESIDE, UNKNOWN_FIELDS
from streams.wire import HEAD, Reader

TOPICS = (TELEMETRY, MAINTENANCE)
NOT_READ = -1  # natively
ALL = slice(None)
Pair = tuple[ConsumerRecord, AssetEvent]
Places = npt.NDArray[np.int64] | slice  # a slice: all, without a copy


@dataclass(frozen=True)
class AssetEvents:
    """Events of one asset class in their order; n of them."""

    asset_class: str
    records: Sequence[ConsumerRecord]
    batch: EventBatch
    time_us: npt.NDArray[np.int64]  # (n,) epoch microseconds
    ids: list[bytes]  # of the events
    made: dict[int, AssetEvent]  # by place: events that are there already
    is_of_log: npt.NDArray[np.bool_]  # (n,) whether its record is an entry of the log

    def __len__(self) -> int:
        return len(self.records)

    @property
    def keys(self) -> list[bytes]:
        """Ids of the assets."""
        return [record.key for record in self.records]

    def __getitem__(self, place: int) -> Pair:
        return self.records[place], self.event(place)

    def event(self, place: int) -> AssetEvent:
        """The event itself; made now where it was read natively."""
        found = self.made.get(place)
        if found is None:
            event, _ = parse_event(Telemetry, self.records[place].value)
            found = self.made[place] = event.model_copy(update={"event_id": self.ids[place].decode()})
        return found

    def at(self, places: npt.NDArray[np.int64]) -> AssetEvents:
        """The events at these places, in this order."""
        each = places.tolist()
        made = {new: self.made[old] for new, old in enumerate(each) if old in self.made}
        batch = EventBatch(*(column[places] for column in self.batch))
        records, ids = [self.records[place] for place in each], [self.ids[place] for place in each]
        return AssetEvents(self.asset_class, records, batch, self.time_us[places], ids, made, self.is_of_log[places])

    def topic(self, place: int) -> str:
        return MAINTENANCE if self.is_of_log[place] else TELEMETRY

    def time(self, place: int) -> datetime:
        return EPOCH + int(self.time_us[place]) * MICROSECOND


@dataclass(frozen=True)
class Arrived:
    """What the records of a batch are."""

    events: dict[str, AssetEvents] = field(default_factory=dict)  # by asset class, of those that have a model
    others: dict[str, list[Pair]] = field(default_factory=lambda: defaultdict(list))  # of those that have none
    dead: list[DeadLetter] = field(default_factory=list)


@dataclass(frozen=True)
class _Read:
    """What was read natively, one a record; `ids` have none where a record was left to pydantic."""

    heads: npt.NDArray[np.void]  # HEAD
    table: npt.NDArray[np.float64]
    ids: list[bytes | None]
    time_s: npt.NDArray[np.float64]
    arrived_s: npt.NDArray[np.float64]  # of the records, NaN: not known


class AssetReader:
    """Reads the events of asset classes, each with the encoder of its model."""

    def __init__(self, settings: Settings, encoders: Mapping[str, Encoder]) -> None:
        self._settings, self._encoders = settings, encoders
        self._telemetry = topic_name(settings, TELEMETRY)
        self._future_s, _ = most_future(TELEMETRY, settings)
        self._native = [name for name, encode in encoders.items() if encode.has_sensors]
        self._width = max((len(encoders[name].names) for name in self._native), default=0)
        self._reader = Reader(tuple((name.encode(), columns_of(encoders[name])) for name in self._native))

    def __call__(self, records: Sequence[ConsumerRecord], origins: Mapping[str, str]) -> Arrived:
        """Never raises for a record."""
        arrived, read = Arrived(), self._read(records, origins)
        classes = read.heads["asset_class"]
        rest = defaultdict[str, dict[int, AssetEvent]](dict)
        if left := (classes == NOT_READ).nonzero()[0].tolist():
            events, arrived.dead[:] = decode_topics([records[at] for at in left], TOPICS, self._settings, origins)
            for place, event in zip(left, events, strict=True):
                if event is not None and event.asset_class in self._encoders:
                    rest[event.asset_class][place] = event
                elif event is not None:
                    arrived.others[event.asset_class].append((records[place], event))
            for place, event in _ahead(records, left, arrived.dead):
                if event.asset_class in self._native:
                    named = event.event_id or given_id(records[place], self._settings, origins)
                    rest[event.asset_class][place] = Ahead.model_construct(**{**dict(event), "event_id": named})
        present = set(classes.tolist())
        for number, name in enumerate(self._native):
            if number in present or name in rest:
                places, given = ALL if present == {number} else np.flatnonzero(classes == number), rest[name]
                encode = self._encoders[name]
                arrived.events[name] = _events_of(name, encode, records, read, places, given, arrived.dead)
        for name in rest.keys() - set(self._native):
            arrived.events[name] = _with_moments(name, self._encoders[name], records, rest[name], read.arrived_s)
        return arrived

    def _read(self, records: Sequence[ConsumerRecord], origins: Mapping[str, str]) -> _Read:
        count, topic = len(records), self._telemetry
        values = [record.value if record.topic == topic else None for record in records]
        heads, table = np.empty(count, HEAD), np.empty((count, self._width))
        ids = self._reader.read(
            values, [record.key for record in records], self._settings.max_event_bytes, heads, table
        )
        arrived_s = record_times_s(records)
        time_s, classes = heads["time_us"] / 1e6, heads["asset_class"]
        classes[time_s - np.where(np.isnan(arrived_s), time.time(), arrived_s) > self._future_s] = NOT_READ
        is_read = classes != NOT_READ
        for place in (is_read & (heads["id_hash"] == 0)).nonzero()[0].tolist():
            ids[place] = given = given_id(records[place], self._settings, origins).encode()
            heads["id_hash"][place] = event_hashes([given])[0]
        if extra_fields := int(heads["extra_fields"][is_read].sum()):
            UNKNOWN_FIELDS.labels(topic).inc(extra_fields)
        return _Read(heads, table, ids, time_s, arrived_s)


def columns_of(encode: Encoder) -> tuple[tuple[bytes, ...], ...]:
    """The names of a class as they may stand in JSON: as they are, and in ASCII, as Python's own encoder has them."""
    both = [dict.fromkeys((orjson.dumps(name)[1:-1], json.dumps(name)[1:-1].encode())) for name in encode.names]
    return tuple(map(tuple, both))


def _events_of(
    name: str,
    encode: Encoder,
    records: Sequence[ConsumerRecord],
    read: _Read,
    places: Places,
    rest: Mapping[int, AssetEvent],
    dead: list[DeadLetter],
) -> AssetEvents:
    """The events of one class: those at `places` were read natively; of the `rest` some are dead letters."""
    heads = read.heads[places]
    values = read.table[places, : len(encode.names)]
    batch = encode.columns(read.time_s[places], heads["id_hash"], values, read.arrived_s[places])
    _count(name, int(heads["unknown_readings"].sum()), 0)
    time_us, ids = heads["time_us"], read.ids
    made: dict[int, AssetEvent] = {}
    if rest:
        others, kept = _encoded(name, encode, records, rest, read.arrived_s, dead)
        order = np.argsort(all_places := np.concatenate([places, list(kept)]).astype(np.int64))
        batch = EventBatch(*(np.concatenate(both)[order] for both in zip(batch, others, strict=True)))
        given_us = [epoch_us(event.event_time) for event in kept.values()]
        time_us = np.concatenate([time_us, np.array(given_us, np.int64)])[order]
        places = all_places[order]
        made = {at: kept[place] for at, place in enumerate(places.tolist()) if place in kept}
        ids = [kept[place].event_id.encode() if place in kept else one for place, one in enumerate(read.ids)]
    if not isinstance(places, slice):
        at = places.tolist()
        records, ids = [records[place] for place in at], [ids[place] for place in at]
    is_of_log = (batch.kind != READING) & (batch.kind != AHEAD)
    return AssetEvents(name, records, batch, time_us, ids, made, is_of_log)  # type: ignore[arg-type]  # each has an id


def _ahead(
    records: Sequence[ConsumerRecord], places: Sequence[int], dead: Sequence[DeadLetter]
) -> Iterator[tuple[int, Telemetry]]:
    """Readings that are dead letters for their time alone: the watch over their asset is told of its clock."""
    found = {id(letter.record): letter.event for letter in dead if isinstance(letter.event, Telemetry)}
    for place in places if found else ():
        record, event = records[place], found.get(id(records[place]))
        if event is not None and record.key == event.asset_id.encode() and not math.isnan(record_time_s(record)):
            yield place, event


def _with_moments(
    name: str,
    encode: Encoder,
    records: Sequence[ConsumerRecord],
    events: Mapping[int, AssetEvent],
    arrived_s: npt.NDArray[np.float64],
) -> AssetEvents:
    """The events of a class without sensors: entries of the log, each followed by the moment that is scored."""
    found: list[tuple[int, AssetEvent]] = []
    for place, event in events.items():
        found.append((place, event))
        if moment := moment_after(event, float(arrived_s[place])):
            found.append((place, moment))
    places, each = [place for place, _ in found], [event for _, event in found]
    times_us = np.array([epoch_us(event.event_time) for event in each], np.int64)
    is_of_log = np.array([type(event) is not Telemetry for event in each])
    ids, chosen = [event.event_id.encode() for event in each], [records[place] for place in places]
    return AssetEvents(name, chosen, encode(each, arrived_s[places]), times_us, ids, dict(enumerate(each)), is_of_log)


def _encoded(
    name: str,
    encode: Encoder,
    records: Sequence[ConsumerRecord],
    events: Mapping[int, AssetEvent],
    arrived_s: npt.NDArray[np.float64],
    dead: list[DeadLetter],
) -> tuple[EventBatch, dict[int, AssetEvent]]:
    """The columns of the events, without those that have no number to use, which are dead letters; the others."""
    places = list(events)
    batch, beside = encode(list(events.values()), arrived_s[places]), encode.beside
    _count(name, beside.unknown, beside.not_numbers)
    dead += [DeadLetter(records[places[at]], f"no reading can be used: {why}") for at, why in beside.unusable.items()]
    kept = [at for at in range(len(places)) if at not in beside.unusable]
    columns = (column[kept] for column in batch)
    return EventBatch(*columns), {places[at]: events[places[at]] for at in kept}


def _count(asset_class: str, unknown: int, not_numbers: int) -> None:
    """What readings had beside numbers of sensors that the class names."""
    for what, count in (("unknown", unknown), ("not_a_number", not_numbers)):
        if count:
            BESIDE.labels(asset_class, what).inc(count)
