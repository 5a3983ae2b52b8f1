"""Read operation: what the service itself is about: workers and their figures, positions, counts.

select ─► rows ─► bodies
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, and_, func, select

from schemas import Figures, FiguresBody, OverviewAlerts, WorkerStatus
from storage.kept_tables import FiguresRow
from storage.tables import AlertRow, OffsetRow, ShelvingRow, WorkerRow


class OperationReading:
    _connection: Connection

    def workers(self, since: datetime) -> list[WorkerStatus]:
        """What the workers run and measure that told of it since then, by name."""
        statement = select(WorkerRow.event).where(WorkerRow.event_time >= since).order_by(WorkerRow.worker)
        return [WorkerStatus.model_validate(event) for event in self._connection.scalars(statement)]

    def figures(self, worker: str, since: datetime, limit: int) -> list[FiguresBody]:
        """What a worker measured, minute by minute, the last first."""
        statement = select(FiguresRow.minute, FiguresRow.figures, FiguresRow.peaks).where(
            FiguresRow.worker == worker, FiguresRow.minute >= since
        )
        rows = self._connection.execute(statement.order_by(FiguresRow.minute.desc()).limit(limit))
        return [
            FiguresBody(minute=minute, figures=Figures.model_validate(figures), peaks=peaks or {})
            for minute, figures, peaks in rows
        ]

    def count_open_alerts(self) -> OverviewAlerts:
        """All of them out of an index alone; then those on the shelf, which are few, are taken from them."""
        columns, now = (AlertRow.severity, AlertRow.is_acknowledged), datetime.now(UTC)
        counted = select(*columns, func.count()).group_by(*columns)
        on_shelf = counted.select_from(ShelvingRow).join(AlertRow, _is_of_shelved()).where(ShelvingRow.until > now)
        counts = {"advisory": 0, "warning": 0, "critical": 0, "unacknowledged": 0, "shelved": 0}
        for statement, sign in ((counted.where(AlertRow.state == "raised"), 1), (on_shelf, -1)):
            for severity, is_acknowledged, count in self._connection.execute(statement):
                counts[severity] += sign * count
                counts["unacknowledged"] += 0 if is_acknowledged else sign * count
                counts["shelved"] += count if sign < 0 else 0
        return OverviewAlerts(**counts)

    def positions(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """The next offset of each partition of these topics (names on the broker) that was ever written."""
        statement = select(OffsetRow.topic, OffsetRow.partition, OffsetRow.next_offset)
        rows = self._connection.execute(statement.where(OffsetRow.topic.in_(topics)))
        return {(topic, partition): offset for topic, partition, offset in rows}

    def topic_ids(self, topics: Sequence[str]) -> dict[tuple[str, int], str | None]:
        """Of which topic each of these positions is: Kafka's id, or none where it is not known yet."""
        statement = select(OffsetRow.topic, OffsetRow.partition, OffsetRow.topic_id)
        rows = self._connection.execute(statement.where(OffsetRow.topic.in_(topics)))
        return {(topic, partition): topic_id for topic, partition, topic_id in rows}


def _is_of_shelved() -> ColumnElement[bool]:
    """Texts put together with nothing: from the shelf by the index of the asset, and not from all that is open."""
    return and_(
        AlertRow.asset_id == ShelvingRow.asset_id,
        AlertRow.asset_class.concat("") == ShelvingRow.asset_class.concat(""),
        AlertRow.failure_mode == ShelvingRow.failure_mode,
        AlertRow.state.concat("") == "raised",
    )
