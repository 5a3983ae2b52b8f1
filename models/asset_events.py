"""From checked events of one asset class to the columns that the kernels read.

Telemetry | Maintenance ─► Encoder ─► EventBatch
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from models.log_memory import ERROR, KINDS, NO_CODE, READING
from models.observe import EventBatch
from schemas import AssetClass, FailureTarget, Maintenance, Telemetry

AssetEvent = Telemetry | Maintenance


def components_of(asset_class: AssetClass) -> list[str]:
    target = asset_class.target
    return list(target.components) if isinstance(target, FailureTarget) else []


class Encoder:
    """Encodes events of one asset class. Readings, errors and components that it does not name are left out."""

    def __init__(self, asset_class: AssetClass) -> None:
        self._names = [*asset_class.sensors, *asset_class.regime, *asset_class.constants]
        self._cuts = np.cumsum([len(asset_class.sensors), len(asset_class.regime)])
        pick = itemgetter(*self._names)
        self._pick = pick if len(self._names) > 1 else lambda readings: (pick(readings),)
        components = components_of(asset_class)
        self._error_code = {code: place for place, code in enumerate(asset_class.errors)}
        self._component_code: dict[str | None, int] = {
            component: len(asset_class.errors) + place for place, component in enumerate(components)
        }
        self._component_code[None] = len(asset_class.errors) + len(components)

    def __call__(self, events: Sequence[AssetEvent]) -> EventBatch:
        """The columns of the events, in their order."""
        count = len(events)
        values = np.full((count, len(self._names)), np.nan)
        found = [
            (place, self._values(event.readings)) for place, event in enumerate(events) if isinstance(event, Telemetry)
        ]
        if found:
            places, rows = zip(*found, strict=True)
            values[list(places)] = np.array(rows, np.float64)
        readings, variables, constants = (np.ascontiguousarray(part) for part in np.split(values, self._cuts, axis=1))
        kind = np.fromiter((self._kind(event) for event in events), np.int8, count)
        return EventBatch(
            time_s=np.fromiter((event.event_time.timestamp() for event in events), np.float64, count),
            kind=kind,
            code=np.fromiter((self._code(event) for event in events), np.int16, count),
            event_id=_hashes([event.event_id for event in events]),
            readings=readings,
            variables=variables,
            constants=constants,
        )

    def _values(self, readings: Mapping[str, float | None]) -> tuple[Any, ...]:
        try:
            return self._pick(readings)
        except KeyError:
            return tuple(map(readings.get, self._names))

    @staticmethod
    def _kind(event: AssetEvent) -> int:
        return READING if isinstance(event, Telemetry) else KINDS.index(event.kind)

    def _code(self, event: AssetEvent) -> int:
        if isinstance(event, Telemetry):
            return NO_CODE
        if KINDS.index(event.kind) == ERROR:
            return self._error_code.get(event.code or "", NO_CODE)
        return self._component_code.get(event.component, NO_CODE)


def _hashes(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """64 bits of BLAKE2b of each id, never 0: 0 is an empty place in the ring of a row."""
    digests = b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts])
    found = np.frombuffer(digests, "<u8").astype(np.uint64)
    return np.where(found == 0, np.uint64(1), found)
