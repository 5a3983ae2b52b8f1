"""Service: whether an asset is in service, by its log, and which maintenance windows it has.

asset_log ─► the newest entry about service that is not ahead of now ─► in service, out of it, decommissioned
          ─► begins and ends of windows ─► those that are open or ahead

The worker decides by the same rules (models/maintenance/kernel/log_memory.c and windows.c); this is what people see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, get_args

from sqlalchemy import ColumnElement, Connection, and_, func, literal, literal_column, or_, select
from sqlalchemy.orm import aliased

from schemas import InService, WindowBody
from storage.kept_tables import ABOUT_SERVICE, LogRow
from storage.keys import any_of
from storage.tables import AssetRow

IN_SERVICE, OUT_OF_SERVICE, DECOMMISSIONED = get_args(InService)
AssetKey = tuple[str, str]  # asset_class, asset_id
MOST_MARKS = 500  # of windows that are looked at: the newest that have come, and the next ones


class Mark(NamedTuple):
    """A begin or end of a maintenance window."""

    at: datetime
    is_end: bool
    code: str | None


def is_in(services: Sequence[InService]) -> ColumnElement[bool]:
    """Whether the asset of a row of `assets` is one of these now."""
    kind = func.coalesce(_newest("kind"), literal(IN_SERVICE))
    if IN_SERVICE in services:  # asked once of each row, and so of those that are not meant
        return kind.not_in([one for one in (OUT_OF_SERVICE, DECOMMISSIONED) if one not in services])
    return kind.in_(services)


def services_of(connection: Connection, keys: Sequence[AssetKey]) -> dict[AssetKey, tuple[InService, datetime]]:
    """Of the assets whose log says something of it: what they are, and since when."""
    if not keys:
        return {}
    statement = select(AssetRow.asset_class, AssetRow.asset_id, _newest("kind"), _newest("event_time"))
    found = connection.execute(statement.where(any_of(AssetRow.asset_class, AssetRow.asset_id, keys)))
    return {
        (of_class, of_id): (IN_SERVICE if kind == "replacement" else kind, since)
        for of_class, of_id, kind, since in found
        if kind is not None
    }


def decommissioned_by_class(connection: Connection) -> dict[str, int]:
    """How many assets are so now, of those without an open alert."""
    some = select(LogRow.asset_class, LogRow.asset_id).where(LogRow.kind == DECOMMISSIONED).distinct().subquery()
    is_of = and_(AssetRow.asset_class == some.c.asset_class, AssetRow.asset_id == some.c.asset_id)
    statement = select(AssetRow.asset_class, func.count()).join_from(some, AssetRow, is_of)
    statement = statement.where(AssetRow.severity == 0, is_in([DECOMMISSIONED]))
    found = connection.execute(statement.group_by(AssetRow.asset_class))
    return {asset_class: int(count) for asset_class, count in found}


def windows_of(connection: Connection, asset: AssetKey) -> list[WindowBody]:
    """The maintenance windows of an asset that are open now or lie ahead, the first first."""
    is_of_asset = (LogRow.asset_class == asset[0], LogRow.asset_id == asset[1])
    columns, now = (LogRow.event_time, LogRow.kind, LogRow.code), datetime.now(UTC)
    statement = select(*columns).where(*is_of_asset, LogRow.kind.in_(("window_start", "window_end")))
    past = statement.where(LogRow.event_time <= now).order_by(LogRow.event_time.desc()).limit(MOST_MARKS)
    ahead = statement.where(LogRow.event_time > now).order_by(LogRow.event_time).limit(MOST_MARKS)
    rows = [*connection.execute(past), *connection.execute(ahead)]
    marks = [Mark(at, kind == "window_end", code) for at, kind, code in rows]
    return [one for one in paired(marks) if one.end is None or one.end > now]


def paired(marks: Iterable[Mark]) -> list[WindowBody]:
    """Windows by their begin. An end closes those of its code; one that fits none the latest, without a code first."""
    windows, open_ones = list[WindowBody](), list[WindowBody]()
    for mark in sorted(set(marks), key=lambda mark: (mark.at, mark.is_end)):
        if not mark.is_end:
            window = WindowBody(start=mark.at, code=mark.code)
            open_ones.append(window)
            windows.append(window)
            continue
        for window in _closed_by(mark, open_ones):
            open_ones.remove(window)
            windows[windows.index(window)] = window.model_copy(update={"end": mark.at})
    return windows


def _closed_by(mark: Mark, open_ones: Sequence[WindowBody]) -> list[WindowBody]:
    if mark.code is not None and (own := [one for one in open_ones if one.code == mark.code]):
        return own
    meant = [one for one in open_ones if one.code is None or mark.code is None]
    return sorted(meant, key=lambda one: (one.code is None, one.start))[-1:]


def _newest(column: str) -> ColumnElement[Any]:
    """Of the entries about the service of the asset of a row of `assets`, the newest that is not ahead of now."""
    entry = aliased(LogRow, name="entry")
    # word by word as in the index: the databases take it only then
    is_about = entry.kind.in_([literal_column(f"'{kind}'") for kind in ABOUT_SERVICE])
    is_whole = or_(entry.kind != "replacement", entry.component.is_(None))
    of_asset = and_(entry.asset_class == AssetRow.asset_class, entry.asset_id == AssetRow.asset_id)
    statement = select(getattr(entry, column)).where(
        of_asset, is_about, is_whole, entry.event_time <= datetime.now(UTC)
    )
    order = (entry.event_time.desc(), entry.partition.desc(), entry.offset.desc())
    return statement.order_by(*order).limit(1).correlate(AssetRow).scalar_subquery()
