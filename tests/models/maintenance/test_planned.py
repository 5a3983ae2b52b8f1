"""Replacements of the whole asset that are planned: they are in the log already, and have not happened yet."""

from __future__ import annotations

import numpy as np
import pytest

from models.maintenance import AssetModel
from models.maintenance.transitions import CLEARED, RAISED
from models.maintenance.watch_rows import SILENCE
from models.registry import ModelStore
from tests.models.maintenance.test_watch import BEGIN, Plant, life, silent
from tests.support.fleets import UNIT_S, entry, pump_readings, reading


@pytest.fixture(scope="module")
def pump(trained_fleets: ModelStore) -> AssetModel:
    return AssetModel(trained_fleets.load("pump"))


def scored(plant: Plant) -> list[bool]:
    return (plant.decisions.regime >= 0).tolist()


def test_an_asset_out_of_service_is_not_monitored_until_the_replacement_that_is_planned(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life(0, 30))
    plant.take([entry("a", 30, "out_of_service"), entry("a", 60, "replacement")], [BEGIN + 30 * UNIT_S] * 2)
    plant.take(life(31, 60))
    assert not any(scored(plant))
    plant.take(life(61, 70))
    assert all(scored(plant))
    assert int(plant.rows[0]["service"]) == int(plant.watched[0]["service"]) == 0


def test_the_planned_replacement_and_the_end_of_service_may_come_in_any_order(pump: AssetModel) -> None:
    made = []
    for order in (1, -1):
        plant = Plant(pump)
        plant.take(life(0, 30))
        both = [entry("a", 60, "replacement"), entry("a", 40, "out_of_service")][::order]
        plant.take(both, [BEGIN + 30 * UNIT_S, BEGIN + 40 * UNIT_S])
        plant.take([silent(55)], [BEGIN + 55 * UNIT_S])
        assert plant.said == [], "out of service it may be silent"
        plant.take(life(61, 80))
        assert all(scored(plant))
        plant.take([silent(95)], [BEGIN + 95 * UNIT_S])
        made.append(plant.said)
    assert made[0] == made[1]
    assert [(state, causes) for state, causes, _ in made[0]] == [(RAISED, SILENCE)]


def test_before_a_planned_replacement_alerts_are_raised_and_after_it_those_of_the_old_part_are_not(
    pump: AssetModel,
) -> None:
    """One that comes after the replacement is of the old part; one that comes before what is planned is of now."""
    random = np.random.default_rng(5)
    worn = [reading("a", unit, pump_readings(random, unit / 100)) for unit in range(1, 101)]
    raised = {}
    for late_s in (0.0, 3600.0):
        plant = Plant(pump)
        plant.take([entry("a", 101, "replacement")], [BEGIN])
        plant.take(worn, [event.event_time.timestamp() + late_s + 100 * UNIT_S * (late_s > 0) for event in worn])
        states = plant.decisions.transitions["state"].tolist()
        raised[late_s] = RAISED in states
        assert CLEARED not in states
    assert raised == {0.0: True, 3600.0: False}


def test_an_end_of_service_from_before_the_replacement_is_no_news_of_what_replaced_it(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life(1, 50))
    plant.take([entry("a", 50.5, "replacement")])
    plant.take(life(51, 100))
    assert [state for state, _, _ in plant.take([silent(110)])] == [RAISED]
    assert plant.take([entry("a", 45, "out_of_service")]) == [], "it came late, and is of the old one"
    assert int(plant.watched[0]["service"]) == 0
