"""Site: one installation under test: topics and database of its own, worker processes each behind its own proxies.

Site ─► start edge, sink, API ─► events flow ─► a fault ─► decisions flow again ─► all is decided, saved, written
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from millrace.kafka import Broker
from schemas import (
    ALERTS,
    CLICKS,
    ITEMS,
    MAINTENANCE,
    RECOMMENDATIONS,
    SCORES,
    TELEMETRY,
    Settings,
    UnavailableError,
    topic_name,
)
from storage import Store
from streams.kafka import client_options, group_name
from tests.faults.ledger import Ledger, Raw, plant, shop
from tests.faults.oracle import Oracle
from tests.faults.proxy import Proxy
from tests.faults.watch import Watch
from tests.support.kafka import create_topics
from tests.support.postgres import Postgres

ROOT = Path(__file__).parents[2]
SESSION_S = 3.0
SINK_USER = "sinker"  # on PostgreSQL; whom permissions can be taken from
TIMEOUT_S = 90.0
PLANT_RATE, SHOP_RATE = 250.0, 40.0  # events a second of a flow
# the events are of 2023; the sink deletes what is old for the first time after a minute
NOTHING_IS_OLD: dict[str, Any] = {name: 10_000 for name in Settings.model_fields if name.startswith("retention_")}
AGENTS = {"maintain": (TELEMETRY, MAINTENANCE), "recommend": (CLICKS, ITEMS)}
POLL_S = 0.1


def end_with_parent() -> None:
    """No orphan, however the tests end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@dataclass(eq=False)
class Part:
    """A process of the service, and the proxies between it and the others."""

    role: str
    process: subprocess.Popen[bytes]
    kafka: Proxy
    database: Proxy | None
    log: Path

    def kill(self) -> None:
        """kill -9: not a byte of it goes further."""
        self.process.kill()
        self.process.wait()
        for proxy in (self.kafka, self.database):
            if proxy is not None:
                proxy.cut(is_for_good=True)

    def send(self, signum: signal.Signals) -> None:
        self.process.send_signal(signum)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None


