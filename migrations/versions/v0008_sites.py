"""Sites: where assets stand, as assets.v1 tells."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0006"
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


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
