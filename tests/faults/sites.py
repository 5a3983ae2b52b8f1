"""Sites: faults share one, which takes seconds to start; after a fault that it did not survive there is a new one."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from millrace.kafka import Broker
from storage import upgrade
from tests.faults.disks import small_disk
from tests.faults.fault import Fault, Line, lead
from tests.faults.site import SINK_USER, Site
from tests.support.postgres import Postgres

_numbers = itertools.count()
BROKER_BYTES = 256 << 20


class Sites:
    """On PostgreSQL, of which `migrated` is a database to copy, but for faults that want SQLite.

    Args:
        folder: makes an empty folder.
        models: folder of trained champions.
    """

    def __init__(self, broker: Broker, folder: Callable[[], Path], models: Path, postgres: Postgres) -> None:
        self.broker, self._folder, self._models, self._postgres = broker, folder, models, postgres
        self._stack = AsyncExitStack()
        self._site: Site | None = None

    async def play(self, fault: Fault) -> Line:
        """Lead a site through the fault."""
        if fault.fresh:
            async with self._new(fault.fresh) as site:
                return await lead(site, fault)
        if self._site is None:
            self._site = await self._stack.enter_async_context(self._new("postgres"))
        is_whole = False
        try:
            line = await lead(self._site, fault)
            is_whole = line.verdict.is_clean
        finally:
            if not is_whole:
                await self.close()
        return line

    async def close(self) -> None:
        self._site = None
        await self._stack.aclose()

    @asynccontextmanager
    async def _new(self, kind: str) -> AsyncIterator[Site]:
        async with AsyncExitStack() as stack:
            folder, broker = self._folder(), self.broker
            home = folder / "home"
            if kind == "small disk":
                stack.enter_context(small_disk(home))
            elif kind == "small broker":
                stack.enter_context(small_disk(folder / "kafka", BROKER_BYTES))
                broker = stack.enter_context(Broker(folder / "kafka"))
            is_postgres = kind in ("postgres", "small broker")
            url = self._postgres_url() if is_postgres else f"sqlite:///{home / 'millrace.db'}"
            if not is_postgres:
                home.mkdir(parents=True, exist_ok=True)
                upgrade(url)
            site = await stack.enter_async_context(Site(broker, home, self._models, url))
            site.postgres = self._postgres if is_postgres else None
            yield site

    def _postgres_url(self) -> str:
        """An empty database, where the sink is not the owner of the tables."""
        name = f"site{next(_numbers)}"
        self._postgres.execute(f"create database {name} template migrated")
        self._postgres.execute(
            f"do $$ begin create role {SINK_USER} login; exception when duplicate_object then null; end $$"
        )
        for what in ("tables", "sequences"):
            self._postgres.execute(f"grant all on all {what} in schema public to {SINK_USER}", name)
        return self._postgres.url(name)
