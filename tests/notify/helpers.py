"""Channels and rules as a file has them, alerts in words, and a clock that tests move."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from notify.items import PENDING, Item, Known, admit, may_repeat, take
from notify.plan import Plan, decide
from schemas import Action, Alert, NotificationChannel, NotificationRules
from storage import Place
from tests.support.decisions import NOON, alert

HOOK = {"webhook": "https://example.com/hook", "secret": "whsec_c2VjcmV0"}


def channel_of(**fields: Any) -> NotificationChannel:
    return NotificationChannel.model_validate({"name": "c", **HOOK, **fields})


def rules_of(*rules: dict[str, Any], **fields: Any) -> NotificationRules:
    """One channel `c` with these fields; rules that tell on it, all alerts where none is given. Nothing is history, as
    the clocks of tests are not those of their events.
    """
    given = rules or ({},)
    named = [{"name": f"r{number}", "channels": ["c"], **rule} for number, rule in enumerate(given)]
    past = fields.pop("past_after_h", 1_000_000)
    document = {"past_after_h": past, "channel": [{"name": "c", **HOOK, **fields}], "rule": named}
    return NotificationRules.model_validate(document)


class Person:
    """Who gets what a channel is told, and the world that it tells of; time passes as tests say."""

    def __init__(self, rules: NotificationRules | None = None, now: datetime = NOON) -> None:
        self.rules = rules or rules_of()
        self.channel = self.rules.channels[0]
        self.known, self.now = Known(), now
        self.sent: list[datetime] = []
        self.shelved: dict[tuple[str, str, str], datetime] = {}
        self.plans: list[tuple[datetime, Plan]] = []
        self.places: dict[tuple[str, str], Place] = {}

    @property
    def items(self) -> dict[str, Item]:
        return self.known.items.get("c", {})

    @property
    def waiting(self) -> dict[str, Item]:
        return self.known.items.get(PENDING, {})

    def hears(self, entry: Alert | Action, site: str | None = None, **place: Any) -> None:
        stands = Place(site, place.get("line"), place.get("labels", {}))
        self.places[entry.asset_class, entry.asset_id] = stands
        take(self.known, entry, self.rules, stands, self.now)

    def raised(self, number: int | str, site: str | None = None, severity: str = "warning", **fields: Any) -> None:
        name = f"a{number}"
        fields = {"asset_id": f"p{number}", "event_time": self.now, **fields}
        self.hears(alert(name, self._next(name), severity=severity, **fields), site)

    def cleared(self, number: int | str, site: str | None = None, **fields: Any) -> None:
        name = f"a{number}"
        fields = {"asset_id": f"p{number}", "event_time": self.now, **fields}
        self.hears(alert(name, self._next(name), state="cleared", **fields), site)

    def acts(self, number: int | str, kind: str, **fields: Any) -> None:
        defaults = {
            "action_id": f"x{number}", "event_time": self.now, "alert_id": f"a{number}", "asset_id": f"p{number}",
            "asset_class": "pump", "failure_mode": "wear", "kind": kind, "by": "jo",
        }  # fmt: skip
        self.hears(Action.model_validate({**defaults, **fields}))

    def after(self, seconds: float, *, waits: bool = False) -> Plan:
        """The plan at a later time, carried out."""
        self.now += timedelta(seconds=seconds)
        admit(self.known, self.rules, {item.asset for item in self.waiting.values()}, self.places, self.now)
        plan = decide(
            self.channel, self.items, self.now, self.sent, self.shelved, waits=waits,
            may_repeat=lambda item: may_repeat(self.rules, "c", item, self.now),
        )  # fmt: skip
        for item in plan.items.values():
            self.known.put("c", item)
        for alert_id in plan.forgotten:
            self.known.forget("c", alert_id)
        self.sent += [self.now] * len(plan.groups)
        self.plans.append((self.now, plan))
        return plan

    def told(self, seconds: float, **how: Any) -> list[list[str]]:
        """The alerts of each notification at a later time."""
        return [sorted(item.alert_id for item in group.news) for group in self.after(seconds, **how).groups]

    def _next(self, name: str) -> int:
        item = self.items.get(name) or self.waiting.get(name)
        return 0 if item is None else item.sequence + 1
