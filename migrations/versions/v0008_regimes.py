"""Regimes: in which operating regime an asset was, with each of its scores. Those of before do not tell it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("scores", sa.Column("regime", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
