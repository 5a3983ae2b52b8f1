"""Which alerts a channel hears of by its rules, and when a rule comes to fit: time and places change as tests say."""

from __future__ import annotations

import pytest

from storage import Place
from tests.notify.helpers import Person, rules_of
from tests.support.decisions import NOON, alert

DAY = {"from": "13:00", "to": "18:00"}


def test_what_is_open_when_the_time_of_a_rule_comes_is_told_then() -> None:
    """At noon an hour before it: one goes on, one is over before, one becomes too mild for the rule."""
    person = Person(rules_of({"when": [DAY], "severity": "warning"}, repeat_h=2))
    person.raised(1)
    person.raised(2)
    person.raised(3)
    person.raised(4, severity="advisory")
    assert person.told(1800) == []
    person.cleared(2)
    person.raised(3, severity="advisory")
    person.acts(1, "acknowledged")
    assert person.told(1799) == []
    assert person.told(1) == [], "others may come"
    assert person.told(10) == [["a1"]], "that somebody has acknowledged it stops repeats only"
    assert person.told(4 * 3600) == []
    person.raised(3)
    assert person.told(10) == [["a3"]]
    person.cleared(1)
    assert person.told(3600) == [["a1"]], "at 18:00: who was told of it is told its end"
    assert set(person.waiting) == set()
    assert person.told(12 * 3600) == [], "no repeat out of its time"
    [group] = person.after(7 * 3600).groups
    assert ([item.alert_id for item in group.news], group.is_repeat) == (["a3"], True)


def test_when_a_rule_begins_in_quiet_hours_it_is_told_after_them() -> None:
    quiet = [{"from": "12:30", "to": "14:00"}]
    person = Person(rules_of({"when": [DAY]}, quiet=quiet))
    person.raised(1)
    person.raised(2, severity="critical")
    assert person.told(3600) == []
    assert person.told(10) == [["a2"]], "critical ones pass"
    assert person.told(3600 - 10) == [["a1"]]
    person.raised(3)
    person.acts(3, "closed", reason="sold")
    assert person.told(3600) == [["a3"]], "it came in its time"
    person.now = NOON
    person.raised(4)
    person.acts(4, "closed", reason="sold")
    assert person.told(7200) == [], "it was over before its time came"


def test_an_asset_whose_site_is_told_after_its_alert_fits_then() -> None:
    person = Person(rules_of({"site": ["north"]}, group_wait_s=0))
    person.raised(1)
    person.raised(2, "south")
    assert person.told(0) == []
    person.places["pump", "p1"] = Place("north", "l1", {"team": "x"})
    [group] = person.after(0).groups
    assert (group.news[0].site, group.news[0].line, group.news[0].labels) == ("north", "l1", {"team": "x"})
    assert set(person.waiting) == {"a2"}
    person.cleared(2, "south")
    assert person.waiting == {}


@pytest.mark.parametrize(
    ("rule", "hears"),
    [
        ({}, "abcd"), ({"severity": "warning"}, "bcd"), ({"severity": "critical"}, "d"),
        ({"asset_class": ["fan", "press"]}, "c"), ({"site": ["north"]}, "ab"), ({"line": ["l1"]}, "a"),
        ({"labels": {"team": "x", "floor": "1"}}, "b"), ({"labels": {"team": "x"}}, "ab"), ({"kind": ["data"]}, ""),
        ({"kind": ["machine", "data"]}, "abcd"), ({"site": ["north"], "severity": "warning"}, "b"),
        ({"when": [{"from": "11:00", "to": "13:00"}]}, "abcd"), ({"when": [{"from": "13:00"}]}, ""),
        ({"when": [{"days": ["sat"]}, {"days": ["fri"]}]}, "abcd"),
        ({"when": [{"from": "11:00", "to": "13:00", "zone": "Asia/Tokyo"}]}, ""),
    ],
)  # fmt: skip
def test_a_rule_fits_by_all_that_it_names(rule: dict[str, object], hears: str) -> None:
    person = Person(rules_of(rule, group_wait_s=0))
    told = {"labels": {"team": "x"}, "line": "l1"}
    for name, severity, of_class, site, more in (
        ("a", "advisory", "pump", "north", told),
        ("b", "warning", "pump", "north", {"labels": {"team": "x", "floor": "1"}}),
        ("c", "warning", "fan", "south", {}), ("d", "critical", "pump", None, {}),
    ):  # fmt: skip
        person.hears(alert(name, 0, severity=severity, asset_class=of_class, asset_id=name), site, **more)
    assert sorted(alert_id for group in person.told(0) for alert_id in group) == sorted(hears)
