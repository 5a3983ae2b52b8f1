"""Database: engines for reading and for writing, and what their errors mean.

URL ─► engine(url, writes) ─► connection in one transaction ─► StorageError or UnavailableError, with the cure
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from schemas import MillraceError, SettingsError, UnavailableError

BUSY_TIMEOUT_S = 10  # how long a writer of SQLite waits for another one; a batch of 1,000 takes about 20 ms
CONNECT_TIMEOUT_S = 5
LOST_AFTER_MS = 15_000  # a PostgreSQL that vanished without a word
POOL_SIZE = 10


class StorageError(MillraceError):
    """The database refused the data: trying again will not help."""

    title = "The database refused the data"


def parse_url(url: str) -> URL:
    """The URL of a database that Millrace can use.

    Raises:
        SettingsError: it is no URL, or of another database.
    """
    advice = "Use sqlite:///path/to/file.db or postgresql+psycopg://user:password@host:5432/name."
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError("MILLRACE_DATABASE_URL is not a URL of a database.", advice) from error
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise SettingsError(f"MILLRACE_DATABASE_URL names {parsed.drivername}, which Millrace does not speak.", advice)
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise SettingsError("MILLRACE_DATABASE_URL names SQLite in memory, which processes cannot share.", advice)
    return parsed


def build_engine(url: str, *, writes: bool) -> Engine:
    """An engine whose connections either write, one transaction after the other, or can only read. Connects lazily."""
    parsed = parse_url(url)
    options: dict[str, Any] = {"pool_size": 1 if writes else POOL_SIZE, "pool_pre_ping": True}
    options |= {"json_serializer": _dump_json, "json_deserializer": orjson.loads}
    if parsed.get_backend_name() == "postgresql":
        session = "" if writes else "-c default_transaction_read_only=on "
        arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "options": f"{session}-c timezone=UTC"}
        arguments |= {"application_name": "millrace", "keepalives_idle": 10, "tcp_user_timeout": LOST_AFTER_MS}
        return create_engine(parsed, connect_args=arguments, **options)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S}, **options)
    _configure_sqlite(engine, writes=writes)
    return engine


def _dump_json(value: object) -> str:
    return orjson.dumps(value).decode()


def _configure_sqlite(engine: Engine, *, writes: bool) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is late: we say when
        _use_wal(connection)
        # NORMAL: after a power cut the last transactions may be missing; the offsets are then missing with them, and
        # the sink reads them again. https://www.sqlite.org/wal.html
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "cache_size=-8000"):
            connection.execute(f"PRAGMA {pragma}")
        if not writes:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer that began as a reader may be refused in the middle, and no busy timeout helps it
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _use_wal(connection: Any) -> None:
    """A new file changes its journal once, and for that SQLite does not heed the busy timeout."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed at the end, rolled back on an error.

    Raises:
        UnavailableError: no connection, or it was lost, or the tables are not there; trying again may help.
        StorageError: the database refused the data.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (SQLAlchemyError, sqlite3.Error) as error:  # the latter from the pragmas, which SQLAlchemy does not wrap
        raise translate(error, engine.url) from error


def translate(error: SQLAlchemyError | sqlite3.Error, url: URL) -> MillraceError:
    """What an error of the database means for whoever asked."""
    at = f"The database at {url.render_as_string(hide_password=True)}"
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if any(text in cause for text in _NO_DATABASE):
        return StorageError(f"{at} is not one: {cause}.", "Move the file away, or correct MILLRACE_DATABASE_URL.")
    if _NO_TABLE.search(cause):
        return UnavailableError(f"{at} lacks a table: {cause}.", "Run `millrace db upgrade`.")
    if is_lost or isinstance(error, _PASSING):
        return UnavailableError(
            f"{at} cannot be used: {cause}.",
            "Start it, or correct MILLRACE_DATABASE_URL; what was not written is written when it is there.",
        )
    return StorageError(f"{at} refused the data: {cause}.", "See its log; if that does not tell, please report it.")


_NO_DATABASE = ("file is not a database", "database disk image is malformed")
_NO_TABLE = re.compile(r"^(no such (table|column)|table .* has no column|(relation|column) .* does not exist)")
_PASSING = (OperationalError, InterfaceError, PoolTimeoutError, sqlite3.OperationalError)
