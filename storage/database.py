"""Database: engines for reading and for writing, and what their errors mean.

URL ─► engine(url, writes) ─► connection in one transaction, with time-outs ─► an error with its cure
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from schemas import SettingsError
from storage.errors import translate

UPGRADE_BUSY_S = 10  # of SQLite, when several processes start and upgrade at once
CONNECT_TIMEOUT_S = 3  # libpq's least is 2
LOST_AFTER_MS = 10_000  # a PostgreSQL that vanished without a word
POOL_SIZE, POOL_TIMEOUT_S = 10, 2


class Patience(NamedTuple):
    """How long a session waits for a lock, and for one statement. 0: as long as it takes."""

    lock_s: float
    statement_s: float


READING = Patience(2, 3)  # whoever asked waits: he had better hear that it takes longer
WRITING = Patience(3, 30)  # a batch takes .1 s at most; whoever writes tries again
CHANGING = Patience(0, 0)  # tables of years are rebuilt in minutes, and another process may be at it


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


def build_engine(url: str, *, writes: bool, patience: Patience | None = None) -> Engine:
    """An engine whose connections either write, one transaction after the other, or can only read. Connects lazily."""
    parsed, limits = parse_url(url), patience or (WRITING if writes else READING)
    options: dict[str, Any] = {"pool_size": 1 if writes else POOL_SIZE, "pool_pre_ping": True}
    options |= {"json_serializer": _dump_json, "json_deserializer": orjson.loads, "pool_timeout": POOL_TIMEOUT_S}
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed, connect_args=_postgres_arguments(limits, writes=writes), **options)
    engine = create_engine(parsed, connect_args={"timeout": limits.lock_s or UPGRADE_BUSY_S}, **options)
    _configure_sqlite(engine, writes=writes)
    return engine


def _postgres_arguments(limits: Patience, *, writes: bool) -> dict[str, Any]:
    """The server's time-outs end a wait of the server; TCP's end that for a machine which vanished without a word."""
    options = {
        "timezone": "UTC",
        "lock_timeout": int(limits.lock_s * 1000),
        "statement_timeout": int(limits.statement_s * 1000),
        "jit": "off",  # it would compile for longer than it reads: it takes readings for a hundred times as many
        "idle_in_transaction_session_timeout": int(limits.statement_s * 2000),  # a writer that hung holds no locks
    }
    if not writes:
        options["default_transaction_read_only"] = "on"
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        "application_name": "millrace",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": LOST_AFTER_MS,
    }


def _dump_json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:  # orjson's for a value too: "Integer exceeds 64-bit range", a text that is no UTF-8
        raise ValueError(str(error)) from error


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
    deadline = time.monotonic() + WRITING.lock_s
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
        UnavailableError: no connection, or it was lost, locked, full, or without the tables; trying again may help.
        RefusedError: the database refused the data.
        StorageError: the file is no database.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (SQLAlchemyError, sqlite3.Error) as error:  # the latter from the pragmas, which SQLAlchemy does not wrap
        raise translate(error, engine.url) from error
