"""Retired: of an asset that was decommissioned nothing is kept but that it is; so a fleet may change for years.

events in order ─► up to each `decommissioned` ─► rows of the asset are removed, one of 8 bytes says since when
later events of it ─► nothing, until its log says that it is back: then it begins anew
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from models.maintenance import DECOMMISSIONED, IN_SERVICE, LATEST_S, READING, REPLACEMENT
from schemas import TELEMETRY
from streams.agent import Layout, Outputs, PartitionState, Rows
from streams.asset_events import AssetEvents
from streams.metrics import SKIPPED
from streams.undecided import asks_why, undecided

GONE_LAYOUT = Layout(np.dtype([("since", "f8")]), 1, {"since": (0.0, LATEST_S)})  # event time, epoch seconds
OUT, RETIRED = 1, 2  # `service` of a row of the watch; of a row of the class
REASON = "out_of_service"


def gone_table(name: str) -> str:
    """Table of the assets of a class that were decommissioned; no asset class has such a name."""
    return f"{name}~gone"


class Fleet:
    """The assets of one class in one partition.

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
        ends = (np.flatnonzero(events.batch.kind == DECOMMISSIONED) + 1).tolist()
        if not ends:
            if len(present := self._present(events, outputs)):
                yield present
            return
        for start, end in zip([0, *ends], [*ends, len(events)], strict=True):
            if len(present := self._present(events.at(np.arange(start, end)), outputs)):
                yield present
                if present.batch.kind[-1] == DECOMMISSIONED:
                    self._retire(present.records[-1].key)

    def _retire(self, key: bytes) -> None:
        row: Any = self._rows[0].array[self._rows[0].find(key)]
        if row["service"] != RETIRED:  # the entry was older than what brought it back
            return
        slot = self._gone.slots([key])[0]
        self._gone.array["since"][slot] = row["service_at"]
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
                    self._begin_anew(key, since)
                elif events.batch.kind[place] == DECOMMISSIONED and events.batch.time_s[place] > since:
                    self._gone.array["since"][self._gone.slots([key])[0]] = events.batch.time_s[place]
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

    def _begin_anew(self, key: bytes, since: float) -> None:
        """A new asset, of which it is known that entries up to then do not count."""
        self._gone.remove(key)
        for rows in self._all:
            slot = rows.slots([key])[0]
            rows.array["service"][slot] = OUT if rows is self._watch else RETIRED
            rows.array["service_at"][slot] = since
            rows.touch(slot)
