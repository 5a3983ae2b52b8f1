from tests.support.databases import database_url, migrated_sqlite, postgres, postgres_url, sqlite_url, store

__all__ = ["database_url", "migrated_sqlite", "postgres", "postgres_url", "sqlite_url", "store"]
