"""Schema: bring the tables of a database to what this version of Millrace needs.

upgrade(url) ─► lock ─► Alembic revisions of `migrations` that are missing ─► done, in one transaction
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from schemas import UnavailableError
from storage.database import CHANGING, build_engine, transaction
from storage.errors import StorageError

UPGRADE_LOCK = 0x6D696C6C  # "mill": two containers that start at once upgrade one after the other


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "migrations:")  # a package's folder, wherever it is installed
    config.set_main_option("path_separator", "os")
    return config


@cache
def head_revision() -> str:
    """The revision that this version of Millrace needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "migrations has no revision"
    return head


def is_known(revision: str | None) -> bool:
    """Whether this version of Millrace has the revision, so that it can upgrade from there. None: from nothing."""
    if revision is None:
        return True
    return any(revision == script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def current_revision(connection: Connection) -> str | None:
    """The revision of a database; none: it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def check_revision(engine: Engine) -> str:
    """The revision of the tables.

    Raises:
        UnavailableError: the database is not there, or does not have the tables of this version.
    """
    needed = head_revision()
    with transaction(engine) as connection:
        found = current_revision(connection)
    if found != needed:
        where = engine.url.render_as_string(hide_password=True)
        cure = "Run `millrace db upgrade`." if is_known(found) else "A newer version made it: use that version."
        raise UnavailableError(
            f"The database at {where} is at revision {found or 'none'}; this version of Millrace needs {needed}.",
            cure,
        )
    return needed


def upgrade(url: str) -> str:
    """Create or change the tables as needed; the revision is returned. Repeating it changes nothing.

    Raises:
        UnavailableError: the database is not there.
        StorageError: it was made by a newer version, or a revision failed; nothing was changed.
    """
    engine = build_engine(url, writes=True, patience=CHANGING)
    if engine.dialect.name == "sqlite":
        Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
    try:
        with transaction(engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            return head_revision()
    except CommandError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise StorageError(
            f"The tables at {where} cannot be upgraded: {error}.",
            "They were made by a newer version of Millrace: use that one, or another database.",
        ) from error
    finally:
        engine.dispose()
