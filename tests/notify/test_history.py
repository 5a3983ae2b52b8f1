"""What happened long ago, as a replay of months tells it now: nobody is told of each, nothing that is open is lost."""

from __future__ import annotations

from datetime import timedelta

from notify.words import notification_of
from tests.notify.helpers import Person, rules_of

HOURS = timedelta(hours=1)


def test_a_replay_of_months_is_told_to_nobody_and_what_is_open_at_its_end_in_one() -> None:
    person = Person(rules_of(past_after_h=6))
    for day in range(60):
        then = person.now - (60 - day) * 24 * HOURS
        person.raised(day, f"site-{day % 7}", event_time=then)
        assert person.told(10) == []
        if day % 20:
            person.cleared(day, f"site-{day % 7}", event_time=then + HOURS)
        assert person.told(5) == []
    person.raised("live", "north")
    assert person.told(10) == [["alive"]], "what happens now does not wait"
    assert person.told(280) == []
    [group] = person.after(60).groups
    assert sorted(item.alert_id for item in group.news) == ["a0", "a20", "a40"]
    text = notification_of(person.channel, group, person.now, "x", None).text
    assert text.splitlines()[0] == "This began longer ago and is still open:"
    person.cleared(0, event_time=person.now)
    assert person.told(600) == [["a0"]], "who was told of it is told its end"


def test_history_that_ends_now_without_having_been_told_is_not_told() -> None:
    person = Person(rules_of(past_after_h=6))
    person.raised(1, event_time=person.now - 17 * 24 * HOURS)
    person.cleared(1, event_time=person.now)
    assert person.told(3600) == []
    assert person.items == {}


def test_an_alert_that_was_told_is_told_its_end_however_late_that_is_known() -> None:
    person = Person(rules_of(past_after_h=6))
    person.raised(1)
    assert person.told(10) == [["a1"]]
    raised_at = person.now
    person.after(3 * 3600)
    person.now += 100 * HOURS
    person.cleared(1, event_time=raised_at + HOURS)
    assert person.told(400) == [["a1"]]


def test_clocks_that_are_behind_delay_and_lose_nothing() -> None:
    """Of a plant whose events are ten hours old when they come, for ever."""
    person, told = Person(rules_of(past_after_h=6)), set[str]()
    for number in range(100):
        person.raised(number, event_time=person.now - 10 * HOURS)
        told |= {alert_id for news in person.told(120) for alert_id in news}
    assert len(told) > 60
    assert {f"a{n}" for n in range(100)} == told | {alert_id for news in person.told(3600) for alert_id in news}
