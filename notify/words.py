"""Words: a group as a notification that a person reads. The reasons are those of the alerts.

Group ─► title, a line for each alert or site, links ─► Notification
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from notify.items import RANK, Item
from notify.plan import Group
from schemas import Notification, NotificationChannel, NotifiedAlert, Severity, SiteCount

MOST_ALERTS = 100  # of a webhook
MOST_LINES = 10  # of a text
MOST_SITES = 20
IDS = uuid.UUID("0b7f2d5c-6f0e-5a3b-9d43-6a4f2a1f7c90")  # namespace of the ids of notifications
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "advisory")


def notification_of(
    channel: NotificationChannel, group: Group, now: datetime, decided: str, console: str | None
) -> Notification:
    """What is sent.

    Args:
        decided: names the decision, so that the same one has the same id.
        console: address of the console, for links.
    """
    news = sorted(group.news, key=lambda item: (-_rank(item), item.site or "", item.asset_id, item.alert_id))
    sites = _sites(group)
    is_open = any(item.is_open for item in news)
    worst = max((item for item in news if item.is_open == is_open), key=lambda item: RANK[item.severity]).severity
    return Notification(
        notification_id=str(uuid.uuid5(IDS, f"{channel.name}\n{decided}")), channel=channel.name, created_at=now,
        about=group.level, group=group.key, status="open" if is_open else "cleared", severity=worst,
        title=_title(group, news, sites, worst, is_open=is_open), text=_text(group, news, sites, console),
        is_repeat=group.is_repeat, was_held=group.was_held, sites=sites,
        alerts=[_alert(item, console) for item in news[:MOST_ALERTS]], more=max(0, len(news) - MOST_ALERTS),
    )  # fmt: skip


def notification_to_try(channel: NotificationChannel, now: datetime) -> Notification:
    """For whoever wants to see whether a channel is reached: no alert is behind it, so no link leads anywhere."""
    item = Item(
        alert_id="test", asset_class="test", asset_id="test", failure_mode="test", kind="machine", site=None, line=None,
        labels={}, sequence=0, state="raised", severity="advisory", raised_at=now, changed_at=now,
        reason="This is a test of the channel: nothing is wrong.",
    )  # fmt: skip
    group = Group("asset", "test", [item], [item])
    return notification_of(channel, group, now, f"test/{now.isoformat()}", None)


def link_to(console: str | None, item: Item) -> str | None:
    return None if console is None else f"{console.rstrip('/')}/alerts/{quote(item.alert_id, safe='')}"


def _rank(item: Item) -> int:
    return RANK[item.severity] if item.is_open else 0


def _sites(group: Group) -> list[SiteCount]:
    """What is open by site, the most assets first."""
    by_site: dict[str | None, list[Item]] = {}
    for item in group.members:
        by_site.setdefault(item.site, []).append(item)
    cleared = [item.alert_id for item in group.news if not item.is_open]
    found = [_site(site, items, set(cleared)) for site, items in by_site.items()]
    return sorted((one for one in found if one.assets or one.cleared), key=lambda one: (-one.assets, one.site or ""))


def _site(site: str | None, items: Iterable[Item], cleared: set[str]) -> SiteCount:
    worst: dict[tuple[str, str], int] = {}
    over = 0
    for item in items:
        over += item.alert_id in cleared
        if item.is_open:
            worst[item.asset] = max(worst.get(item.asset, 0), RANK[item.severity])
    counts = {name: sum(rank == RANK[name] for rank in worst.values()) for name in SEVERITIES}
    return SiteCount(site=site, assets=len(worst), cleared=over, **counts)


def _title(group: Group, news: Sequence[Item], sites: Sequence[SiteCount], worst: str, *, is_open: bool) -> str:
    again = "Still " if group.is_repeat else ""
    head = f"{again}{worst}" if is_open else "Cleared"
    head = head[:1].upper() + head[1:]
    if len(news) == 1:
        item = news[0]
        return f"{head}: {item.asset_id}, {item.failure_mode} ({_where(item)})"
    if group.level == "asset" or len({item.asset for item in news}) == 1:
        item = news[0]
        return f"{head}: {item.asset_id}, {len(news)} alerts ({_where(item)})"
    if len(sites) == 1:
        return f"{head}: {_site_words(sites[0])}"
    open_ones = [one for one in sites if one.assets]
    still = f"{_number(sum(one.assets for one in open_ones), 'asset')} with open alerts"
    if is_open:
        return f"{head}: {_number(len(open_ones), 'site')}, {still}"
    cleared = [one.cleared for one in sites if one.cleared]
    over = f"{head}: {_number(sum(cleared), 'alert')} of {_number(len(cleared), 'site')}"
    return f"{over}, {still} are left" if open_ones else over


def _number(count: int, what: str) -> str:
    return f"{count:,} {what if count == 1 else what + 's'}"


def _where(item: Item) -> str:
    """The class too: one id may be that of assets of two classes."""
    return ", ".join(part for part in (item.asset_class, item.site) if part)


def _text(group: Group, news: Sequence[Item], sites: Sequence[SiteCount], console: str | None) -> str:
    lines = ["Held back during quiet hours:"] if group.was_held else []
    if all(item.is_history for item in news):
        lines.append("This began longer ago and is still open:")
    if group.is_repeat:
        lines.append("Nobody has acknowledged this yet:")
    if len(news) > 1 and group.level != "asset":
        lines += [f"{_site_words(one)}" for one in sites[:MOST_SITES]]
        if len(sites) > MOST_SITES:
            lines.append(f"and {len(sites) - MOST_SITES} more sites")
    lines += [_line(item, console) for item in news[:MOST_LINES]]
    if len(news) > MOST_LINES:
        where = f": {console.rstrip('/')}/alerts" if console else ""
        lines.append(f"and {len(news) - MOST_LINES:,} more{where}")
    return "\n".join(lines)


def _site_words(one: SiteCount) -> str:
    name = f"site {one.site}" if one.site else "without a site"
    counts = [f"{count:,} {name}" for name in SEVERITIES if (count := getattr(one, name))]
    open_ = f"{_number(one.assets, 'asset')}, {', '.join(counts)}" if counts else ""
    over = f"{_number(one.cleared, 'alert')} cleared" if one.cleared else ""
    return f"{name}: {'; '.join(part for part in (open_, over) if part)}"


def _line(item: Item, console: str | None) -> str:
    where = ", ".join(part for part in (item.asset_class, item.site, item.line) if part)
    state = item.severity if item.is_open else "cleared"
    time = f"{item.changed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    since = "" if item.is_open else f", raised {item.raised_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    link = link_to(console, item)
    line = f"{item.asset_id} ({where}), {item.failure_mode}: {state}, {time}{since}. {item.reason}"
    return f"{line} {link}" if link else line


def _alert(item: Item, console: str | None) -> NotifiedAlert:
    names = ("alert_id", "asset_id", "asset_class", "failure_mode", "kind", "state", "severity", "raised_at",
             "changed_at", "reason", "site", "line", "labels")  # fmt: skip
    return NotifiedAlert(**{name: getattr(item, name) for name in names}, link=link_to(console, item))
