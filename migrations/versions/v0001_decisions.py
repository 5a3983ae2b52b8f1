"""Tables of the decisions, their catalogue and the sink's offsets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
document = sa.JSON().with_variant(JSONB(), "postgresql")


def _text(name: str, *, nullable: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.String(), nullable=nullable)


def _number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _time(name: str) -> "sa.Column[object]":
    return sa.Column(name, time, nullable=False)


def _event(topic: str) -> "sa.Column[object]":
    return sa.Column("event", document, nullable=False, comment=f"as on {topic}")


def upgrade() -> None:
    op.create_table(
        "offsets",
        _text("topic"),
        _number("partition"),
        _number("next_offset"),
        sa.PrimaryKeyConstraint("topic", "partition", name="pk_offsets"),
    )
    op.create_table(
        "recommendations",
        _text("user_id"),
        _text("recommendation_id"),
        _time("event_time"),
        _number("caused_offset"),
        _event("recommendations.v1"),
        sa.PrimaryKeyConstraint("user_id", name="pk_recommendations"),
    )
    op.create_table(
        "catalogue",
        _text("key"),
        _number("feed_offset"),
        _event("catalogue.v1"),
        sa.PrimaryKeyConstraint("key", name="pk_catalogue"),
    )
    _create_asset_tables()
    _create_alert_tables()


def _create_asset_tables() -> None:
    op.create_table(
        "assets",
        _text("asset_id"),
        _text("asset_class"),
        _time("first_seen"),
        _time("last_seen"),
        sa.PrimaryKeyConstraint("asset_id", name="pk_assets"),
    )
    op.create_index("ix_assets_asset_class_asset_id", "assets", ["asset_class", "asset_id"])
    op.create_table(
        "latest_scores",
        _text("asset_id"),
        _text("kind"),
        _text("component"),
        _time("event_time"),
        _event("scores.v1"),
        sa.PrimaryKeyConstraint("asset_id", "kind", "component", name="pk_latest_scores"),
    )
    op.create_table(
        "scores",
        _text("asset_id"),
        _time("event_time"),
        _text("score_id"),
        _text("asset_class"),
        _text("kind"),
        _text("component", nullable=True),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        _text("unit"),
        _text("model_name"),
        _text("model_version"),
        _text("caused_topic"),
        _number("caused_partition"),
        _number("caused_offset"),
        _text("caused_event_id"),
        sa.PrimaryKeyConstraint("asset_id", "event_time", "score_id", name="pk_scores"),
        sqlite_with_rowid=False,
    )


def _create_alert_tables() -> None:
    op.create_table(
        "alerts",
        _text("alert_id"),
        _text("asset_id"),
        _text("asset_class"),
        _text("failure_mode"),
        _text("state"),
        _text("severity"),
        sa.Column("score", sa.Double(), nullable=True),
        _number("sequence"),
        _time("raised_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_raised_at_alert_id", "alerts", ["raised_at", "alert_id"])
    op.create_index("ix_alerts_asset_id_raised_at_alert_id", "alerts", ["asset_id", "raised_at", "alert_id"])
    op.create_table(
        "alert_transitions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=True),
        _text("alert_id"),
        _number("sequence"),
        _event("alerts.v1"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_transitions"),
        sa.UniqueConstraint("alert_id", "sequence", name="uq_alert_transitions_alert_id_sequence"),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"], name="fk_alert_transitions_alert_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "acknowledgements",
        _text("alert_id"),
        _time("acknowledged_at"),
        _text("acknowledged_by"),
        _text("comment", nullable=True),
        sa.PrimaryKeyConstraint("alert_id", name="pk_acknowledgements"),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"], name="fk_acknowledgements_alert_id"),
    )


def downgrade() -> None:
    for table in (
        "acknowledgements", "alert_transitions", "alerts", "scores", "latest_scores", "assets", "catalogue",
        "recommendations", "offsets",
    ):  # fmt: skip
        op.drop_table(table)
