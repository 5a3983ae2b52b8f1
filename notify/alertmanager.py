"""Alertmanager: a notification as the body that Prometheus Alertmanager posts to webhooks (version 4).

Notification ─► {version, groupKey, status, receiver, groupLabels, commonLabels, alerts, ...}

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from typing import Any

from schemas import Notification, NotifiedAlert, rfc3339

NEVER = "0001-01-01T00:00:00Z"  # Go's zero time: the alert goes on


def alertmanager_body(notification: Notification, console: str | None) -> dict[str, Any]:
    alerts = [_alert(alert) for alert in notification.alerts]
    return {
        "version": "4",
        "groupKey": f"{{}}/{{channel={notification.channel!r}}}:{notification.group}",
        "truncatedAlerts": notification.more,
        "status": "resolved" if notification.status == "cleared" else "firing",
        "receiver": notification.channel,
        "groupLabels": _group_labels(notification),
        "commonLabels": _common([alert["labels"] for alert in alerts]),
        "commonAnnotations": {"title": notification.title, "description": notification.text},
        "externalURL": console or "",
        "alerts": alerts,
    }


def _group_labels(notification: Notification) -> dict[str, str]:
    names = {"asset": ("site", "asset_class", "asset_id"), "site": ("site",), "all": ()}[notification.about]
    first = notification.alerts[0]
    return {name: value for name in names if (value := getattr(first, name)) is not None}


def _alert(alert: NotifiedAlert) -> dict[str, Any]:
    is_over = alert.state == "cleared"
    own = {
        "alertname": alert.failure_mode, "asset_id": alert.asset_id, "asset_class": alert.asset_class,
        "severity": alert.severity, "kind": alert.kind, "site": alert.site, "line": alert.line,
    }  # fmt: skip
    return {
        "status": "resolved" if is_over else "firing",
        "labels": {**alert.labels, **{name: value for name, value in own.items() if value is not None}},
        "annotations": {"summary": f"{alert.asset_id}, {alert.failure_mode}", "description": alert.reason},
        "startsAt": rfc3339(alert.raised_at),
        "endsAt": rfc3339(alert.changed_at) if is_over else NEVER,
        "generatorURL": alert.link or "",
        "fingerprint": alert.alert_id,
    }


def _common(labels: list[dict[str, str]]) -> dict[str, str]:
    return {name: value for name, value in labels[0].items() if all(one.get(name) == value for one in labels)}
