"""Standing: what a batch changes about assets besides their own columns: the words that find them, their worst alert.

rows of a batch ─► words of new assets; severities of those with alerts
"""

from __future__ import annotations

from sqlalchemy import Connection, select, text

from storage.kept_rows import words_of
from storage.kept_write import ASSET, put_words
from storage.keys import any_of
from storage.rows import RowsToWrite
from storage.tables import AssetRow

# `|| ''`: by the index of the asset, of which there are few alerts, and not by that of all open ones of its class
_WORST_OPEN = text(
    "update assets set severity = coalesce((select max(case severity when 'critical' then 3 when 'warning' then 2 "
    "else 1 end) from alerts where asset_id = :of_id and asset_class || '' = :of_class and state || '' = 'raised'), 0) "
    "where asset_id = :of_id and asset_class = :of_class"
)


def find_by_words(connection: Connection, rows: RowsToWrite) -> None:
    """An asset that is new is found by the words of its id and class, from now on."""
    keys = [(row["asset_class"], row["asset_id"]) for row in rows.assets]
    known: set[tuple[str, str]] = set()
    for start in range(0, len(keys), 500):
        some = any_of(AssetRow.asset_class, AssetRow.asset_id, keys[start : start + 500])
        known |= {
            (row[0], row[1]) for row in connection.execute(select(AssetRow.asset_class, AssetRow.asset_id).where(some))
        }
    if new := {key: words_of(f"{key[1]} {key[0]}") for key in keys if key not in known}:
        put_words(connection, ASSET, new)


def set_severities(connection: Connection, rows: RowsToWrite) -> None:
    """Of each asset with an alert in the batch: the worst that is open."""
    assets = sorted({(row["asset_class"], row["asset_id"]) for row in rows.alerts})
    if assets:
        connection.execute(_WORST_OPEN, [{"of_class": of_class, "of_id": of_id} for of_class, of_id in assets])


def set_severity(connection: Connection, asset_class: str, asset_id: str) -> None:
    """Of one asset."""
    connection.execute(_WORST_OPEN, {"of_class": asset_class, "of_id": asset_id})
