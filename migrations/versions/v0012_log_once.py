"""Log once: with each entry of a log a hash of its event id, so that one that is sent again is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("asset_log", sa.Column("event_hash", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
