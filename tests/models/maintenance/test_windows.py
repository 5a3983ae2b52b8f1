"""Maintenance windows: any number, in any order of arrival, planned ahead or typed in late."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.maintenance.alerts import CLEARED, RAISED
from models.maintenance.codes import CROWDED, LOGGED
from models.maintenance.model import AssetModel
from storage.service import Mark, paired
from tests.models.maintenance import test_time_and_identity as shared
from tests.models.maintenance.test_time_and_identity import APART, Asset, life
from tests.support.fleets import AssetEvent, entry, pump_readings, reading

pump = shared.pump


def windows_of(spans: Sequence[tuple[int, int, str]]) -> list[AssetEvent]:
    found = []
    for number, (start, end, code) in enumerate(spans):
        more = {"code": f"{code}-{number}"} if code else {}
        for kind, at in (("window_start", start), ("window_end", end)):
            one = entry("a", at, kind, **more)
            found.append(one.model_copy(update={"event_id": f"{number}-{kind}"}))
    return found


SPANS = st.lists(
    st.tuples(st.integers(1, 90), st.integers(1, 40), st.sampled_from(["", "", "job-1", "job-2"])), max_size=6
)


@APART
@given(SPANS, st.integers(0, 2**32 - 1))
def test_each_of_several_windows_counts_in_any_order_of_arrival(
    pump: AssetModel, given_spans: list[tuple[int, int, str]], seed: int
) -> None:
    spans = [(start, start + length, code) for start, length, code in given_spans]
    marks, asset = windows_of(spans), Asset(pump)
    np.random.default_rng(seed).shuffle(marks)  # type: ignore[arg-type]
    asset.take([*marks, *marks])
    made = asset.take(life(100))
    for one in made.transitions[made.transitions["state"] != CLEARED]:
        at = int(one["event"]) + 1
        assert not any(start <= at < end for start, end, _ in spans)
    free = [at for at in range(1, 101) if not any(start <= at < end for start, end, _ in spans)]
    after = asset.take([reading("a", 131 + n, pump_readings(np.random.default_rng(n), 1.0)) for n in range(3)])
    raised = RAISED in made.transitions["state"] or RAISED in after.transitions["state"]
    assert raised
    assert free or RAISED in after.transitions["state"]


@APART
@given(SPANS, st.permutations(range(12)))
def test_people_are_told_the_windows_that_hold_alerts_back(
    pump: AssetModel, given_spans: list[tuple[int, int, str]], order: list[int]
) -> None:
    """The database pairs begins and ends by itself; some of them here have lost their end."""
    marks = windows_of([(start, start + length, code) for start, length, code in given_spans])
    marks = [marks[place] for place in order if place < len(marks)][: max(1, len(marks) - 2)]
    asset = Asset(pump)
    asset.take(marks)
    held = asset.take(life(100)).is_held
    told = paired(Mark(one.event_time, one.kind == "window_end", one.code, one.event_id.encode()) for one in marks)
    for place, event in enumerate(life(100)):
        now = event.event_time
        assert held[place] == any(one.start <= now and (one.end is None or now < one.end) for one in told), place


def test_windows_that_are_over_make_room_and_do_not_open_again(pump: AssetModel) -> None:
    asset, events = Asset(pump), life(100)
    marks = [windows_of([(at, at + 1, "")]) for at in range(2, 80, 2)]
    for number, pair in enumerate(marks):
        own = [one.model_copy(update={"event_id": f"{number}-{one.event_id}"}) for one in pair]
        asset.take([events[number], *own, events[number].model_copy(update={"event_id": f"late-{number}"})])
    start = marks[0][0].model_copy(update={"event_id": "again"})
    asset.take(events[40:80])
    asset.take([start])
    found = asset.take(events[80:])
    assert not found.is_held.any()
    assert len(found.transitions)


def coded(number: int, start: float, end: float) -> list[AssetEvent]:
    return [entry("a", at, kind, code=f"job-{number}") for kind, at in (("window_start", start), ("window_end", end))]


@APART
@given(st.permutations(range(10)), st.booleans())
def test_of_too_many_windows_the_present_one_is_kept_and_the_rest_is_told(
    pump: AssetModel, order: list[int], is_first: bool
) -> None:
    """`pump` has room for six: the ones nearest to now stay, in whatever order they are announced."""
    asset, now = Asset(pump), entry("a", 4, "window_start", code="now")
    ahead = [coded(number, 1000 + 100 * number, 1050 + 100 * number) for number in range(10)]
    told = [mark for number in order for mark in ahead[number]]
    asset.take(life(5))
    made = asset.take([now, *told] if is_first else [*told, now])
    assert (made.status == CROWDED).sum() >= 5, "each that is not kept is told"
    healthy = life(90)
    assert asset.take(healthy[5:60]).is_held.all(), "the present one is open"
    assert asset.take([entry("a", 60, "window_end", code="now")]).status[0] == LOGGED
    assert not asset.take(healthy[60:]).is_held.any()
    between = [1000 + 100 * number - 20 for number in range(10)]
    for at in between:
        made = asset.take([reading("a", at, pump_readings(np.random.default_rng(at), 1.0))])
        assert not made.is_held[0], "no begin is left without its end"


@APART
@given(st.integers(1, 30), st.booleans(), st.permutations(range(30)))
def test_however_many_windows_open_before_any_end_is_told_they_end(
    pump: AssetModel, count: int, has_codes: bool, order: list[int]
) -> None:
    """A row without room for an end would hold alerts back for good."""
    asset, events = Asset(pump), life(100)
    marks = windows_of([(10 + at, 60 + at % 3, "job" if has_codes else "") for at in range(count)])
    begins, ends = marks[::2], [marks[2 * at + 1] for at in order if at < count]
    asset.take([*events[:5], *begins])
    assert asset.take(events[45:59]).is_held.all()
    asset.take([*ends, *begins, *ends])
    assert not asset.take(events[95:]).is_held.any()
