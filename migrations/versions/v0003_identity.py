"""Identity: an asset is told by class and id, a topic by Kafka's id, a list of the catalogue by a key that no item has.

rows keyed by asset_id alone ─► keyed by asset_class and asset_id; what a namesake overwrote comes back
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
document = sa.JSON().with_variant(JSONB(), "postgresql")
NAMESAKES = "select asset_id from assets group by asset_id having count(*) > 1"


def upgrade() -> None:
    op.add_column("offsets", sa.Column("topic_id", sa.String(), nullable=True))
    _part_the_keys_of_the_catalogue()
    _date_the_catalogue()
    op.drop_index("ix_assets_asset_class_asset_id", "assets")
    if op.get_bind().dialect.name == "postgresql":
        _change_keys()
    else:
        _rebuild_tables()
    op.create_index("ix_assets_asset_id", "assets", ["asset_id"])
    _find_namesakes()


def _part_the_keys_of_the_catalogue() -> None:
    """In two steps: no key of before begins with a control character, so no row meets another one on the way."""
    control = "chr(1)" if op.get_bind().dialect.name == "postgresql" else "char(1)"
    op.execute(f"update catalogue set key = {control} || key")
    op.execute(
        f"update catalogue set key = case when key = {control} || 'trending' then 'list/trending' "
        "else 'item/' || substr(key, 2) end"
    )


def _date_the_catalogue() -> None:
    """Whole seconds will do on SQLite: the next entry of a key is younger."""
    is_postgres = op.get_bind().dialect.name == "postgresql"
    op.add_column(
        "catalogue", sa.Column("event_time", time, nullable=False, server_default="epoch" if is_postgres else "0")
    )
    told = "event->>'event_time'"
    value = f"cast({told} as timestamptz)" if is_postgres else f"cast(strftime('%s', {told}) as integer) * 1000000"
    op.execute(f"update catalogue set event_time = {value}")
    if is_postgres:
        op.alter_column("catalogue", "event_time", server_default=None)


def _change_keys() -> None:
    op.add_column("latest_scores", sa.Column("asset_class", sa.String(), nullable=True))
    op.add_column("latest_scores", sa.Column("score_id", sa.String(), nullable=True))
    op.execute("update latest_scores set asset_class = event->>'asset_class', score_id = event->>'score_id'")
    for column in ("asset_class", "score_id"):
        op.alter_column("latest_scores", column, nullable=False)
    for table, key in (
        ("assets", ["asset_class", "asset_id"]),
        ("latest_scores", ["asset_class", "asset_id", "kind", "component"]),
        ("scores", ["asset_class", "asset_id", "event_time", "score_id"]),
    ):
        op.drop_constraint(f"pk_{table}", table, type_="primary")
        op.create_primary_key(f"pk_{table}", table, key)


def _rebuild_tables() -> None:
    """SQLite cannot change a primary key: the rows move to a new table, which takes the name of the old one."""
    text, asset = sa.String(), (("asset_class", sa.String()), ("asset_id", sa.String()))
    _rebuild("assets", [*asset, ("first_seen", time), ("last_seen", time)], 2)
    given = {"asset_class": "event->>'asset_class'", "score_id": "event->>'score_id'"}
    latest = [*asset, ("kind", text), ("component", text), ("event_time", time), ("score_id", text)]
    _rebuild("latest_scores", [*latest, ("event", document)], 4, given)
    columns = [*asset, ("event_time", time), ("score_id", text), ("kind", text), ("component", text)]
    columns += [("value", sa.Double()), ("low", sa.Double()), ("high", sa.Double()), ("unit", text)]
    columns += [("model_name", text), ("model_version", text), ("caused_topic", text)]
    columns += [("caused_partition", sa.BigInteger()), ("caused_offset", sa.BigInteger()), ("caused_event_id", text)]
    _rebuild("scores", columns, 4, sqlite_with_rowid=False)


def _rebuild(
    table: str,
    columns: list[tuple[str, Any]],
    keys: int,
    given: dict[str, str] | None = None,
    **options: Any,
) -> None:
    """A table anew; its first columns are its key."""
    names = [name for name, _ in columns]
    made = [sa.Column(name, kind, nullable=name in {"component", "low", "high"}) for name, kind in columns]
    if table == "latest_scores":
        made = [sa.Column(name, kind, nullable=False) for name, kind in columns]
    op.create_table(f"new_{table}", *made, sa.PrimaryKeyConstraint(*names[:keys], name=f"pk_{table}"), **options)
    values = [(given or {}).get(name, name) for name in names]
    op.execute(f"insert into new_{table} ({', '.join(names)}) select {', '.join(values)} from {table}")
    op.drop_table(table)
    op.rename_table(f"new_{table}", table)


def _find_namesakes() -> None:
    """Assets whose class was overwritten by that of another one with the same id, and their latest scores."""
    for table, first, last in (("scores", "event_time", "event_time"), ("alerts", "raised_at", "updated_at")):
        op.execute(
            f"insert into assets (asset_class, asset_id, first_seen, last_seen) select asset_class, asset_id, "
            f"min({first}), max({last}) from {table} where true group by asset_class, asset_id on conflict do nothing"
        )
    bind = op.get_bind()
    newest = bind.execute(
        sa.text(
            f"select * from scores s where asset_id in ({NAMESAKES}) and not exists (select 1 from latest_scores l "
            "where l.asset_class = s.asset_class and l.asset_id = s.asset_id and l.kind = s.kind "
            "and l.component = coalesce(s.component, '')) order by event_time"
        )
    )
    found = {(r["asset_class"], r["asset_id"], r["kind"], r["component"] or ""): r for r in newest.mappings()}
    names = ("asset_class", "asset_id", "kind", "component")
    columns: list[Any] = [sa.column(name) for name in (*names, "event_time", "score_id")]
    latest = sa.table("latest_scores", *columns, sa.column("event", document))
    for key, row in found.items():
        values = dict(zip(names, key, strict=True)) | {"event_time": row["event_time"], "score_id": row["score_id"]}
        bind.execute(latest.insert().values(**values, event=_event(row)))


def _event(row: Any) -> Any:
    """The score as on its topic."""
    at = row["event_time"]
    at = EPOCH + at * timedelta(microseconds=1) if isinstance(at, int) else at.astimezone(UTC)
    names = ("score_id", "asset_id", "asset_class", "kind", "component", "value", "low", "high", "unit")
    event = {name: row[name] for name in names if row[name] is not None}
    event["event_time"] = at.isoformat().replace("+00:00", "Z")
    event["model"] = {"name": row["model_name"], "version": row["model_version"]}
    event["caused_by"] = {name: row[f"caused_{name}"] for name in ("topic", "partition", "offset", "event_id")}
    return event


def downgrade() -> None:
    raise NotImplementedError("Two assets of one id have no place in the tables of before: restore a back-up instead.")
