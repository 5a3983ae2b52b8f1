"""`millrace up`: one process that starts, watches and ends all others.

broker (if none is configured) ─► topics, migrations ─► sink, API, edge ─► run.json ─► watch ─► stop, within 10 s

A part that ends before it was ready ends everything with its last words; one that dies later is started again, and
that is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx2
from filelock import FileLock, Timeout

from millrace.kafka import Broker, free_port, obstacle
from millrace.service.part import STOP_TIMEOUT_S, Part, StartError
from millrace.service.waiting import told_while_waiting
from models.files import replace_file
from schemas import MillraceError, Settings

READY_TIMEOUT_S = 240.0  # a busy machine, a state of gigabytes
Tell = Callable[[str], None]


class Supervisor:
    """Owns the processes of one MILLRACE_HOME.

    Args:
        settings: `kafka` empty means that the embedded broker is started too.
        tell: takes lines meant for the person at the terminal.
    """

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self.tell = tell
        self.home = settings.home.absolute()
        self.broker = None if settings.kafka else Broker(self.home / "kafka", settings.kafka_port, settings.kafka_jars)
        # Whoever reaches the embedded Kafka reaches the home too: a signature would add nothing
        is_lenient = settings.allow_unsigned_models or (self.broker is not None and not settings.model_public_keys)
        self.settings = settings.model_copy(update={"home": self.home, "allow_unsigned_models": is_lenient})
        self.parts: list[Part] = []
        self.lock: FileLock | None = None
        self.stopping = asyncio.Event()
        self.since = time.time()  # when it was started, for the page that is opened before all is ready

    @property
    def api(self) -> str:
        host = self.settings.api_host
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - where to ask, not where to listen
        return f"http://{host}:{self.settings.api_port}"

    # -- start

    def start_broker(self) -> None:
        """Lock the home and start Kafka. Blocks; call it from the main thread: the broker dies with its starter."""
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        self._lock_home()
        port = self.settings.api_port or free_port()
        if why := obstacle(port, self.settings.api_host):
            raise StartError(
                f"The API cannot listen on {self.settings.api_host}:{port}: {why}.",
                "Stop what uses that port, or set MILLRACE_API_PORT (0: any free port).",
            )
        kafka = self.settings.kafka
        if self.broker is not None:
            self.broker.start()
            kafka = self.broker.bootstrap
            self.tell(f"Kafka is ready on {kafka}")
            if not self.settings.model_public_keys:
                self.tell("Models need no signature here (MILLRACE_ALLOW_UNSIGNED_MODELS): Kafka is on 127.0.0.1 only")
        self.settings = self.settings.model_copy(update={"api_port": port, "kafka": kafka})
        self._write_run(ready=False)

    async def prepare(self) -> None:
        """Create what is missing: topics and tables."""
        from storage import upgrade
        from streams.kafka import apply_topics

        await apply_topics(self.settings)
        await asyncio.to_thread(upgrade, self.settings.database())

    async def start_sink_and_api(self) -> None:
        api = self._part("api", ["api"], f"{self.api}/readyz")
        notify = [("notify", "millrace_notify_ready 1.0")] if self.settings.notifications_file is not None else []
        parts = [self._worker("sink"), api, *(self._worker(*one) for one in notify)]
        await asyncio.gather(*(part.launch() for part in parts))

    async def start_edge(self) -> None:
        await self._worker("edge").launch()

    async def wait_ready(self) -> None:
        """Until every part answers; then `run.json` says so. Every ten seconds it is told who does not yet.

        Raises:
            StartError: a part ended or did not answer in time; with the end of its log.
        """

        def what() -> str:
            late = ", ".join(part.name for part in self.parts if not part.is_ready)
            return f"Waiting for: {late}"

        async with told_while_waiting(self.tell, what):
            await self.wait_for(*(part.name for part in self.parts))
        self._write_run(ready=True)

    async def wait_for(self, *names: str) -> None:
        """Until these parts answer.

        Raises:
            StartError: as `wait_ready`.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        async with httpx2.AsyncClient(timeout=2) as client:
            while waiting := [part for part in self.parts if part.name in names and not part.is_ready]:
                await asyncio.gather(*(part.check_ready(client) for part in waiting))
                if time.monotonic() > deadline:
                    late = waiting[0]
                    raise StartError(f"{late.name} is not ready after {READY_TIMEOUT_S:.0f} s.{late.last_words()}")
                await asyncio.sleep(0.1)

    def tell_addresses(self) -> None:
        self.tell(f"Console {self.api}/")
        self.tell(f"API     {self.api}/docs")
        self.tell(f"Kafka   {self.settings.kafka}")
        self.tell(f"Logs    {self.home / 'logs'}")

    def _worker(self, role: str, ready: str = "millrace_worker_ready 1.0") -> Part:
        port = free_port()
        own = {"MILLRACE_METRICS_PORT": str(port), "MILLRACE_METRICS_HOST": "127.0.0.1"}
        url = f"http://127.0.0.1:{port}/metrics"
        return self._part(role, ["worker", "--role", role], url, ready, own)

    def _part(
        self, name: str, arguments: list[str], url: str, text: str = "", own: dict[str, str] | None = None
    ) -> Part:
        environment = {
            "MILLRACE_ALLOW_UNSIGNED_MODELS": str(self.settings.allow_unsigned_models),
            "MILLRACE_HOME": str(self.home),
            "MILLRACE_KAFKA": self.settings.kafka,
            "MILLRACE_API_PORT": str(self.settings.api_port),
            **(own or {}),
        }
        part = Part(name, arguments, self.home / "logs" / f"{name}.log", url, text, environment)
        self.parts.append(part)
        return part

    # -- watch

    async def watch(self) -> None:
        """Start again what dies, until `stopping` is set."""
        while not self.stopping.is_set():
            for part in self.parts:
                part.bound_log()
                if part.has_ended:
                    await self._revive(part)
            if self.broker is not None:
                self._revive_broker(self.broker)
            await self._pause(0.5)

    async def _revive(self, part: Part) -> None:
        assert part.process is not None
        wait_s = part.next_backoff()
        self.tell(f"{part.name} ended with {part.process.returncode}, starts again in {wait_s:.0f} s: see {part.log}")
        await self._pause(wait_s)
        if not self.stopping.is_set():
            await part.launch()

    def _revive_broker(self, broker: Broker) -> None:
        try:
            broker.check()
        except MillraceError as error:
            self.tell(f"Kafka died and is started again on the same port. {error.detail}")
            broker.stop()
            broker.start()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    # -- stop

    async def stop(self) -> None:
        """End the parts, then the broker; whoever does not end in time is killed."""
        self.stopping.set()
        obeyed = await asyncio.gather(*(part.stop() for part in self.parts))
        for part, ended_itself in zip(self.parts, obeyed, strict=True):
            if not ended_itself:
                self.tell(
                    f"{part.name} did not end within {STOP_TIMEOUT_S:.0f} s and was killed; nothing is lost by that."
                )
        if self.broker is not None:
            self.broker.stop()
        if self.lock is not None:
            (self.home / "run.json").unlink(missing_ok=True)
            self.lock.release()

    def _lock_home(self) -> None:
        lock = FileLock(self.home / "up.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise StartError(
                f"A Millrace is already running in {self.home}.",
                "Stop it, or set MILLRACE_HOME to another folder.",
            ) from None
        self.lock = lock

    def _write_run(self, *, ready: bool) -> None:
        metrics = {part.name: part.ready_url for part in self.parts if part.ready_text}
        told = {"kafka": self.settings.kafka, "api": self.api, "pid": os.getpid(), "ready": ready, "since": self.since}
        run = told | {"metrics": metrics}
        replace_file(self.home / "run.json", f"{json.dumps(run)}\n".encode())


