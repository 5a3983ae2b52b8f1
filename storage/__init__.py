"""What is kept: tables and one `Store`. The only room with SQL.

output events ─► Store.write (one transaction with the offsets) ─► tables ─► Store.reading ─► API bodies
May import: schemas.
"""

from storage.errors import RefusedError, StorageError
from storage.read import AlertFilter, Reader
from storage.rows import Removal
from storage.schema import upgrade
from storage.store import Store
from storage.tables import Table
from storage.threads import in_thread
from storage.write import PositionError, Span, Written

metadata = Table.metadata

__all__ = [
    "AlertFilter",
    "PositionError",
    "Reader",
    "RefusedError",
    "Removal",
    "Span",
    "StorageError",
    "Store",
    "Written",
    "in_thread",
    "metadata",
    "upgrade",
]
