"""Sensors that an asset does not have, or lost for good: told once, and accepted by whoever closes the alert."""

from __future__ import annotations

import numpy as np
import pytest

from models.maintenance import AssetModel
from models.maintenance.transitions import CLEARED, RAISED
from models.maintenance.watch_rows import WATCH, WATCH_BOUNDS, WATCH_LAYOUT
from models.maintenance.watch_rows_before import WATCH_1, WATCH_EARLIER
from models.registry import ModelStore
from tests.models.maintenance.test_watch import Plant, life
from tests.support.fleets import entry


@pytest.fixture(scope="module")
def pump(trained_fleets: ModelStore) -> AssetModel:
    return AssetModel(trained_fleets.load("pump"))


def closed(unit: float) -> object:
    return entry("a", unit, "alert_closed", component="data")


def accepted(pump: AssetModel) -> Plant:
    """An asset that never sent its heat, which was told, and closed by hand."""
    plant = Plant(pump)
    plant.take(life(0, 20, heat=None))
    assert [state for state, _, _ in plant.said] == [RAISED]
    assert "heat is missing" in plant.said[0][2]
    plant.take([closed(19.5)])
    assert [state for state, _, _ in plant.said] == [RAISED, CLEARED]
    assert plant.take(life(20, 80, heat=None)) == [], "it is told once"
    return plant


def test_a_sensor_that_was_never_there_is_told_once(pump: AssetModel) -> None:
    plant = accepted(pump)
    told = plant.decisions.faults[-1].tolist()
    assert told.count(1) == 1, "scores go on telling of it"
    assert plant.decisions.quality[-1] > 0


def test_it_is_told_again_when_it_was_there_and_is_lost(pump: AssetModel) -> None:
    plant = accepted(pump)
    assert plant.take(life(80, 100)) == []
    [(state, _, reason)] = plant.take(life(100, 120, heat=None))
    assert state == RAISED
    assert "heat is missing" in reason


def test_a_reading_or_two_with_it_are_no_change(pump: AssetModel) -> None:
    plant = accepted(pump)
    assert plant.take([*life(80, 82), *life(82, 120, heat=None)]) == []


def test_another_sensor_is_told_and_ends_by_itself(pump: AssetModel) -> None:
    plant = accepted(pump)
    [(state, _, reason)] = plant.take(life(80, 100, heat=None, flow=None))
    assert state == RAISED
    assert "flow is missing" in reason
    assert "heat" not in reason
    [(state, _, _)] = plant.take(life(100, 120, heat=None))
    assert state == CLEARED


def test_an_accepted_sensor_that_comes_and_is_broken_is_told(pump: AssetModel) -> None:
    plant = accepted(pump)
    [(state, _, reason)] = plant.take(life(80, 90, heat=9e4))
    assert state == RAISED
    assert "heat" in reason
    assert "missing" not in reason


def test_a_broken_sensor_that_says_something_is_not_accepted(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life(0, 40))
    plant.take(life(40, 50, flow=9e4))
    plant.take([closed(49.5)])
    said = plant.take(life(50, 60, flow=9e4))
    assert [state for state, _, _ in said] == [RAISED], "what still holds is raised anew"


def test_a_row_of_the_asset_that_begins_anew_is_no_change(pump: AssetModel) -> None:
    """As when another version of the model is promoted: its first readings tell of no fault yet."""
    plant = accepted(pump)
    plant.rows[:] = 0
    assert plant.take(life(80, 120, heat=None)) == []


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_parts_and_batches_make_no_difference(pump: AssetModel, size: int) -> None:
    plant = accepted(pump)
    parts = []
    for event in [*life(80, 100, heat=None), *life(100, 120), *life(120, 140, heat=None)]:
        names = list(event.readings)
        for number, some in enumerate((names[::2], names[1::2])):
            readings = {name: event.readings[name] for name in some}
            parts.append(event.model_copy(update={"event_id": f"{event.event_id}-{number}", "readings": readings}))
    said = [one for start in range(0, len(parts), size) for one in plant.take(parts[start : start + size])]
    assert [(state, "heat is missing" in reason) for state, _, reason in said] == [(RAISED, True)]


def test_rows_of_the_layout_before_keep_their_open_alert(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life(0, 20, heat=None))
    old = np.zeros(1, WATCH_1)
    for name in WATCH_1.names or ():
        old[name] = plant.watched[name]
    assert set(WATCH_EARLIER) == set(range(1, WATCH_LAYOUT))
    plant.watched = WATCH_EARLIER[1](np.frombuffer(old.tobytes(), WATCH_EARLIER[1].dtype))
    assert plant.watched.dtype == WATCH
    assert set(WATCH_BOUNDS) <= set(WATCH.names or ())
    assert plant.take(life(20, 30, heat=None)) == []
    [(state, _, _)] = plant.take([closed(29.5)])
    assert state == CLEARED
    assert plant.take(life(30, 60, heat=None)) == []
