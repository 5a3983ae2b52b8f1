"""What a channel is told, and when: examples a person can follow; time passes as input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from notify.times import is_within
from notify.words import notification_of
from schemas import TimeWindow
from tests.notify.helpers import Person, rules_of
from tests.support.decisions import NOON, alert


def test_news_wait_for_others_of_their_group_and_are_told_once() -> None:
    person = Person()
    person.raised(1, "north")
    assert person.told(9) == []
    person.raised("1b", "north", asset_id="p1", failure_mode="seal")
    person.raised(2, "north")
    assert person.told(1) == [["a1", "a1b"]]
    assert person.told(9) == [["a2"]]
    assert person.told(1000) == []


def test_one_id_in_two_classes_is_told_apart_in_the_title() -> None:
    person = Person(rules_of(group_wait_s=0))
    for of_class in ("pump", "fan"):
        person.hears(alert(of_class, 0, asset_class=of_class, asset_id="1"), "north")
    titles = {notification_of(person.channel, group, person.now, "x", None).title for group in person.after(0).groups}
    assert titles == {"Warning: 1, wear (pump, north)", "Warning: 1, wear (fan, north)"}


def test_a_group_waits_for_its_interval_unless_it_gets_worse() -> None:
    person = Person()
    person.raised(1)
    assert person.told(10) == [["a1"]]
    person.raised("1b", asset_id="p1", failure_mode="seal")
    assert person.told(100) == []
    person.raised(1, severity="critical")
    assert person.told(10) == [["a1", "a1b"]]
    person.raised(1, severity="warning")
    assert person.told(400) == [], "a step down is no news"
    person.raised(1, severity="critical")
    assert person.told(400) == [], "it was told as critical before"


def test_what_is_cleared_is_told_and_forgotten_after_the_interval() -> None:
    person = Person()
    person.raised(1)
    person.after(10)
    person.cleared(1)
    assert person.told(290) == []
    assert person.told(10) == [["a1"]]
    assert set(person.items) == {"a1"}
    person.after(300)
    assert person.items == {}
    quiet = Person(rules_of(resolved=False))
    quiet.raised(1)
    quiet.after(10)
    quiet.cleared(1)
    assert quiet.told(400) == []
    assert quiet.items == {}
    quiet.raised(2)
    quiet.cleared(2)
    assert quiet.told(400) == [["a2"]], "it was never told, so it is"


def test_a_repeat_until_somebody_acknowledges() -> None:
    person = Person(rules_of(repeat_h=1))
    person.raised(1)
    person.raised("1b", asset_id="p1", failure_mode="seal")
    assert person.told(10) == [["a1", "a1b"]]
    assert person.told(3599) == []
    plan = person.after(1)
    assert [group.is_repeat for group in plan.groups] == [True]
    person.acts(1, "acknowledged")
    assert person.told(3600) == [["a1b"]]
    person.acts("1b", "acknowledged")
    assert person.told(36000) == []
    never = Person(rules_of(repeat_h=0))
    never.raised(1)
    never.after(10)
    assert never.told(10**6) == []


def test_what_is_shelved_is_silent_until_it_comes_back() -> None:
    person = Person(rules_of(repeat_h=1))
    person.raised(1)
    person.raised(2)
    until = NOON + timedelta(hours=8)
    person.shelved = {("pump", "p1", "wear"): until, ("pump", "p2", "wear"): until}
    person.cleared(2)
    assert person.told(3600) == []
    assert set(person.items) == {"a1"}, "raised and over out of sight"
    assert person.told(8 * 3600) == [["a1"]]
    person.shelved["pump", "p1", "wear"] = person.now + timedelta(hours=8)
    person.cleared(1)
    assert person.told(7200) == []
    assert person.told(8 * 3600) == [["a1"]], "that it is over is told"


def test_who_closes_an_alert_by_hand_is_told() -> None:
    person = Person()
    person.raised(1)
    person.after(10)
    person.acts(1, "closed", reason="sold")
    [group] = person.after(400).groups
    assert group.news[0].reason == "It was closed by jo: sold."
    person.raised(1)
    assert person.told(400) == [], "what is closed stays so"


def test_many_assets_of_a_site_are_told_as_the_site() -> None:
    person = Person()
    for number in range(4):
        person.raised(number, "north")
    person.raised("s", "south")
    assert len(person.told(10)) == 5
    person.raised(4, "north")
    assert person.told(10) == [["a4"]]
    assert person.plans[-1][1].groups[0].key == "site/north"
    for number in range(5, 312):
        person.raised(number, "north", "critical" if number == 7 else "warning")
    [group] = person.after(10).groups
    notification = notification_of(person.channel, group, person.now, "x", "https://c.example/")
    assert notification.title == "Critical: site north: 312 assets, 1 critical, 311 warning"
    assert notification.text.splitlines()[0] == "site north: 312 assets, 1 critical, 311 warning"
    assert notification.text.splitlines()[1].startswith("p7 (pump, north), wear: critical, ")
    assert notification.text.splitlines()[1].endswith(" https://c.example/alerts/a7")
    assert notification.text.splitlines()[-1] == "and 297 more: https://c.example/alerts"
    assert notification.more == 307 - 100
    for number in range(312):
        person.cleared(number)
    [group] = person.after(300).groups
    assert notification_of(person.channel, group, person.now, "x", None).title == (
        "Cleared: site north: 312 alerts cleared"
    )


def test_the_rate_limit_leaves_something_for_what_comes_next() -> None:
    """Ten thousand assets of many sites in a second; then one more every ten seconds, for ten minutes."""
    person = Person()
    for number in range(10_000):
        person.raised(number, f"site-{number % 40}")
    [group] = person.after(10).groups
    assert (group.level, len(group.news)) == ("all", 10_000)
    notification = notification_of(person.channel, group, person.now, "x", None)
    assert notification.title == "Warning: 40 sites, 10,000 assets with open alerts"
    assert "site site-0: 250 assets, 250 warning" in notification.text
    told = [group]
    for number in range(60):
        person.raised(10_000 + number, f"other-{number % 7}")
        told += person.after(10).groups
    for at in person.sent:
        assert sum(at <= other < at + timedelta(minutes=10) for other in person.sent) <= 10
    person.after(10)
    told += person.plans[-1][1].groups
    assert {item.alert_id for group in told for item in group.news} >= {f"a{n}" for n in range(10_000)}
    late = person.after(600).groups
    assert {i.alert_id for g in [*told, *late] for i in g.news} == {f"a{n}" for n in range(10_060)}


@pytest.mark.parametrize("most", [2, 3, 5, 10, 100])
@pytest.mark.parametrize("every_s", [1, 11, 59])
def test_what_is_worse_than_all_that_was_told_never_waits_for_the_limit(most: int, every_s: int) -> None:
    """Milder news without an end, which also get better and worse and are repeated; then a warning, then a critical."""
    person = Person(rules_of(most=most, repeat_h=0.1, group_interval_s=0, parent_from=10_000))
    number = 0
    for severity in ("warning", "critical")[most == 2 :]:
        for _ in range(40):
            number += 1
            person.raised(number, f"site-{number % 9}", "advisory")
            person.after(every_s)
            if number % 3 == 0:
                person.cleared(number)
        name = f"a{severity}"
        person.raised(severity, "west", severity)
        assert any(name in news for news in person.told(10)), severity
    for at in person.sent:
        assert sum(at <= other < at + timedelta(minutes=10) for other in person.sent) <= most


def test_from_half_of_the_limit_on_all_is_told_in_one() -> None:
    person = Person(rules_of(group_wait_s=0))
    for number in range(5):
        person.raised(number, f"site-{number}")
    assert len(person.told(0)) == 5
    for number in range(5, 8):
        person.raised(number, f"site-{number}")
    assert person.told(0) == [["a5", "a6", "a7"]]


def test_while_something_waits_to_be_sent_news_gather() -> None:
    person = Person()
    person.raised(1)
    assert person.told(600, waits=True) == []
    person.raised(2)
    assert person.told(600) == [["a1"], ["a2"]]


QUIET = {"from": "22:00", "to": "06:00", "zone": "Europe/Berlin"}


def test_what_comes_in_quiet_hours_is_told_after_them_in_one() -> None:
    evening = datetime(2026, 5, 1, 21, 30, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    person = Person(rules_of(quiet=[QUIET]), evening)
    person.raised("before")
    assert person.told(10) == [["abefore"]]
    assert person.told(1790) == []
    person.acts("before", "acknowledged")
    person.raised(1)
    person.raised(2, "north")
    person.cleared(2)
    person.raised(3, severity="critical")
    assert person.told(3600) == [["a3"]], "critical ones pass"
    person.acts(3, "acknowledged")
    assert person.told(7 * 3600 - 1) == []
    [group] = person.after(1).groups
    assert sorted(item.alert_id for item in group.news) == ["a1", "a2"]
    text = notification_of(person.channel, group, person.now, "x", None).text
    assert text.splitlines()[0] == "Held back during quiet hours:"
    silent = Person(rules_of(quiet=[QUIET], critical_breaks_quiet=False), evening + timedelta(hours=1))
    silent.raised(3, severity="critical")
    assert silent.told(3600) == []
    assert silent.told(7 * 3600) == [["a3"]]


@pytest.mark.parametrize(
    ("local", "days", "expected"),
    [
        ("2026-05-01T21:59:59", [], False), ("2026-05-01T22:00:00", [], True), ("2026-05-02T05:59:59", [], True),
        ("2026-05-02T06:00:00", [], False),
        ("2026-05-02T05:00:00", ["fri"], True),  # a Saturday; the night of Friday
        ("2026-05-02T23:00:00", ["fri"], False), ("2026-05-01T05:00:00", ["fri"], False),
        ("2026-03-29T01:59:00", [], True), ("2026-03-29T03:01:00", [], True),  # clocks go forward
        ("2026-10-25T02:30:00", [], True), ("2026-10-25T06:00:00", [], False),  # back
    ],
)  # fmt: skip
def test_a_window_goes_over_midnight_and_over_changes_of_the_clocks(
    local: str, days: list[str], expected: bool
) -> None:
    window = TimeWindow.model_validate({**QUIET, **({"days": days} if days else {})})
    for fold in (0, 1):
        moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=fold).astimezone(UTC)
        assert is_within(window, moment) is expected


def test_a_night_is_as_long_as_its_clocks_say() -> None:
    """Of three nights: the usual one, one with an hour less, one with an hour more."""
    window = TimeWindow.model_validate(QUIET)
    for day, hours in (("2026-05-01", 8), ("2026-03-28", 7), ("2026-10-24", 9)):
        noon = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
        minutes = sum(is_within(window, noon + timedelta(minutes=minute)) for minute in range(24 * 60))
        assert minutes == hours * 60


def test_a_title_of_several_sites_says_what_is_over_and_what_is_left() -> None:
    person = Person(rules_of(group_by=[]))
    for number in range(4):
        person.raised(number, f"site-{number % 3}")
    titles = []
    for over in ([], [0, 1], [2, 3]):
        for number in over:
            person.cleared(number, f"site-{number % 3}")
        titles += [
            notification_of(person.channel, one, person.now, "x", None).title for one in person.after(300).groups
        ]
    assert titles == [
        "Warning: 3 sites, 4 assets with open alerts",
        "Cleared: 2 alerts of 2 sites, 2 assets with open alerts are left",
        "Cleared: 2 alerts of 2 sites",
    ]
