"""Health: how much of each asset is left, so that the worst come first; indexes for each filter and order of assets.

latest scores ─► their health ─► that of their asset
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_OF_ASSETS = """
update assets set health = coalesce((select min(health) from latest_scores
    where latest_scores.asset_class = assets.asset_class and latest_scores.asset_id = assets.asset_id), 1)
"""


def upgrade() -> None:
    op.add_column("latest_scores", sa.Column("health", sa.Double(), nullable=True))
    op.add_column("assets", sa.Column("health", sa.Double(), server_default="1", nullable=False))
    _fill()
    op.execute(_OF_ASSETS)
    _index()


def _fill() -> None:
    """Scores of before tell no health: of a remaining life it is taken as its share of the longest of its class now."""
    bind = op.get_bind()
    value = "cast(event->>'value' as double precision)"
    share = "case when {0} <= 0 then 0 when {0} >= 1 then 1 else {0} end"
    longest = f"select asset_class, max({value}) from latest_scores where kind = 'rul' group by asset_class"
    for asset_class, life in bind.execute(sa.text(longest)).all():
        health = share.format(f"{value} / :life")
        statement = f"update latest_scores set health = {health} where kind = 'rul' and asset_class = :of_class"
        bind.execute(sa.text(statement), {"life": float(life or 0) or 1.0, "of_class": asset_class})
    health = share.format(f"(1.0 - {value})")
    op.execute(f"update latest_scores set health = {health} where kind = 'failure_probability'")


def _index() -> None:
    op.drop_index("ix_assets_severity_asset_class_asset_id", table_name="assets")
    op.create_index("ix_assets_worst", "assets", ["severity", "health", "asset_class", "asset_id"])
    op.create_index("ix_assets_class_worst", "assets", ["asset_class", "severity", "health", "asset_id"])
    op.create_index("ix_assets_class_last_seen", "assets", ["asset_class", "last_seen", "asset_id"])
    some: Any = {f"{dialect}_where": sa.text("severity > 0") for dialect in ("postgresql", "sqlite")}
    op.create_index("ix_assets_alerting", "assets", ["severity", "asset_class", "asset_id"], **some)
    op.create_index("ix_assets_alerting_last_seen", "assets", ["severity", "last_seen"], **some)


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
