"""Tables: what is kept, one SQLAlchemy class each. Times are UTC; ids are those of the events.

output events ─► rows of these tables ─► bodies of the API
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class UtcTime(TypeDecorator[datetime]):
    """`timestamptz` on PostgreSQL; on SQLite, which has no times, microseconds since 1970 as an integer."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        known: datetime = EPOCH + value * MICROSECOND if dialect.name == "sqlite" else value.astimezone(UTC)
        return known


Document = JSON().with_variant(JSONB(), "postgresql")
Rare = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")  # most rows have none
Counter = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up only an INTEGER primary key


class Table(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map = {str: String(), int: BigInteger(), datetime: UtcTime(), dict[str, Any]: Document}  # noqa: RUF012


class OffsetRow(Table):
    """The next record to read of each partition of an output topic, written with the rows that it stands for.

    `topic_id` says of which topic of this name: one that was made anew begins again. None: not known yet.
    """

    __tablename__ = "offsets"
    topic: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    next_offset: Mapped[int]
    topic_id: Mapped[str | None]


class RecommendationRow(Table):
    """The latest recommendation of each user: that of the click with the highest offset."""

    __tablename__ = "recommendations"
    __table_args__ = (Index(None, "event_time"),)
    user_id: Mapped[str] = mapped_column(primary_key=True)
    recommendation_id: Mapped[str]
    event_time: Mapped[datetime]
    caused_offset: Mapped[int]
    event: Mapped[dict[str, Any]] = mapped_column(comment="as on recommendations.v1")


class CatalogueRow(Table):
    """What is trending (key `list/trending`) and what is similar to an item (`item/<item_id>`): the newest entry."""

    __tablename__ = "catalogue"
    __table_args__ = (Index(None, "event_time"),)
    key: Mapped[str] = mapped_column(primary_key=True)
    feed_offset: Mapped[int]
    event_time: Mapped[datetime]
    event: Mapped[dict[str, Any]] = mapped_column(comment="as on catalogue.v1")


class WorkerRow(Table):
    """What each edge worker runs, as it told last."""

    __tablename__ = "workers"
    worker: Mapped[str] = mapped_column(primary_key=True)
    event_time: Mapped[datetime]
    event: Mapped[dict[str, Any]] = mapped_column(comment="as on workers.v1")


def partial(condition: str) -> dict[str, Any]:
    """Of an index of some rows, on either database."""
    return {f"{dialect}_where": text(condition) for dialect in ("postgresql", "sqlite")}


class AssetRow(Table):
    """Every asset of which there was a score, an alert, a reading or an entry of the log. Each class numbers its own:
    pump 1 is not fan 1. `last_seen` is of scores and alerts, and without a score of what was pushed.

    `severity` is that of its worst open alert: 0 none, 1 advisory, 2 warning, 3 critical. `health` is the least of its
    latest scores, 1 where none tells it or there is none. The last two indexes are for filters, which never ask for a
    severity of 0.
    """

    __tablename__ = "assets"
    __table_args__ = (
        Index(None, "asset_id"),
        Index(None, "last_seen"),
        Index("ix_assets_worst", "severity", "health", "asset_class", "asset_id"),
        Index("ix_assets_class_worst", "asset_class", "severity", "health", "asset_id"),
        Index("ix_assets_class_last_seen", "asset_class", "last_seen", "asset_id"),
        Index("ix_assets_alerting", "severity", "asset_class", "asset_id", **partial("severity > 0")),
        Index("ix_assets_alerting_last_seen", "severity", "last_seen", **partial("severity > 0")),
    )
    asset_class: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    severity: Mapped[int] = mapped_column(server_default="0")
    health: Mapped[float] = mapped_column(server_default="1")


class LatestScoreRow(Table):
    """The newest score of each asset for each of its targets: that of the latest time, or of a later record where a
    clock was set back. `component` is empty where the score is of the asset.
    """

    __tablename__ = "latest_scores"
    asset_class: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    component: Mapped[str] = mapped_column(primary_key=True)
    event_time: Mapped[datetime]
    score_id: Mapped[str]
    health: Mapped[float | None]
    event: Mapped[dict[str, Any]] = mapped_column(comment="as on scores.v1")


class ScoreRow(Table):
    """Every score, until its retention ends.

    One index for three purposes: no score twice, pages of an asset's scores, and retention asset by asset. A score_id
    follows from one input event, and so do asset and time: the three are unique exactly when score_id is.
    """

    __tablename__ = "scores"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012
    asset_class: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    event_time: Mapped[datetime] = mapped_column(primary_key=True)
    score_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    component: Mapped[str | None]
    value: Mapped[float]
    low: Mapped[float | None]
    high: Mapped[float | None]
    unit: Mapped[str]
    regime: Mapped[int | None]
    quality: Mapped[str | None]
    sensors: Mapped[list[Any] | None] = mapped_column(Rare, comment="that are broken, as on scores.v1; null: none")
    model_name: Mapped[str]
    model_version: Mapped[str]
    caused_topic: Mapped[str]
    caused_partition: Mapped[int]
    caused_offset: Mapped[int]
    caused_event_id: Mapped[str]


_STANDING = ("state", "severity", "is_acknowledged")


class AlertRow(Table):
    """Where each alert stands: its transition with the highest sequence.

    An index for each way to look at them. Those that begin with state, severity and whether somebody has seen it are
    read once for each combination that is asked for, and each such reading is in the order of the list.
    `is_acknowledged` and what stands behind it are the API's: the sink leaves them as they are. What was closed by hand
    is `cleared` here, whatever the sink writes.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        Index(None, "raised_at", "alert_id"),
        Index(None, "asset_id", "raised_at", "alert_id"),
        Index("ix_alerts_standing", *_STANDING, "raised_at", "alert_id"),
        Index("ix_alerts_class_standing", "asset_class", *_STANDING, "raised_at", "alert_id"),
        Index(None, "assignee", "raised_at", "alert_id"),
    )
    alert_id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str]
    asset_class: Mapped[str]
    failure_mode: Mapped[str]
    state: Mapped[str]
    severity: Mapped[str]
    score: Mapped[float | None]
    sequence: Mapped[int]
    raised_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    is_acknowledged: Mapped[bool] = mapped_column(server_default=false())
    assignee: Mapped[str | None]
    closing: Mapped[dict[str, Any] | None]  # as `Closing` of the API
    outcome: Mapped[dict[str, Any] | None]  # as `OutcomeBody` of the API


class TransitionRow(Table):
    """Every transition of every alert. `id` counts up in the order of commits: readers never miss one behind them.

    What people did about an alert has its place in that order too, as on actions.v1; its sequence is -1, -2, ...
    """

    __tablename__ = "alert_transitions"
    __table_args__ = (UniqueConstraint("alert_id", "sequence"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.alert_id"))
    sequence: Mapped[int]
    event: Mapped[dict[str, Any]] = mapped_column(comment="as on alerts.v1")


class AcknowledgementRow(Table):
    """Who has seen an alert; the first to say so stands. A table of its own: the sink never writes it."""

    __tablename__ = "acknowledgements"
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.alert_id"), primary_key=True)
    acknowledged_at: Mapped[datetime]
    acknowledged_by: Mapped[str]
    comment: Mapped[str | None]


class ShelvingRow(Table):
    """Until when a failure mode of an asset does not want attention. It outlives its alert: one that is cleared and
    raised again before then is shelved, too.
    """

    __tablename__ = "shelvings"
    __table_args__ = (Index(None, "until"),)
    asset_class: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    failure_mode: Mapped[str] = mapped_column(primary_key=True)
    alert_id: Mapped[str]  # the one that was shelved
    until: Mapped[datetime]
    shelved_at: Mapped[datetime]
    shelved_by: Mapped[str]
    reason: Mapped[str]


class ActionRow(Table):
    """Everything that people did about alerts: the event is among the transitions, under this `sequence`.

    `request_key` tells a request that is sent again. `is_told`: it is on actions.v1 too.
    """

    __tablename__ = "alert_actions"
    __table_args__ = (
        Index(None, "is_told", "alert_id", "sequence"),
        UniqueConstraint("alert_id", "request_key"),
    )
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.alert_id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    request_key: Mapped[str | None]
    is_told: Mapped[bool] = mapped_column(server_default=false())
