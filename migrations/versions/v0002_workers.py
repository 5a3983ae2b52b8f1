"""Workers: what each edge worker runs, as it told last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
document = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("event_time", time, nullable=False),
        sa.Column("event", document, nullable=False, comment="as on workers.v1"),
        sa.PrimaryKeyConstraint("worker", name="pk_workers"),
    )


def downgrade() -> None:
    op.drop_table("workers")
