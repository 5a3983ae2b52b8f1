"""Service: whether an asset is in service, by its log, and which maintenance windows it has.

asset_log ─► the newest entry about service that is not ahead of now ─► in service, out of it, decommissioned until back
          ─► begins and ends of windows ─► those that are open or ahead

The worker decides by the same rules (models/maintenance/kernel/log_memory.c and windows.c); this is what people see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import UTC, datetime
from typing import Any, NamedTuple, get_args

from sqlalchemy import ColumnElement, Connection, and_, false, func, literal, literal_column, not_, or_, select
from sqlalchemy.orm import aliased

from schemas import InService, WindowBody
from storage.kept_tables import ABOUT_SERVICE, LogRow
from storage.keys import any_of
from storage.tables import AssetRow

IN_SERVICE, OUT_OF_SERVICE, DECOMMISSIONED = get_args(InService)
AssetKey = tuple[str, str]  # asset_class, asset_id
MOST_MARKS = 1000  # of windows that are looked at, the nearest that were and as many that are ahead


class Mark(NamedTuple):
    """A begin or end of a maintenance window."""

    at: datetime
    is_end: bool
    code: str | None
    event: bytes | None = None  # tells windows without a code apart


def is_in(services: Sequence[InService]) -> ColumnElement[bool]:
    """Whether the asset of a row of `assets` is one of these now."""
    kind = func.coalesce(_newest("kind"), literal(IN_SERVICE))
    is_gone = func.coalesce(_newest("kind", {OUT_OF_SERVICE}), literal(IN_SERVICE)) == DECOMMISSIONED
    found = {
        IN_SERVICE: kind.in_((IN_SERVICE, "replacement")),
        OUT_OF_SERVICE: and_(kind == OUT_OF_SERVICE, not_(is_gone)),  # is_gone: asked of few
        DECOMMISSIONED: or_(kind == DECOMMISSIONED, and_(kind == OUT_OF_SERVICE, is_gone)),
    }
    return or_(false(), *(found[one] for one in services))


def services_of(connection: Connection, keys: Sequence[AssetKey]) -> dict[AssetKey, tuple[InService, datetime]]:
    """Of the assets whose log says something of it: what they are, and since when.

    What is decommissioned stays so until it is back: that it is out of service says nothing new then.
    """
    found = _said_of(connection, keys, frozenset())
    before = _said_of(connection, [key for key, (kind, _) in found.items() if kind == OUT_OF_SERVICE], {OUT_OF_SERVICE})
    found |= {key: said for key, said in before.items() if said[0] == DECOMMISSIONED}
    return {key: (IN_SERVICE if kind == "replacement" else kind, since) for key, (kind, since) in found.items()}


def _said_of(
    connection: Connection, keys: Sequence[AssetKey], without: Set[str]
) -> dict[AssetKey, tuple[Any, datetime]]:
    """Kind and time of the newest entry."""
    if not keys:
        return {}
    said = (_newest("kind", without), _newest("event_time", without))
    statement = select(AssetRow.asset_class, AssetRow.asset_id, *said)
    rows = connection.execute(statement.where(any_of(AssetRow.asset_class, AssetRow.asset_id, keys)))
    return {(of_class, of_id): (kind, since) for of_class, of_id, kind, since in rows if kind is not None}


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
    columns = (LogRow.event_time, LogRow.kind, LogRow.code, LogRow.event_hash)
    statement = select(*columns).where(*is_of_asset, LogRow.kind.in_(("window_start", "window_end")))
    now = datetime.now(UTC)
    past = statement.where(LogRow.event_time <= now).order_by(LogRow.event_time.desc())
    ahead = statement.where(LogRow.event_time > now).order_by(LogRow.event_time)
    rows = [row for nearest in (past, ahead) for row in connection.execute(nearest.limit(MOST_MARKS))]
    marks = [Mark(at, kind == "window_end", code, None if code else event) for at, kind, code, event in rows]
    return [one for one in paired(marks) if one.end is None or one.end > max(now, one.start)]


def paired(marks: Iterable[Mark]) -> list[WindowBody]:
    """Windows by their begin. An end closes those of its code; one that fits none the latest, without a code first."""
    begins, open_ones, ends = list[Mark](), list[Mark](), dict[Mark, datetime]()
    for mark in sorted(set(marks), key=lambda mark: (mark.at, mark.is_end)):
        if not mark.is_end:
            begins.append(mark)
            open_ones.append(mark)
            continue
        for begin in _closed_by(mark, open_ones):
            open_ones.remove(begin)
            ends[begin] = mark.at
    return [WindowBody(start=one.at, code=one.code, end=ends.get(one)) for one in begins]


def _closed_by(end: Mark, open_ones: Sequence[Mark]) -> list[Mark]:
    if end.code is not None and (own := [one for one in open_ones if one.code == end.code]):
        return own
    meant = [one for one in open_ones if one.code is None or end.code is None]
    return sorted(meant, key=lambda one: (one.code is None, one.at))[-1:]


def _newest(column: str, without: Set[str] = frozenset()) -> ColumnElement[Any]:
    """Of the entries about the service of the asset of a row of `assets`, the newest that is not ahead of now."""
    entry = aliased(LogRow, name="entry")
    # word by word as in the index: the databases take it only then
    is_about = and_(entry.kind.in_([literal_column(f"'{kind}'") for kind in ABOUT_SERVICE]), entry.kind.not_in(without))
    is_whole = or_(entry.kind != "replacement", entry.component.is_(None))
    of_asset = and_(entry.asset_class == AssetRow.asset_class, entry.asset_id == AssetRow.asset_id)
    statement = select(getattr(entry, column)).where(
        of_asset, is_about, is_whole, entry.event_time <= datetime.now(UTC)
    )
    order = (entry.event_time.desc(), entry.partition.desc(), entry.offset.desc())
    return statement.order_by(*order).limit(1).correlate(AssetRow).scalar_subquery()
