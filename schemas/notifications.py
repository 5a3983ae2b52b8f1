"""Notifications: what is told to people on channels, as webhooks get it and as the API lists it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import Frozen, Json, Time
from schemas.outputs import AlertKind, AlertState, Severity

NotificationState = Literal["waiting", "sent", "failed"]


class NotifiedAlert(Frozen):
    """An alert as a notification tells it."""

    alert_id: str
    asset_id: str
    asset_class: str
    failure_mode: str
    kind: AlertKind = "machine"
    state: AlertState
    severity: Severity
    raised_at: Time
    changed_at: Time
    reason: str = Field(description="of the last transition, as on `alerts.v1`")
    site: str | None = None
    line: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    link: str | None = Field(None, description="its page on the console, where the rules name its address")


class SiteCount(Frozen):
    """What is open at a site, of what is told on a channel."""

    site: str | None = Field(None, description="null: nothing is told of where they stand")
    assets: int
    critical: int = 0
    warning: int = 0
    advisory: int = 0
    cleared: int = Field(0, description="alerts of which this notification tells that they are over")


class Notification(Frozen):
    """What is told on a channel at once: of one alert, of an asset, of a site, or of all."""

    notification_id: str = Field(description="the same at each attempt, also as `webhook-id` and `Idempotency-Key`")
    channel: str
    created_at: Time
    about: Literal["asset", "site", "all"]
    group: str = Field(description="the same for all notifications of this asset, site or channel")
    status: Literal["open", "cleared"] = Field(description="cleared: all alerts of which it tells are over")
    severity: Severity = Field(description="the worst of what is open, or of what was")
    title: str
    text: str
    is_repeat: bool = Field(False, description="nobody acknowledged what was told before")
    was_held: bool = Field(False, description="some of it came in quiet hours")
    sites: list[SiteCount]
    alerts: list[NotifiedAlert] = Field(description="news, the worst first")
    more: int = Field(0, description="alerts of which it tells beyond these")

    EXAMPLE: ClassVar[Json] = {
        "notification_id": "5b0c0d0e-0f5d-5f0a-8c55-6f1d9c7a2b10",
        "channel": "mechanics",
        "created_at": "2026-05-01T12:00:10Z",
        "about": "asset",
        "group": "asset/north/pump/pump-7",
        "status": "open",
        "severity": "warning",
        "title": "Warning: pump-7, wear (pump, north)",
        "text": "pump-7 (pump, north, line-2), wear: warning, reached the warning level, 2026-05-01 12:00:00 UTC",
        "sites": [{"site": "north", "assets": 1, "warning": 1}],
        "alerts": [
            {
                "alert_id": "b0b1c6ce-50ad-5f31-8e0a-9d7f6f7b1a02",
                "asset_id": "pump-7",
                "asset_class": "pump",
                "failure_mode": "wear",
                "state": "raised",
                "severity": "warning",
                "raised_at": "2026-05-01T12:00:00Z",
                "changed_at": "2026-05-01T12:00:00Z",
                "reason": "reached the warning level",
                "site": "north",
                "line": "line-2",
                "link": "https://millrace.example.com/alerts/b0b1c6ce-50ad-5f31-8e0a-9d7f6f7b1a02",
            }
        ],
    }


class NotificationBody(Frozen):
    """A notification and what became of it."""

    notification_id: str
    channel: str
    state: NotificationState
    created_at: Time
    tries: int
    next_try_at: Time | None = Field(None, description="of one that waits")
    sent_at: Time | None = None
    reason: str | None = Field(None, description="why the last try failed")
    notification: Notification


class NotificationChannelBody(Frozen):
    """A channel, as the notify worker that serves it told last."""

    name: str
    service: str = Field(description="of apprise, or the host of a webhook; never an address with a secret")
    seen_at: Time = Field(description="when a notify worker last said that it serves it")
    rules: list[str] = Field(description="names of the rules that tell on it")
    is_quiet: bool = Field(description="whether it had quiet hours then")
    rules_fault: str | None = Field(
        None, description="why the file of rules, as it is now, cannot be used: the rules of before serve"
    )
    open_alerts: int = Field(description="alerts that were told on it and are open, or are to be told")
    waiting: int
    failed: int
    last_sent_at: Time | None = None
    last_reason: str | None = Field(None, description="why the one that waits was not taken yet")
