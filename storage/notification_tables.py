"""Notification tables: how far the journal of alerts was read, what each channel knows, what is to be sent.

`alert_transitions` ─► position, items of channels ─► notifications: waiting ─► sent, or failed
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import Counter, Table

JOURNAL = "alerts"


class NotificationPositionRow(Table):
    """The last row of `alert_transitions` that was read. `version` counts each change of items and notifications, so
    that of two workers that decided at once only one's decision is taken.
    """

    __tablename__ = "notification_position"
    journal: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    version: Mapped[int]


class NotificationItemRow(Table):
    """What a channel knows of an alert, until the alert is over and that was told."""

    __tablename__ = "notification_items"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012
    channel: Mapped[str] = mapped_column(primary_key=True)
    alert_id: Mapped[str] = mapped_column(primary_key=True)
    item: Mapped[dict[str, Any]]


class NotificationRow(Table):
    """What is to be sent, was sent, or failed. `tries` counts the attempts that were begun."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_channel_state_id", "channel", "state", "id"),
        Index("ix_notifications_channel_id", "channel", "id"),
        Index("ix_notifications_state_id", "state", "id"),
        Index("ix_notifications_channel_sent_at", "channel", "sent_at"),
        Index("ix_notifications_state_created_at", "state", "created_at"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=True)
    notification_id: Mapped[str] = mapped_column(unique=True)
    channel: Mapped[str]
    state: Mapped[str]
    created_at: Mapped[datetime]
    tries: Mapped[int]
    next_try_at: Mapped[datetime]
    give_up_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    notification: Mapped[dict[str, Any]]


class NotificationChannelRow(Table):
    """The channels that notify workers serve, as they told last."""

    __tablename__ = "notification_channels"
    channel: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]
    told: Mapped[dict[str, Any]]