class Site:
    """Args:
    broker: a running one, which this site may stop if nobody else uses it.
    models: folder of trained champions.
    database_url: of an empty migrated database.
    """

    def __init__(self, broker: Broker, home: Path, models: Path, database_url: str, seed: int = 1, **more: Any) -> None:
        self.broker, self.home, self.seed = broker, home, seed
        shutil.copytree(models, home / "models")
        self.settings = Settings(
            kafka=broker.bootstrap, home=home, topic_prefix=f"f{uuid.uuid4().hex[:8]}.", partitions=2,
            allow_unsigned_models=True, session_timeout_s=SESSION_S, checkpoint_interval_s=0.5,
            database_url=database_url, **NOTHING_IS_OLD, **more,
        )  # fmt: skip
        self.ledger, self.oracle = Ledger(self.settings), Oracle(self.settings)
        self.watch = Watch(self.settings)
        self.store = Store(database_url)
        self.parts: list[Part] = []
        self.postgres: Postgres | None = None  # the server of its database
        self.note = ""  # what a fault has to say beside its numbers
        self.streams: dict[str, Iterator[Raw]] = {"plant": plant(seed), "shop": shop(seed + 1)}
        self.rates = {"plant": PLANT_RATE, "shop": SHOP_RATE}
        self._stack = AsyncExitStack()
        self._enough = asyncio.Event()
        self._flow: asyncio.Future[Any] | None = None

    async def __aenter__(self) -> Self:
        await create_topics(self.settings)
        await self._stack.enter_async_context(self.watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self.parts:
            part.process.kill()
            part.process.wait()
        if self._flow is not None:
            self._flow.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._flow
        self.store.close()
        await self._stack.aclose()

    # processes

    async def start(self, role: str, module: str = "millrace", **more: str) -> Part:
        """`edge`, `sink` or `api`; `more` are settings of its own."""
        kafka = await self._stack.enter_async_context(Proxy(self.broker.port))
        changes: dict[str, Any] = {"kafka": kafka.address}
        database, url = None, self.settings.database()
        if url.startswith("postgresql") and (port := urlsplit(url).port):
            database = await self._stack.enter_async_context(Proxy(port, is_kafka=False))
            changes["database_url"] = f"postgresql+psycopg://{SINK_USER}@127.0.0.1:{database.port}{urlsplit(url).path}"
        settings = self.settings.model_copy(update=changes)
        named = {f"MILLRACE_{name.upper()}": str(getattr(settings, name)) for name in settings.model_fields_set}
        command = {"api": ["api"]}.get(role, ["worker", "--role", role])
        path = self.home / f"{role}-{len(self.parts)}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *command],
                env=os.environ | named | more, stdout=log, stderr=log, cwd=ROOT,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call, no lock is taken
            )  # fmt: skip
        part = Part(role, process, kafka, database, path)
        self.parts.append(part)
        return part

    async def end(self, part: Part, timeout_s: float = 11.0) -> float:
        """SIGTERM. Returns the seconds until it ended."""
        started = time.monotonic()
        part.send(signal.SIGTERM)
        await self.until(lambda: not part.is_running, f"{part.role} ends", timeout_s)
        return time.monotonic() - started

    def logs(self, size: int = 3000) -> str:
        return "\n".join(f"--- {part.log.name}\n{part.log.read_text()[-size:]}" for part in self.parts)

    async def until(self, holds: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> None:
        """Until it holds; conditions that are awaited are so every 0.1 s."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = holds()
            if await found if isinstance(found, Awaitable) else found:
                return
            assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s\n{self.logs()}"
            await asyncio.sleep(POLL_S if isinstance(found, Awaitable) else 0.02)

    # events

    def flow(self) -> None:
        """Events of plant and shop, from now on."""
        self._enough.clear()
        names = self.streams
        flows = (self.ledger.produce(names[name], self.rates[name], self._enough) for name in names)
        self._flow = asyncio.gather(*flows)

    async def stop_flow(self) -> None:
        self._enough.set()
        assert self._flow is not None
        await self._flow
        self._flow = None

    async def until_decided_anew(self, timeout_s: float = TIMEOUT_S) -> float:
        """Until events that are produced from now on are decided, in each partition of both agents."""
        ends = self.ledger.ends()
        wanted = {(topic, n): ends.get((topic, n), 0) for topic in (TELEMETRY, CLICKS) for n in (0, 1)}
        try:
            return await self.watch.until_beyond(wanted, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    async def until_written(self, timeout_s: float = TIMEOUT_S) -> float:
        """Until what is decided by now is in the database."""
        started, decided = time.monotonic(), await self._output_ends()
        await self.until(lambda: self._is_written(decided), "all decisions are in the database", timeout_s)
        return time.monotonic() - started

    async def settle(self, timeout_s: float = TIMEOUT_S) -> None:
        """No more events; until all are decided, saved and written."""
        if self._flow is not None:
            await self.stop_flow()
        await self.until(self.is_applied, "all events are applied and saved", timeout_s)
        if self.running("sink"):
            await self.until_written(timeout_s)

    def forget(self, *topics: str) -> None:
        """They were made anew: offsets begin again."""
        self.ledger.entries = [entry for entry in self.ledger.entries if entry.topic not in topics]
        self.watch.decided = {key: at for key, at in self.watch.decided.items() if key[0] not in topics}

    def running(self, role: str) -> list[Part]:
        return [part for part in self.parts if part.role == role and part.is_running]

    async def is_applied(self) -> bool:
        """Has the groups' last checkpoint all that there is?"""
        wanted = {
            agent: {TopicPartition(topic_name(self.settings, t), n) for t in topics for n in (0, 1)}
            for agent, topics in AGENTS.items()
        }
        ends = await self._ends(set().union(*wanted.values()))
        admin = AIOKafkaAdminClient(**client_options(self.settings))
        await admin.start()
        try:
            for agent, tps in wanted.items():
                found = await admin.list_consumer_group_offsets(group_name(self.settings, agent))
                if any(found[tp].offset < ends[tp] if tp in found else ends[tp] > 0 for tp in tps):
                    return False
        except GroupCoordinatorNotAvailableError:
            return False
        finally:
            await admin.close()
        return True

    async def _output_ends(self) -> dict[TopicPartition, int]:
        topics = [topic_name(self.settings, topic) for topic in (SCORES, ALERTS, RECOMMENDATIONS)]
        return await self._ends({TopicPartition(topic, n) for topic in topics for n in range(self.settings.partitions)})

    async def _is_written(self, ends: dict[TopicPartition, int]) -> bool:
        def written() -> dict[tuple[str, int], int]:
            with self.store.reading() as reader:
                return reader.positions(list({tp.topic for tp in ends}))

        try:
            found = await asyncio.to_thread(written)
        except UnavailableError:
            return False
        return all(found.get((tp.topic, tp.partition), 0) >= end for tp, end in ends.items())

    async def _ends(self, tps: set[TopicPartition]) -> dict[TopicPartition, int]:
        async with AIOKafkaConsumer(**client_options(self.settings)) as consumer:
            ends: dict[TopicPartition, int] = await consumer.end_offsets(list(tps))
            return ends
