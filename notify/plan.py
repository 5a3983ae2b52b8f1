"""Plan: what a channel is told at a moment. Pure: items, now and what was sent lately in; groups to tell and items out.

items ─► groups of an asset, or of its site where many are in trouble ─► due? ─► quiet hours ─► rate limit ─► told

* A group is due once its first news waited for others to come, and not sooner than the interval after what it was told
  before, unless the news are worse than all that was told.
* From `parent_from` assets of a site on, the site is told and not its assets. Where groups are still more than half of
  what the rate limit leaves, they are told by site, or all in one; all in one as soon as half of it is used. The last
  of it is kept for what is worse: so something is left for what comes next.
* What cannot be told now stays news. Nothing is dropped but what was shelved from beginning to end, and what began and
  ended long ago; what began long ago and is open is told in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from notify.items import RANK, Item
from notify.times import is_within_any
from schemas import NotificationChannel

WINDOW = timedelta(minutes=10)  # of the rate limit
HISTORY_WAITS, HISTORY_WAITS_MOST = timedelta(minutes=10), timedelta(hours=1)
Level = Literal["asset", "site", "all"]
LEVELS: tuple[Level, ...] = ("asset", "site", "all")
ModeKey = tuple[str, str, str]


@dataclass(frozen=True)
class Group:
    """What belongs together: all that is known of it, and what is to be told."""

    level: Level
    key: str
    members: list[Item]
    news: list[Item]
    is_repeat: bool = False
    was_held: bool = False


@dataclass
class Plan:
    """`items` are those that changed, `forgotten` the alerts of those that are not needed any more."""

    groups: list[Group] = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)


def decide(
    channel: NotificationChannel,
    items: Mapping[str, Item],
    now: datetime,
    sent: Sequence[datetime],
    shelved: Mapping[ModeKey, datetime],
    *,
    waits: bool,
    may_repeat: Callable[[Item], bool] = lambda _: True,
) -> Plan:
    """What the channel is told now.

    Args:
        sent: when it was told something, at least of the last ten minutes.
        shelved: until when a failure mode of an asset is out of sight.
        waits: whether something that was decided is not sent yet: then nothing is, and news gather.
        may_repeat: whether an alert may be told again at this time.
    """
    plan = Plan()
    audible, holds_history = [], _holds_history(items.values(), now)
    for item in items.values():
        is_shelved = item.mode in shelved and shelved[item.mode] > now
        if _is_done(channel, item, now, is_shelved=is_shelved):
            plan.forgotten.append(item.alert_id)
        elif not is_shelved and not (holds_history and item.is_history):
            audible.append(item)
    due = [found for group in _groups(channel, audible) if (found := _due(channel, group, now, may_repeat))]
    if is_within_any(channel.quiet, now):
        due = _break_quiet(channel, due, plan)
    elif any(group.was_held or any(item.is_history for item in group.news) for group in due):
        due = _merged(due, "all")
    used = sum(at > now - WINDOW for at in sent)
    free = channel.most - used - _kept(channel, due, items.values(), now)
    if due and free > 0 and not waits:
        allowed = 1 if 2 * used >= channel.most else min(free, (channel.most - used) // 2)
        plan.groups = _within(channel, due, allowed)
        for group in plan.groups:
            plan.items |= {item.alert_id: _told(item, group, now) for item in group.news}
    return plan


def key_of(channel: NotificationChannel, item: Item, level: Level) -> str:
    if level == "all":
        return "all"
    site = f"/{item.site or ''}" if "site" in channel.group_by else ""
    return f"site{site}" if level == "site" else f"asset{site}/{item.asset_class}/{item.asset_id}"


def levels_of(channel: NotificationChannel) -> tuple[Level, ...]:
    """From the smallest groups that the channel wants to all in one."""
    return tuple(level for level in LEVELS if level == "all" or level in channel.group_by)


def _is_done(channel: NotificationChannel, item: Item, now: datetime, *, is_shelved: bool) -> bool:
    if item.is_open:
        return False
    if item.told is None:
        return is_shelved or item.is_past
    if item.told_over and item.told_at is not None:  # kept as long as the interval of its group counts from it
        return item.told_at + timedelta(seconds=channel.group_interval_s) <= now
    return not channel.resolved


def _holds_history(items: Iterable[Item], now: datetime) -> bool:
    """What is open of long ago waits for the end of a replay, in which most of it ends too; but not for ever."""
    news = [item.news_at for item in items if item.is_history and item.news_at]
    return bool(news) and max(news) + HISTORY_WAITS > now and min(news) + HISTORY_WAITS_MOST > now


def _groups(channel: NotificationChannel, items: Iterable[Item]) -> list[Group]:
    """Each asset, unless so many of its site are in trouble that the site is told."""
    levels = levels_of(channel)
    found = _grouped(channel, items, levels[0])
    if levels[0] != "asset":
        return found
    parents: dict[str, list[Group]] = {}
    for group in found:
        parents.setdefault(key_of(channel, group.members[0], levels[1]), []).append(group)
    groups: list[Group] = []
    for key, children in parents.items():
        if sum(_is_in_trouble(child) for child in children) >= channel.parent_from:
            groups.append(_union(children, levels[1], key))
        else:
            groups += children
    return groups


def _is_in_trouble(group: Group) -> bool:
    return bool(group.news) or any(item.is_open for item in group.members)


def _grouped(channel: NotificationChannel, items: Iterable[Item], level: Level) -> list[Group]:
    members: dict[str, list[Item]] = {}
    for item in items:
        members.setdefault(key_of(channel, item, level), []).append(item)
    return [Group(level, key, of, [item for item in of if item.news_at]) for key, of in members.items()]


def _due(channel: NotificationChannel, group: Group, now: datetime, may_repeat: Callable[[Item], bool]) -> Group | None:
    """The group with what is to be told of it now; none where it has to wait."""
    if group.news:
        first = min(item.news_at or now for item in group.news)
        has_waited = first + timedelta(seconds=channel.group_wait_s) <= now
        was_held = any(item.held for item in group.news)
        if was_held or (has_waited and (_is_worse(group) or _interval_is_over(channel, group, now))):
            return Group(group.level, group.key, group.members, group.news, was_held=was_held)
    every = timedelta(hours=channel.repeat_h)
    unseen = [item for item in group.members if item.is_open and item.told and not item.acknowledged]
    if every and any((item.told_at or now) + every <= now and may_repeat(item) for item in unseen):
        return Group(group.level, group.key, group.members, unseen, is_repeat=True)
    return None


def _is_worse(group: Group) -> bool:
    """Than all that was told of it and is open."""
    news = max((RANK[item.severity] for item in group.news if item.is_open), default=0)
    return news > max((RANK[item.told] for item in group.members if item.is_open), default=0)


def _interval_is_over(channel: NotificationChannel, group: Group, now: datetime) -> bool:
    """What a parent was told counts for its assets, and not the other way: a parent is told at once."""
    least = LEVELS.index(group.level)
    told = [item.told_at for item in group.members if item.told_at and item.told_level >= least]
    return not told or max(told) + timedelta(seconds=channel.group_interval_s) <= now


def _break_quiet(channel: NotificationChannel, due: Iterable[Group], plan: Plan) -> list[Group]:
    """What is told in quiet hours; the rest is held back, to be told after them."""
    broken = []
    for group in due:
        critical = [item for item in group.news if item.is_open and item.severity == "critical"]
        breaking = critical if channel.critical_breaks_quiet else []
        if not group.is_repeat:
            loud = {item.alert_id for item in breaking}
            held = [item for item in group.news if item.alert_id not in loud and not item.held]
            plan.items |= {item.alert_id: item.model_copy(update={"held": True}) for item in held}
        if breaking:
            broken.append(Group(group.level, group.key, group.members, breaking, group.is_repeat, group.was_held))
    return broken


def _kept(channel: NotificationChannel, due: Iterable[Group], items: Iterable[Item], now: datetime) -> int:
    """How much of the rate limit what is due must leave: the last one for what is critical, and one for each severity
    that is worse than it and than all that was told in the window. So what is worse never waits for what is milder.
    """
    worst = max((_rank_of_news(group) for group in due), default=0)
    if worst == RANK["critical"]:
        return 0
    lately = [item for item in items if item.told_at and item.told_at > now - WINDOW and not item.told_over]
    told = max((RANK[item.told] for item in lately), default=0)
    return min(channel.most - 1, max(1, RANK["critical"] - max(worst, told)))


def _rank_of_news(group: Group) -> int:
    return 0 if group.is_repeat else max((RANK[item.severity] for item in group.news if item.is_open), default=0)


def _within(channel: NotificationChannel, due: list[Group], allowed: int) -> list[Group]:
    """No more groups than that, and one at least."""
    for level in levels_of(channel):
        merged = _coarser(channel, due, level)
        if len(merged) <= allowed:
            return merged
    return _merged(due, "all")


def _coarser(channel: NotificationChannel, groups: Iterable[Group], level: Level) -> list[Group]:
    """Groups of this level at least."""
    by_key: dict[str, list[Group]] = {}
    for group in groups:
        is_coarse = LEVELS.index(group.level) >= LEVELS.index(level)
        key = group.key if is_coarse else key_of(channel, group.members[0], level)
        by_key.setdefault(key, []).append(group)
    return [of[0] if len(of) == 1 else _union(of, level, key) for key, of in by_key.items()]


def _merged(groups: list[Group], key: Literal["all"]) -> list[Group]:
    return groups if len(groups) == 1 else [_union(groups, key, key)]


def _union(groups: Sequence[Group], level: Level, key: str) -> Group:
    members = [item for group in groups for item in group.members]
    news = [item for group in groups for item in group.news]
    is_repeat = bool(news) and all(group.is_repeat for group in groups)
    return Group(level, key, members, news, is_repeat, any(group.was_held for group in groups))


def _told(item: Item, group: Group, now: datetime) -> Item:
    worst = item.severity if item.is_open and RANK[item.severity] > RANK[item.told] else item.told or item.severity
    return item.model_copy(
        update={
            "told": worst, "told_over": not item.is_open, "told_at": now, "told_level": LEVELS.index(group.level),
            "news_at": None, "held": False,
        }
    )  # fmt: skip
