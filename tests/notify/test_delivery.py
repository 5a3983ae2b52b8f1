"""Notifications on both databases, from the journal to receivers: once decided, at least once sent, under one id."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notify.delivery import pause_after
from notify.refusals import Refusal
from notify.senders import Sender
from notify.worker import NotifyWorker
from schemas import Asset, NotificationRules, Settings
from storage import ActionRequest, NotificationStore, Placed, Store
from tests.notify.notifier import HOUR, Inbox, Notifier, Open, listed
from tests.support.decisions import NOON, alert, at


def test_what_happened_before_the_first_worker_is_not_told(store: Store, notifier: Open) -> None:
    store.write([alert("old", 0)], [])
    inbox = Inbox()
    one = notifier(inbox)
    one.turn()
    store.write([alert("new", 0, asset_id="p2"), alert("old", 1, state="cleared")], [])
    one.turn()
    assert inbox.alerts == [["new"]]
    again = notifier(inbox, one.now)
    store.write([alert("newer", 0, asset_id="p3")], [])
    again.turn()
    assert inbox.alerts == [["new"], ["newer"]], "it goes on where the other one was"


def test_the_whole_way_with_a_place_an_acknowledgement_and_an_end(store: Store, notifier: Open) -> None:
    place = Asset(asset_id="pump-1", asset_class="pump", event_time=at(0), site="north", line="l1", labels={"t": "x"})
    store.write([Placed(0, 0, place)], [])
    inbox = Inbox()
    one = notifier(inbox, repeat_h=1)
    store.write([alert("a", 0)], [])
    one.turn()
    [told] = inbox.taken
    assert (told.title, told.group) == ("Warning: pump-1, wear (pump, north)", "asset/north/pump/pump-1")
    assert (told.alerts[0].line, told.alerts[0].labels) == ("l1", {"t": "x"})
    one.turn(3600)
    assert [one.is_repeat for one in inbox.taken] == [False, True]
    store.act("a", ActionRequest("acknowledged", "jo"))
    one.turn(7200)
    assert len(inbox.taken) == 2
    store.write([alert("a", 1, state="cleared")], [])
    one.turn()
    assert inbox.taken[-1].title == "Cleared: pump-1, wear (pump, north)"
    assert {one.state for one in listed(store)} == {"sent"}


def test_what_is_shelved_comes_back_by_itself(store: Store, notifier: Open) -> None:
    inbox, now = Inbox(), datetime.now(UTC)
    one = notifier(inbox, now)
    store.write([alert("a", 0), alert("b", 0, asset_id="p2")], [])
    store.act("a", ActionRequest("shelved", "jo", "why", until=now + HOUR))
    one.turn()
    assert inbox.alerts == [["b"]]
    one.turn(3599)
    assert inbox.alerts == [["b"]]
    one.turn(3600)
    assert ["a"] in inbox.alerts


def test_two_workers_decide_and_send_once(store: Store, notifier: Open) -> None:
    """Threads that plan and send at once, on a journal that grows."""
    inbox = Inbox()
    workers = [notifier(inbox, most=1000, parent_from=500, repeat_h=0) for _ in range(3)]
    done = threading.Event()

    def work(one: Notifier) -> None:
        while not done.is_set():
            one.turn(0.01)
            time.sleep(0.001)

    threads = [threading.Thread(target=work, args=(one,)) for one in workers]
    for thread in threads:
        thread.start()
    for number in range(60):
        store.write([alert(f"a{number}", 0, asset_id=f"p{number}")], [])
    deadline = time.monotonic() + 30
    while len(inbox.tried) < 60 or listed(store, "waiting"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    done.set()
    for thread in threads:
        thread.join()
    counts = Counter(one.alert_id for told in inbox.tried for one in told.alerts)
    assert counts == {f"a{number}": 1 for number in range(60)}
    assert len(listed(store)) == len(inbox.tried)


class Killed(BaseException):
    """The process is gone."""


def test_a_worker_that_dies_between_sending_and_noting_sends_again_under_the_same_id(
    store: Store, notifier: Open
) -> None:
    inbox = Inbox()
    first = notifier(inbox)
    store.write([alert("a", 0)], [])

    def die() -> None:
        inbox.before = lambda: None
        raise Killed

    inbox.before = die
    with pytest.raises(Killed):
        first.turn()
    second = notifier(inbox, first.now)
    second.turn(39)
    assert len(inbox.tried) == 1, "the claim of the first one lasts"
    second.turn(1)
    assert [one.notification_id for one in inbox.tried] == [inbox.tried[0].notification_id] * 2
    assert inbox.tried[0] == inbox.tried[1]
    assert [one.state for one in listed(store)] == ["sent"]
    assert listed(store)[0].tries == 2


def test_a_worker_that_dies_before_it_commits_decides_again(store: Store, notifier: Open) -> None:
    inbox = Inbox()
    first = notifier(inbox)
    store.write([alert("a", 0)], [])
    commit = first.store.commit

    def die(*_: Any) -> bool:
        raise Killed

    first.store.commit = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        first.turn()
    assert listed(store) == []
    first.store.commit = commit  # type: ignore[method-assign]
    first.turn()
    notifier(inbox, first.now).turn()
    assert inbox.alerts == [["a"]]


def test_what_is_refused_is_tried_again_later_and_later_then_given_up(store: Store, notifier: Open) -> None:
    inbox = Inbox(*(Refusal(f"busy {number}", after_s=100.0 if number == 1 else 0) for number in range(400)))
    one = notifier(inbox, repeat_h=0)
    store.write([alert("a", 0)], [])
    one.turn()
    [waiting] = listed(store, "waiting")
    assert (waiting.reason, waiting.next_try_at, waiting.tries) == ("busy 0", NOON + timedelta(seconds=5), 1)
    one.turn(4)
    assert len(inbox.tried) == 1
    one.turn(1)
    assert listed(store)[0].next_try_at == NOON + timedelta(seconds=105), "as it asked"
    for _ in range(24 * 6):
        one.turn(600)
    [failed] = listed(store, "failed")
    assert failed.reason is not None
    assert failed.reason.startswith(f"given up after {len(inbox.tried)} tries: busy ")
    assert {told.notification_id for told in inbox.tried} == {failed.notification_id}
    one.turn(600)
    inbox.refusals.clear()
    assert store.retry_notification(failed.notification_id, one.now) is True
    assert store.retry_notification(failed.notification_id, one.now) is False
    assert store.retry_notification("none", one.now) is None
    one.turn()
    assert [told.notification_id for told in inbox.taken] == [failed.notification_id]


def test_what_is_refused_for_good_lets_others_pass(store: Store, notifier: Open) -> None:
    inbox = Inbox(Refusal("answered 404", is_final=True))
    one = notifier(inbox)
    store.write([alert("a", 0), alert("b", 0, asset_id="p2")], [])
    one.turn()
    assert [(body.state, body.reason) for body in listed(store)] == [("sent", None), ("failed", "answered 404")]
    assert len(inbox.taken) == 1


def test_pauses_double_up_to_ten_minutes() -> None:
    assert [pause_after(tries).total_seconds() for tries in (1, 2, 3, 8, 99)] == [5, 10, 20, 600, 600]


@pytest.mark.long
def test_ten_thousand_alerts_of_a_second_while_the_channel_is_away(store: Store, notifier: Open) -> None:
    """It refuses for half an hour: then no more than the limit comes in ten minutes, and nothing is missing."""
    count = 10_000
    inbox = Inbox(*(Refusal("away") for _ in range(10)))
    one = notifier(inbox, most=5)
    for start in range(0, count, 1000):
        numbers = range(start, start + 1000)
        places = [Asset(asset_id=f"p{n}", asset_class="pump", event_time=at(0), site=f"s{n % 8}") for n in numbers]
        store.write([Placed(0, n, place) for n, place in zip(numbers, places, strict=True)], [])
        store.write([alert(f"a{n}", 0, asset_id=f"p{n}") for n in numbers], [])
        one.turn(0.1)
    times = []
    while one.now < NOON + 1.5 * HOUR:
        before = len(inbox.taken)
        one.turn(60)
        times += [one.now] * (len(inbox.taken) - before)
    for moment in times:
        assert sum(moment - timedelta(minutes=10) < other <= moment for other in times) <= 5
    assert sum(len(told.alerts) + told.more for told in inbox.taken) == count
    assert sum(site.assets for site in inbox.taken[-1].sites) == count


@pytest.fixture
def running(database_url: str) -> Iterator[Callable[..., NotifyWorker]]:
    """Whole workers in threads, which end with the test."""
    stopping, threads = threading.Event(), list[tuple[threading.Thread, NotifyWorker, NotificationStore]]()

    def start(rules: NotificationRules, **senders: Sender) -> NotifyWorker:
        store = NotificationStore(database_url)
        worker = NotifyWorker(store, rules, senders, Settings(), stopping)
        thread = threading.Thread(target=worker.run)
        thread.start()
        threads.append((thread, worker, store))
        return worker

    yield start
    stopping.set()
    for thread, worker, store in threads:
        thread.join(20)
        worker.end()
        assert not thread.is_alive()
        store.close()


def test_a_worker_tells_of_its_channels_and_forgets_those_that_are_gone(
    store: Store, running: Callable[..., NotifyWorker], notifier: Open
) -> None:
    gone = notifier(Inbox(Refusal("away")))
    store.write([alert("a", 0)], [])
    gone.turn()
    inbox = Inbox()
    rules = NotificationRules.model_validate({
        "channel": [{"name": "other", "url": "json://x", "group_wait_s": 0}],
        "rule": [{"name": "all", "channels": ["other"]}],
    })  # fmt: skip
    running(rules, other=inbox)

    def channels() -> list[tuple[str, str, list[str]]]:
        with store.reading() as reader:
            return [(one.name, one.service, one.rules) for one in reader.notification_channels()]

    deadline = time.monotonic() + 20
    while channels() != [("other", "inbox", ["all"])]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    [failed] = listed(store, "failed")
    assert failed.reason == "the channel is not in the rules any more"
    store.write([alert("b", 0, asset_id="p2", event_time=datetime.now(UTC))], [])
    while inbox.alerts != [["b"]]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_slow_channel_keeps_no_other_waiting(store: Store, running: Callable[..., NotifyWorker]) -> None:
    slow, quick, release = Inbox(), Inbox(), threading.Event()
    slow.before = lambda: release.wait(20) and None
    channels = [{"name": name, "url": "json://x", "group_wait_s": 0} for name in ("slow", "quick")]
    rules = NotificationRules.model_validate({
        "channel": channels, "rule": [{"name": "all", "channels": ["slow", "quick"]}]
    })  # fmt: skip
    running(rules, slow=slow, quick=quick)
    deadline = time.monotonic() + 20
    while True:
        with store.reading() as reader:
            if reader.notification_channels():
                break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for number in range(3):
        store.write([alert(f"a{number}", 0, asset_id=f"p{number}", event_time=datetime.now(UTC))], [])
        while len(quick.taken) <= number:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert slow.taken == []
    release.set()
    while sum(map(len, slow.alerts)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
