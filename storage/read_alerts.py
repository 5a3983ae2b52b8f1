"""Read alerts: which there are, by any combination of filters, and what happened to each, in order.

select ─► one reading of an index for each combination ─► merged ─► bodies
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from schemas import (
    DATA_MODE,
    Acknowledgement,
    Action,
    Alert,
    AlertBody,
    AlertDetail,
    AlertKind,
    AlertState,
    Severity,
    Shelving,
)
from storage.kept_tables import SiteRow
from storage.kept_write import ASSET
from storage.read_journal import JournalReading, entry_of
from storage.read_words import beginning_with, with_words
from storage.sites import ANYWHERE, SEVERITIES, PlaceFilter, SiteReading
from storage.tables import AcknowledgementRow, AlertRow, ShelvingRow, TransitionRow

After = tuple[datetime, str]
AlertOrder = Literal["raised_at", "worst"]
STANDING = (AlertRow.state, AlertRow.severity, AlertRow.is_acknowledged)


class AlertFilter(NamedTuple):
    """Which alerts a list shows; none: any. `start <= raised_at < end`.

    `words`: each is the beginning of a word of the asset's id or class.
    """

    state: str | None = None
    severity: str | tuple[str, ...] | None = None
    asset_id: str | None = None
    asset_class: str | None = None
    acknowledged: bool | None = None
    shelved: bool | None = None
    assignee: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    words: tuple[str, ...] = ()
    failure_mode: str | None = None
    kind: AlertKind | None = None
    place: PlaceFilter = ANYWHERE
    suppressed: bool | None = None  # by its site, at this moment

    @property
    def severities(self) -> tuple[str, ...]:
        return (self.severity,) if isinstance(self.severity, str) else self.severity or ()


def place_of_alert(alert: AlertBody, order: AlertOrder) -> tuple[Any, ...]:
    """Where an alert stands in that order: what `Reader.alerts` goes on after."""
    first = (SEVERITIES.index(alert.severity),) if order == "worst" else ()
    return (*first, alert.raised_at, alert.alert_id)


class AlertReading(JournalReading, SiteReading):
    _connection: Connection

    def alerts(self, which: AlertFilter, after: Any, limit: int, order: AlertOrder = "raised_at") -> list[AlertBody]:
        """The last raised first, or the worst first and of those alike the last raised; `after` is the place of the one
        before, see `place_of_alert`."""
        rows = self._worst_alerts(which, after, limit) if order == "worst" else self._alerts(which, after, limit)
        return [AlertBody(**values) for values in self._bodies(rows)]

    def _worst_alerts(self, which: AlertFilter, after: Any, limit: int) -> list[Row[Any]]:
        """Severity by severity, each in the order of time."""
        first, *key = after or (len(SEVERITIES) - 1,)
        rows: list[Row[Any]] = []
        for place in range(first, -1, -1):
            severity = SEVERITIES[place]
            if len(rows) < limit and severity in (which.severities or SEVERITIES):
                goes_on = (key[0], key[1]) if key and place == first else None
                rows += self._alerts(which._replace(severity=severity), goes_on, limit - len(rows))
        return rows

    def _alerts(self, which: AlertFilter, after: After | None, limit: int) -> list[Row[Any]]:
        statement = self._statement(which, after, limit)
        conditions = _conditions(which)
        if conditions is not None:
            rows = list(self._connection.execute(statement.where(*conditions)))
        else:  # one statement, which is built once, for all of them
            each = statement.where(*(column == bindparam(column.key) for column in STANDING))
            rows = [row for standing in _standings(which) for row in self._connection.execute(each, standing)]
            rows.sort(key=lambda row: (row.raised_at, row.alert_id), reverse=True)
        return rows[:limit]

    def _bodies(self, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
        told = self.sites_of((row.asset_class, row.asset_id) for row in rows)
        is_open = [row.state == "raised" for row in rows]
        sites = [told.get((row.asset_class, row.asset_id), {}).get("site") for row in rows]
        has_any = any(site and is_so for site, is_so in zip(sites, is_open, strict=True))
        parents = self.suppressing() if has_any else set()
        return [
            _alert(row, told) | {"suppressed_by": site if is_so and site in parents else None}
            for row, site, is_so in zip(rows, sites, is_open, strict=True)
        ]

    def _statement(self, which: AlertFilter, after: After | None, limit: int) -> Select[Any]:
        statement = _select_alerts()
        for column in (AlertRow.asset_id, AlertRow.asset_class, AlertRow.failure_mode, AlertRow.assignee):
            if (wanted := getattr(which, column.key)) is not None:
                statement = statement.where(column == wanted)
        if which.kind is not None:
            is_data = AlertRow.failure_mode == DATA_MODE
            statement = statement.where(is_data if which.kind == "data" else ~is_data)
        if which.shelved is not None:
            statement = statement.where(
                ShelvingRow.until.is_not(None) if which.shelved else ShelvingRow.until.is_(None)
            )
        if which.suppressed is not None:
            is_so = and_(AlertRow.state == "raised", self._is_of_sites(self.suppressing()))
            statement = statement.where(is_so if which.suppressed else ~is_so)
        if which.start is not None:
            statement = statement.where(AlertRow.raised_at >= which.start)
        if which.end is not None:
            statement = statement.where(AlertRow.raised_at < which.end)
        sought = [*beginning_with(ASSET, which.words), *which.place.sought]
        statement = with_words(self._connection, statement, sought, (AlertRow.asset_class, AlertRow.asset_id))
        if after is not None:
            statement = statement.where(precedes(AlertRow.raised_at, AlertRow.alert_id, after))
        return statement.order_by(AlertRow.raised_at.desc(), AlertRow.alert_id.desc()).limit(limit)

    @staticmethod
    def _is_of_sites(sites: Collection[str]) -> ColumnElement[bool]:
        is_there = select(literal(1)).where(
            SiteRow.asset_class == AlertRow.asset_class, SiteRow.asset_id == AlertRow.asset_id,
            SiteRow.removed_at.is_(None), SiteRow.site.in_(sorted(sites)),
        )  # fmt: skip
        return is_there.exists()

    def alert(self, alert_id: str) -> AlertDetail | None:
        row = self._connection.execute(_select_alerts().where(AlertRow.alert_id == alert_id)).one_or_none()
        if row is None:
            return None
        of_alert = select(TransitionRow.sequence, TransitionRow.event).where(TransitionRow.alert_id == alert_id)
        found = self._connection.execute(of_alert.order_by(TransitionRow.sequence))
        entries = [entry_of(sequence, event) for sequence, event in found]
        return AlertDetail(
            **self._bodies([row])[0],
            transitions=[entry for entry in entries if isinstance(entry, Alert)],
            actions=[entry for entry in reversed(entries) if isinstance(entry, Action)],
        )

    def sentences(self, alert_ids: Sequence[str]) -> dict[str, str]:
        """Of each alert what its last transition says in one sentence; those of before have none. By keys alone."""
        sentence = TransitionRow.event["evidence"]["sentence"].as_string()
        is_last = and_(TransitionRow.alert_id == AlertRow.alert_id, TransitionRow.sequence == AlertRow.sequence)
        statement = select(AlertRow.alert_id, sentence).join(TransitionRow, is_last)
        rows = self._connection.execute(statement.where(AlertRow.alert_id.in_(alert_ids)))
        return {alert_id: said for alert_id, said in rows if said}

    def has_ended_shelvings(self, now: datetime) -> bool:
        return self._connection.scalar(select(ShelvingRow.until).where(ShelvingRow.until <= now).limit(1)) is not None


def _conditions(which: AlertFilter) -> list[ColumnElement[bool]] | None:
    """Of state, severity and acknowledgement, where one reading has them all in order. Of one asset there are few."""
    is_any = which.state is None and not which.severities and which.acknowledged is None
    if is_any and (which.asset_id is not None or which.asset_class is None):
        return []
    if which.asset_id is None:
        return None
    fits: list[ColumnElement[bool]] = []
    if which.state is not None:
        fits.append(AlertRow.state == which.state)
    if which.severities:
        fits.append(AlertRow.severity.in_(which.severities))
    if which.acknowledged is not None:
        fits.append(AlertRow.is_acknowledged == which.acknowledged)
    return fits


def _standings(which: AlertFilter) -> Iterator[dict[str, Any]]:
    """Each combination of state, severity and acknowledgement that is asked for.

    Read one by one, each is a range of the index in the order of the list.
    """
    states = get_args(AlertState) if which.state is None else (which.state,)
    severities = which.severities or get_args(Severity)
    seen = (False, True) if which.acknowledged is None else (which.acknowledged,)
    for standing in itertools.product(states, severities, seen):
        yield {column.key: value for column, value in zip(STANDING, standing, strict=True)}


def precedes(
    time: InstrumentedAttribute[datetime], key: InstrumentedAttribute[str], after: After
) -> ColumnElement[bool]:
    """Typed literals: in a row of values SQLAlchemy does not take over the types of the columns."""
    return tuple_(time, key) < tuple_(literal(after[0], time.type), literal(after[1], key.type))


def is_shelved() -> ColumnElement[bool]:
    """Joins an open alert with what keeps its failure mode out of sight at this moment."""
    return and_(
        AlertRow.state == "raised",
        ShelvingRow.asset_class == AlertRow.asset_class,
        ShelvingRow.asset_id == AlertRow.asset_id,
        ShelvingRow.failure_mode == AlertRow.failure_mode,
        ShelvingRow.until > datetime.now(UTC),
    )


def _select_alerts() -> Select[Any]:
    return (
        select(
            AlertRow.__table__,
            AcknowledgementRow.__table__.columns["acknowledged_at"],
            AcknowledgementRow.acknowledged_by,
            AcknowledgementRow.comment,
            ShelvingRow.until,
            ShelvingRow.shelved_at,
            ShelvingRow.shelved_by,
            ShelvingRow.reason,
        )
        .outerjoin_from(AlertRow, AcknowledgementRow, AcknowledgementRow.alert_id == AlertRow.alert_id)
        .outerjoin(ShelvingRow, is_shelved())
    )


def _alert(row: Row[Any], told: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    values = dict(row._mapping)
    place = told.get((row.asset_class, row.asset_id), {})
    for name in ("sequence", "is_acknowledged"):
        values.pop(name)
    at, by, comment = values.pop("acknowledged_at"), values.pop("acknowledged_by"), values.pop("comment")
    until, shelved_at = values.pop("until"), values.pop("shelved_at")
    shelved_by, reason = values.pop("shelved_by"), values.pop("reason")
    return values | {
        "kind": "data" if values["failure_mode"] == DATA_MODE else "machine",
        **{name: place[name] for name in ("site", "line", "labels") if name in place},
        "acknowledgement": None if at is None else Acknowledgement(acknowledged_at=at, by=by, comment=comment),
        "shelving": None
        if until is None
        else Shelving(until=until, shelved_at=shelved_at, by=shelved_by, reason=reason),
    }
