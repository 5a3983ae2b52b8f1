"""Late, repeated, partial, planned: what events do to the row of an asset when they do not come once and in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.maintenance import AssetModel, Decisions
from models.maintenance.alerts import CLEARED, RAISED, RETIRED
from models.maintenance.codes import BLANK, DUPLICATE, LATE, LOGGED, SCORED, UNMONITORED
from models.maintenance.rows import is_within
from models.maintenance.rows_before import dtype_1
from models.registry import ModelStore
from schemas import Telemetry
from tests.support.fleets import AssetEvent, entry, pump_readings, reading

UNIT_S = 60.0
APART = settings(max_examples=15, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def pump(trained_fleets: ModelStore) -> AssetModel:
    return AssetModel(trained_fleets.load("pump"))


class Asset:
    """One row; `arrived` are the records' times in units after the event's, none: not known."""

    def __init__(self, model: AssetModel) -> None:
        self.model, self.rows = model, np.zeros(1, model.dtype)

    def take(self, events: Sequence[AssetEvent], arrived: Sequence[float] | None = None) -> Decisions:
        slots = np.zeros(len(events), np.int64)
        times = None if arrived is None else [1_704_067_200 + UNIT_S * at for at in arrived]
        made = self.model.step(self.rows, slots, self.model.encode(events, times))
        assert is_within(self.rows, self.model.bounds).all()
        return made

    @property
    def row(self) -> np.void:
        return self.rows[0]

    def state(self, *but: str) -> dict[str, bytes]:
        names = self.model.dtype.names or ()
        return {name: self.row[name].tobytes() for name in names if name not in but}


COUNTERS = ("late", "duplicates", "ids", "id_place", "recent", "recent_place", "behind", "behind_at", "behind_lag")
MEMORY = (*COUNTERS, "behind_span", "log_ids", "log_id_place")


def life(length: int = 100, seed: int = 5, start: int = 0) -> list[Telemetry]:
    random = np.random.default_rng(seed)
    return [reading("a", start + age, pump_readings(random, age / length)) for age in range(1, length + 1)]


# ---- late and repeated readings


def test_late_readings_are_scored_and_move_nothing(pump: AssetModel) -> None:
    events, asset = life(), Asset(pump)
    late = events[20:80:2]
    in_time = asset.take([event for event in events if event not in late])
    before, raised = asset.state(*MEMORY), len(in_time.transitions)
    made = asset.take(late)
    assert set(made.status.tolist()) == {LATE}
    assert np.isfinite(made.value).all()
    assert raised > 0
    assert len(made.transitions) == 0
    assert asset.state(*MEMORY) == before


@APART
@given(st.lists(st.integers(0, 99), min_size=1, max_size=99, unique=True), st.integers(0, 2**32 - 1))
def test_readings_late_in_any_order_never_move_the_state(pump: AssetModel, places: list[int], seed: int) -> None:
    events = life()
    late = [events[place] for place in places if place < 99]
    np.random.default_rng(seed).shuffle(late)  # type: ignore[arg-type]
    asset = Asset(pump)
    asset.take([event for event in events if event not in late])
    before = asset.state(*MEMORY)
    made = asset.take(late)
    assert len(made.transitions) == 0
    assert asset.state(*MEMORY) == before


def test_a_batch_of_readings_that_is_sent_twice_counts_once(pump: AssetModel) -> None:
    events, asset = life(104), Asset(pump)
    asset.take(events)
    before = asset.state("duplicates")
    made = asset.take(events)
    assert (made.status == DUPLICATE).all()
    assert asset.state("duplicates") == before


def test_a_late_reading_that_was_never_seen_is_no_repeat(pump: AssetModel) -> None:
    events, asset = life(104), Asset(pump)
    asset.take([event for event in events if event is not events[50]])
    assert asset.take([events[50], events[50]]).status.tolist() == [LATE, DUPLICATE]


# ---- a clock that was set back


def test_a_clock_that_was_ahead_is_followed_after_a_few_readings(pump: AssetModel) -> None:
    events, asset = life(60), Asset(pump)
    asset.take(events[:40], [event + 0.01 for event in range(1, 41)])
    ahead = [reading("a", 44.5 + n / 10, events[40].readings) for n in range(3)]
    asset.take(ahead, [40.1, 40.2, 40.3])
    made = asset.take(events[40:], [at + 0.01 for at in range(41, 61)])
    assert made.status[:2].tolist() == [LATE, LATE]
    assert made.status[2:].tolist() == [SCORED] * 18
    assert made.is_set_back.nonzero()[0].tolist() == [2]


def test_a_clock_that_was_set_back_for_good_is_followed(pump: AssetModel) -> None:
    asset = Asset(pump)
    asset.take(life(60), [at + 0.01 for at in range(1, 61)])
    back = [reading("a", at - 45.5, event.readings) for at, event in enumerate(life(20, start=60), 61)]
    made = asset.take(back, [at + 0.01 for at in range(61, 81)])
    assert made.status.tolist() == [LATE] * 4 + [SCORED] * 16


@pytest.mark.parametrize("together", [1, 5, 10], ids=lambda n: f"{n} at once")
@pytest.mark.parametrize("in_parts", [False, True], ids=["whole", "in parts"])
@pytest.mark.parametrize("back_s", [3_000.0, 100_000.5, 94_700_000.25, 757_382_400.123], ids=["h", "d", "y", "decades"])
def test_a_clock_that_was_set_back_is_followed_however_its_readings_come(
    pump: AssetModel, together: int, in_parts: bool, back_s: float
) -> None:
    """By as many readings in one record time, one sensor a record, and to the default of a clock without battery."""
    asset, events, arrived = Asset(pump), list[AssetEvent](), list[float]()
    asset.take(life(60), [at + 0.01 for at in range(1, 61)])
    for number, event in enumerate(life(60, start=60)):
        back = event.model_copy(update={"event_time": event.event_time - timedelta(seconds=back_s)})
        parts = parts_of(back) if in_parts else [back]
        sent = 60 + (number // together + 1) * together
        events += parts
        arrived += [sent + (0.01 if together > 1 else 0.002 * place) for place in range(len(parts))]
    made = asset.take(events, arrived)
    assert made.is_set_back.sum() == 1
    assert LATE not in made.status[made.is_set_back.nonzero()[0][0] :]
    assert made.is_set_back.nonzero()[0][0] < 8 * together * len(parts)


@pytest.mark.parametrize("together", [1, 10, 500])
def test_an_upload_of_old_data_in_batches_is_no_clock_that_was_set_back(pump: AssetModel, together: int) -> None:
    events, asset = life(1000), Asset(pump)
    asset.take([*events[:100], *events[700:]], [*range(1, 101), *range(701, 1001)])
    old = events[100:700]
    made = asset.take(old, [1000.1 + 0.01 * (n // together) for n in range(len(old))])
    assert not made.is_set_back.any()


def test_an_upload_of_old_data_is_no_clock_that_was_set_back(pump: AssetModel) -> None:
    events, asset = life(100), Asset(pump)
    asset.take([*events[:30], *events[60:]], [*range(1, 31), *range(61, 101)])
    before = asset.state(*MEMORY, "arrived")
    burst = asset.take(events[30:45], [100.1 + n / 1000 for n in range(15)])
    assert set(burst.status.tolist()) == {LATE}
    own_clocks = asset.take(events[45:60], [float(at) for at in range(46, 61)])
    assert set(own_clocks.status.tolist()) == {LATE}
    assert asset.state(*MEMORY, "arrived") == before


# ---- readings in parts


def parts_of(event: Telemetry) -> list[Telemetry]:
    return [
        event.model_copy(update={"event_id": f"{event.event_id}/{name}", "readings": {name: value}})
        for name, value in event.readings.items()
    ]


def test_one_sensor_a_record_comes_to_what_whole_readings_come_to(pump: AssetModel) -> None:
    whole, parts = Asset(pump), Asset(pump)
    events = life()
    of_whole = whole.take(events)
    of_parts = parts.take([part for event in events for part in parts_of(event)])
    last = np.arange(1, len(events) + 1) * len(events[0].readings) - 1
    assert np.allclose(of_parts.raw[last[2:]], of_whole.raw[2:], rtol=0.02, atol=0.5)
    assert of_parts.transitions["severity"].tolist() == of_whole.transitions["severity"].tolist()
    assert parts.row["alert"].tolist() == whole.row["alert"].tolist()


@pytest.mark.long
@APART
@given(st.integers(0, 2**32 - 1))
def test_parts_in_any_order_and_number_and_cut_come_to_the_same_state(pump: AssetModel, seed: int) -> None:
    random, events = np.random.default_rng(seed), life(30)
    asset, other, records = Asset(pump), Asset(pump), []
    for event in events:
        names = list(event.readings)
        random.shuffle(names)
        cut = int(random.integers(1, len(names)))
        for number, some in enumerate((names[:cut], names[cut:])):
            readings = {name: event.readings[name] for name in some}
            records.append(event.model_copy(update={"event_id": f"{event.event_id}/{number}", "readings": readings}))
    at_once = asset.take(records)
    one_by_one = [other.take([record]) for record in records]
    assert asset.state() == other.state()
    assert np.array_equal(at_once.value, np.vstack([made.value for made in one_by_one]), equal_nan=True)
    whole = Asset(pump)
    whole.take([*events, reading("a", 31, events[-1].readings)])
    asset.take([reading("a", 31, events[-1].readings)])
    assert np.allclose(asset.row["channels"], whole.row["channels"], rtol=1e-3, atol=1e-3)
    assert asset.row["seen"] == whole.row["seen"]


def test_a_part_that_says_nothing_yet_is_blank_and_used(pump: AssetModel) -> None:
    asset = Asset(pump)
    asset.take(life(30))
    first, second = reading("a", 31, {"speed": 100}), reading("a", 31, {"heat": 31, "shake": 1.2, "flow": 69})
    second = second.model_copy(update={"event_id": "second"})
    assert asset.take([first, second]).status.tolist() == [BLANK, SCORED]


def test_a_regime_that_is_not_told_is_concluded_for_a_while(pump: AssetModel) -> None:
    clean, asset = Asset(pump), Asset(pump)
    events = life()
    silent = [event.model_copy(update={"readings": event.readings | {"speed": None}}) for event in events[30:]]
    expected, made = clean.take(events), asset.take([*events[:30], *silent])
    assert (made.status == SCORED).all()
    assert np.mean(made.regime == expected.regime) > 0.9
    assert RAISED in made.transitions["state"]
    more = [reading("a", 101 + n, silent[5].readings) for n in range(1100)]
    assert asset.take(more).status[-1] == BLANK


# ---- log entries


def test_a_replacement_that_is_repeated_however_much_later_counts_once(pump: AssetModel) -> None:
    clean, asset = Asset(pump), Asset(pump)
    done, second = entry("a", 100, "replacement"), life(100, seed=8, start=100)
    expected = clean.take([*life(), done, *second])
    first = asset.take([*life(), done, *second[:97]])
    again = asset.take([done, done.model_copy(update={"event_id": "typed-again"}), *second[97:]])
    assert again.status[0] == DUPLICATE
    assert CLEARED not in again.transitions["state"]
    assert len(first.transitions) + len(again.transitions) == len(expected.transitions)
    assert np.array_equal(clean.row["channels"], asset.row["channels"])


@pytest.mark.parametrize(
    "kinds", list(permutations(("out_of_service", "in_service", "decommissioned", "replacement"), 2))
)
def test_of_entries_of_one_time_the_later_stands_and_a_repeated_one_changes_nothing(
    pump: AssetModel, kinds: tuple[str, str]
) -> None:
    asset = Asset(pump)
    asset.take(life())
    first, second = (entry("a", 100, kind) for kind in kinds)
    asset.take([first, second])
    service = int(asset.row["service"])
    assert (service == 0) == (kinds[1] in ("in_service", "replacement"))
    others = [entry("a", 101 + n, kind) for n, kind in enumerate(["maintenance", "window_start"] * 5)]
    made = asset.take([*others, first, second, first])
    assert made.status[-3:].tolist() == [DUPLICATE] * 3
    assert int(asset.row["service"]) == service


def test_a_late_replacement_clears_once_and_one_that_comes_early_lets_nothing_be_raised_of_the_old(
    pump: AssetModel,
) -> None:
    late, early = Asset(pump), Asset(pump)
    done, second = entry("a", 100, "replacement"), life(100, seed=8, start=100)[:30]
    made = late.take([*life(), *second[:5], done, *second[5:]])
    assert made.transitions["state"].tolist().count(CLEARED) == 1
    made = early.take([*life()[:95], done, *life()[95:], *second])
    assert made.transitions["state"].tolist().count(RAISED) == 1
    assert made.transitions["state"].tolist().count(CLEARED) == 1
    assert made.transitions["state"][-1] == CLEARED


def test_a_decommissioned_asset_ends_its_alerts_and_is_not_monitored_until_it_is_back(pump: AssetModel) -> None:
    asset = Asset(pump)
    asset.take(life())
    made = asset.take([entry("a", 100, "decommissioned"), entry("a", 100, "decommissioned")])
    assert made.status.tolist() == [LOGGED, DUPLICATE]
    assert made.transitions["reason"].tolist() == [RETIRED]
    assert pump.reason(made.transitions[0]) == "was decommissioned while critical"
    after = life(30, seed=3, start=100)
    assert set(asset.take(after[:10]).status.tolist()) == {UNMONITORED}
    made = asset.take([entry("a", 110, "in_service"), *after[10:]])
    assert set(made.status[1:].tolist()) == {SCORED}


def test_an_alert_that_a_person_closes_ends_and_what_still_holds_is_raised_anew_after_its_delay(
    pump: AssetModel,
) -> None:
    asset, worn = Asset(pump), life()
    asset.take(worn[:96])
    assert asset.row["severity"][0] > 0
    number = int(asset.row["alert"][0])
    closed = entry("a", 96.5, "alert_closed")
    made = asset.take([closed, closed])
    assert made.status.tolist() == [LOGGED, DUPLICATE]
    assert made.transitions["state"].tolist() == [CLEARED]
    assert "closed by hand" in pump.reason(made.transitions[0])
    made = asset.take(worn[96:])
    [again] = made.transitions[made.transitions["state"] == RAISED]
    assert again["alert"] == number + 1
    assert len(asset.take([entry("a", 96.7, "alert_closed")]).transitions) == 0, "that is of an alert before"


# ---- values


@pytest.mark.parametrize("value", [[1.0, 2.0], [1.0], [], {"a": 1}, "nan", "3 bar"], ids=str)
def test_what_is_no_number_is_told_of_each_reading_whatever_the_others_are(pump: AssetModel, value: object) -> None:
    right = life(2)[0]
    wrong = right.model_copy(update={"readings": dict.fromkeys(right.readings, value)})
    for events in ([wrong], [wrong, wrong], [right, wrong]):
        pump.encode(events)
        assert set(pump.encode.beside.unusable) == {place for place, event in enumerate(events) if event is wrong}


def test_a_sensor_that_turns_to_another_unit_is_no_wear(pump: AssetModel) -> None:
    clean, asset, events = Asset(pump), Asset(pump), life(100)[:40]
    other = [event.model_copy(update={"readings": event.readings | {"heat": 250.0}}) for event in events[20:]]
    expected, made = clean.take(events), asset.take([*events[:20], *other])
    assert len(made.transitions) == len(expected.transitions)
    assert abs(made.value[-1, 0] - expected.value[-1, 0]) < 10


# ---- rows of the version before


def test_rows_of_the_layout_before_keep_their_state_and_open_alerts(pump: AssetModel) -> None:
    asset = Asset(pump)
    asset.rows["renewed_at"] = 1.704e9
    asset.take([*life(), entry("a", 99, "window_start")])
    *_, (number, earlier) = pump.earlier.items()
    assert number != pump.layout
    old = np.zeros(1, earlier.dtype)
    for name in set(earlier.dtype.names) & set(pump.dtype.names or ()) - {"ids", "log_time", "log_code"}:
        old[name] = asset.rows[name]
    old["log_time"][0, :2], old["log_code"][0, :2] = (1.7e9, 1.704e9), (1, 1)
    old["window_start"], old["ids"][0, :4], old["id_place"] = asset.row["newest"] - 60, asset.row["ids"], 4
    moved = Asset(pump)
    moved.rows = earlier(np.frombuffer(old.tobytes(), earlier.dtype))
    assert is_within(moved.rows, pump.bounds).all()
    assert moved.row["severity"].tolist() == [3]
    worse = reading("a", 101, pump_readings(np.random.default_rng(0), 1.0))
    assert np.array_equal(asset.take([life()[-1], worse]).value[1], moved.take([life()[-1], worse]).value[1])
    assert moved.row["duplicates"] == asset.row["duplicates"]
    assert earlier.dtype == dtype_1(earlier.shape)
