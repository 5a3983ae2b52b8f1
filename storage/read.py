"""Read: what the API asks for, as the bodies that it answers. Lists go page by page, from a key on, never by offsets.

Store.reading() ─► Reader ─► select ─► rows ─► bodies
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from schemas import Alert, CatalogueEntry, Recommendation, Score, WorkerStatus
from schemas.bodies import Acknowledgement, AlertBody, AlertDetail, AssetBody, AssetDetail
from storage.tables import (
    AcknowledgementRow,
    AlertRow,
    AssetRow,
    CatalogueRow,
    LatestScoreRow,
    OffsetRow,
    RecommendationRow,
    ScoreRow,
    TransitionRow,
    WorkerRow,
)

TRENDING = "trending"
OPEN_ALERTS_SHOWN = 100
After = tuple[datetime, str]


class AlertFilter(NamedTuple):
    """Which alerts a list shows; none: any."""

    state: str | None = None
    severity: str | None = None
    asset_id: str | None = None
    asset_class: str | None = None


class Reader:
    """One read-only transaction. Lists return at most `limit` entries that come after the key `after`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def recommendation(self, user_id: str) -> Recommendation | None:
        statement = select(RecommendationRow.event).where(RecommendationRow.user_id == user_id)
        event = self._connection.scalars(statement).one_or_none()
        return Recommendation.model_validate(event) if event else None

    def catalogue_entry(self, key: str) -> CatalogueEntry | None:
        """What is trending (key `trending`), or similar to an item."""
        event = self._connection.scalars(select(CatalogueRow.event).where(CatalogueRow.key == key)).one_or_none()
        return CatalogueEntry.model_validate(event) if event else None

    def workers(self, since: datetime) -> list[WorkerStatus]:
        """What the edge workers run that told of it since then, by name."""
        statement = select(WorkerRow.event).where(WorkerRow.event_time >= since).order_by(WorkerRow.worker)
        return [WorkerStatus.model_validate(event) for event in self._connection.scalars(statement)]

    def assets(self, asset_class: str | None, after: str | None, limit: int) -> list[AssetBody]:
        """In the order of asset_id."""
        statement = select(AssetRow.__table__).order_by(AssetRow.asset_id).limit(limit)
        if asset_class is not None:
            statement = statement.where(AssetRow.asset_class == asset_class)
        if after is not None:
            statement = statement.where(AssetRow.asset_id > after)
        return [AssetBody(**row) for row in self._connection.execute(statement).mappings()]

    def asset(self, asset_id: str) -> AssetDetail | None:
        statement = select(AssetRow.__table__).where(AssetRow.asset_id == asset_id)
        row = self._connection.execute(statement).mappings().one_or_none()
        if row is None:
            return None
        latest = (
            select(LatestScoreRow.event)
            .where(LatestScoreRow.asset_id == asset_id)
            .order_by(LatestScoreRow.kind, LatestScoreRow.component)
        )
        scores = [Score.model_validate(event) for event in self._connection.scalars(latest)]
        open_alerts = self.alerts(AlertFilter(state="raised", asset_id=asset_id), None, OPEN_ALERTS_SHOWN)
        return AssetDetail(**row, latest_scores=scores, open_alerts=open_alerts)

    def has_asset(self, asset_id: str) -> bool:
        return self._connection.scalar(select(1).where(AssetRow.asset_id == asset_id)) is not None

    def scores(
        self,
        asset_id: str,
        since: datetime | None,
        until: datetime | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Score]:
        """Newest first, with `since <= event_time < until`; `after` is (event_time, score_id)."""
        statement = select(ScoreRow.__table__).where(ScoreRow.asset_id == asset_id)
        if since is not None:
            statement = statement.where(ScoreRow.event_time >= since)
        if until is not None:
            statement = statement.where(ScoreRow.event_time < until)
        if after is not None:
            statement = statement.where(_precedes(ScoreRow.event_time, ScoreRow.score_id, after))
        statement = statement.order_by(ScoreRow.event_time.desc(), ScoreRow.score_id.desc()).limit(limit)
        return [_score(row) for row in self._connection.execute(statement)]

    def alerts(self, which: AlertFilter, after: After | None, limit: int) -> list[AlertBody]:
        """The last raised first; `after` is (raised_at, alert_id)."""
        statement = _select_alerts()
        for name, value in which._asdict().items():
            if value is not None:
                statement = statement.where(getattr(AlertRow, name) == value)
        if after is not None:
            statement = statement.where(_precedes(AlertRow.raised_at, AlertRow.alert_id, after))
        statement = statement.order_by(AlertRow.raised_at.desc(), AlertRow.alert_id.desc()).limit(limit)
        return [AlertBody(**_alert(row)) for row in self._connection.execute(statement)]

    def alert(self, alert_id: str) -> AlertDetail | None:
        row = self._connection.execute(_select_alerts().where(AlertRow.alert_id == alert_id)).one_or_none()
        if row is None:
            return None
        statement = (
            select(TransitionRow.event).where(TransitionRow.alert_id == alert_id).order_by(TransitionRow.sequence)
        )
        transitions = [Alert.model_validate(event) for event in self._connection.scalars(statement)]
        return AlertDetail(**_alert(row), transitions=transitions)

    def last_transition_id(self) -> int:
        return self._connection.scalar(select(func.max(TransitionRow.id))) or 0

    def transitions(self, after: int, limit: int) -> list[tuple[int, Alert]]:
        """In the order in which they were committed."""
        statement = (
            select(TransitionRow.id, TransitionRow.event)
            .where(TransitionRow.id > after)
            .order_by(TransitionRow.id)
            .limit(limit)
        )
        return [(number, Alert.model_validate(event)) for number, event in self._connection.execute(statement)]

    def positions(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """The next offset of each partition of these topics (names on the broker) that was ever written."""
        statement = select(OffsetRow.topic, OffsetRow.partition, OffsetRow.next_offset)
        rows = self._connection.execute(statement.where(OffsetRow.topic.in_(topics)))
        return {(topic, partition): offset for topic, partition, offset in rows}


def _precedes(
    time: InstrumentedAttribute[datetime], key: InstrumentedAttribute[str], after: After
) -> ColumnElement[bool]:
    """Typed literals: in a row of values SQLAlchemy does not take over the types of the columns."""
    return tuple_(time, key) < tuple_(literal(after[0], time.type), literal(after[1], key.type))


def _select_alerts() -> Select[Any]:
    return select(
        AlertRow.__table__,
        AcknowledgementRow.__table__.columns["acknowledged_at"],
        AcknowledgementRow.acknowledged_by,
        AcknowledgementRow.comment,
    ).outerjoin_from(AlertRow, AcknowledgementRow, AcknowledgementRow.alert_id == AlertRow.alert_id)


def _alert(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    values.pop("sequence")
    at, by, comment = values.pop("acknowledged_at"), values.pop("acknowledged_by"), values.pop("comment")
    return values | {
        "acknowledgement": None if at is None else Acknowledgement(acknowledged_at=at, by=by, comment=comment)
    }


def _score(row: Row[Any]) -> Score:
    values = dict(row._mapping)
    cause = {name: values.pop(f"caused_{name}") for name in ("topic", "partition", "offset", "event_id")}
    model = {name: values.pop(f"model_{name}") for name in ("name", "version")}
    return Score(**values, caused_by=cause, model=model)
