"""Quality: with each score how good its input was, and which sensors were broken. Rows of before do not tell it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("scores", sa.Column("quality", sa.String(), nullable=True))
    document = sa.JSON().with_variant(JSONB(), "postgresql")
    comment = "that are broken, as on scores.v1; null: none"
    op.add_column("scores", sa.Column("sensors", document, nullable=True, comment=comment))


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
