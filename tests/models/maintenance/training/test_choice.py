"""Which sensors of a class its scores rest on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from models.arrays import Floats, Ints
from models.maintenance.training.choice import Chosen, choose, left_out_words
from models.maintenance.training.fleet import Fleet, fleet_of
from models.maintenance.training.log import read_log
from models.maintenance.training.recipe import error_of
from models.maintenance.training.train import train
from models.registry import ModelStore
from schemas import Telemetry
from tests.support.fleets import AssetEvent, batches, pump_class, pump_history

LAMP = pump_class().sensors.index("serial")
TELLING = [0, 1, 2]  # heat, shake, flow


def fleet_with_lamp(assets: int = 50, missing: float = 0.0, blind: bool = False) -> Fleet:
    return fleet_of(read_log(pump_class(), batches(with_lamp(assets, missing, blind))))


def with_lamp(assets: int, missing: float = 0.0, blind: bool = False) -> list[AssetEvent]:
    """Pumps with a lamp that goes on once they shake, and stays on; a share of what it says is missing.

    `blind`: only the lamp and noise tell of the last part of a life.
    """
    random, lit, events = np.random.default_rng(1), set[str](), list[AssetEvent]()
    for event in pump_history(1, assets):
        if isinstance(event, Telemetry):
            shake = float(event.readings["shake"] or 0.0)
            if shake > 3.2:
                lit.add(event.asset_id)
            said = {"serial": None if random.random() < missing else float(event.asset_id in lit)}
            if blind:
                said |= {name: 3.0 * random.normal() + float(shake > 1.2) for name in ("heat", "shake", "flow")}
            events.append(event.model_copy(update={"readings": event.readings | said}))
        else:
            events.append(event)
    return events


def choice(fleet: Fleet, loss: Floats) -> tuple[Chosen, list[list[int]]]:
    """What is chosen where lives lose so much without the lamp, and what was tried."""
    tried: list[list[int]] = []

    def error_of(sensors: Ints) -> Floats:
        tried.append(sensors.tolist())
        return 80.0 + loss * (LAMP not in sensors)

    return choose([fleet], error_of), tried


@pytest.mark.parametrize(
    ("loss", "is_used"),
    [
        (np.array([0.0, 0.0, 0.0, 0.0]), False),
        (np.array([3.0, -2.0, 4.0, -1.0]), False),  # on average more, but not clearly
        (np.array([3.0, 2.0, 4.0, 3.0]), True),
        (np.array([-3.0, -2.0, -4.0, -3.0]), False),
    ],
)
def test_a_steady_sensor_is_used_where_lives_are_told_clearly_better_with_it(loss: Floats, is_used: bool) -> None:
    found, tried = choice(fleet_with_lamp(), loss)
    assert found.sensors.tolist() == ([*TELLING, LAMP] if is_used else TELLING)
    assert list(found.left_out) == ([] if is_used else [LAMP])
    assert all(chance > 0.9 for chance in found.left_out.values())
    assert sorted(tried) == [TELLING, [*TELLING, LAMP]]


def test_missing_readings_are_no_repeats() -> None:
    found, tried = choice(fleet_with_lamp(missing=0.7), np.zeros(4))
    assert (found.sensors.tolist(), found.left_out, tried) == ([*TELLING, LAMP], {}, [])


def test_a_class_of_few_lives_or_few_other_sensors_keeps_all() -> None:
    found, tried = choice(fleet_with_lamp(assets=49), np.zeros(4))
    assert (found.sensors.tolist(), found.left_out, tried) == ([*TELLING, LAMP], {}, [])
    fleet = fleet_with_lamp()
    fleet.log.batch.readings[:, 0] = 1.0  # two others that tell
    found, tried = choice(fleet, np.zeros(4))
    assert (found.sensors.tolist(), found.left_out, tried) == ([*TELLING[1:], LAMP], {}, [])


def test_a_steady_sensor_that_alone_tells_of_the_end_is_used() -> None:
    fleet = fleet_with_lamp(blind=True)
    assert LAMP in choose([fleet], partial(error_of, [fleet])).sensors


@pytest.mark.long
def test_a_model_without_the_steady_sensor_says_so_on_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.maintenance.training.choice.CLEARLY", 1e9)  # whatever the lamp is worth
    store = ModelStore(tmp_path)
    [manifest] = train([(pump_class(), batches(with_lamp(50)))], store)
    assert manifest.learned["preparation"]["sensors"] == TELLING
    card = (store.load("pump", manifest.version).folder / "card.md").read_text()
    assert "Not used, though they move over a life" in card
    assert "serial (" in card


def test_the_card_names_what_is_not_used_and_says_why() -> None:
    assert left_out_words(["a", "b"], {}) == ""
    assert "b (97%)" in left_out_words(["a", "b"], {1: 0.969})
