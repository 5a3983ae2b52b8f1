"""Sites: where assets stand, as assets.v1 tells; and notifications: what is told of alerts, and to whom."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
    document = sa.JSON().with_variant(JSONB(), "postgresql")
    op.create_table(
        "asset_sites",
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("asset_class", sa.String(), nullable=False),
        sa.Column("event_time", time, nullable=False),
        sa.Column("site", sa.String(), nullable=True),
        sa.Column("line", sa.String(), nullable=True),
        sa.Column("labels", document, nullable=False),
        sa.Column("commissioned_at", time, nullable=True),
        sa.Column("removed_at", time, nullable=True),
        sa.PrimaryKeyConstraint("asset_id", "asset_class", name="pk_asset_sites"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_asset_sites_removed_at", "asset_sites", ["removed_at"])
    _notifications(time, document)


def _notifications(time: sa.types.TypeEngine[Any], document: sa.types.TypeEngine[Any]) -> None:
    op.create_table(
        "notification_position",
        sa.Column("journal", sa.String(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("position", "version")),
        sa.PrimaryKeyConstraint("journal", name="pk_notification_position"),
    )
    op.create_table(
        "notification_items",
        *(sa.Column(name, sa.String(), nullable=False) for name in ("channel", "alert_id")),
        sa.Column("item", document, nullable=False),
        sa.PrimaryKeyConstraint("channel", "alert_id", name="pk_notification_items"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("notification_id", "channel", "state")),
        sa.Column("created_at", time, nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        *(sa.Column(name, time, nullable=False) for name in ("next_try_at", "give_up_at")),
        sa.Column("sent_at", time, nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("notification", document, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.UniqueConstraint("notification_id", name="uq_notifications_notification_id"),
        sqlite_autoincrement=True,
    )
    for columns in (
        ("channel", "state", "id"),
        ("channel", "id"),
        ("state", "id"),
        ("channel", "sent_at"),
        ("state", "created_at"),
    ):
        op.create_index(f"ix_notifications_{'_'.join(columns)}", "notifications", list(columns))
    op.create_table(
        "notification_channels",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("seen_at", time, nullable=False),
        sa.Column("told", document, nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_notification_channels"),
    )


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
