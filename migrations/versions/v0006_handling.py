"""Handling: what people do about alerts besides having seen them: shelved, assigned, closed, what they came to.

acknowledgements keep their place among the transitions; whether they were told moves to a table of all actions
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
    document = sa.JSON().with_variant(JSONB(), "postgresql")
    op.add_column("alerts", sa.Column("assignee", sa.String(), nullable=True))
    op.add_column("alerts", sa.Column("closing", document, nullable=True))
    op.add_column("alerts", sa.Column("outcome", document, nullable=True))
    op.create_index("ix_asset_log_kind_event_time", "asset_log", ["kind", "event_time"])
    op.create_index("ix_alerts_assignee_raised_at_alert_id", "alerts", ["assignee", "raised_at", "alert_id"])
    op.create_table(
        "shelvings",
        *(sa.Column(name, sa.String(), nullable=False) for name in ("asset_class", "asset_id", "failure_mode")),
        sa.Column("alert_id", sa.String(), nullable=False),
        sa.Column("until", time, nullable=False),
        sa.Column("shelved_at", time, nullable=False),
        sa.Column("shelved_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("asset_class", "asset_id", "failure_mode", name="pk_shelvings"),
    )
    op.create_index("ix_shelvings_until", "shelvings", ["until"])
    op.create_table(
        "alert_actions",
        sa.Column("alert_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("request_key", sa.String(), nullable=True),
        sa.Column("is_told", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "sequence", name="pk_alert_actions"),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"], name="fk_alert_actions_alert_id"),
        sa.UniqueConstraint("alert_id", "request_key", name="uq_alert_actions_alert_id_request_key"),
    )
    op.create_index("ix_alert_actions_is_told_alert_id_sequence", "alert_actions", ["is_told", "alert_id", "sequence"])
    op.execute(
        "insert into alert_actions (alert_id, sequence, is_told) select t.alert_id, t.sequence, a.is_told "
        "from alert_transitions t join acknowledgements a on a.alert_id = t.alert_id where t.sequence = -1"
    )
    op.drop_index("ix_acknowledgements_is_told_alert_id", table_name="acknowledgements")
    op.drop_column("acknowledgements", "is_told")


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
