"""What is kept: tables and one `Store`. The only room with SQL.

output events, what was pushed ─► Store.write (one transaction with offsets) ─► tables ─► Store.reading ─► API bodies
May import: schemas.
"""

from storage.errors import RefusedError, StorageError
from storage.forget import Ages
from storage.handling import ActionRequest, KeyReusedError, NotOpenError
from storage.notification_store import Claimed, Decision, JournalPart, NotificationStore
from storage.read import Reader
from storage.read_alerts import AlertFilter, place_of_alert
from storage.read_assets import AssetFilter, place_of
from storage.read_items import ItemFilter
from storage.read_journal import Told, Unreadable
from storage.read_trend import TREND_LOOKED_AT
from storage.read_words import parse_words
from storage.records import Keeping, Placed, Quarantined, Record, Removal
from storage.schema import upgrade
from storage.sites import Place, PlaceFilter
from storage.store import Store
from storage.tables import Table
from storage.threads import in_thread
from storage.write import PositionError, Span, Written

metadata = Table.metadata

__all__ = [
    "TREND_LOOKED_AT",
    "ActionRequest",
    "Ages",
    "AlertFilter",
    "AssetFilter",
    "Claimed",
    "Decision",
    "ItemFilter",
    "JournalPart",
    "Keeping",
    "KeyReusedError",
    "NotOpenError",
    "NotificationStore",
    "Place",
    "PlaceFilter",
    "Placed",
    "PositionError",
    "Quarantined",
    "Reader",
    "Record",
    "RefusedError",
    "Removal",
    "Span",
    "StorageError",
    "Store",
    "Told",
    "Unreadable",
    "Written",
    "in_thread",
    "metadata",
    "parse_words",
    "place_of",
    "place_of_alert",
    "upgrade",
]
