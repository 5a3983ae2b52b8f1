"""A notify worker without threads, on a clock that a test moves, and a channel in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from notify import Refusal, Sender
from notify.delivery import Delivery
from notify.planner import Planner
from schemas import Notification, NotificationRules
from storage import NotificationStore, Store
from tests.notify.helpers import rules_of
from tests.support.decisions import NOON

HOUR = timedelta(hours=1)


class Inbox:
    """A channel in memory that refuses as `refusals` says, then takes everything."""

    service = "inbox"

    def __init__(self, *refusals: Refusal | None) -> None:
        self.refusals, self.tried, self.taken = list(refusals), list[Notification](), list[Notification]()
        self.before: Callable[[], None] = lambda: None

    def send(self, notification: Notification) -> None:
        self.tried.append(notification)
        self.before()
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        self.taken.append(notification)

    @property
    def alerts(self) -> list[list[str]]:
        return [[one.alert_id for one in notification.alerts] for notification in self.taken]


class Notifier:
    """One worker without threads, on a clock that the test moves."""

    def __init__(self, url: str, rules: NotificationRules, sender: Sender, now: datetime = NOON) -> None:
        self.store = NotificationStore(url)
        self.store.begin()
        self.now, self.planner = now, Planner(self.store, rules, 24 * HOUR)
        channel = rules.channels[0]
        self.delivery = Delivery(self.store, channel, sender, threading.Event(), lambda: self.now)

    def turn(self, seconds: float = 0) -> None:
        """Decide and send all that is due then."""
        self.now += timedelta(seconds=seconds)
        while self.planner.turn(self.now):
            pass
        while self.delivery.turn():
            pass


@pytest.fixture
def opened(database_url: str) -> Iterator[list[Notifier]]:
    found: list[Notifier] = []
    yield found
    for notifier in found:
        notifier.store.close()


Open = Callable[..., Notifier]


@pytest.fixture
def notifier(database_url: str, opened: list[Notifier]) -> Open:
    def build(sender: Sender, now: datetime = NOON, rule: dict[str, Any] | None = None, **fields: Any) -> Notifier:
        opened.append(Notifier(database_url, rules_of(rule or {}, group_wait_s=0, **fields), sender, now))
        return opened[-1]

    return build


def listed(store: Store, state: str | None = None) -> list[Any]:
    with store.reading() as reader:
        return [body for _, body in reader.notifications(state, None, None, 99)]
