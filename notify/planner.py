"""Planner: the journal of alerts becomes notifications, each decided once, however many workers there are.

journal ─► items of each channel ─► decide ─► items and notifications committed with the position, or not at all
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from notify.items import PENDING, AssetKey, Item, ItemKey, Known, admit, may_repeat, take
from notify.metrics import BEHIND, DECIDED, PASSED_OVER, UNREADABLE
from notify.plan import WINDOW, decide
from notify.words import notification_of
from schemas import Notification, NotificationChannel, NotificationRules, text_of
from storage import Decision, JournalPart, NotificationStore, Place, Unreadable

log = structlog.get_logger(__name__)
AT_ONCE = 2000  # entries of the journal in one transaction
LOOKS_A_SECOND = 2000  # items, where nothing is new: 10 us each, so at most 2 % of a core for each channel
MOST_REST_S = 30.0
NOWHERE = Place()


class Planner:
    """Of one worker; for one thread.

    Args:
        give_up_after: for so long a notification is tried.
    """

    def __init__(self, store: NotificationStore, rules: NotificationRules, give_up_after: timedelta) -> None:
        self._store, self._rules, self._give_up_after = store, rules, give_up_after
        self._known, self._version = Known(), -1
        self._nudge: dict[str, Callable[[], None]] = {}
        self._look_at: dict[str, datetime] = {}  # of a channel: when time alone may have made something due

    def on_news(self, channel: str, nudge: Callable[[], None]) -> None:
        """Call this when something is to be sent on the channel."""
        self._nudge[channel] = nudge

    def turn(self, now: datetime) -> bool:
        """Read on and decide. Returns whether there is more to read at once.

        Raises:
            UnavailableError: the database is away; nothing was decided, or what was is read again.
        """
        version, self._version = self._version, -1  # until this turn has gone well
        names, waiting = [channel.name for channel in self._rules.channels], self._waiting(now)
        part = self._store.read(names, now - WINDOW, now, AT_ONCE, waiting)
        BEHIND.set(len(part.entries))
        if part.version != version and not self._load(part.version):
            return True
        for number, entry in part.entries:
            if isinstance(entry, Unreadable):
                UNREADABLE.inc()
                log.error("an entry of the journal of alerts cannot be read; nobody is told of it", id=number,
                          reason=entry.reason)  # fmt: skip
                continue
            take(self._known, entry, self._rules, part.places.get((entry.asset_class, entry.asset_id), NOWHERE), now)
        admit(self._known, self._rules, waiting, part.places, now)
        is_whole = len(part.entries) < AT_ONCE
        notifications = self._decide(part, now) if is_whole else []
        position = part.entries[-1][0] if part.entries else part.position
        items = self._known.take_changes()
        if (items or notifications or position != part.position) and not self._store.commit(
            part.version, Decision(position, items, notifications, now + self._give_up_after)
        ):
            log.info("another notify worker decided meanwhile; its decision is read")
            return True
        has_changed = bool(items or notifications or position != part.position)
        self._version = part.version + has_changed
        for one in notifications:
            DECIDED.labels(one.channel).inc()
            self._nudge.get(one.channel, lambda: None)()
        return not is_whole

    def _waiting(self, now: datetime) -> set[AssetKey]:
        """Assets with alerts that may have come to fit a rule, now and then: the more there are, the more seldom."""
        if now < self._look_at.get(PENDING, now):
            return set()
        items = self._known.items.get(PENDING, {})
        self._look_at[PENDING] = now + timedelta(seconds=min(MOST_REST_S, len(items) / LOOKS_A_SECOND))
        return {item.asset for item in items.values()}

    def _load(self, version: int) -> bool:
        """What is known, from the database. False: it has changed since."""
        found, items = self._store.items()
        if found != version:
            return False
        self._known = Known(_readable(items))
        return True

    def _decide(self, part: JournalPart, now: datetime) -> list[Notification]:
        return [one for channel in self._rules.channels for one in self._decide_channel(channel, part, now)]

    def _decide_channel(self, channel: NotificationChannel, part: JournalPart, now: datetime) -> list[Notification]:
        items = self._known.items.get(channel.name, {})
        is_news = any(key[0] == channel.name for key in self._known.changes)
        if not is_news and now < self._look_at.get(channel.name, now):
            return []
        self._look_at[channel.name] = now + timedelta(seconds=min(MOST_REST_S, len(items) / LOOKS_A_SECOND))
        waits = channel.name in part.waiting
        plan = decide(
            channel, items, now, part.sent.get(channel.name, []), part.shelved, waits=waits,
            may_repeat=lambda item: may_repeat(self._rules, channel.name, item, now),
        )  # fmt: skip
        notifications = [
            notification_of(channel, group, now, f"{part.version}/{number}", self._rules.console)
            for number, group in enumerate(plan.groups)
        ]
        for item in plan.items.values():
            self._known.put(channel.name, item)
        untold = [items[alert_id] for alert_id in plan.forgotten if items[alert_id].told is None]
        for alert_id in plan.forgotten:
            self._known.forget(channel.name, alert_id)
        if untold:
            past = sum(item.is_past for item in untold)
            PASSED_OVER.labels("past").inc(past)
            PASSED_OVER.labels("shelved").inc(len(untold) - past)
            log.info("alerts that were over long ago, or while they were shelved, are told to nobody",
                     channel=channel.name, past=past, shelved=len(untold) - past)  # fmt: skip
        return notifications


def _readable(items: Mapping[ItemKey, dict[str, Any]]) -> Iterator[tuple[ItemKey, Item]]:
    """Without what another version may have written and this one does not understand: it hides no other."""
    for key, item in items.items():
        try:
            yield key, Item.model_validate({"alert_id": key[1], **item})
        except ValidationError as error:
            UNREADABLE.inc()
            log.warning("what a channel knows of an alert cannot be read", key=key, reason=text_of(error))
