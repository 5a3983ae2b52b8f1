"""Read: what the API asks for, as the bodies that it answers. Lists go page by page, from a key on, never by offsets.

Store.reading() ─► Reader ─► select ─► rows ─► bodies
"""

from __future__ import annotations

from sqlalchemy import Connection

from storage.counting import AssetCounts
from storage.letters import LetterReading
from storage.read_assets import AssetReading
from storage.read_items import ItemReading
from storage.read_notifications import NotificationReading
from storage.read_operation import OperationReading
from storage.read_performance import PerformanceReading
from storage.read_rows import RowReading
from storage.read_series import SeriesReading
from storage.read_trend import TrendReading


class Reader(
    AssetReading,
    PerformanceReading,
    SeriesReading,
    ItemReading,
    OperationReading,
    LetterReading,
    TrendReading,
    RowReading,
    NotificationReading,
):
    """One read-only transaction. Lists return at most `limit` entries that come after the key `after`."""

    def __init__(self, connection: Connection, asset_counts: AssetCounts, site_counts: AssetCounts) -> None:
        self._connection = connection
        self._asset_counts, self._site_counts = asset_counts, site_counts
