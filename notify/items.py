"""Items: what a channel knows of an alert, and what the journal changes about it. Pure functions.

rules, transitions, actions, now ─► which channels ─► items; what fits no rule yet waits ─► admit ─► items
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from notify.times import is_within_any
from schemas import Action, Alert, AlertKind, AlertState, NotificationRule, NotificationRules, Severity
from storage import Place

ItemKey = tuple[str, str]  # channel, alert_id
AssetKey = tuple[str, str]  # asset_class, asset_id
PENDING = ""  # where a channel stands else: open alerts that no rule tells yet on `waits_for`
RANK: Mapping[str | None, int] = {None: 0, "advisory": 1, "warning": 2, "critical": 3}


class Item(BaseModel):
    """Of a channel and an alert. `told` is the worst severity that was told of it, and `told_over` whether that it is
    over was; `news_at` since when there is something that was not told.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")  # a newer version may have written more
    alert_id: str
    asset_class: str
    asset_id: str
    failure_mode: str
    kind: AlertKind
    site: str | None
    line: str | None
    labels: dict[str, str]
    sequence: int
    state: AlertState
    severity: Severity
    raised_at: datetime
    changed_at: datetime
    reason: str
    acknowledged: bool = False
    news_at: datetime | None = None
    held: bool = False
    told: Severity | None = None
    told_over: bool = False
    told_at: datetime | None = None
    told_level: int = 0
    waits_for: tuple[str, ...] = ()
    is_past: bool = False

    @property
    def is_history(self) -> bool:
        """Whether it happened long ago, and was told at no time."""
        return self.is_past and self.told is None

    @property
    def is_open(self) -> bool:
        return self.state == "raised"

    @property
    def asset(self) -> AssetKey:
        return self.asset_class, self.asset_id

    @property
    def mode(self) -> tuple[str, str, str]:
        return self.asset_class, self.asset_id, self.failure_mode

    def document(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True)


class Known:
    """The items of all channels, and which of them changed since `clear_changes`."""

    def __init__(self, items: Iterable[tuple[ItemKey, Item]] = ()) -> None:
        self.items: dict[str, dict[str, Item]] = {}
        self._channels_of: dict[str, set[str]] = {}
        self.changes: dict[ItemKey, Item | None] = {}
        for key, item in items:
            self._keep(key, item)

    def of_alert(self, alert_id: str) -> set[str]:
        """The channels that know an alert."""
        return self._channels_of.get(alert_id, set())

    def put(self, channel: str, item: Item) -> None:
        self._keep((channel, item.alert_id), item)
        self.changes[channel, item.alert_id] = item

    def forget(self, channel: str, alert_id: str) -> None:
        del self.items[channel][alert_id]
        self._channels_of[alert_id].discard(channel)
        if not self._channels_of[alert_id]:
            del self._channels_of[alert_id]
        self.changes[channel, alert_id] = None

    def take_changes(self) -> dict[ItemKey, dict[str, Any] | None]:
        changes, self.changes = self.changes, {}
        return {key: None if item is None else item.document() for key, item in changes.items()}

    def _keep(self, key: ItemKey, item: Item) -> None:
        self.items.setdefault(key[0], {})[key[1]] = item
        self._channels_of.setdefault(key[1], set()).add(key[0])


def take(known: Known, entry: Alert | Action, rules: NotificationRules, place: Place, now: datetime) -> None:
    """One entry of the journal."""
    if isinstance(entry, Alert):
        channels = channels_of(rules, entry, place, now) if entry.state == "raised" else set()
        for channel in sorted((known.of_alert(entry.alert_id) - {PENDING}) | channels):
            before = known.items.get(channel, {}).get(entry.alert_id)
            if (item := _after(before, entry, place, now, rules)) is not None:
                known.put(channel, item)
        _keep_waiting(known, entry, rules, place, now)
        return
    for channel in sorted(known.of_alert(entry.alert_id)):
        item = known.items[channel][entry.alert_id]
        if entry.kind == "acknowledged":
            known.put(channel, item.model_copy(update={"acknowledged": True}))
        elif entry.kind == "closed" and channel == PENDING:
            known.forget(channel, entry.alert_id)
        elif entry.kind == "closed" and item.is_open:
            by_hand = {"state": "cleared", "changed_at": entry.event_time, "news_at": item.news_at or now}
            reason = f"It was closed by {entry.by}{f': {entry.reason}' if entry.reason else ''}."
            known.put(channel, item.model_copy(update={**by_hand, "reason": reason}))


