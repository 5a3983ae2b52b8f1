"""Read: what the API asks for, as the bodies that it answers. Lists go page by page, from a key on, never by offsets.

Store.reading() ─► Reader ─► select ─► rows ─► bodies
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from schemas import (
    TRENDING_KEY,
    Acknowledgement,
    Alert,
    AlertBody,
    AlertDetail,
    AssetBody,
    AssetDetail,
    CatalogueEntry,
    Recommendation,
    Score,
    WorkerStatus,
    similar_key,
)
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

OPEN_ALERTS_SHOWN = 100
After = tuple[datetime, str]
AssetKey = tuple[str, str]  # asset_class, asset_id


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

    def trending(self) -> CatalogueEntry | None:
        return self._catalogue_entry(TRENDING_KEY)

    def similar(self, item_id: str) -> CatalogueEntry | None:
        """What is similar to an item."""
        return self._catalogue_entry(similar_key(item_id))

    def _catalogue_entry(self, key: str) -> CatalogueEntry | None:
        event = self._connection.scalars(select(CatalogueRow.event).where(CatalogueRow.key == key)).one_or_none()
        return CatalogueEntry.model_validate(event) if event else None

    def silent_assets(self, since: datetime, until: datetime) -> dict[str, int]:
        """By asset class, how many assets were last seen in that time; 0 for classes that have others."""
        is_silent = (AssetRow.last_seen >= since) & (AssetRow.last_seen < until)
        statement = select(AssetRow.asset_class, func.count().filter(is_silent).label("silent")).group_by(
            AssetRow.asset_class
        )
        return {row.asset_class: row.silent for row in self._connection.execute(statement)}

    def workers(self, since: datetime) -> list[WorkerStatus]:
        """What the edge workers run that told of it since then, by name."""
        statement = select(WorkerRow.event).where(WorkerRow.event_time >= since).order_by(WorkerRow.worker)
        return [WorkerStatus.model_validate(event) for event in self._connection.scalars(statement)]

    def assets(self, asset_class: str | None, after: AssetKey | str | None, limit: int) -> list[AssetBody]:
        """In the order of class and id; `after` is (asset_class, asset_id), or an id alone within one class."""
        statement = select(AssetRow.__table__).order_by(AssetRow.asset_class, AssetRow.asset_id).limit(limit)
        if asset_class is not None:
            statement = statement.where(AssetRow.asset_class == asset_class)
        if isinstance(after, str):
            statement = statement.where(AssetRow.asset_id > after)
        elif after is not None:
            statement = statement.where(tuple_(AssetRow.asset_class, AssetRow.asset_id) > tuple_(*map(literal, after)))
        return [AssetBody(**row) for row in self._connection.execute(statement).mappings()]

    def classes_of(self, asset_id: str) -> list[str]:
        """The asset classes that have an asset of this id, in order."""
        statement = select(AssetRow.asset_class).where(AssetRow.asset_id == asset_id)
        return list(self._connection.scalars(statement.order_by(AssetRow.asset_class)))

    def asset(self, asset_id: str, asset_class: str | None = None) -> AssetDetail | None:
        """An asset. Without a class: all that goes by this id; the scores and alerts of each class say which it is."""
        which = [AssetRow.asset_id == asset_id]
        latest = select(LatestScoreRow.event).where(LatestScoreRow.asset_id == asset_id)
        if asset_class is not None:
            which.append(AssetRow.asset_class == asset_class)
            latest = latest.where(LatestScoreRow.asset_class == asset_class)
        statement = select(AssetRow.__table__).where(*which).order_by(AssetRow.asset_class).limit(1)
        row = self._connection.execute(statement).mappings().one_or_none()
        if row is None:
            return None
        latest = latest.order_by(LatestScoreRow.asset_class, LatestScoreRow.kind, LatestScoreRow.component)
        scores = [Score.model_validate(event) for event in self._connection.scalars(latest)]
        is_open = AlertFilter(state="raised", asset_id=asset_id, asset_class=asset_class)
        return AssetDetail(**row, latest_scores=scores, open_alerts=self.alerts(is_open, None, OPEN_ALERTS_SHOWN))

    def scores(
        self,
        asset_id: str,
        since: datetime | None,
        until: datetime | None,
        after: tuple[datetime, str] | None,
        limit: int,
        asset_class: str | None = None,
    ) -> list[Score]:
        """Newest first, with `since <= event_time < until`; `after` is (event_time, score_id).

        Without a class: of every class that has the id. The class is part of the key, so they are looked up one by one.
        """
        classes = self.classes_of(asset_id) if asset_class is None else [asset_class]
        found = [score for name in classes for score in self._scores_of((name, asset_id), since, until, after, limit)]
        if len(classes) > 1:
            found.sort(key=lambda score: (score.event_time, score.score_id), reverse=True)
        return found[:limit]

    def _scores_of(
        self, asset: AssetKey, since: datetime | None, until: datetime | None, after: After | None, limit: int
    ) -> list[Score]:
        statement = select(ScoreRow.__table__).where(ScoreRow.asset_class == asset[0], ScoreRow.asset_id == asset[1])
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

    def topic_ids(self, topics: Sequence[str]) -> dict[tuple[str, int], str | None]:
        """Of which topic each of these positions is: Kafka's id, or none where it is not known yet."""
        statement = select(OffsetRow.topic, OffsetRow.partition, OffsetRow.topic_id)
        rows = self._connection.execute(statement.where(OffsetRow.topic.in_(topics)))
        return {(topic, partition): topic_id for topic, partition, topic_id in rows}


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
