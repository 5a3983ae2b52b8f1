"""What is announced ahead waits for its time: any number of windows and changes of service, weeks before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import ALERTS, SCORES, TELEMETRY, Alert, Maintenance, Score
from streams.agent import PartitionState, empty_state
from streams.kafka import ConsumerRecord
from streams.maintain import Maintain
from streams.plans import MOST, NOT_KEPT, plans_table
from tests.streams.pages import checked, records_of, run
from tests.streams.test_maintain import skipped
from tests.support.world import START, plant_events, topic_of

CYCLES, PUMP = 330, "new-pump-01"
LEAD_S = 30 * 86400  # between what is announced and its time
APART = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@cache
def lives() -> list[Any]:
    """Readings of a pump that wears out within the time, and of one that does not."""
    return [event for event in plant_events(CYCLES, pumps=2, seed=21, name="new-") if topic_of(event) == TELEMETRY]


def logged(at_s: float, kind: str, asset: str = PUMP, **more: str) -> Maintenance:
    event_time = datetime.fromtimestamp(START + at_s, UTC)
    head = {"event_id": f"{asset}-{at_s}-{kind}-{more}", "event_time": event_time, "asset_id": asset}
    return Maintenance.model_validate({**head, "asset_class": "pump", "kind": kind, **more})


def reopened(state: PartitionState, maintain: Maintain) -> PartitionState:
    """As after a restart: of the rows there are their bytes."""
    found = empty_state(1, maintain.layouts())
    for name, rows in state.tables.items():
        found.tables[name].load({key: rows.array[rows.find(key)].tobytes() for key in rows.keys()})  # noqa: SIM118
    return found


def announced(entries: Iterable[Maintenance], ahead_s: float = LEAD_S) -> list[ConsumerRecord]:
    records = records_of(list(entries))
    for one in records:
        one.timestamp -= int(ahead_s * 1000)
    return records


def on_time(entries: Sequence[Maintenance]) -> list[ConsumerRecord]:
    """Each entry right before the first event that is not older."""
    both = [*((int(one.event_time.timestamp()), 0, one) for one in entries),
            *((one.event_time.timestamp(), 1, one) for one in lives())]  # fmt: skip
    return records_of([event for *_, event in sorted(both, key=lambda one: one[:2])])


def told(outputs: Sequence[Any]) -> list[tuple[Any, ...]]:
    alerts: list[Alert] = checked(outputs, ALERTS)
    scores: list[Score] = checked(outputs, SCORES)
    return [
        *((one.event_time, one.asset_id, one.state, one.severity, one.sequence, one.evidence.reason) for one in alerts),
        *((one.event_time, one.asset_id, one.value, one.quality) for one in scores),
    ]


def windows_of(spans: Sequence[tuple[int, int, str]]) -> list[Maintenance]:
    found = []
    for number, (begin, length, code) in enumerate(spans):
        more = {"code": f"{code}-{number}"} if code else {}
        for kind, at in (("window_start", begin), ("window_end", begin + length)):
            one = logged(at, kind, **more)
            found.append(one.model_copy(update={"event_id": f"{number}-{kind}"}))
    return found


@APART
@given(
    spans=st.lists(
        st.tuples(st.integers(1, CYCLES), st.integers(1, 12), st.sampled_from(["", "job"])), min_size=1, max_size=60
    ),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([1, 7, 64, 10_000]),
)
def test_windows_announced_weeks_ahead_hold_as_if_each_was_told_when_it_began(
    maintain: Maintain, spans: list[tuple[int, int, str]], seed: int, size: int
) -> None:
    entries = windows_of(spans)
    shuffled = [entries[place] for place in np.random.default_rng(seed).permutation(len(entries))]
    outputs, dead, state = run(maintain, [*announced([*shuffled, *shuffled]), *records_of(lives())], size=size)
    assert not dead
    held = {(begin + at) for begin, length, _ in spans for at in range(length)}
    alerts: list[Alert] = checked(outputs, ALERTS)
    for alert in alerts:
        is_news = alert.asset_id == PUMP and alert.state == "raised"
        assert not (is_news and int(alert.event_time.timestamp() - START) in held), "nothing is raised within a window"
    late = run(maintain, on_time(entries), size=50)[0]
    if len(spans) <= 6:  # more than that a row does not remember at once
        assert told(outputs) == told(late)
    others = [[one for one in told(of) if one[1] != PUMP] for of in (outputs, late)]
    assert others[0] == others[1]
    left = [one for one in entries if int(one.event_time.timestamp()) > lives()[-1].event_time.timestamp()]
    assert len(state.tables[plans_table("pump")]) == len({(e.event_time, e.event_id) for e in left})


def test_how_a_batch_is_cut_and_a_restart_change_nothing(maintain: Maintain) -> None:
    entries = [*windows_of([(at, 5, "") for at in range(10, CYCLES, 12)]), logged(150, "out_of_service"),
               logged(170, "in_service")]  # fmt: skip
    records = [*announced(entries), *records_of(lives())]
    whole = run(maintain, records, size=len(records))
    state, outputs = empty_state(1, maintain.layouts()), []
    for at in range(0, len(records), 9):
        state = reopened(state, maintain)
        state.mark()
        maintain.handle(state, records[at : at + 9])
        state.undo()  # a batch that failed, and is applied again
        outputs += run(maintain, records[at : at + 9], size=9, state=state)[0]
    assert told(outputs) != []
    assert sorted(told(outputs), key=str) == sorted(told(whole[0]), key=str)
    for name, table in state.tables.items():
        other = whole[2].tables[name]
        assert {key: table.array[table.find(key)].tobytes() for key in table.keys()} == {  # noqa: SIM118
            key: other.array[other.find(key)].tobytes()
            for key in other.keys()  # noqa: SIM118
        }, name


@pytest.mark.parametrize("kind", ["out_of_service", "decommissioned"])
def test_an_asset_goes_out_of_service_when_it_was_said_to_and_not_before(maintain: Maintain, kind: str) -> None:
    alone = [one for one in lives() if one.asset_id == PUMP]
    alerts: list[Alert] = checked(run(maintain, records_of(alone), size=50)[0], ALERTS)
    raised = next(one for one in alerts if one.state == "raised")
    leaves_s = raised.event_time.timestamp() - START + 3
    outputs, _, _ = run(maintain, [*announced([logged(leaves_s, kind)]), *records_of(alone)], size=50)
    scores: list[Score] = checked(outputs, SCORES)
    assert scores[-1].event_time.timestamp() == pytest.approx(START + leaves_s, abs=1.01)
    found: list[Alert] = checked(outputs, ALERTS)
    assert [(one.state, one.alert_id) for one in found[:1]] == [("raised", raised.alert_id)]
    assert found[-1].state == "cleared"
    assert found[-1].event_time.timestamp() == pytest.approx(START + leaves_s, abs=1e-3)
    back = [logged(leaves_s, kind), logged(leaves_s + 20, "in_service")]
    again: list[Score] = checked(run(maintain, [*announced(back), *records_of(alone)], size=50)[0], SCORES)
    gap = [one.event_time.timestamp() - START for one in again]
    assert not any(leaves_s + 1 < at <= leaves_s + 20 for at in gap)
    assert any(at > leaves_s + 20 for at in gap)


def test_an_asset_that_is_switched_off_as_planned_is_not_silent(maintain: Maintain) -> None:
    alone = [one for one in lives() if one.asset_id == PUMP][:120]
    ended_s = alone[-1].event_time.timestamp() - START
    silent = records_of([logged(ended_s + 4000, "silent")])
    before, _, _ = run(maintain, [*records_of(alone), *silent], size=50)
    assert any(one.kind == "data" for one in checked(before, ALERTS)), "without a plan it is told"
    planned = announced([logged(ended_s + 1, "out_of_service")])
    outputs, _, _ = run(maintain, [*planned, *records_of(alone), *silent], size=50)
    assert not any(one.kind == "data" for one in checked(outputs, ALERTS))


def test_what_is_not_ahead_of_its_record_acts_at_once(maintain: Maintain) -> None:
    entry = logged(CYCLES + 100, "out_of_service")
    for ahead_s, count in ((200, 0), (400, 1)):
        _, _, state = run(maintain, announced([entry], ahead_s), size=1)
        assert len(state.tables[plans_table("pump")]) == count
    timeless = announced([entry])
    timeless[0].timestamp = -1
    _, _, state = run(maintain, timeless, size=1)
    assert len(state.tables[plans_table("pump")]) == 1, "when it was said is not known: it waits for a reading"


def test_more_plans_than_are_kept_are_told(maintain: Maintain) -> None:
    entries = [logged(10_000 + at, "window_start") for at in range(MOST + 3)]
    before = skipped(NOT_KEPT)
    _, dead, state = run(maintain, announced([*entries, *entries]), size=100)
    assert not dead
    assert len(state.tables[plans_table("pump")]) == MOST
    assert skipped(NOT_KEPT) - before == 3 + 3
    _, _, state = run(maintain, announced([logged(20_000, "window_end")]), size=1, state=state)
    assert len(state.tables[plans_table("pump")]) == MOST + 1, "a begin that is kept has room for its end"


def scored(maintain: Maintain, records: list[Any], size: int = 40) -> list[float]:
    """Times of the scores of the pump, in seconds."""
    scores: list[Score] = checked(run(maintain, records, size=size)[0], SCORES)
    return [one.event_time.timestamp() - START for one in scores if one.asset_id == PUMP]


def test_a_replacement_announced_ahead_brings_back_what_was_decommissioned(maintain: Maintain) -> None:
    gone, back = logged(150.5, "decommissioned"), logged(160.5, "replacement")
    for early, later in (([gone, back], []), ([back], [gone]), ([back], [gone, gone])):
        times = scored(maintain, [*announced(early), *on_time([*later])])
        assert not any(151.5 < at <= 160.5 for at in times)
        assert sum(at > 160.5 for at in times) > 100


def test_what_is_said_to_be_out_ahead_of_its_record_is_so_from_then_on(maintain: Maintain) -> None:
    """Within the five minutes, and by word from far ahead that it is silent."""
    entry = logged(150.5, "decommissioned")
    readings = records_of(lives())
    assert max(scored(maintain, [*announced([entry], 200), *readings])) == pytest.approx(150, abs=1)
    silent = announced([logged(5000, "silent")], ahead_s=5000)
    assert max(scored(maintain, [*announced([entry]), *silent, *readings])) == pytest.approx(150, abs=1)


def test_after_a_pause_the_window_that_is_open_counts(maintain: Maintain) -> None:
    """Those that were over before the first reading after it take no room from it."""
    alone = [one for one in lives() if one.asset_id == PUMP]
    alerts: list[Alert] = checked(run(maintain, records_of(alone), size=50)[0], ALERTS)
    raised_s = next(one.event_time.timestamp() for one in alerts if one.state == "raised") - START
    pause = raised_s - 40, raised_s - 10
    with_pause = [one for one in alone if not pause[0] < one.event_time.timestamp() - START < pause[1]]
    short = windows_of([(int(pause[0]) + 2 + 3 * n, 2, "") for n in range(8)])
    open_one = [logged(int(pause[1]) - 2, "window_start"), logged(raised_s + 15, "window_end")]
    outputs, _, _ = run(maintain, [*announced([*short, *open_one]), *records_of(with_pause)], size=50)
    found: list[Alert] = checked(outputs, ALERTS)
    assert not [one for one in found if one.state == "raised" and one.event_time.timestamp() - START < raised_s + 14]


@pytest.mark.parametrize("last", ["out_of_service", "in_service"])
def test_of_plans_for_one_time_the_last_one_counts(maintain: Maintain, last: str) -> None:
    first = {"out_of_service": "in_service", "in_service": "out_of_service"}[last]
    alone = [one for one in lives() if one.asset_id == PUMP]
    plans = [logged(100.5, first), logged(100.5, last)]
    state = empty_state(1, maintain.layouts())
    for records in (announced(plans[:1]), announced(plans[1:])):
        run(maintain, records, size=1, state=state)
        state = reopened(state, maintain)
    outputs, _, _ = run(maintain, records_of(alone), size=40, state=state)
    is_scored = any(one.event_time.timestamp() > START + 101 for one in checked(outputs, SCORES))
    assert is_scored == (last == "in_service")
