"""Small simulated fleets: pumps that wear out as a whole under two regimes, presses whose parts fail one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from schemas import AssetClass, Maintenance, Manifest, Telemetry, parse_asset_class

if TYPE_CHECKING:
    from models.registry import ModelStore

AssetEvent = Telemetry | Maintenance
START = datetime(2024, 1, 1, tzinfo=UTC)
UNIT_S = 60.0
PUMP = """
name = "pump"
sensors = ["heat", "shake", "flow", "room", "serial"]
regime = ["speed"]
unit = "cycle"
unit_seconds = 60
[target]
kind = "rul"
cap = 60
"""
PRESS = """
name = "press"
sensors = ["force", "error"]
constants = ["age"]
errors = ["leak", "jam"]
unit = "hour"
unit_seconds = 60
[target]
kind = "failure_probability"
components = ["bearing", "seal"]
horizon = 12
"""


LOGGED_PRESS = PRESS.replace('sensors = ["force", "error"]\nconstants = ["age"]', "sensors = []").replace(
    '"press"', '"logged"'
)


def pump_class(name: str = "pump") -> AssetClass:
    return parse_asset_class(PUMP.replace('"pump"', f'"{name}"'))


def press_class() -> AssetClass:
    return parse_asset_class(PRESS)


def at(units: float) -> datetime:
    return START + timedelta(seconds=units * UNIT_S)


def reading(asset: str, units: float, readings: dict[str, float | None], asset_class: str = "pump") -> Telemetry:
    return Telemetry(
        event_id=f"{asset}-{units}", event_time=at(units), asset_id=asset, asset_class=asset_class, readings=readings
    )


def entry(asset: str, units: float, kind: str, asset_class: str = "pump", **more: str) -> Maintenance:
    identity = f"{asset}-{units}-{kind}-{'-'.join(more.values())}"
    head = {"event_id": identity, "event_time": at(units), "asset_id": asset, "asset_class": asset_class}
    return Maintenance.model_validate({**head, "kind": kind, **more})


def pump_readings(random: np.random.Generator, wear: float) -> dict[str, float | None]:
    """Wear from 0 to 1; heat and flow depend on the speed as well, the room on nothing, serial is constant."""
    speed = float(random.choice([100.0, 200.0]))
    bend = wear**1.5
    return {
        "speed": speed + random.normal(0, 1),
        "heat": 20 + speed / 10 + 10 * bend + random.normal(0, 1),
        "shake": 1 + 3 * bend + random.normal(0, 0.3),
        "flow": 50 + speed / 5 - 8 * bend + random.normal(0, 1),
        "room": 21 + random.normal(0, 1),
        "serial": 7.0,
    }


def pump_history(seed: int, assets: int = 24, lives: int = 1, name: str = "pump") -> list[AssetEvent]:
    """Lives of 70 to 130 cycles, each ended by a failure and a replacement, in time order."""
    random = np.random.default_rng(seed)
    events: list[AssetEvent] = []
    for number in range(assets):
        asset, cycle = f"{name}-{seed}-{number:02}", 0
        for _ in range(lives):
            length = int(random.integers(70, 131))
            for age in range(1, length + 1):
                cycle += 1
                events.append(reading(asset, cycle, pump_readings(random, age / length), name))
            events += [entry(asset, cycle, "failure", name), entry(asset, cycle, "replacement", name)]
    return sorted(events, key=lambda event: event.event_time)


def press_history(seed: int, assets: int = 12, hours: int = 260) -> list[AssetEvent]:
    """A worn bearing adds to the error and jams, a worn seal takes force and leaks; each lasts about 60 hours."""
    random = np.random.default_rng(seed)
    events: list[AssetEvent] = []
    for number in range(assets):
        asset = f"press-{seed}-{number:02}"
        wear, rate = {"bearing": 0.0, "seal": 0.0}, {"bearing": 0.0, "seal": 0.0}
        rate = {part: 1 / random.uniform(45, 80) for part in wear}
        for hour in range(1, hours + 1):
            late = {part: max(0.0, worn - 0.75) * 4 for part, worn in wear.items()}
            readings: dict[str, float | None] = {
                "force": 100 - 15 * late["seal"] + random.normal(0, 2),
                "error": 1 + late["bearing"] + random.normal(0, 0.15),
                "age": float(number),
            }
            events.append(reading(asset, hour, readings, "press"))
            for part, code in (("bearing", "jam"), ("seal", "leak")):
                if random.random() < 0.3 * late[part]:
                    events.append(entry(asset, hour, "error", "press", code=code))
                wear[part] += rate[part]
                if wear[part] >= 1:
                    events.append(entry(asset, hour, "failure", "press", component=part))
                    events.append(entry(asset, hour, "replacement", "press", component=part))
                    wear[part], rate[part] = 0.0, 1 / random.uniform(45, 80)
    return sorted(events, key=lambda event: event.event_time)


def logged_class() -> AssetClass:
    """A press of which only the log is known."""
    return parse_asset_class(LOGGED_PRESS)


def log_history(seed: int, assets: int = 12, hours: int = 600) -> list[AssetEvent]:
    """What the log says of presses; now and then one jams some times in a row, and nothing comes of it."""
    random = np.random.default_rng(seed)
    events = [event for event in press_history(seed, assets, hours) if isinstance(event, Maintenance)]
    found: list[AssetEvent] = [event.model_copy(update={"asset_class": "logged"}) for event in events]
    for asset in sorted({event.asset_id for event in events}):
        for begin in random.uniform(1, hours - 1, hours // 60):
            found += [entry(asset, begin + n / 10, "error", "logged", code="jam") for n in range(4)]
    return sorted(found, key=lambda event: event.event_time)


def train_logged(store: ModelStore, history: list[AssetEvent] | None = None) -> Manifest:
    from models.maintenance.training import train

    [manifest] = train([(logged_class(), batches(history or log_history(1, assets=24)))], store)
    store.promote(manifest.name, manifest.version)
    return manifest


def batches(events: list[AssetEvent], size: int = 500) -> list[list[AssetEvent]]:
    return [events[start : start + size] for start in range(0, len(events), size)]


def train_fleets(folder: Path) -> None:
    """Champions `pump` and `press` in a store at `folder`, each of its history with seed 1."""
    from models.maintenance.training import train
    from models.registry import ModelStore

    store = ModelStore(folder)
    for asset_class, history in ((pump_class(), pump_history(1)), (press_class(), press_history(1))):
        for manifest in train([(asset_class, batches(history))], store):
            store.promote(manifest.name, manifest.version)
