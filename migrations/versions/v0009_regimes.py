"""Regimes and peaks: with each score in which operating regime the asset was, with the figures of a minute the greatest
of it. Rows of before do not tell them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("scores", sa.Column("regime", sa.BigInteger(), nullable=True))
    document = sa.JSON().with_variant(JSONB(), "postgresql")
    op.add_column(
        "worker_figures", sa.Column("peaks", document, nullable=True, comment="by agent, as `PeakBody` of the API")
    )


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
