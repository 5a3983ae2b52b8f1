"""A small trained world for the tests: models of the simulated plant and shop, learned by the real trainers."""

from __future__ import annotations

from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from millrace.demo import PUMP, Event, Plant, Shop
from models.maintenance.training import train as train_assets
from models.recommender.training import Sampling
from models.recommender.training import train as train_recommender
from models.registry import ModelStore
from schemas import CLICKS, INPUTS, ITEMS, PROFILES, InputEvent, parse_asset_class

START = 1_700_000_000.0


def train_world(home: Path) -> None:
    """Champions `pump` and `recommender` under `home`; about ten seconds."""
    store = ModelStore(home / "models")
    pump = parse_asset_class(PUMP)
    history = [event for event in plant_events(cycles=450, pumps=9) if event.asset_class == "pump"]
    for manifest in train_assets([(pump, [history])], store):  # type: ignore[list-item]
        store.promote(manifest.name, manifest.version)
    sampling = Sampling(queries=1500, share=0.6, least_clicks=1000, trees=20)
    manifest = train_recommender([shop_events(4000)], PROFILES["shop"], store, sampling=sampling)  # type: ignore[list-item]
    store.promote(manifest.name, manifest.version)


def plant_events(cycles: int, pumps: int, seed: int = 3, name: str = "") -> list[Any]:
    """Telemetry and maintenance events of a plant of pumps, in order."""
    plant = Plant(seed, pumps=pumps, presses=0, name=name).events(START)
    return [parsed(event) for event in takewhile(lambda event: event.time < START + cycles, plant)]


def shop_events(count: int, seed: int = 5) -> list[Any]:
    """Items and clicks of a small shop, in order."""
    shop = Shop(seed, users=60, items_per_category=8)
    return [parsed(event) for event in islice(shop.events(START), count)]


def parsed(event: Event) -> InputEvent:
    return INPUTS[event.topic].model_validate(event.value)


def topic_of(event: InputEvent) -> str:
    return next(topic for topic, kind in INPUTS.items() if isinstance(event, kind))


__all__ = ["CLICKS", "ITEMS", "START", "parsed", "plant_events", "shop_events", "topic_of", "train_world"]