def admit(
    known: Known, rules: NotificationRules, assets: Container[AssetKey], places: Mapping[AssetKey, Place], now: datetime
) -> None:
    """Give channels the open alerts of these assets that fit a rule only now: its time has come, or the asset's place
    is told.
    """
    for item in [item for item in known.items.get(PENDING, {}).values() if item.asset in assets]:
        place = places.get(item.asset, Place())
        channels = channels_of(rules, item, place, now) & set(item.waits_for)
        where = {"site": place.site, "line": place.line, "labels": dict(place.labels)}
        for channel in sorted(channels):
            known.put(channel, item.model_copy(update={"waits_for": (), "news_at": now, **where}))
        if channels:
            _wait_for(known, item, set(item.waits_for) - channels)


def _keep_waiting(known: Known, alert: Alert, rules: NotificationRules, place: Place, now: datetime) -> None:
    """Keep the open alert where a rule may come to fit: by time and place these change, and no transition tells it."""
    before = known.items.get(PENDING, {}).get(alert.alert_id)
    if (item := _after(before, alert, place, now, rules)) is not None:
        may_tell = {name for rule in rules.rules if _is_about(rule, alert) for name in rule.channels}
        _wait_for(known, item, may_tell - known.of_alert(alert.alert_id) if item.is_open else set())


def _wait_for(known: Known, item: Item, channels: set[str]) -> None:
    if channels:
        known.put(PENDING, item.model_copy(update={"waits_for": tuple(sorted(channels))}))
    elif PENDING in known.of_alert(item.alert_id):
        known.forget(PENDING, item.alert_id)


def _after(before: Item | None, alert: Alert, place: Place, now: datetime, rules: NotificationRules) -> Item | None:
    """The item after a transition. None: nothing follows, as it is an old one, or the alert is over and unknown."""
    if before is not None and (alert.sequence <= before.sequence or not before.is_open):
        return None
    told = before.told if before else None
    is_past = now - alert.event_time > timedelta(hours=rules.past_after_h)
    is_past = is_past or (alert.state == "cleared" and before is not None and before.is_past)
    is_news = alert.state == "cleared" or RANK[alert.severity] > RANK[told]
    news_at = before.news_at if before else None
    item = before or Item(
        alert_id=alert.alert_id, asset_class=alert.asset_class, asset_id=alert.asset_id,
        failure_mode=alert.failure_mode, kind=alert.kind, site=place.site, line=place.line,
        labels=dict(place.labels), sequence=alert.sequence, state=alert.state, severity=alert.severity,
        raised_at=alert.event_time, changed_at=alert.event_time, reason="",
    )  # fmt: skip
    return item.model_copy(
        update={
            "sequence": alert.sequence, "state": alert.state, "severity": alert.severity,
            "changed_at": alert.event_time, "reason": alert.evidence.sentence or f"It {alert.evidence.reason}.",
            "news_at": (news_at or now) if is_news else news_at, "is_past": is_past,
        }
    )  # fmt: skip


def channels_of(rules: NotificationRules, alert: Alert | Item, place: Place, now: datetime) -> set[str]:
    """The channels on which some rule tells of the alert at this moment."""
    return {name for rule in rules.rules if fits(rule, alert, place, now) for name in rule.channels}


def may_repeat(rules: NotificationRules, channel: str, item: Item, now: datetime) -> bool:
    """Whether it is the time of a rule that tells of the alert there, however bad it is by now."""
    place, worst = Place(item.site, item.line, item.labels), item.model_copy(update={"severity": "critical"})
    return channel in channels_of(rules, worst, place, now)


def fits(rule: NotificationRule, alert: Alert | Item, place: Place, now: datetime) -> bool:
    return (
        _is_about(rule, alert)
        and (not rule.site or place.site in rule.site)
        and (not rule.line or place.line in rule.line)
        and all(place.labels.get(name) == value for name, value in rule.labels.items())
        and (not rule.when or is_within_any(rule.when, now))
    )


def _is_about(rule: NotificationRule, alert: Alert | Item) -> bool:
    """Wherever the asset stands and whatever the time."""
    return (
        RANK[alert.severity] >= RANK[rule.severity]
        and (not rule.asset_class or alert.asset_class in rule.asset_class)
        and (not rule.kind or alert.kind in rule.kind)
    )
