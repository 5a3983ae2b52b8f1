"""Delivery: what is to be sent on one channel, one after the other, at least once and always under the same id.

claim ─► Sender ─► sent; or a pause that doubles, as the channel asks; or failed: kept, with the reason, for people

The claim is committed before the attempt, so two workers never send the same at once. A worker that dies between the
attempt and its note leaves the claim to end: then it is sent again, and receivers know the id.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from notify.metrics import ATTEMPTS, FAILED
from notify.plan import WINDOW
from notify.refusals import SEND_S, Refusal
from notify.senders import Sender
from schemas import MillraceError, NotificationChannel
from storage import Claimed, NotificationStore

log = structlog.get_logger(__name__)
CLAIM = timedelta(seconds=SEND_S + 10)  # beyond the longest attempt
FIRST_PAUSE_S, MOST_PAUSE_S = 5.0, 600.0
LOOK_EVERY_S = 1.0
AWAY_S = 2.0  # between two attempts to reach the database
Clock = Callable[[], datetime]


def pause_after(tries: int, asked_s: float = 0.0) -> timedelta:
    return timedelta(seconds=max(asked_s, min(MOST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(tries - 1, 10))))


class Delivery(threading.Thread):
    """Of one channel; ends soon after `stopping` is set, at the latest with the attempt in hand."""

    def __init__(
        self,
        store: NotificationStore,
        channel: NotificationChannel,
        sender: Sender,
        stopping: threading.Event,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(name=f"notify {channel.name}", daemon=True)
        self._store, self._channel, self._sender = store, channel, sender
        self._stopping, self._clock, self._news = stopping, clock, threading.Event()

    def nudge(self) -> None:
        """Look at once."""
        self._news.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            if not self._patiently(self.turn):
                self._news.wait(LOOK_EVERY_S)

    def turn(self) -> bool:
        """Send what is due. Returns whether there was something.

        Raises:
            UnavailableError: the database is away, and nothing was sent.
        """
        now, channel = self._clock(), self._channel
        claimed = self._store.claim(channel.name, now, now + CLAIM, channel.most, now - WINDOW)
        if claimed is None:
            return False
        try:
            self._sender.send(claimed.notification)
        except Refusal as refusal:
            self._refused(claimed, refusal)
        except Exception as error:
            log.exception("a notification could not be sent; this is a bug, please report it", channel=channel.name)
            self._refused(claimed, Refusal(type(error).__name__))
        else:
            at = self._clock()
            ATTEMPTS.labels(channel.name, "taken").inc()
            self._patiently(lambda: self._store.sent(claimed, at))
            log.info("a notification is sent", channel=channel.name, id=claimed.notification.notification_id)
        return True

    def _refused(self, claimed: Claimed, refusal: Refusal) -> None:
        ATTEMPTS.labels(self._channel.name, "refused").inc()
        now, reason = self._clock(), str(refusal)
        about = {"channel": self._channel.name, "id": claimed.notification.notification_id, "reason": reason}
        if refusal.is_final or now >= claimed.give_up_at:
            why = reason if refusal.is_final else f"given up after {claimed.tries} tries: {reason}"
            FAILED.labels(self._channel.name).inc()
            log.error("a notification failed; `/v1/notifications?state=failed` has it, and it can be retried", **about)
            self._patiently(lambda: self._store.failed(claimed, why))
        else:
            pause = pause_after(claimed.tries, refusal.after_s)
            log.warning("a notification is not taken yet", tries=claimed.tries, in_s=pause.total_seconds(), **about)
            self._patiently(lambda: self._store.try_again(claimed, now + pause, reason))

    def _patiently(self, work: Callable[[], bool | None]) -> bool | None:
        """Until the database is there; not longer than this worker is to run."""
        while True:
            try:
                return work()
            except MillraceError as error:
                log.warning("notifications wait for the database", channel=self._channel.name, error=str(error))
            if self._stopping.wait(AWAY_S):
                return None
