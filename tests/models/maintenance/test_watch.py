"""The watch over what an asset sends: silence, broken sensors, unknown regimes, wrong clocks raise one data alert."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.maintenance import Ahead, AssetModel, Decisions
from models.maintenance.transitions import CHANGED, CLEARED, RAISED
from models.maintenance.watch_rows import (
    CLOCK,
    REGIME,
    SENSORS,
    SILENCE,
    WARNING,
    WATCH,
    WATCH_BOUNDS,
    Patience,
    silent_now,
)
from models.registry import ModelStore
from schemas import Maintenance, Telemetry
from tests.support.fleets import START, UNIT_S, AssetEvent, entry, pump_readings, reading

PATIENCE = Patience(5.0, 60.0)  # 5 units, as readings come every unit
BEGIN = START.timestamp()


@pytest.fixture(scope="module")
def pump(trained_fleets: ModelStore) -> AssetModel:
    return AssetModel(trained_fleets.load("pump"))


class Plant:
    """Rows of one asset, its clock and the broker's the same unless `arrived` says otherwise."""

    def __init__(self, model: AssetModel) -> None:
        self.model, self.rows, self.watched = model, np.zeros(1, model.dtype), np.zeros(1, WATCH)
        self.said: list[tuple[int, int, str]] = []  # state, causes, reason
        self.transitions: list[np.void] = []
        self.decisions: Decisions

    def take(self, events: Sequence[AssetEvent], arrived: Sequence[float] | None = None) -> list[tuple[int, int, str]]:
        times = [e.event_time.timestamp() for e in events] if arrived is None else arrived
        slots, batch = np.zeros(len(events), np.int64), self.model.encode(events, times)
        self.decisions = self.model.step(self.rows, slots, batch)
        found = self.model.watch(self.watched, slots, batch, self.decisions, PATIENCE)
        said = []
        for one in found:
            event = events[one["event"]]
            readings = event.readings if isinstance(event, Telemetry) else {}
            _, reason = self.model.data_words(one, self.decisions, readings)
            said.append((int(one["state"]), int(one["causes"]), reason))
        self.transitions += list(found.copy())
        self.said += said
        for name, (low, high) in WATCH_BOUNDS.items():
            assert low <= self.watched[0][name] <= high, name
        return said


def life(first: int, last: int, seed: int = 3, step: int = 1, **changed: Any) -> list[Telemetry]:
    """Readings of a healthy pump at `first` up to `last`; `changed` names sensors with what they say instead."""
    random = np.random.default_rng(seed)
    made = []
    for unit in range(first, last, step):
        said = pump_readings(random, 0.0)
        said |= {name: value(said[name]) if callable(value) else value for name, value in changed.items()}
        made.append(reading("a", unit, said))
    return made


def silent(unit: float) -> Maintenance:
    return entry("a", unit, "silent")


def test_a_healthy_asset_raises_nothing(pump: AssetModel) -> None:
    assert Plant(pump).take(life(1, 400)) == []


def test_silence_is_raised_by_an_entry_and_ends_with_the_next_reading(pump: AssetModel) -> None:
    plant = Plant(pump)
    assert plant.take([*life(1, 50), silent(53.9)]) == []
    ((state, causes, reason),) = plant.take([silent(54.1)])
    assert (state, causes) == (RAISED, SILENCE)
    assert reason == "cannot be relied on: no reading for 5.1 min, usually one every 60 s"
    assert plant.transitions[0]["raised_at"] == pytest.approx(BEGIN + 54 * UNIT_S)
    assert plant.transitions[0]["severity"] == WARNING
    assert plant.take([silent(55), silent(60)]) == [], "it is said already"
    ((state, _, reason),) = plant.take(life(70, 71))
    assert (state, reason) == (CLEARED, "comes again, after 21 min of silence")
    assert plant.take(life(71, 100)) == []


def test_a_gap_of_which_nobody_spoke_is_no_silence(pump: AssetModel) -> None:
    """It may be the outage of a broker: who would have heard the asset says when it is silent, and that is an input."""
    plant = Plant(pump)
    assert plant.take([*life(1, 50), *life(70, 90, seed=4)]) == []


