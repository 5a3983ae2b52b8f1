"""A week of the simulated plant with all kinds of trouble, as its records came.

demo's plant, a cycle a minute ─► each event through the troubles of its asset ─► records in the order of arrival

Nothing here says what should be told of it: `benchmarks.week` compares what is told each time it is replayed.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import orjson

from millrace.demo import ASSET_CLASSES, Plant, stamp
from schemas import MAINTENANCE, parse_asset_class

CYCLE_S = 60.0
DAY_S = 86_400.0
GAP = (30, 240)  # cycles between two troubles of an asset
LENGTH = (15, 90)  # cycles of one
AHEAD_DAYS = (0.0, 21.0)  # that a maintenance window is announced before it begins
SITE = 6  # assets in a row that a flood is of
Value = dict[str, Any]


class Sent(NamedTuple):
    """One record: when the broker had it (epoch seconds), and what it says."""

    arrived: float
    topic: str
    key: str
    value: bytes


@dataclass(frozen=True)
class Draft:
    """An event on its way to the broker."""

    time: float  # at which it happened, epoch seconds
    arrived: float
    topic: str
    value: Value

    def later(self, seconds: float) -> Draft:
        """Under a clock that goes wrong by so much."""
        return replace(self, value=self.value | {"event_time": stamp(self.time + seconds)})

    def says(self, readings: Value) -> Draft:
        return replace(self, value=self.value | {"readings": self.value["readings"] | readings})

    def part(self, name: str, readings: Value) -> Draft:
        """A record of its own for some of the readings."""
        own = {"event_id": f"{self.value['event_id']}-{name}", "readings": readings}
        return replace(self, value=self.value | own)


@dataclass
class Trouble:
    """What befalls one asset for a while: epoch seconds."""

    kind: str
    begin: float
    end: float
    sensor: str
    seen: int = 0  # readings so far
    first: float | None = field(default=None)  # what the sensor said at the begin

    def change(self, draft: Draft) -> Iterable[Draft]:
        """What becomes of an event of its time."""
        if self.kind in CLOCKS:
            return [CLOCKS[self.kind](draft)]
        if "readings" not in draft.value:
            return [draft]
        self.seen += 1
        if self.kind in WAYS:
            return WAYS[self.kind](draft, self)
        said = draft.value["readings"].get(self.sensor)
        if self.kind not in SENSORS or not isinstance(said, float | int):
            return [draft]
        self.first = float(said) if self.first is None else self.first
        return [draft.says({self.sensor: SENSORS[self.kind](float(said), self)})]


# ---- what a sensor says: its reading, the trouble -> what is sent
SENSORS: Mapping[str, Callable[[float, Trouble], Any]] = {
    "missing": lambda _said, _trouble: None,
    "stuck": lambda _said, trouble: trouble.first,
    "flat": lambda _said, _trouble: 0.0,
    "spiking": lambda said, trouble: said + 60.0 * (trouble.seen % 4 == 0),
    "drifting": lambda said, trouble: said * (1 + 0.02 * trouble.seen),
    "out of range": lambda said, _trouble: said + 5000.0,
    "unit": lambda said, _trouble: 1.8 * said + 32,
    "no number": lambda _said, _trouble: "n/a",
}

# ---- clocks; those far ahead are dead letters
CLOCKS: Mapping[str, Callable[[Draft], Draft]] = {
    "clock ahead": lambda draft: draft.later(200.0),
    "clock far ahead": lambda draft: draft.later(3600.0),
    "clock set back": lambda draft: draft.later(-5400.0),
}


def _in_parts(draft: Draft, _trouble: Trouble) -> Iterable[Draft]:
    readings = list(draft.value["readings"].items())
    return [draft.part("a", dict(readings[::2])), draft.part("b", dict(readings[1::2]))]


def _late_half(draft: Draft, trouble: Trouble) -> Iterable[Draft]:
    """Each second reading comes at the end only."""
    return [replace(draft, arrived=trouble.end + 0.001 * trouble.seen) if trouble.seen % 2 else draft]


# ---- how readings come
WAYS: Mapping[str, Callable[[Draft, Trouble], Iterable[Draft]]] = {
    "silent": lambda _draft, _trouble: [],
    "decommissioned": lambda _draft, _trouble: [],
    "kept back": lambda draft, trouble: [replace(draft, arrived=trouble.end + 0.001 * trouble.seen)],
    "late half": _late_half,
    "in parts": _in_parts,
    "sent twice": lambda draft, _trouble: [draft, replace(draft, arrived=draft.arrived + 1.0)],
    "not told how it is run": lambda draft, _trouble: [draft.says({"speed": None})],
    "run as never before": lambda draft, _trouble: [draft.says({"speed": 90_000.0})],
    "garbage beside": lambda draft, _trouble: [draft, replace(draft, value={"asset_id": draft.value["asset_id"]})],
}

# ---- what the log says: kind of entry, of the begin and of the end
LOGGED: Mapping[str, tuple[str | None, str | None]] = {
    "window": ("window_start", "window_end"),
    "windows that overlap": ("window_start", "window_end"),
    "repair": ("replacement", None),
    "repair that is planned": (None, "replacement"),
    "out of service": ("out_of_service", "in_service"),
    "decommissioned": ("decommissioned", "replacement"),
    "closed by hand": ("alert_closed", "alert_closed"),
}
KINDS = (*SENSORS, *CLOCKS, *(kind for kind in WAYS if kind not in LOGGED), *LOGGED)
FLOODS = ("silent", "missing", "not told how it is run", "kept back", "clock ahead")


class Week:
    """Args:
    seed: of everything random.
    days: how long it is.
    start: its begin, epoch seconds.
    """

    def __init__(self, seed: int, start: float, days: float = 7.0, pumps: int = 16, presses: int = 8) -> None:
        self.start, self.end = start, start + days * DAY_S
        self._random = random.Random(seed)
        self._plant = Plant(seed, pumps=pumps, presses=presses, name="week-")
        self.troubles: dict[str, list[Trouble]] = defaultdict(list)  # by asset, by their begin
        self._class_of = {asset.asset_id: asset.asset_class for asset in self._plant.assets}
        kinds = itertools.cycle(self._random.sample(KINDS, len(KINDS)))
        for asset_id in self._class_of:
            self._befall(asset_id, kinds)
        for kind in FLOODS:
            self._flood(kind)

    def records(self) -> list[Sent]:
        """In the order of arrival."""
        numbers = itertools.count()
        found = [self._sent(draft) for draft in itertools.chain(self._events(), self._entries(numbers))]
        return sorted(found, key=lambda sent: sent.arrived)

    def _befall(self, asset_id: str, kinds: Iterator[str]) -> None:
        """One trouble after the other; now and then one more at the same time."""
        at = self.start + CYCLE_S * self._random.randint(*GAP)
        while at < self.end:
            end = at + CYCLE_S * self._random.randint(*LENGTH)
            for _ in range(1 + (self._random.random() < 0.2)):
                self._add(next(kinds), asset_id, at, end)
            at = end + CYCLE_S * self._random.randint(*GAP)

    def _flood(self, kind: str) -> None:
        """The same trouble of a whole site at once."""
        at = self._random.uniform(self.start, self.end)
        assets = list(self._class_of)
        first = self._random.randrange(len(assets))
        for asset_id in assets[first : first + SITE]:
            self._add(kind, asset_id, at, at + CYCLE_S * LENGTH[1])

    def _add(self, kind: str, asset_id: str, begin: float, end: float) -> None:
        sensors = _sensors(self._class_of[asset_id])
        self.troubles[asset_id].append(Trouble(kind, begin, end, self._random.choice(sensors)))
        if kind == "windows that overlap":
            middle = (begin + end) / 2
            self.troubles[asset_id].append(Trouble("window", middle, end + (end - begin), ""))

    def _events(self) -> Iterator[Draft]:
        """Of the plant, with what its troubles make of them."""
        for event in self._plant.events(self.start):
            time = self.start + (event.time - self.start) * CYCLE_S
            if time >= self.end:
                return
            value = event.value | {"event_time": stamp(time)}
            drafts = [Draft(time, time + self._random.uniform(0.05, 0.9), event.topic, value)]
            for trouble in self.troubles[event.key]:
                if trouble.begin <= time < trouble.end:
                    drafts = [changed for draft in drafts for changed in trouble.change(draft)]
            yield from drafts

    def _entries(self, numbers: Iterator[int]) -> Iterator[Draft]:
        """Of the log, told by people."""
        for asset_id, troubles in self.troubles.items():
            for trouble in troubles:
                kinds = LOGGED.get(trouble.kind, (None, None))
                told = self._told(trouble)
                more = self._more(trouble, asset_id, next(numbers))
                for time, kind in zip((trouble.begin, trouble.end), kinds, strict=True):
                    if kind is not None:
                        head = {"event_id": f"log-{next(numbers)}", "event_time": stamp(time), "asset_id": asset_id}
                        value = head | {"asset_class": self._class_of[asset_id], "kind": kind} | more
                        yield Draft(time, min(told, time), MAINTENANCE, value)

    def _told(self, trouble: Trouble) -> float:
        """When it was announced; infinity: as it happens."""
        if trouble.kind in ("window", "windows that overlap", "out of service"):
            return trouble.begin - DAY_S * self._random.uniform(*AHEAD_DAYS)
        return trouble.begin if trouble.kind == "repair that is planned" else float("inf")

    def _more(self, trouble: Trouble, asset_id: str, number: int) -> Value:
        if "window" in trouble.kind:
            return {"code": f"job-{number}"} if self._random.random() < 0.7 else {}
        if trouble.kind == "closed by hand":
            modes = ("wear", "data") if self._class_of[asset_id] == "pump" else ("bearing", "seal", "data")
            return {"component": self._random.choice(modes)}
        if trouble.kind in ("repair", "repair that is planned") and self._class_of[asset_id] == "press":
            return {"component": self._random.choice(("bearing", "seal"))}
        return {}

    @staticmethod
    def _sent(draft: Draft) -> Sent:
        return Sent(draft.arrived, draft.topic, draft.value["asset_id"], orjson.dumps(draft.value))


def _sensors(asset_class: str) -> list[str]:
    return list(parse_asset_class(ASSET_CLASSES[asset_class]).sensors)
