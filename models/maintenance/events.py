"""From checked events of one asset class to the columns that the kernels read.

Telemetry | Maintenance ─► Encoder ─► EventBatch
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import isfinite
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from models.maintenance.codes import AHEAD, ALERT_CLOSED, ERROR, KINDS, NO_CODE, READING, WINDOW_END, WINDOW_START
from models.maintenance.observe import EventBatch
from schemas import DATA_MODE, AssetClass, FailureTarget, Maintenance, Telemetry

AssetEvent = Telemetry | Maintenance
TAGS = 0x4000  # of windows, see kernel/windows.c
PRESENT = "present"  # the one reading of a class without sensors: that the asset is there
ABSENT: Any = float("nan")  # stands for a reading that was not given; told from a NaN that was by identity


class Ahead(Telemetry):
    """A reading that was refused, as its time lies too far ahead of its record: it only tells that a clock is wrong."""


@dataclass(frozen=True)
class Beside:
    """What readings had beside numbers of sensors that the class names."""

    unknown: int = 0  # readings whose names it does not name
    not_numbers: int = 0  # values of known ones that are no finite number, and not null
    unusable: Mapping[int, str] = field(default_factory=dict)  # places of events without any number, and why


def components_of(asset_class: AssetClass) -> list[str]:
    target = asset_class.target
    return list(target.components) if isinstance(target, FailureTarget) else []


def sensors_of(asset_class: AssetClass) -> list[str]:
    """What the columns of readings are about."""
    return list(asset_class.sensors) or [PRESENT]


class Encoder:
    """Encodes events of one asset class. Readings, errors and components that it does not name are left out.

    `names` are those of sensors, regime variables and constants: what a reading may have that is used. `beside` is what
    the readings of the last call had beside that.
    """

    beside = Beside()

    def __init__(self, asset_class: AssetClass) -> None:
        sensors = sensors_of(asset_class)
        self.has_sensors = bool(asset_class.sensors)
        self.names = [*sensors, *asset_class.regime, *asset_class.constants]
        self._cuts = np.cumsum([len(sensors), len(asset_class.regime)])
        pick = itemgetter(*self.names)
        self._pick = pick if len(self.names) > 1 else lambda readings: (pick(readings),)
        components = components_of(asset_class)
        self._error_code = {code: place for place, code in enumerate(asset_class.errors)}
        self._component_code: dict[str | None, int] = {
            component: len(asset_class.errors) + place for place, component in enumerate(components)
        }
        self._component_code[None] = len(asset_class.errors) + len(components)

    def __call__(self, events: Sequence[AssetEvent], arrived_s: npt.ArrayLike | None = None) -> EventBatch:
        """The columns of the events, in their order.

        Args:
            arrived_s: the records' times, epoch seconds, NaN: not known. Only what follows a clock that was set back
                reads them.
        """
        count = len(events)
        values = self._table(events)
        readings, variables, constants = (np.ascontiguousarray(part) for part in np.split(values, self._cuts, axis=1))
        kind = np.fromiter((self._kind(event) for event in events), np.int8, count)
        return EventBatch(
            time_s=np.fromiter((event.event_time.timestamp() for event in events), np.float64, count),
            kind=kind,
            code=np.fromiter((self._code(event) for event in events), np.int16, count),
            event_id=event_hashes([event.event_id.encode() for event in events]),
            readings=readings,
            variables=variables,
            constants=constants,
            arrived_s=np.full(count, np.nan) if arrived_s is None else np.array(arrived_s, np.float64),
        )

    def columns(
        self,
        time_s: npt.NDArray[np.float64],
        event_id: npt.NDArray[np.uint64],
        values: npt.NDArray[np.float64],
        arrived_s: npt.NDArray[np.float64],
    ) -> EventBatch:
        """Of readings whose values (n, names) are known, NaN where there is none."""
        first, second = self._cuts
        kind, code = np.zeros(len(values), np.int8), np.empty(len(values), np.int16)  # READING is 0
        code.fill(NO_CODE)
        readings, variables, constants = map(
            np.ascontiguousarray, (values[:, :first], values[:, first:second], values[:, second:])
        )
        ids = np.ascontiguousarray(event_id)
        return EventBatch(time_s, kind, code, ids, readings, variables, constants, arrived_s)

    def _table(self, events: Sequence[AssetEvent]) -> npt.NDArray[np.float64]:
        """Values (n, names) of the readings the class names, NaN where there is none; notes what else there was."""
        values = np.full((len(events), len(self.names)), np.nan)
        places = [place for place, event in enumerate(events) if self._kind(event) == READING]
        if not self.has_sensors:
            values[places], self.beside = 1.0, Beside()
            return values
        readings = [event.readings for event in events if isinstance(event, Telemetry) and not isinstance(event, Ahead)]
        found = [self._values(one) for one in readings]
        odd: dict[int, str] = {}
        count = 0
        if found:
            try:
                table = np.array(found, np.float64)
                is_plain = (
                    table.ndim == 2
                    and not np.isinf(table).any()
                    and all(
                        found[place][column] in (None, ABSENT)
                        for place, column in np.argwhere(np.isnan(table)).tolist()
                    )
                )
            except (TypeError, ValueError, OverflowError):
                is_plain = False
            if not is_plain:
                table, odd, count = self._numbers(found)
            values[places] = table
        given = sum(map(len, readings)) - sum(len(self.names) - row.count(ABSENT) for row in found)
        self.beside = Beside(given, count, {places[place]: why for place, why in odd.items()})
        return values

    def _numbers(self, found: Sequence[tuple[Any, ...]]) -> tuple[npt.NDArray[np.float64], dict[int, str], int]:
        """The numbers among the values, why a reading has none though it was given some, and how many were none."""
        table, odd, count = np.full((len(found), len(self.names)), np.nan), dict[int, str](), 0
        for place, row in enumerate(found):
            first = ""
            for column, value in enumerate(row):
                number = _number(value)
                if number is not None:
                    table[place, column] = number
                elif value is not None and value is not ABSENT:
                    count += 1
                    first = first or f"{value!r:.60} is no number - at readings.{self.names[column]}"
            if first and np.isnan(table[place]).all():
                odd[place] = first
        return table, odd, count

    def _values(self, readings: Mapping[str, Any]) -> tuple[Any, ...]:
        try:
            return self._pick(readings)
        except KeyError:
            return tuple(readings.get(name, ABSENT) for name in self.names)

    @staticmethod
    def _kind(event: AssetEvent) -> int:
        if isinstance(event, Telemetry):
            return AHEAD if isinstance(event, Ahead) else READING
        return KINDS.index(event.kind)

    def _code(self, event: AssetEvent) -> int:
        if isinstance(event, Telemetry):
            return NO_CODE
        if KINDS.index(event.kind) in (WINDOW_START, WINDOW_END):
            return int(event_hashes([event.code.encode()])[0] % np.uint64(TAGS - 1)) + 1 if event.code else 0
        if KINDS.index(event.kind) == ERROR:
            return self._error_code.get(event.code or "", NO_CODE)
        is_closing = KINDS.index(event.kind) == ALERT_CLOSED
        if is_closing and event.component == DATA_MODE and DATA_MODE not in self._component_code:
            return self._component_code[None] + 1
        if is_closing and len(self._component_code) == 1:
            return self._component_code[None]  # of a class with one failure mode, which is no component
        return self._component_code.get(event.component, NO_CODE)


def _number(value: Any) -> float | None:
    """A finite number, or text that is one, as JSON of many gateways has it."""
    if value is None or isinstance(value, (list, dict)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def event_hashes(ids: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """64 bits of BLAKE2b of each id, never 0: 0 is an empty place in the ring of a row."""
    digests = b"".join([blake2b(one, digest_size=8).digest() for one in ids])
    found = np.frombuffer(digests, "<u8").astype(np.uint64)
    return np.where(found == 0, np.uint64(1), found)
