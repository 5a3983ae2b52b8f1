"""Databases: PostgreSQL locked, read-only, forbidden, ahead of the code, killed or stopped, while decisions come."""

from __future__ import annotations

import asyncio
import os
import signal
from urllib.parse import urlsplit

import psycopg

from tests.faults.fault import Fault
from tests.faults.site import Site

LONG_S = 5.0  # for decisions that wait


def connected(site: Site) -> psycopg.Connection:
    """As the owner of the tables, beside the proxies."""
    parts = urlsplit(site.settings.database())
    return psycopg.connect(
        host="127.0.0.1", port=parts.port, user="millrace", dbname=parts.path[1:], autocommit=True,
        options="-c default_transaction_read_only=off",
    )  # fmt: skip


def execute(site: Site, statements: str) -> None:
    with connected(site) as connection:
        for statement in statements.split("; "):
            connection.execute(statement.encode())


def locked(seconds: float) -> Fault.act:
    async def act(site: Site) -> None:
        with connected(site) as connection, connection.transaction():
            connection.execute(b"lock table scores, alerts, recommendations in access exclusive mode")
            await asyncio.sleep(seconds)  # it is the fault

    return act


def between(broken: str, whole: str, seconds: float = LONG_S) -> Fault.act:
    """A statement that breaks the database for the sink, and one that mends it."""

    async def act(site: Site) -> None:
        database = urlsplit(site.settings.database()).path[1:]
        link = site.running("sink")[0].database
        assert link is not None
        execute(site, broken.format(database=database))
        try:
            link.cut()  # settings of a database are those of new sessions
            await asyncio.sleep(seconds)
        finally:
            execute(site, whole.format(database=database))
            link.cut()

    return act


def stopped(seconds: float, signum: signal.Signals) -> Fault.act:
    """The server is shut down and started again (SIGINT), or stands still: its connections stay, nothing answers."""

    async def act(site: Site) -> None:
        assert site.postgres is not None
        if signum == signal.SIGINT:
            await asyncio.to_thread(site.postgres.stop)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(site.postgres.start)
            return
        assert site.postgres.process is not None
        with connected(site) as connection:
            found = connection.execute(b"select pid from pg_stat_activity where pid <> pg_backend_pid()").fetchall()
        pids = [site.postgres.process.pid, *(pid for (pid,) in found)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)  # it is the fault
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    return act


async def backend_killed(site: Site) -> None:
    """kill -9 of a server process: PostgreSQL throws out everybody and recovers."""
    with connected(site) as connection:
        found = connection.execute(
            b"select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() limit 1"
        ).fetchone()
    assert found is not None
    os.kill(found[0], signal.SIGKILL)


READ_ONLY = "alter database {database} set default_transaction_read_only = "
REVOKED = "revoke insert on scores from sinker", "grant insert on scores to sinker"
BEHIND = "alter table scores rename column low to low_before", "alter table scores rename column low_before to low"
AHEAD = (  # as a migration of a newer version would leave it
    "alter table scores add column site text not null default '-'; alter table scores alter column site drop default; "
    "update alembic_version set version_num = 'newer-' || version_num",
    "update alembic_version set version_num = substr(version_num, 7); alter table scores drop column site",
)
DATABASES = (
    Fault("PostgreSQL: shut down for 5 s", stopped(LONG_S, signal.SIGINT), "rows"),
    Fault("PostgreSQL: shut down for 45 s", stopped(45, signal.SIGINT), "rows"),
    Fault("PostgreSQL: frozen for 20 s (SIGSTOP)", stopped(20, signal.SIGSTOP), "rows"),
    Fault("PostgreSQL: tables locked for 5 s", locked(LONG_S), "rows"),
    Fault("PostgreSQL: tables locked for 70 s", locked(70), "rows"),
    Fault("PostgreSQL: a server process killed (kill -9)", backend_killed, "rows"),
    Fault("PostgreSQL: read-only for 5 s", between(READ_ONLY + "on", READ_ONLY + "off"), "rows"),
    Fault("PostgreSQL: permission revoked for 5 s", between(*REVOKED), "rows"),
    Fault("PostgreSQL: schema behind the code for 5 s", between(*BEHIND), "rows"),
    Fault("PostgreSQL: schema ahead of the code for 5 s", between(*AHEAD), "rows"),
)
