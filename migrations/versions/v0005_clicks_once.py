"""Clicks once: what is sent again is known by a hash of its id, and who was forgotten by a hash of the name.

clicks of before have no hash: one of them that is sent again comes once more, until retention takes both
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
    op.add_column("clicks", sa.Column("event_hash", sa.LargeBinary(), nullable=True))
    op.create_index("ix_clicks_event_hash", "clicks", ["event_hash"], unique=True)
    op.create_table(
        "forgotten_users",
        sa.Column("user_hash", sa.LargeBinary(), nullable=False),
        sa.Column("forgotten_at", time, nullable=False),
        sa.PrimaryKeyConstraint("user_hash", name="pk_forgotten_users"),
    )
    op.create_index("ix_forgotten_users_forgotten_at", "forgotten_users", ["forgotten_at"])


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
