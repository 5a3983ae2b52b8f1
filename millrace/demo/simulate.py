"""The demo's world: a shop whose visitors have tastes, and a plant whose machines wear out.

Shop(seed).events(start) | Plant(seed).events(start) ─► an endless stream of events in time order

The same streams give the history that the demo's models are trained on (taken as fast as possible) and the live events
(paced by the clock). Nothing in them is drawn from a model of Millrace: what can be learned must be learned.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from schemas import ASSETS, CLICKS, ITEMS, MAINTENANCE, TELEMETRY, rfc3339


class Event(NamedTuple):
    """One event to be pushed: `value` is the JSON object, `time` its event time in epoch seconds."""

    time: float
    topic: str
    key: str
    value: dict[str, Any]


def stamp(time: float) -> str:
    return rfc3339(datetime.fromtimestamp(round(time, 3), UTC))


CATEGORIES = ("books", "garden", "kitchen", "lamps", "music", "outdoor", "paint", "shoes", "toys", "watches")
DEVICES = ("phone", "desktop", "tablet")


class Shop:
    """Visitors look at items of the categories they like, mostly at neighbours of the item they saw last.

    Args:
        seed: of everything random.
        users: number of visitors; each has a taste over the categories and a device.
        items_per_category: items at the start; a new one arrives every `new_item_s` seconds and draws attention.
        sessions_per_s: sessions begun per second; a session has five clicks on average, some seconds apart.
    """

    new_item_s = 20.0

    def __init__(self, seed: int, users: int = 600, items_per_category: int = 30, sessions_per_s: float = 2.0) -> None:
        self.random = np.random.default_rng(seed)
        self.sessions_per_s = sessions_per_s
        self.taste = self.random.dirichlet(np.full(len(CATEGORIES), 0.25), users)
        self.device = self.random.choice(DEVICES, users, p=(0.6, 0.3, 0.1))
        self.shelves = [[f"{c}-{n:03d}" for n in range(items_per_category)] for c in CATEGORIES]

    def events(self, start: float) -> Iterator[Event]:
        """Items first, then clicks and new items in time order, without end."""
        run, number = f"shop-{start:.0f}", itertools.count()
        for category, shelf in enumerate(self.shelves):
            for item in shelf:
                yield self._item(start, item, category)
        due: list[tuple[float, int, Any]] = [
            (start, next(number), "visit"),
            (start + self.new_item_s, next(number), "new"),
        ]
        while True:
            time, n, what = heapq.heappop(due)
            if what == "visit":
                heapq.heappush(due, (time + self.random.exponential(1 / self.sessions_per_s), next(number), "visit"))
                heapq.heappush(due, (time, next(number), self._begin(f"{run}-{n}")))
            elif what == "new":
                heapq.heappush(due, (time + self.new_item_s, next(number), "new"))
                yield self._arrival(time)
            else:
                yield self._click(time, what, f"{run}-{n}")
                if self.random.random() < 0.8:
                    self._move_on(what)
                    heapq.heappush(due, (time + 1.5 + self.random.exponential(4.0), next(number), what))

    def _begin(self, session_id: str) -> dict[str, Any]:
        user = int(self.random.integers(len(self.taste)))
        category = int(self.random.choice(len(CATEGORIES), p=self.taste[user]))
        return {"session": session_id, "user": user, "category": category, "place": self._popular(category)}

    def _popular(self, category: int) -> int:
        """Few items draw most of the attention, the newest among them."""
        size = len(self.shelves[category])
        rank = min(int(self.random.zipf(1.6)) - 1, size - 1)
        return size - 1 - rank if self.random.random() < 0.3 else rank

    def _move_on(self, session: dict[str, Any]) -> None:
        draw = self.random.random()
        if draw < 0.1:
            session["category"] = int(self.random.choice(len(CATEGORIES), p=self.taste[session["user"]]))
        if draw < 0.25:
            session["place"] = self._popular(session["category"])
        else:
            step = int(self.random.choice((-2, -1, 1, 2, 3), p=(0.1, 0.15, 0.4, 0.25, 0.1)))
            session["place"] = (session["place"] + step) % len(self.shelves[session["category"]])

    def _click(self, time: float, session: dict[str, Any], event_id: str) -> Event:
        user_id = f"user-{session['user']:04d}"
        value = {
            "event_id": event_id,
            "event_time": stamp(time),
            "user_id": user_id,
            "item_id": self.shelves[session["category"]][session["place"]],
            "session_id": session["session"],
            "context": {"device": str(self.device[session["user"]])},
        }
        return Event(time, CLICKS, user_id, value)

    def _arrival(self, time: float) -> Event:
        category = int(self.random.integers(len(CATEGORIES)))
        shelf = self.shelves[category]
        shelf.append(f"{CATEGORIES[category]}-{len(shelf):03d}")
        return self._item(time, shelf[-1], category)

    def _item(self, time: float, item_id: str, category: int) -> Event:
        title = item_id.replace("-", " ").title()
        value = {
            "item_id": item_id,
            "event_time": stamp(time),
            "title": title,
            "category": CATEGORIES[category],
            "published_at": stamp(time),
        }
        return Event(time, ITEMS, item_id, value)


SITES = ("north", "south")
TEAMS = ("hydraulics", "forming")
# speed, load and how hard the regime is on the machine
REGIMES = np.array([(900.0, 0.35, 0.8), (1450.0, 0.6, 1.0), (1800.0, 0.9, 1.35)])
# per sensor: level at rest, effect of speed / 1000, of load, of wear; noise
PUMP_SENSORS = {
    "bearing_temperature": (40.0, 8.0, 15.0, 14.0, 1.2),
    "vibration": (1.0, 0.9, 0.5, 2.6, 0.22),
    "pressure": (6.0, 1.2, -0.8, -0.9, 0.10),
    "flow": (20.0, 12.0, -3.0, -3.5, 0.45),
    "current": (5.0, 2.0, 6.0, 1.6, 0.25),
    "oil_particles": (10.0, 0.0, 2.0, 22.0, 2.5),
    "ambient": (21.0, 0.0, 0.0, 0.0, 0.8),
}


class Plant:
    """Pumps that wear out as a whole, and presses whose bearings and seals fail each in its own way.

    Args:
        seed: of everything random.
        pumps, presses: number of assets of each class; every asset sends one reading a second.
        name: prefix of the asset ids, so that the history and the live plant are different machines.
    """

    def __init__(self, seed: int, pumps: int = 8, presses: int = 4, name: str = "") -> None:
        self.random = np.random.default_rng(seed)
        self.assets: list[_Pump | _Press] = [_Pump(f"{name}pump-{n + 1:02d}", self.random) for n in range(pumps)]
        self.assets += [_Press(f"{name}press-{n + 1:02d}", self.random) for n in range(presses)]

    def places(self, time: float) -> Iterator[Event]:
        """Where each asset stands: the sites in turn, two lines each."""
        for number, asset in enumerate(self.assets):
            value = {
                "asset_id": asset.asset_id,
                "event_time": stamp(time),
                "asset_class": asset.asset_class,
                "site": SITES[number % len(SITES)],
                "line": f"line-{number // len(SITES) % 2 + 1}",
                "labels": {"team": TEAMS[isinstance(asset, _Press)]},
            }
            yield Event(time, ASSETS, asset.asset_id, value)

    def events(self, start: float) -> Iterator[Event]:
        """Readings and maintenance log in time order, without end. Every asset begins with new parts."""
        run, number = f"plant-{start:.0f}", itertools.count()
        for asset in self.assets:
            yield self._sent(start, asset, {"kind": "replacement"}, f"{run}-{next(number)}")
        for second in itertools.count(1):
            for place, asset in enumerate(self.assets):
                time = start + second + place / len(self.assets)
                for value in asset.live_on():
                    yield self._sent(time, asset, value, f"{run}-{next(number)}")

    @staticmethod
    def _sent(time: float, asset: _Pump | _Press, value: dict[str, Any], event_id: str) -> Event:
        head = {
            "event_id": event_id,
            "event_time": stamp(time),
            "asset_id": asset.asset_id,
            "asset_class": asset.asset_class,
        }
        return Event(time, MAINTENANCE if "kind" in value else TELEMETRY, asset.asset_id, head | value)


class _Pump:
    """Wear goes from 0 to 1, faster in hard regimes and as it grows; a life lasts about 120 to 280 cycles."""

    asset_class = "pump"

    def __init__(self, asset_id: str, random: np.random.Generator) -> None:
        self.asset_id, self.random = asset_id, random
        self.regime = int(random.integers(len(REGIMES)))
        self._renew()

    def _renew(self) -> None:
        self.wear, self.rate = 0.0, float(self.random.lognormal(np.log(0.0031), 0.2))

    def live_on(self) -> Iterator[dict[str, Any]]:
        if self.random.random() < 0.08:
            self.regime = int(self.random.integers(len(REGIMES)))
        speed, load, hardness = REGIMES[self.regime]
        self.wear += self.rate * hardness * (1.0 + 1.5 * self.wear) * float(self.random.gamma(4.0, 0.25))
        readings = {"speed": speed + self.random.normal(0, 5), "load": load + self.random.normal(0, 0.005)}
        for name, (rest, by_speed, by_load, by_wear, noise) in PUMP_SENSORS.items():
            level = rest + by_speed * speed / 1000 + by_load * load + by_wear * self.wear**1.5
            readings[name] = level + self.random.normal(0, noise)
        yield {"readings": {k: round(float(v), 4) for k, v in readings.items()}}
        if self.wear >= 1.0:
            yield {"kind": "failure"}
            yield {"kind": "replacement"}
            self._renew()


class _Press:
    """A worn bearing adds to the position error and overloads; a worn seal leaks force and reports leaks."""

    asset_class = "press"

    def __init__(self, asset_id: str, random: np.random.Generator) -> None:
        self.asset_id, self.random = asset_id, random
        self.age_years = int(random.integers(1, 20))
        self.wear = {"bearing": 0.0, "seal": 0.0}
        self.rate = {part: self._new_rate() for part in self.wear}

    def _new_rate(self) -> float:
        return float(self.random.lognormal(np.log(0.004), 0.25)) * (1 + self.age_years / 60)

    def live_on(self) -> Iterator[dict[str, Any]]:
        for part in self.wear:
            self.wear[part] += self.rate[part] * float(self.random.gamma(4.0, 0.25))
        late = {part: max(0.0, wear - 0.75) * 4 for part, wear in self.wear.items()}
        readings = {
            "age_years": self.age_years,
            "force": 200.0 - 14.0 * late["seal"] + self.random.normal(0, 2.5),
            "position_error": 0.20 + 0.12 * late["bearing"] + self.random.normal(0, 0.02),
            "oil_temperature": 45.0 + 3.0 * late["seal"] + 3.0 * late["bearing"] + self.random.normal(0, 1.0),
        }
        yield {"readings": {k: round(float(v), 4) for k, v in readings.items()}}
        chances = {"overload": 0.15 * late["bearing"], "seal_leak": 0.15 * late["seal"], "slow_stroke": 0.01}
        for code, chance in chances.items():
            if self.random.random() < chance + 0.002:
                yield {"kind": "error", "code": code}
        for part, wear in self.wear.items():
            if wear >= 1.0:
                yield {"kind": "failure", "component": part}
                yield {"kind": "replacement", "component": part}
                self.wear[part], self.rate[part] = 0.0, self._new_rate()