def running_api(home: Path) -> str:
    """Address of the API that runs from this home, as `run.json` has it; empty where none does."""
    try:
        run = json.loads((home / "run.json").read_bytes())
        os.kill(run["pid"], 0)  # a killed supervisor leaves its file
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return str(run.get("api", ""))


@contextlib.contextmanager
def stop_signals(stopping: asyncio.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set the event; a second one changes nothing."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stopping.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def until_stopped(supervisor: Supervisor, work: Coroutine[Any, Any, None]) -> bool:
    """Run `work`, or give it up when the service is told to stop. Returns whether it was finished."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(supervisor.stopping.wait())
    await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.wait({task})
    return False


def program(home: Path) -> str:
    """`millrace` as it was called here, for this home: what a person can copy into another terminal."""
    name = "millrace" if shutil.which("millrace") == str(Path(sys.argv[0]).absolute()) else sys.argv[0]
    return name if home == Path(".millrace").absolute() else f"MILLRACE_HOME={home} {name}"


def what_to_try(supervisor: Supervisor) -> Iterator[str]:
    """The next steps of somebody whose service has just started for the first time, or again."""
    millrace = program(supervisor.home)
    if (supervisor.home / "models" / "aliases.json").exists():
        yield f"Try    {millrace} models list"
    else:
        yield f"Try    {millrace} validate FILE      what a table of yours has; then train, docs/plant.md"
    yield f"       {millrace} replay FILE        puts its events on their topics: clicks, items, readings or a log"
    yield f"       {millrace} send click --user me --item ITEM                 ITEM: one of yours"
    yield f"       curl {supervisor.api}/v1/users/me/recommendations"
    yield f"       {millrace} send telemetry --asset ASSET --like last         ASSET: one that has sent a reading"
    yield f"       curl {supervisor.api}/v1/assets"
    yield f"       {millrace} doctor"
    yield "Ctrl-C ends everything; the next start goes on from here"


async def run_up(settings: Settings, tell: Tell) -> None:
    """`millrace up`: the service without simulation, until Ctrl-C or SIGTERM."""
    supervisor = Supervisor(settings, tell)
    with stop_signals(supervisor.stopping):
        try:
            supervisor.start_broker()
            await supervisor.prepare()
            await supervisor.start_sink_and_api()
            await supervisor.start_edge()
            if await until_stopped(supervisor, supervisor.wait_ready()):
                supervisor.tell_addresses()
                for line in what_to_try(supervisor):
                    tell(line)
            await supervisor.watch()
        finally:
            tell("Stopping.")
            await supervisor.stop()