def test_an_entry_that_a_reading_overtook_says_nothing(pump: AssetModel) -> None:
    plant = Plant(pump)
    assert plant.take([*life(1, 50), *life(52, 53), silent(54.1)]) == []


def test_an_asset_that_sends_seldom_is_given_time(pump: AssetModel) -> None:
    plant = Plant(pump)
    assert plant.take([*life(1, 400, step=10), silent(430)]) == []
    assert [state for state, _, _ in plant.take([silent(442)])] == [RAISED]


def test_irregular_readings_are_no_silence(pump: AssetModel) -> None:
    random = np.random.default_rng(2)
    units = np.cumsum(random.exponential(1.0, 2000))
    plant = Plant(pump)
    plant.take([reading("a", float(unit), pump_readings(random, 0.0)) for unit in units])
    assert [one for one in plant.said if one[1] & SILENCE] == []


def test_readings_that_are_sent_together_once_in_a_while_are_no_silence(pump: AssetModel) -> None:
    """A gateway that sends the readings of ten units at once: what it is asked for is ten units, not one."""
    plant, events = Plant(pump), life(1, 301)
    arrived = [BEGIN + UNIT_S * (10 * ((unit - 1) // 10) + 11) for unit in range(1, 301)]
    plant.take(events, arrived)
    last = arrived[-1]
    assert silent_now(plant.watched, last + 49 * UNIT_S, 0.0, PATIENCE) == []
    assert len(silent_now(plant.watched, last + 51 * UNIT_S, 0.0, PATIENCE)) == 1


@pytest.mark.parametrize("off_s", [-3600.0, -700.0, 90.0])
def test_an_asset_whose_clock_is_wrong_is_missed_as_any_other(pump: AssetModel, off_s: float) -> None:
    plant = Plant(pump)
    plant.take(life(1, 50), [BEGIN + unit * UNIT_S - off_s for unit in range(1, 50)])
    last = BEGIN + 49 * UNIT_S - off_s
    assert silent_now(plant.watched, last + 299, 0.0, PATIENCE) == []
    [(_, at, newest)] = silent_now(plant.watched, last + 301, 0.0, PATIENCE)
    assert (at, newest) == pytest.approx((BEGIN + 49 * UNIT_S + 301, BEGIN + 49 * UNIT_S)), "in its own clock"
    assert [state for state, _, _ in plant.take([silent((at - BEGIN) / UNIT_S)])] == [RAISED]


def test_one_long_gap_is_not_the_usual_interval(pump: AssetModel) -> None:
    """A plant that stands still at night: it is not told each night, and by day soon enough."""
    plant = Plant(pump)
    plant.take([one for day in range(20) for one in life(1 + 1440 * day, 601 + 1440 * day, seed=day)])
    night_s, last = 840 * UNIT_S, BEGIN + (600 + 1440 * 19) * UNIT_S
    assert silent_now(plant.watched, last + night_s, 0.0, PATIENCE) == []
    assert len(silent_now(plant.watched, last + 1.6 * night_s, 0.0, PATIENCE)) == 1
    plant.take([silent((last - BEGIN) / UNIT_S + 1.6 * 840)])
    assert "usually one every 60 s" in plant.said[-1][2]


@pytest.mark.parametrize("kinds", [("window_start", "window_end"), ("out_of_service", "in_service")])
def test_nights_that_are_announced_are_no_usual_gaps(pump: AssetModel, kinds: tuple[str, str]) -> None:
    plant, events = Plant(pump), list[AssetEvent]()
    for day in range(10):
        begin = 1 + 1440 * day
        events += [*life(begin, begin + 600, seed=day), entry("a", begin + 599.5, kinds[0])]
        events.append(entry("a", begin + 1439.5, kinds[1]))
    plant.take([*events, *life(14401, 14501)])
    last = BEGIN + 14500 * UNIT_S
    assert silent_now(plant.watched, last + 299, 0.0, PATIENCE) == []
    assert len(silent_now(plant.watched, last + 301, 0.0, PATIENCE)) == 1


def test_a_backfill_up_to_now_is_followed_by_readings_of_now(pump: AssetModel) -> None:
    plant, events = Plant(pump), life(1, 200)
    now = BEGIN + 200 * UNIT_S
    plant.take(events, [now + n / 1000 for n in range(len(events))])
    assert len(silent_now(plant.watched, now + 301, 0.0, PATIENCE)) == 1


def test_an_outage_of_the_broker_is_no_silence(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life(1, 50))
    back = BEGIN + 200 * UNIT_S
    assert silent_now(plant.watched, back + 299, back, PATIENCE) == [], "nobody would have heard it before"
    assert len(silent_now(plant.watched, back + 301, back, PATIENCE)) == 1


def test_what_is_out_of_service_may_be_silent_and_its_alert_ends(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take([*life(1, 50), silent(60)])
    assert plant.take([entry("a", 61, "out_of_service")])[0][0] == CLEARED
    assert plant.take([silent(80)]) == []
    assert plant.take([entry("a", 1000, "in_service")]) == []
    back = BEGIN + 1000 * UNIT_S
    assert silent_now(plant.watched, back + 299, 0.0, PATIENCE) == []
    assert len(silent_now(plant.watched, back + 301, 0.0, PATIENCE)) == 1
    assert plant.take([silent(1003)]) == [], "its silence begins when it is back"
    assert [state for state, _, _ in plant.take([silent(1006)])] == [RAISED]
    assert plant.transitions[-1]["raised_at"] == pytest.approx(back + 300, abs=1)


def test_closed_by_hand_it_is_another_alert_while_it_lasts(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take([*life(1, 50), silent(60)])
    ((state, _, reason),) = plant.take([entry("a", 61, "alert_closed", component="data")])
    assert (state, reason) == (CLEARED, "was closed by hand while warning")
    assert plant.take([silent(65)]) == [], "it counts from then on"
    assert [one[0] for one in plant.take([silent(70)])] == [RAISED]
    first, _, again = plant.transitions
    assert again["raised_at"] == pytest.approx(BEGIN + 66 * UNIT_S, abs=1)
    assert again["raised_at"] > first["raised_at"], "ids are made of it"
    assert plant.take([entry("a", 71, "alert_closed", component="wear")]) == [], "that is another alert"


def test_a_silence_that_began_in_a_window_counts_from_its_end(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take([*life(1, 50), entry("a", 49, "window_start"), entry("a", 100, "window_end")])
    assert plant.take([silent(60), silent(70), silent(99)]) == []
    assert [state for state, _, _ in plant.take([silent(105)])] == [RAISED]
    assert plant.transitions[0]["raised_at"] >= BEGIN + 100 * UNIT_S


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"heat": None}, "heat is missing"),
        ({"heat": lambda said: said * 9 / 5 + 32}, "heat has another unit"),
        ({"flow": 1e6}, "flow is out of any range that was seen"),
        ({"shake": 1.234}, "shake is stuck"),
    ],
)
def test_a_broken_sensor_is_named_and_told_well_again(pump: AssetModel, changed: dict[str, Any], word: str) -> None:
    plant = Plant(pump)
    assert plant.take(life(1, 50)) == []
    said = plant.take(life(50, 90, seed=5, **changed))
    assert said[0][:2] == (RAISED, SENSORS)
    assert any(word in reason for _, _, reason in said), said
    assert len(said) <= 3, "not at every reading"
    assert [state for state, _, _ in plant.take(life(90, 130, seed=6))] == [CLEARED]


def test_a_second_broken_sensor_is_news_of_the_same_alert(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take([*life(1, 50), *life(50, 70, heat=None), *life(70, 90, heat=None, flow=None)])
    assert [state for state, _, _ in plant.said] in ([RAISED, CHANGED], [RAISED, CHANGED, CHANGED]), "may become grave"
    assert [one["sequence"] for one in plant.transitions][:2] == [0, 1]
    assert "heat is missing, flow is missing" in plant.said[-1][2]


def test_an_asset_that_does_not_tell_how_it_is_run(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take([*life(1, 50), *life(50, 90, speed=None)])
    assert plant.said[0][0] == RAISED
    assert plant.said[0][1] & REGIME
    assert "do not tell how the asset is run (speed)" in plant.said[0][2]
    assert [state for state, _, _ in plant.take(life(90, 110))] == [CLEARED]


def test_an_asset_that_is_run_as_none_was_in_training(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take([*life(1, 50), *life(50, 90, speed=150.0)])
    assert [(state, causes) for state, causes, _ in plant.said] == [(RAISED, REGIME)], "no sensor is blamed"
    assert "it is run as no reading of the training was (speed 150)" in plant.said[0][2]
    assert plant.transitions[-1]["severity"] == WARNING
    assert [state for state, _, _ in plant.take(life(90, 110))] == [CLEARED]


def test_readings_without_any_number_are_not_monitored(pump: AssetModel) -> None:
    plant = Plant(pump)
    nothing = dict.fromkeys(("heat", "shake", "flow", "room", "serial", "speed"))
    plant.take([*life(1, 50), *life(50, 60, **nothing)])
    assert plant.said[0][0] == RAISED
    assert plant.transitions[-1]["severity"] == WARNING


def test_a_clock_that_is_ahead_is_told(pump: AssetModel) -> None:
    plant = Plant(pump)
    events = life(1, 40)
    plant.take(events)
    said = plant.take(life(40, 80, seed=4), [BEGIN + (unit - 10) * UNIT_S for unit in range(40, 80)])
    assert (said[0][0], said[0][1] & CLOCK) == (RAISED, CLOCK)
    assert "its clock is 10 min ahead of the broker's" in said[0][2]


def test_readings_that_are_refused_for_their_time_tell_of_the_clock_and_are_no_silence(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life(1, 50))
    events = [Ahead.model_construct(**dict(one)) for one in life(110, 150)]
    said = plant.take(events, [BEGIN + (unit - 60) * UNIT_S for unit in range(110, 150)])
    assert [(state, causes) for state, causes, _ in said] == [(RAISED, CLOCK)]
    assert said[0][2] == "cannot be relied on: its clock is 60 min ahead of the broker's"
    assert plant.transitions[-1]["severity"] == WARNING, "it is not monitored"
    now = BEGIN + 89 * UNIT_S
    assert silent_now(plant.watched, now + 299, 0.0, PATIENCE) == []
    assert len(silent_now(plant.watched, now + 301, 0.0, PATIENCE)) == 1
    assert [state for state, _, _ in plant.take(life(90, 130))] == [CLEARED]


@pytest.mark.parametrize("is_refused", [True, False])
def test_one_reading_with_a_wrong_time_is_a_slip(pump: AssetModel, is_refused: bool) -> None:
    plant, wrong = Plant(pump), reading("a", 53, pump_readings(np.random.default_rng(1), 0.0))
    plant.take(life(1, 50))
    slip = Ahead.model_construct(**dict(wrong)) if is_refused else wrong
    assert plant.take([slip], [BEGIN + 50 * UNIT_S]) == []
    assert plant.take(life(54, 80)) == []


def test_a_sensor_that_spikes_again_and_again_is_named_and_one_spike_is_not(pump: AssetModel) -> None:
    once, often = Plant(pump), Plant(pump)
    wild = life(50, 60, seed=8, heat=lambda said: said + 40)
    calm = life(50, 90, seed=8)
    assert once.take([*life(1, 50), *wild[:1], *calm[1:]]) == []
    said = often.take([*life(1, 50), *(wild[n] if n in (0, 3, 6) else one for n, one in enumerate(calm))])
    assert [(state, causes) for state, causes, _ in said[:1]] == [(RAISED, SENSORS)]
    assert "spike" in said[0][2]


def test_a_clock_that_was_set_back_is_told_until_it_is_right(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life(1, 80))
    back = life(20, 60, seed=9)
    back = [one.model_copy(update={"event_id": f"back-{n}"}) for n, one in enumerate(back)]
    plant.take(back, [BEGIN + (unit + 60) * UNIT_S for unit in range(20, 60)])
    assert [(state, causes & CLOCK) for state, causes, _ in plant.said] == [(RAISED, CLOCK)], "it stays wrong"
    assert "its clock is 60 min behind the broker's" in plant.said[0][2]
    plant.take(life(121, 160))
    assert [state for state, _, _ in plant.said] == [RAISED, CLEARED]


def test_a_clock_that_was_ahead_and_is_right_now_is_told_for_a_while(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life(1, 40), [BEGIN + (unit - 1) * UNIT_S for unit in range(1, 40)])
    right = [one.model_copy(update={"event_id": f"right-{n}"}) for n, one in enumerate(life(30, 80, seed=9))]
    plant.take(right, [BEGIN + (unit + 9) * UNIT_S for unit in range(30, 80)])
    assert [(state, causes & CLOCK) for state, causes, _ in plant.said[:1]] == [(RAISED, CLOCK)]


def test_readings_in_parts_are_judged_when_they_are_complete(pump: AssetModel) -> None:
    plant = Plant(pump)
    parts = [
        reading("a", one.event_time.timestamp() / UNIT_S - BEGIN / UNIT_S, {name: value}).model_copy(
            update={"event_id": f"{one.event_id}-{name}"}
        )
        for one in life(1, 120)
        for name, value in one.readings.items()
    ]
    assert plant.take(parts) == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["good", "heat", "blank", "gap", "silent", "late", "closed", "out", "in", "window", "end"]),
        st.integers(1, 12),
    ),
    min_size=1,
    max_size=12,
)


def story(steps: Sequence[tuple[str, int]]) -> list[AssetEvent]:
    unit, events = 1, list[AssetEvent]()
    kinds = {"closed": "alert_closed", "out": "out_of_service", "in": "in_service", "window": "window_start"}
    for what, count in steps:
        if what in ("good", "heat", "blank", "late"):
            changed = {"heat": {"heat": None}, "blank": dict.fromkeys(pump_readings(np.random.default_rng(1), 0.0))}
            first = max(unit - 8, 1) if what == "late" else unit
            events += life(first, first + count, seed=unit, **changed.get(what, {}))
            unit += 0 if what == "late" else count
        elif what == "gap":
            unit += 3 * count
        else:
            more = {"component": "data"} if what == "closed" else {}
            events.append(entry("a", unit + 0.5, kinds.get(what, "window_end" if what == "end" else what), **more))
    return events


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(STEPS, st.integers(1, 40))
def test_no_transition_is_illegal_and_batches_make_no_difference(
    pump: AssetModel, steps: list[tuple[str, int]], size: int
) -> None:
    events = story([("good", 20), *steps])
    whole, cut = Plant(pump), Plant(pump)
    whole.take(events)
    for first in range(0, len(events), size):
        cut.take(events[first : first + size])
    assert whole.said == cut.said
    assert whole.watched.tobytes() == cut.watched.tobytes()
    alerts = defaultdict[float, list[int]](list)
    is_open = False
    for one in whole.transitions:
        assert is_open == (one["state"] != RAISED), "raised once, then changed or cleared"
        is_open = one["state"] != CLEARED
        assert one["sequence"] == len(alerts[one["raised_at"]])
        alerts[one["raised_at"]].append(int(one["state"]))
        assert one["time"] >= one["raised_at"]
    assert is_open == (whole.watched[0]["severity"] > 0)


def test_who_is_silent_now(pump: AssetModel) -> None:
    plant = Plant(pump)
    plant.take(life(1, 50))
    now = BEGIN + 49 * UNIT_S
    assert silent_now(plant.watched, now + 299, 0.0, PATIENCE) == []
    assert silent_now(plant.watched, now + 301, 0.0, PATIENCE) == [(0, now + 301, now)]
    plant.take([silent(54.1)])
    assert silent_now(plant.watched, now + 900, 0.0, PATIENCE) == [], "it is told"
    replayed = Plant(pump)
    replayed.take(life(1, 50), [BEGIN + 1e6 + unit for unit in range(1, 50)])
    assert silent_now(replayed.watched, BEGIN + 2e6, 0.0, PATIENCE) == [], "the end of a history is no silence"
    replayed.take(life(50, 80), [BEGIN + 1e6 + 50 + unit * UNIT_S for unit in range(30)])
    assert len(silent_now(replayed.watched, BEGIN + 2e6, 0.0, PATIENCE)) == 1, "it has come to readings of now"
