"""Inputs: what was pushed, as far as people ask for it; where assets and alerts stand, as columns with indexes.

items, clicks, readings, asset_log, dead_letters, worker_figures, words are new, and filled from their topics
"""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
document = sa.JSON().with_variant(JSONB(), "postgresql")
code_points = sa.String().with_variant(sa.String(collation="C"), "postgresql")
text, number, blob = sa.String(), sa.BigInteger(), sa.LargeBinary()
AT_ONCE = 5000


def upgrade() -> None:
    _create_tables()
    _create_index_of_words()
    op.add_column("assets", sa.Column("severity", number, nullable=False, server_default="0"))
    op.add_column("alerts", sa.Column("is_acknowledged", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("acknowledgements", sa.Column("is_told", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(
        "update assets set severity = coalesce((select max(case alerts.severity when 'critical' then 3 "
        "when 'warning' then 2 else 1 end) from alerts where alerts.asset_id = assets.asset_id "
        "and alerts.asset_class = assets.asset_class and alerts.state = 'raised'), 0)"
    )
    seen = "alert_id in (select alert_id from acknowledgements)"
    op.execute(sa.text(f"update alerts set is_acknowledged = :yes where {seen}").bindparams(yes=True))
    op.execute(sa.text("update acknowledgements set is_told = :yes").bindparams(yes=True))  # before there was a topic
    _create_indexes()
    _find_words_of_assets()


def _create_tables() -> None:
    asset = [("asset_class", text), ("asset_id", text)]
    place = [("partition", number), ("offset", number)]
    _create("items", 1, [
        ("item_id", text), ("title?", text), ("category?", text), ("attributes?", document), ("published_at?", time),
        ("available", sa.Boolean()), ("updated_at", time), ("removed_at?", time), ("told", document),
    ])  # fmt: skip
    _create("clicks", 2, [
        *place, ("user_id", text), ("event_time", time), ("item_id", text), ("action", text), ("session_id?", text),
        ("recommendation_id?", text),
    ])  # fmt: skip
    _create("readings", 3, [*asset, ("slot", time), ("event_time", time), ("readings", document)], rowid=False)
    _create("asset_log", 5, [
        *asset, ("event_time", time), *place, ("kind", text), ("code?", text), ("component?", text)
    ], rowid=False)  # fmt: skip
    _create("dead_letters", 3, [
        ("topic", text), *place, ("quarantined_at", time), ("source_partition", number), ("source_offset", number),
        ("exception", text), ("reason", text), ("key?", blob), ("value?", blob), ("size", number),
        ("replayed_at?", time),
    ])  # fmt: skip
    _create("worker_figures", 2, [("worker", text), ("minute", time), ("figures", document)])


def _create(table: str, keys: int, columns: list[tuple[str, Any]], *, rowid: bool = True) -> None:
    """A `?` at the end of a name: it may be null. The first columns are the key."""
    names = [name.rstrip("?") for name, _ in columns]
    made = [
        sa.Column(name.rstrip("?"), kind, nullable=name.endswith("?"), server_default=_default(name))
        for name, kind in columns
    ]
    options: dict[str, Any] = {} if rowid else {"sqlite_with_rowid": False}
    op.create_table(table, *made, sa.PrimaryKeyConstraint(*names[:keys], name=f"pk_{table}"), **options)


def _default(name: str) -> Any:
    return sa.true() if name == "available" else None


def _create_index_of_words() -> None:
    columns = [("of", text), ("word", code_points), ("part", text), ("key", text)]
    _create("words", 4, columns, rowid=False)
    op.create_index("ix_words_of_part_key_word", "words", ["of", "part", "key", "word"])


def _create_indexes() -> None:
    standing = ["state", "severity", "is_acknowledged", "raised_at", "alert_id"]
    op.create_index("ix_alerts_standing", "alerts", standing)
    op.create_index("ix_alerts_class_standing", "alerts", ["asset_class", *standing])
    for table, columns in (
        ("assets", ["severity", "asset_class", "asset_id"]),
        ("assets", ["last_seen"]),
        ("recommendations", ["event_time"]),
        ("catalogue", ["event_time"]),
        ("acknowledgements", ["is_told", "alert_id"]),
        ("items", ["category", "item_id"]),
        ("items", ["removed_at"]),
        ("clicks", ["user_id", "event_time", "partition", "offset"]),
        ("clicks", ["event_time"]),
        ("dead_letters", ["quarantined_at", "topic", "partition", "offset"]),
        ("dead_letters", ["topic", "quarantined_at", "partition", "offset"]),
        ("worker_figures", ["minute"]),
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def _find_words_of_assets() -> None:
    bind = op.get_bind()
    names = ("of", "word", "part", "key")
    words = sa.table("words", *(sa.column(name) for name in names))
    rows: list[dict[str, str]] = []
    for asset_class, asset_id in bind.execute(sa.text("select asset_class, asset_id from assets")).all():
        found = dict.fromkeys(re.findall(r"[^\W_]+", f"{asset_id} {asset_class}".casefold()))
        rows += [{"of": "asset", "word": word[:40], "part": asset_class, "key": asset_id} for word in list(found)[:20]]
    rows = list({tuple(row.values()): row for row in rows}.values())
    for start in range(0, len(rows), AT_ONCE):
        bind.execute(words.insert(), rows[start : start + AT_ONCE])


def downgrade() -> None:
    raise NotImplementedError("Restore a back-up instead.")
