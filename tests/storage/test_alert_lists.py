"""Lists of alerts: by any combination of filters, in each order, page by page."""

from __future__ import annotations

import random
from typing import Any, get_args

from schemas import AlertBody, Severity
from storage import ActionRequest, AlertFilter, Store, place_of_alert
from storage.read_alerts import AlertOrder
from tests.support.decisions import alert, at


def test_alerts_by_any_combination_of_filters(store: Store) -> None:
    chance, alerts = random.Random(3), []
    for n in range(120):
        fields: dict[str, Any] = {
            "severity": chance.choice(["advisory", "warning", "critical"]), "asset_id": f"p{chance.randrange(4)}",
            "asset_class": chance.choice(["pump", "fan"]), "failure_mode": chance.choice(["wear", "heat"]),
            "state": chance.choice(["raised", "cleared"]),
        }  # fmt: skip
        alerts.append(alert(f"a{n:03}", 0, n // 2, **fields))
    store.write(alerts, [])
    seen = {f"a{n:03}" for n in range(0, 120, 3)}
    for alert_id in seen:
        store.act(alert_id, ActionRequest("acknowledged", "jo", None))
    for _ in range(60):
        which = AlertFilter(
            state=chance.choice([None, "raised", "cleared"]),
            severity=chance.choice([None, "critical", ("warning", "critical"), ("advisory",)]),
            asset_id=chance.choice([None, None, "p1"]),
            asset_class=chance.choice([None, "pump"]),
            acknowledged=chance.choice([None, True, False]),
            start=chance.choice([None, at(10)]),
            end=chance.choice([None, at(50)]),
            words=chance.choice([(), ("p1",), ("fan",)]),
            failure_mode=chance.choice([None, None, "heat"]),
        )
        expected = [
            a.alert_id
            for a in sorted(alerts, key=lambda a: (a.event_time, a.alert_id), reverse=True)
            if which.state in (None, a.state) and (not which.severities or a.severity in which.severities)
            if which.asset_id in (None, a.asset_id) and which.asset_class in (None, a.asset_class)
            if which.acknowledged in (None, a.alert_id in seen) and which.failure_mode in (None, a.failure_mode)
            if (which.start is None or a.event_time >= which.start) and (which.end is None or a.event_time < which.end)
            if all(word in (a.asset_id, a.asset_class) for word in which.words)
        ]
        severities = {a.alert_id: get_args(Severity).index(a.severity) for a in alerts}
        worst = sorted(expected, key=severities.__getitem__, reverse=True)  # those alike as they were
        assert pages_of_alerts(store, which, "raised_at", 7) == expected, which
        assert pages_of_alerts(store, which, "worst", chance.choice([1, 7, 50])) == worst, which


def pages_of_alerts(store: Store, which: AlertFilter, order: AlertOrder, limit: int) -> list[str]:
    shown: list[AlertBody] = []
    with store.reading() as reader:
        while page := reader.alerts(which, place_of_alert(shown[-1], order) if shown else None, limit, order):
            shown += page
    return [one.alert_id for one in shown]
