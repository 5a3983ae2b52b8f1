"""A decommissioned asset: nothing of it is kept, whatever comes later, until its log says that it is back."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.maintenance import AssetModel
from schemas import ALERTS, SCORES, UNDECIDED, WHY_HEADER, Alert, Score
from streams.agent import empty_state
from streams.maintain import Maintain, watch_table
from streams.retired import gone_table
from tests.streams.pages import checked, records_of, run
from tests.streams.test_maintain import skipped
from tests.streams.test_plans import PUMP, announced, lives, logged, told
from tests.support.world import START

KINDS = ("decommissioned", "decommissioned", "in_service", "out_of_service", "replacement", "error")
APART = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def in_order(entries: list[Any]) -> list[Any]:
    return sorted([*lives(), *entries], key=lambda event: event.event_time)


def test_a_decommissioned_asset_leaves_no_state_and_its_readings_no_scores(maintain: Maintain) -> None:
    before = skipped("out_of_service")
    records = records_of(in_order([logged(150.5, "decommissioned"), logged(160.5, "error"), logged(170.5, "silent")]))
    outputs, dead, state = run(maintain, records, size=40)
    assert not dead
    assert [PUMP.encode() in state.tables[name] for name in ("pump", watch_table("pump"))] == [False, False]
    assert len(state.tables[gone_table("pump")]) == 1
    scores: list[Score] = checked(outputs, SCORES)
    of_pump = [one for one in scores if one.asset_id == PUMP]
    assert of_pump[-1].event_time.timestamp() < START + 150.5
    left = sum(one.asset_id == PUMP and one.event_time.timestamp() > START + 150.5 for one in lives())
    assert skipped("out_of_service") - before == left + 2
    alerts: list[Alert] = checked(outputs, ALERTS)
    assert {one.alert_id for one in alerts if one.asset_id == PUMP and one.state == "raised"} == {
        one.alert_id for one in alerts if one.asset_id == PUMP and one.state == "cleared"
    }


def test_whoever_asks_is_told_why_there_is_no_score(maintain: Maintain) -> None:
    records = records_of([*lives()[:4], logged(50, "decommissioned")])
    _, _, state = run(maintain, records, size=9)
    late = next(one for one in records_of(lives()[4:]) if one.key == PUMP.encode())
    late.headers = [(WHY_HEADER, b"1")]
    outputs, _, _ = run(maintain, [late], size=1, state=state)
    assert [(one.topic, b"out_of_service" in (one.value or b"")) for one in outputs] == [(UNDECIDED, True)]


def test_an_asset_that_is_back_begins_anew_and_older_entries_do_not_count(maintain: Maintain, pump: AssetModel) -> None:
    for kind in ("in_service", "replacement"):
        gone, back = logged(120.5, "decommissioned"), logged(140.5, kind)
        outputs, _, state = run(maintain, records_of([*in_order([gone, back]), gone]), size=33)
        assert len(state.tables[gone_table("pump")]) == 0, "the entry of before was sent again, and is known to be old"
        scores: list[Score] = checked(outputs, SCORES)
        times = [one.event_time.timestamp() - START for one in scores if one.asset_id == PUMP]
        assert not any(120.5 < at <= 140.5 for at in times)
        rows = state.tables["pump"]
        assert rows.array["life_first"][rows.find(PUMP.encode())] > START + 140.5, "a new life"
        assert any(at > 140.5 for at in times)


def test_the_newest_entry_counts_in_whatever_order_they_come(maintain: Maintain) -> None:
    """The older ones come after it, of the same asset or again."""
    first, second = logged(100.5, "decommissioned"), logged(200.5, "decommissioned")
    older, part = logged(150.5, "in_service"), logged(210.5, "replacement", component="seal")
    early = [one for one in lives() if one.event_time.timestamp() < START + 201]
    late = [one for one in lives() if one.event_time.timestamp() > START + 211]
    outputs, _, state = run(maintain, records_of([*early, first, second, older, part, *late]), size=50)
    assert len(state.tables[gone_table("pump")]) == 1
    scores: list[Score] = checked(outputs, SCORES)
    assert max(one.event_time.timestamp() for one in scores if one.asset_id == PUMP) < START + 202
    back = logged(100.5, "in_service")
    _, _, state = run(maintain, records_of([*early, first, back, first]), size=50)
    assert len(state.tables[gone_table("pump")]) == 0, "of one time the later one counts, and the first is known"


@APART
@given(
    entries=st.lists(
        st.tuples(
            st.integers(1, 329),
            st.sampled_from(
                ["decommissioned", "decommissioned", "in_service", "out_of_service", "replacement", "error"]
            ),
        ),
        max_size=12,
    ),
    seed=st.integers(0, 1000),
)
def test_how_batches_are_cut_changes_nothing(maintain: Maintain, entries: list[tuple[int, str]], seed: int) -> None:
    made = [logged(at + 0.5, kind) for at, kind in entries]
    early = [one for place, one in enumerate(made) if place % 2]
    records = [*announced(early), *records_of(in_order([one for place, one in enumerate(made) if not place % 2]))]
    whole, _, state = run(maintain, records, size=len(records))
    cut, pieces, rest = random.Random(seed), [], records
    state_of_pieces = empty_state(1, maintain.layouts())
    while rest:
        size = cut.choice([1, 2, 10, 60])
        pieces += run(maintain, rest[:size], size=size, state=state_of_pieces)[0]
        rest = rest[size:]
    assert sorted(told(whole), key=str) == sorted(told(pieces), key=str)
    for name, table in state.tables.items():
        other = state_of_pieces.tables[name]
        assert {key: table.array[table.find(key)].tobytes() for key in table.keys()} == {  # noqa: SIM118
            key: other.array[other.find(key)].tobytes()
            for key in other.keys()  # noqa: SIM118
        }, name


@pytest.mark.parametrize("order", ["replaced first", "gone first", "gone twice"])
def test_an_asset_that_is_to_be_replaced_is_back_when_it_was_said_to(maintain: Maintain, order: str) -> None:
    """In whatever order it was told that it is gone from one time on, and replaced at a later one."""
    gone, back = records_of([logged(60.5, "decommissioned"), logged(140.5, "replacement")])
    back.timestamp = gone.timestamp - 600_000  # ahead of it
    told_of = {"replaced first": [back, gone], "gone first": [gone, back], "gone twice": [gone, back, gone]}[order]
    readings = records_of(in_order([]))
    place = next(at for at, one in enumerate(readings) if one.timestamp > gone.timestamp)
    outputs, _, _ = run(maintain, [*readings[:place], *told_of, *readings[place:]], size=7)
    times = [one.event_time.timestamp() - START for one in checked(outputs, SCORES) if one.asset_id == PUMP]
    assert any(at > 140.5 for at in times)
    assert not any(60.5 < at <= 140.5 for at in times)
