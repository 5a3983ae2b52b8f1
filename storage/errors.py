"""Errors of the database: what each means for whoever asked. Only what is the data's own fault is not tried again.

exception of the driver ─► SQLSTATE (PostgreSQL) or result code (SQLite) ─► RefusedError, UnavailableError

SQLSTATE classes 22 (data exception) and 23 (integrity) speak of the data; all others of the database: connections,
locks, permissions, disks, tables of another version. https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from schemas import MillraceError, UnavailableError

DATA_CLASSES = ("22", "23")
DATA_CODES = (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE)
Failure = SQLAlchemyError | sqlite3.Error | ValueError | TypeError | OverflowError


class StorageError(MillraceError):
    """The database cannot be used: trying again will not help, as long as nobody mends it."""

    title = "The database cannot be used"


class RefusedError(StorageError):
    """The database refused the data: it takes other data, but never this."""

    title = "The database refused the data"


def translate(error: Failure, url: URL) -> MillraceError:
    """What an error of the database means for whoever asked."""
    at = f"The database at {url.render_as_string(hide_password=True)}"
    cause = (str(getattr(error, "orig", None) or error).strip().splitlines() or [repr(error)])[0]
    if any(text in cause for text in _NO_DATABASE):
        return StorageError(f"{at} is not one: {cause}.", "Move the file away, or correct MILLRACE_DATABASE_URL.")
    if _is_of_the_data(error):
        return RefusedError(f"{at} refused the data: {cause}.", "See its log; if that does not tell, please report it.")
    if _NO_TABLE.search(cause):
        return UnavailableError(
            f"{at} lacks a table or column: {cause}.",
            "Run `millrace db upgrade`; if a newer version made its tables, use that version.",
        )
    return UnavailableError(
        f"{at} cannot be used: {cause}.", f"{_cure(error)}; what was not written is written when it is there."
    )


def _is_of_the_data(error: Failure) -> bool:
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return False
        return _is_refusal(error.orig)
    if isinstance(error, sqlite3.Error):
        return _is_refusal(error)
    # before the database saw it: a number that no column holds, a text that is no UTF-8
    return isinstance(error, (StatementError, ValueError, TypeError, OverflowError))


def _is_refusal(cause: Any) -> bool:
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return isinstance(cause, sqlite3.DataError) if code is None else (code & 0xFF) in DATA_CODES
    state = getattr(cause, "sqlstate", None)
    if state is None:  # psycopg's own check of a value, without asking the server
        return type(cause).__name__ == "DataError"
    return str(state).startswith(DATA_CLASSES)


def _cure(error: Failure) -> str:
    cause: Any = getattr(error, "orig", None) or error
    state = str(getattr(cause, "sqlstate", None) or "")
    code = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
    for states, codes, cure in _CURES:
        if (state and state.startswith(states)) or code in codes:
            return cure
    return "Start it, or correct MILLRACE_DATABASE_URL"


_NO_DATABASE = ("file is not a database", "database disk image is malformed")
_NO_TABLE = re.compile(r"^(no such (table|column)|table .* has no column|(relation|column) .* does not exist)")
_CURES: tuple[tuple[tuple[str, ...], tuple[int, ...], str], ...] = (
    (("42501",), (sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH), "Grant its user what Millrace needs on these tables"),
    (("53100",), (sqlite3.SQLITE_FULL,), "Make room on its disk"),
    (("25006",), (sqlite3.SQLITE_READONLY,), "It is read-only: let it be written, or name the one that can be"),
    (("55P03", "57014"), (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), "Someone holds a lock or it is slow: end that"),
    (("28", "3D"), (), "Correct user, password and name in MILLRACE_DATABASE_URL"),
    ((), (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN), "See to its disk and its folder"),
)
