"""Worker: the role `notify`: reads the journal of alerts, decides, and sends, until it is told to stop.

rules, senders ─► begin ─► Planner, once a second ─► Delivery, a thread a channel; when the file changes, others
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import start_http_server

from notify.delivery import Delivery
from notify.items import PENDING
from notify.metrics import OLDEST, READY, REFUSED, WAITING, begin, end
from notify.planner import Planner
from notify.rules_file import WatchedFile, load_rules
from notify.senders import Sender, build_sender
from notify.times import is_within_any
from schemas import MillraceError, NotificationRules, Settings, SettingsError
from storage import NotificationStore

log = structlog.get_logger(__name__)
EVERY_S = 1.0
TELL_EVERY_S = 15.0
END_S = 8.0  # for the attempts in hand


def senders_of(settings: Settings, environment: Mapping[str, str]) -> tuple[NotificationRules, dict[str, Sender]]:
    """The rules, and how each of their channels is reached.

    Raises:
        SettingsError: no file is named, or it cannot be used.
    """
    if settings.notifications_file is None:
        raise SettingsError(
            "MILLRACE_NOTIFICATIONS_FILE names no file of rules, so there is nobody to notify.",
            "Set it to a file; docs/notifications.md has examples.",
        )
    rules = load_rules(settings.notifications_file)
    return rules, {one.name: build_sender(one, rules.console, environment) for one in rules.channels}


def run_notify(settings: Settings, stopping: threading.Event) -> None:
    """Until `stopping` is set. What is not sent then is sent by the next worker.

    Raises:
        SettingsError: the rules cannot be used; nothing was started.
    """
    rules, senders = senders_of(settings, os.environ)
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.metrics_host)
    store = NotificationStore(settings.database())
    worker = NotifyWorker(store, rules, senders, settings, stopping)
    try:
        worker.run()
    finally:
        worker.end()
        store.close()


class NotifyWorker:
    """Follows the file of rules: when it changes, other channels and rules take the place of these between two turns.
    One that cannot be used changes nothing, and is told wherever people look.
    """

    def __init__(
        self,
        store: NotificationStore,
        rules: NotificationRules,
        senders: Mapping[str, Sender],
        settings: Settings,
        stopping: threading.Event,
    ) -> None:
        self._store, self._settings, self._stopping = store, settings, stopping
        self._file = WatchedFile(settings.notifications_file) if settings.notifications_file else None
        self._fault: str | None = None  # of the file as it is now
        self._deliveries: list[Delivery] = []
        self._ending = threading.Event()  # of the deliveries of these rules
        self._news: str | None = None  # why other rules are to serve; they do as soon as the database is there
        self._take_over(rules, senders)
        self._told_at = -TELL_EVERY_S

    def run(self) -> None:
        has_begun = False
        while not self._stopping.is_set():
            try:
                if not has_begun:
                    self._begin()
                    has_begun = True
                self._follow_file()
                if self._news is not None:
                    self._serve(self._news)
                    self._news = None
                self._tell()
                goes_on = self._planner.turn(datetime.now(UTC))
                READY.set(1)
            except MillraceError as error:
                READY.set(0)
                log.warning("notifications wait for the database", error=str(error))
                goes_on = False
            if not goes_on:
                self._stopping.wait(EVERY_S)

    def _take_over(self, rules: NotificationRules, senders: Mapping[str, Sender]) -> None:
        """Their deliveries are not started yet. An attempt of before ends; its claim keeps others from sending it."""
        self._ending.set()
        self._rules, self._senders, self._ending = rules, senders, threading.Event()
        self._planner = Planner(self._store, rules, timedelta(hours=self._settings.notifications_give_up_h))
        self._deliveries = [one for one in self._deliveries if one.is_alive()]
        for channel in rules.channels:
            delivery = Delivery(self._store, channel, senders[channel.name], self._ending)
            self._planner.on_news(channel.name, delivery.nudge)
            self._deliveries.append(delivery)
            begin(channel.name)

    def _follow_file(self) -> None:
        if self._file is None or not self._file.has_changed():
            return
        self._told_at = -TELL_EVERY_S
        try:
            rules, senders = senders_of(self._settings, os.environ)
        except SettingsError as error:
            self._fault = error.detail
            REFUSED.set(1)
            log.warning("the changed file of rules cannot be used; the rules of before serve", error=error.detail)
            return
        self._fault = None
        REFUSED.set(0)
        for channel in self._rules.channels:
            end(channel.name)
        self._take_over(rules, senders)
        self._news = "the file of rules has changed; its rules serve from now on"

    def end(self) -> None:
        self._stopping.set()
        self._ending.set()
        READY.set(0)
        deadline = time.monotonic() + END_S
        for delivery in self._deliveries:
            delivery.nudge()
            if delivery.is_alive():
                delivery.join(max(0.0, deadline - time.monotonic()))
                if delivery.is_alive():
                    log.warning("an attempt does not end; it may be repeated under the same id", thread=delivery.name)

    def _begin(self) -> None:
        self._store.check()
        is_new = self._store.begin()
        REFUSED.set(0)
        self._news = "notifications begin with what happens from now on"
        if not is_new:
            self._news = "notifications go on where they were"

    def _serve(self, what: str) -> None:
        names = [PENDING, *(channel.name for channel in self._rules.channels)]
        if lost := self._store.forget_channels(names):
            log.warning("channels are gone from the rules; what waited on them has failed", channels=sorted(lost))
        log.info(
            what,
            channels={name: sender.service for name, sender in self._senders.items()},
            rules=[rule.name for rule in self._rules.rules],
        )
        for delivery in self._deliveries:
            if delivery.ident is None:
                delivery.start()

    def _tell(self) -> None:
        """What this worker serves, for the API; what waits, for Prometheus."""
        if time.monotonic() < self._told_at + TELL_EVERY_S:
            return
        now = datetime.now(UTC)
        self._store.tell_channels({
            channel.name: {
                "service": self._senders[channel.name].service,
                "rules": [rule.name for rule in self._rules.rules if channel.name in rule.channels],
                "is_quiet": is_within_any(channel.quiet, now),
                **({"rules_fault": self._fault} if self._fault else {}),  # versions of before do not know it
            }
            for channel in self._rules.channels
        }, now)  # fmt: skip
        waiting = self._store.waiting()
        for channel in self._rules.channels:
            count, oldest = waiting.get(channel.name, (0, now))
            WAITING.labels(channel.name).set(count)
            OLDEST.labels(channel.name).set((now - oldest).total_seconds())
        self._told_at = time.monotonic()
