"""Senders: how a channel is reached.

NotificationChannel, environment ─► webhook (signed) or service of apprise ─► Sender
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from notify.services import AppriseSender
from notify.webhook import WebhookSender
from schemas import Notification, NotificationChannel

NAMES_ADDRESSES = ("httpx2", "httpcore2", "urllib3", "requests")  # in their logs, with what is secret in them


class Sender(Protocol):
    """Of one channel; called by one thread at a time."""

    service: str

    def send(self, notification: Notification) -> None:
        """Return when it was taken.

        Raises:
            Refusal: it was not.
        """


def build_sender(channel: NotificationChannel, console: str | None, environment: Mapping[str, str]) -> Sender:
    """Raises:
    SettingsError: its address or its secret cannot be used.
    """
    for name in NAMES_ADDRESSES:  # whatever the level of the log
        logging.getLogger(name).setLevel(logging.WARNING)
    if channel.webhook is not None:
        return WebhookSender(channel, console, environment)
    return AppriseSender(channel, environment)
