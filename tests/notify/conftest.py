from tests.notify.notifier import notifier, opened
from tests.support.databases import database_url, migrated_sqlite, postgres, postgres_url, sqlite_url, store

__all__ = [
    "database_url", "migrated_sqlite", "notifier", "opened", "postgres", "postgres_url", "sqlite_url", "store",
]  # fmt: skip
