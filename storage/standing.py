"""Standing: what a batch changes about assets besides their own columns: the words that find them, their worst alert.

rows of a batch ─► words of new assets; those no score tells of; the worst of their latest scores; severities
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal, literal_column, or_, select, text

from storage.kept_rows import words_of
from storage.kept_write import ASSET, put_words
from storage.keys import any_of
from storage.rows import Row, RowsToWrite
from storage.tables import AssetRow, LatestScoreRow

# `|| ''`: by the index of the asset, of which there are few alerts, and not by that of all open ones of its class
_WORST_OPEN = text(
    "update assets set severity = coalesce((select max(case severity when 'critical' then 3 when 'warning' then 2 "
    "else 1 end) from alerts where asset_id = :of_id and asset_class || '' = :of_class and state || '' = 'raised'), 0) "
    "where asset_id = :of_id and asset_class = :of_class"
)


def find_by_words(connection: Connection, rows: RowsToWrite) -> None:
    """An asset that is new is found by the words of its id and class, from now on."""
    keys = [(row["asset_class"], row["asset_id"]) for row in (*rows.assets, *rows.seen)]
    ids = sorted({asset_id for _, asset_id in keys})
    known: set[tuple[str, str]] = set()
    for start in range(0, len(ids), 500):
        # by the id alone: PostgreSQL, where it does not know the table yet, reads all of a class if that is named
        statement = select(AssetRow.asset_class, AssetRow.asset_id)
        found = connection.execute(statement.where(AssetRow.asset_id.in_(ids[start : start + 500])))
        known |= {(row[0], row[1]) for row in found}
    if new := {key: words_of(f"{key[1]} {key[0]}") for key in keys if key not in known}:
        put_words(connection, ASSET, new)


def seen_alone(connection: Connection, rows: RowsToWrite) -> list[Row]:
    """The rows of inputs of assets without a score; when the others were seen, their scores say."""
    keys = [(row["asset_class"], row["asset_id"]) for row in rows.seen]
    known: set[tuple[str, str]] = set()
    for start in range(0, len(keys), 500):
        is_wanted = any_of(LatestScoreRow.asset_class, LatestScoreRow.asset_id, keys[start : start + 500])
        found = connection.execute(select(LatestScoreRow.asset_class, LatestScoreRow.asset_id).where(is_wanted))
        known |= {(row[0], row[1]) for row in found}
    return [row for row, key in zip(rows.seen, keys, strict=True) if key not in known]


def least_health(_new: Any = None, _old: Any = None) -> ColumnElement[float]:
    """Of the latest scores of the asset that is written, which are written before it."""
    known = LatestScoreRow.__table__.columns
    is_of_asset = (known[name] == literal_column(f"excluded.{name}") for name in ("asset_class", "asset_id"))
    return func.coalesce(select(func.min(known["health"])).where(*is_of_asset).scalar_subquery(), literal(1.0))


def has_news(new: Any, old: Any) -> ColumnElement[bool]:
    """Seen later, or a score that counts now although it is older: the asset's clock was set back."""
    return or_(new.last_seen > old.last_seen, old.health != least_health())


def last_seen(new: Any, old: Any) -> ColumnElement[Any]:
    return case((new.last_seen > old.last_seen, new.last_seen), else_=old.last_seen)


def set_severities(connection: Connection, rows: RowsToWrite) -> None:
    """Of each asset with an alert in the batch: the worst that is open."""
    assets = sorted({(row["asset_class"], row["asset_id"]) for row in rows.alerts})
    if assets:
        connection.execute(_WORST_OPEN, [{"of_class": of_class, "of_id": of_id} for of_class, of_id in assets])


def set_severity(connection: Connection, asset_class: str, asset_id: str) -> None:
    """Of one asset."""
    connection.execute(_WORST_OPEN, {"of_class": asset_class, "of_id": asset_id})
