"""How the alarm system did: counted from what the database has, as somebody would count by hand."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas import Outcome, PerformanceBody
from storage import ActionRequest, Store
from storage.performance import Failure, Observed, RaisedAlert, performance
from tests.storage.test_kept import entry
from tests.support.decisions import alert, at, score

START, END = at(0), at(7200)


def raised(seconds: float, until: float | None = None, asset: str = "p", mode: str = "wear") -> RaisedAlert:
    cleared = None if until is None else at(until)
    return RaisedAlert("pump", asset, mode, "warning", at(seconds), cleared, None, None)


def counted(alerts: list[RaisedAlert], failures: list[Failure] | None = None) -> PerformanceBody:
    return performance(START, END, Observed(alerts, [], failures or [], 0, 30 * 86_400.0, is_whole=True))


def test_floods_are_slots_with_more_than_ten() -> None:
    found = counted([raised(seconds, asset=f"p{seconds}") for seconds in (*range(600, 611), *range(1200, 1210))])
    assert (found.most_in_ten_minutes, found.flood_share, found.per_hour) == (11, 1 / 12, 10.5)
    across = counted([raised(seconds, asset=f"p{seconds}") for seconds in range(900, 1500, 50)])
    assert (across.most_in_ten_minutes, across.flood_share) == (12, 0.0), "any ten minutes, not those of a clock"


def test_a_failure_of_the_asset_leaves_an_alert_to_the_component_that_needs_it() -> None:
    alerts = [raised(1, mode="wheel"), raised(2, mode="belt")]
    failures = [Failure("pump", "p", at(10), None), Failure("pump", "p", at(20), "wheel")]
    assert counted(alerts, failures).failures.found == 2


def test_what_an_asset_sends_is_no_warning_of_its_failure() -> None:
    found = counted([raised(1, mode="data")], [Failure("pump", "p", at(10), None)]).failures
    assert (found.found, found.missed) == (0, 1)


def test_a_young_service_is_not_told_to_be_quiet() -> None:
    seen = Observed([raised(seconds) for seconds in range(7100, 7106)], [], [], 0, 0.0, is_whole=True, first=at(6840))
    assert performance(START, END, seen).per_hour == 60


def test_what_is_raised_three_times_within_ten_minutes_chatters() -> None:
    quick, slow = [raised(s) for s in (0, 300, 600)], [raised(s, asset="q") for s in (0, 301, 602, 1200)]
    found = {one.asset_id: (one.raised, one.chatters) for one in counted([*quick, *slow]).worst}
    assert found == {"q": (4, False), "p": (3, True)}


def test_a_failure_is_found_by_an_open_alert_and_each_alert_by_one_failure() -> None:
    alerts = [raised(100, 900), raised(1000, 1500), raised(5000, mode="seal")]
    failures = [
        Failure("pump", "p", at(800), None), Failure("pump", "p", at(850), None),  # the alert is used up
        Failure("pump", "p", at(950), None),  # none was open
        Failure("pump", "p", at(1200), "seal"),  # open was that of wear
        Failure("pump", "p", at(6000), "seal"), Failure("pump", "other", at(6000), None),
    ]  # fmt: skip
    found = counted(alerts, failures).failures
    assert (found.failures, found.found, found.missed) == (6, 2, 4)
    assert (found.median_lead_s, found.missed_per_asset_month) == (850.0, 4.0)


@given(
    st.lists(st.tuples(st.floats(0, 7199), st.floats(0, 3000)), max_size=30),
    st.lists(st.floats(0, 7199), max_size=10),
)
def test_found_and_missed_are_all_and_no_alert_counts_twice(
    spans: list[tuple[float, float]], failed: list[float]
) -> None:
    alerts = [raised(start, start + length) for start, length in spans]
    found = counted(alerts, [Failure("pump", "p", at(time), None) for time in failed]).failures
    assert found.found + found.missed == len(failed)
    assert found.found <= len(alerts)
    assert found.median_lead_s is None or found.median_lead_s >= 0


def test_what_the_database_has_is_counted(store: Store) -> None:
    parts = [score(1, "p1", component="seal", kind="failure_probability", value=0.5), score(2, "p1"), score(3, "p2")]
    store.write(parts, [])
    store.write(
        [
            alert("old", 0, -500, asset_id="p1", failure_mode="seal"), alert("a", 0, 10, asset_id="p1"),
            alert("b", 0, 20, asset_id="p2", severity="critical"),
            alert("b", 1, 40, asset_id="p2", severity="critical", state="cleared"),
            alert("c", 0, 9000, asset_id="p1"), alert("d", 0, 30, asset_id="fan-1", asset_class="fan"),
        ], [],
    )  # fmt: skip
    log = [entry(30, asset="p2", kind="failure"), entry(60, asset="p1", kind="failure", component="seal"),
           entry(70, asset="p1", kind="error")]  # fmt: skip
    store.write(log, [])
    store.act("a", ActionRequest("acknowledged", "jo"))
    store.act("a", ActionRequest("outcome", "jo", outcome=Outcome(verdict="true_alarm")))
    store.act("b", ActionRequest("outcome", "jo", outcome=Outcome(verdict="false_alarm")))
    with store.reading() as reader:
        found, fans = reader.performance(START, END, None), reader.performance(START, END, "fan")
    assert (found.raised, found.by_severity) == (3, {"advisory": 0, "warning": 2, "critical": 1})
    assert (found.acknowledged, found.stale, found.is_whole) == (1, 4, True)
    assert found.outcomes.model_dump() == {
        "true_alarm": 1, "false_alarm": 1, "unclear": 0, "not_said": 1, "precision": 0.5
    }  # fmt: skip
    assert (found.failures.failures, found.failures.found, found.failures.median_lead_s) == (2, 2, 285.0)
    assert (fans.raised, fans.failures.failures, fans.stale) == (1, 0, 1)


def test_a_shelved_alert_is_not_stale(store: Store) -> None:
    store.write([alert("a", 0, 10)], [])
    store.act("a", ActionRequest("shelved", "jo", "why", until=at(0).replace(year=2100)))
    with store.reading() as reader:
        assert reader.performance(START, END + timedelta(days=1), None).stale == 0
