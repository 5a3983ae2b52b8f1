"""Read performance: what the counts of the alarm system are made of: alerts of a time, failures of the log, assets.

select ─► RaisedAlert, Failure ─► storage.performance ─► PerformanceBody
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from schemas import PerformanceBody
from storage.kept_tables import LogRow
from storage.keys import any_of
from storage.performance import Failure, Observed, RaisedAlert, performance
from storage.read_alerts import is_shelved
from storage.tables import AcknowledgementRow, AlertRow, AssetRow, LatestScoreRow, ShelvingRow

MOST_ALERTS = 50_000  # about half a second; the newest count
AT_ONCE = 500
STALE_AFTER = timedelta(days=1)
Key = tuple[str, str]  # asset_class, asset_id


class PerformanceReading:
    _connection: Connection

    def performance(self, start: datetime, end: datetime, asset_class: str | None) -> PerformanceBody:
        """Of the alerts raised at `start` or later and before `end`."""
        raised = _alerts(asset_class).where(AlertRow.raised_at >= start, AlertRow.raised_at < end)
        newest = raised.order_by(AlertRow.raised_at.desc()).limit(MOST_ALERTS + 1)
        alerts = self._raised(newest)
        failures = self._failures(start, end, asset_class)
        asset_s, first = self._observed_time(start, end, asset_class)
        seen = Observed(
            alerts[:MOST_ALERTS], self._earlier(start, failures), failures[:MOST_ALERTS], self._stale(asset_class),
            asset_s, max(len(alerts), len(failures)) <= MOST_ALERTS, first,
        )  # fmt: skip
        return performance(start, end, seen)

    def _raised(self, statement: Select[Any]) -> list[RaisedAlert]:
        return [
            RaisedAlert(
                row.asset_class, row.asset_id, row.failure_mode, row.severity, row.raised_at,
                row.updated_at if row.state == "cleared" else None, row.acknowledged_at,
                row.outcome and row.outcome["verdict"],
            )
            for row in self._connection.execute(statement)
        ]  # fmt: skip

    def _failures(self, start: datetime, end: datetime, asset_class: str | None) -> list[Failure]:
        """The component of one counts only where its asset has scores by component."""
        is_meant = [LogRow.kind == "failure", LogRow.event_time >= start, LogRow.event_time < end]
        if asset_class is not None:
            is_meant.append(LogRow.asset_class == asset_class)
        columns = (LogRow.asset_class, LogRow.asset_id, LogRow.event_time, LogRow.component)
        statement = select(*columns).where(*is_meant).order_by(LogRow.event_time.desc()).limit(MOST_ALERTS + 1)
        found = self._connection.execute(statement).all()
        scored = (LatestScoreRow.asset_class, LatestScoreRow.asset_id, LatestScoreRow.component)
        known = {
            tuple(row)
            for some in _in_turn({(row[0], row[1]) for row in found})
            for row in self._connection.execute(
                select(*scored).where(any_of(LatestScoreRow.asset_class, LatestScoreRow.asset_id, some))
            )
        }
        return [
            Failure(of_class, asset, time, component if (of_class, asset, component) in known else None)
            for of_class, asset, time, component in found
        ]

    def _earlier(self, start: datetime, failures: Sequence[Failure]) -> list[RaisedAlert]:
        """Alerts of the assets that failed, from before the time, that were open at its beginning."""
        found: list[RaisedAlert] = []
        for some in _in_turn({(failure.asset_class, failure.asset_id) for failure in failures}):
            is_open = or_(AlertRow.state == "raised", AlertRow.updated_at >= start)
            of_assets = any_of(AlertRow.asset_class, AlertRow.asset_id, some)
            found += self._raised(_alerts(None).where(of_assets, AlertRow.raised_at < start, is_open))
        return found

    def _stale(self, asset_class: str | None) -> int:
        is_old = (AlertRow.state == "raised", AlertRow.raised_at < datetime.now(UTC) - STALE_AFTER)
        statement = select(func.count()).select_from(AlertRow).outerjoin(ShelvingRow, is_shelved())
        statement = statement.where(*is_old, ShelvingRow.until.is_(None))
        if asset_class is not None:
            statement = statement.where(AlertRow.asset_class == asset_class)
        return self._connection.scalar(statement) or 0

    def _observed_time(self, start: datetime, end: datetime, asset_class: str | None) -> tuple[float, datetime | None]:
        """How many seconds all assets together were seen within the time, and when the first of them was."""
        statement = select(AssetRow.first_seen, AssetRow.last_seen).where(AssetRow.last_seen >= start)
        if asset_class is not None:
            statement = statement.where(AssetRow.asset_class == asset_class)
        seen = self._connection.execute(statement).all()
        spans = ((max(first, start), min(last, end)) for first, last in seen)
        seconds = sum(max(0.0, (last - first).total_seconds()) for first, last in spans)
        return seconds, min((first for first, _ in seen), default=None)


def _alerts(asset_class: str | None) -> Select[Any]:
    statement = select(AlertRow.__table__, AcknowledgementRow.__table__.columns["acknowledged_at"]).outerjoin_from(
        AlertRow, AcknowledgementRow, AcknowledgementRow.alert_id == AlertRow.alert_id
    )
    return statement if asset_class is None else statement.where(AlertRow.asset_class == asset_class)


def _in_turn(keys: set[Key]) -> Iterator[list[Key]]:
    ordered = sorted(keys)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]
