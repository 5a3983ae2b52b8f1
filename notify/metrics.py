"""Metrics of notify workers."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

READY = Gauge("millrace_notify_ready", "1 while a notify worker reads the journal of alerts")
BEHIND = Gauge("millrace_notify_behind", "Entries of the journal of alerts that the last turn read")
REFUSED = Gauge("millrace_notify_rules_refused", "1 while a changed file of rules cannot be used and the old serve")
UNREADABLE = Counter("millrace_notify_unreadable", "Entries of the journal of alerts that could not be read")
PASSED_OVER = Counter("millrace_notify_passed_over", "Alerts that were over before anybody was to hear", ["why"])
DECIDED = Counter("millrace_notifications_decided", "Notifications that are to be sent", ["channel"])
ATTEMPTS = Counter("millrace_notification_attempts", "Attempts to send, by outcome", ["channel", "outcome"])
FAILED = Counter("millrace_notifications_failed", "Notifications that were given up, or refused for good", ["channel"])
WAITING = Gauge("millrace_notifications_waiting", "Notifications that wait to be sent", ["channel"])
OLDEST = Gauge("millrace_notifications_waiting_seconds", "Age of the oldest that waits; 0: none does", ["channel"])


def end(channel: str) -> None:
    """Nothing waits any more."""
    WAITING.labels(channel).set(0)
    OLDEST.labels(channel).set(0)


def begin(channel: str) -> None:
    """From 0 on, so that an alert sees the first increment."""
    DECIDED.labels(channel)
    FAILED.labels(channel)
    WAITING.labels(channel).set(0)
    OLDEST.labels(channel).set(0)
    for outcome in ("taken", "refused"):
        ATTEMPTS.labels(channel, outcome)
