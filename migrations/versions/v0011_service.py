"""Service: an index of what the logs of assets say of their service."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_about = sa.text("kind in ('out_of_service', 'in_service', 'decommissioned', 'replacement')")
    key = ["asset_class", "asset_id", "event_time", "partition", "offset"]
    op.create_index("ix_asset_log_service", "asset_log", key, postgresql_where=is_about, sqlite_where=is_about)


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
