"""Retired: of an asset that was decommissioned nothing is kept but that it is; so a fleet may change for years.

events in order ─► up to each `decommissioned` ─► rows of the asset are removed, one of 16 bytes says since when
later events of it ─► nothing, until its log says that it is back: then it begins anew
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from models.maintenance import DECOMMISSIONED, IN_SERVICE, LATEST_S, READING, REPLACEMENT
from schemas import TELEMETRY
from streams.agent import Layout, Outputs, PartitionState, Rows
from streams.asset_events import AssetEvents
from streams.metrics import SKIPPED
from streams.undecided import asks_why, undecided

# when it was decommissioned, epoch seconds, and by which event
GONE_LAYOUT = Layout(np.dtype([("since", "f8"), ("event_id", "u8")]), 1, {"since": (0.0, LATEST_S)})
OUT, RETIRED = 1, 2  # `service` of a row of the watch; of a row of the class
REASON = "out_of_service"


def gone_table(name: str) -> str:
    """Table of the assets of a class that were decommissioned; no asset class has such a name."""
    return f"{name}~gone"


class Retired:
    """Which assets of one class in one partition are gone.

    Args:
        rows: of the class, then those of others that keep something of its assets.
        watch: of the watch over what they send; none where there is no such watch.
        whole: code of the asset as a whole in entries of its log.
    """

    def __init__(
        self, name: str, state: PartitionState, rows: list[Rows], watch: Rows | None, whole: int, agent: str
    ) -> None:
        self._gone, self._rows, self._watch = state.tables[gone_table(name)], rows, watch
        self._all = rows if watch is None else [*rows, watch]
        self._whole, self._agent = whole, agent

    def stretches(self, events: AssetEvents, outputs: Outputs) -> Iterator[AssetEvents]:
        """The events of assets that are not gone; whoever asks applies each part before the next is taken."""
        for start, end in itertools.pairwise([0, *_cuts(events), len(events)]):
            some = events if end - start == len(events) else events.at(np.arange(start, end))
            if len(present := self._present(some, outputs)):
                yield present
                for place in np.flatnonzero(present.batch.kind == DECOMMISSIONED).tolist():
                    self._retire(present, place)

    def _retire(self, events: AssetEvents, place: int) -> None:
        """Unless the entry was older than what is known, or lies ahead of its record: then readings up to it count."""
        key, batch = events.records[place].key, events.batch
        slot = self._rows[0].find(key)
        row: Any = self._rows[0].array[slot]
        is_so = slot >= 0 and row["service"] == RETIRED and row["service_at"] == batch.time_s[place]
        if not is_so or not batch.time_s[place] <= batch.arrived_s[place]:
            return
        gone = self._gone.slots([key])[0]
        self._gone.array[gone] = (batch.time_s[place], batch.event_id[place])
        for rows in self._all:
            rows.remove(key)

    def _present(self, events: AssetEvents, outputs: Outputs) -> AssetEvents:
        """Without those of assets that are gone, but for what brings them back."""
        if not len(self._gone):
            return events
        is_kept = np.ones(len(events), np.bool_)
        for place, key in enumerate(events.keys):
            slot = self._gone.find(key)
            if slot >= 0:
                since = float(self._gone.array["since"][slot])
                is_kept[place] = self._brings_back(events, place, since)
                if is_kept[place]:
                    self._begin_anew(key)
                elif events.batch.kind[place] == DECOMMISSIONED:
                    self._note(key, events, place)
        if is_kept.all():
            return events
        away = np.flatnonzero(~is_kept)
        SKIPPED.labels(self._agent, REASON).inc(len(away))
        for place in away.tolist():
            if events.batch.kind[place] == READING and asks_why(events.records[place]):
                outputs.append(undecided(events.records[place], TELEMETRY, REASON, ""))
        return events.at(np.flatnonzero(is_kept))

    def _brings_back(self, events: AssetEvents, place: int, since: float) -> bool:
        batch = events.batch
        kind, time_s = batch.kind[place], batch.time_s[place]
        is_replaced = kind == REPLACEMENT and batch.code[place] == self._whole
        return bool((is_replaced or kind == IN_SERVICE) and time_s >= since)

    def _note(self, key: bytes, events: AssetEvents, place: int) -> None:
        """It was decommissioned once more; the newest entry counts."""
        gone = self._gone.slots([key])[0]
        if events.batch.time_s[place] > self._gone.array["since"][gone]:
            self._gone.array[gone] = (events.batch.time_s[place], events.batch.event_id[place])
            self._gone.touch(gone)

    def _begin_anew(self, key: bytes) -> None:
        """A new asset, of which it is known that entries up to when it was decommissioned do not count, nor that one
        again."""
        since, event_id = self._gone.array[self._gone.find(key)].tolist()
        self._gone.remove(key)
        for rows in self._all:
            slot = rows.slots([key])[0]
            rows.array["service"][slot] = OUT if rows is self._watch else RETIRED
            rows.array["service_at"][slot] = since
            if rows is not self._watch:
                rows.array["log_ids"][slot, 0], rows.array["log_id_place"][slot] = event_id & 0xFFFFFFFF, 1
            rows.touch(slot)


def _cuts(events: AssetEvents) -> list[int]:
    """Places before which a decommissioned asset has to be gone, as more of it comes."""
    found, leaving = list[int](), set[bytes]()
    is_last = events.batch.kind == DECOMMISSIONED
    if not is_last.any():
        return found
    for place, key in enumerate(events.keys):
        if key in leaving:
            found.append(place)
            leaving.clear()
        if is_last[place]:
            leaving.add(key)
    return found
