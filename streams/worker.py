"""Worker: a Faust app without Faust's own consumer, the agents on it, and the process that runs them.

build_app ─► build_agent(handler) ... ─► run_worker
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import faust
import structlog
from prometheus_client import start_http_server

from schemas import Settings
from streams.agent import Handler, Runtime, Source
from streams.metrics import begin_agent

log = structlog.get_logger(__name__)
CHANNEL_TURNS = 1  # on their way to an agent; then nothing is fetched, and the next one has what comes meanwhile
STOP_S = 9.0
HARD_STOP_S = 9.7  # a thread that waits for what never answers does not hold the process up for longer
LOG_LINES, LOG_WINDOW_S = 5, 10.0
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGE_BYTES = 256 * 1024


class _App(faust.App):
    class BootStrategy(faust.App.BootStrategy):
        enable_kafka = False  # sources bring their own consumers and producers
        enable_web = False  # Faust's web server binds 0.0.0.0


def build_app(name: str, settings: Settings) -> faust.App:
    """A Faust app that carries agents fed by `Source`s; give it to `run_worker`.

    `faust worker` must be told `--without-web`, as it turns the web server on over any setting.
    """
    datadir = (settings.home / "faust" / name).absolute()
    datadir.mkdir(parents=True, exist_ok=True)  # Faust does not make parent folders
    return _App(
        f"{settings.topic_prefix}millrace-{name}",
        broker=f"kafka://{settings.kafka}",  # never used
        datadir=str(datadir),
        web_enabled=False,
        topic_disable_leader=True,
        stream_recovery_delay=0.0,
        autodiscover=False,
    )


def build_agent(
    app: faust.App,
    settings: Settings,
    handler: Handler,
    before_ready: Callable[[], Awaitable[None]] | None = None,
) -> Runtime:
    """Put a handler on the app: a source of its topics, a channel, and the agent between them.

    Args:
        before_ready: awaited before the agent joins its group, so that it takes partitions only when it can serve
            them: load models, warm kernels, catch up with the click feed.
    """
    begin_agent(handler.name, handler.topics, handler.outputs, settings.topic_prefix)
    runtime = Runtime(settings, handler)
    channel = app.channel(maxsize=CHANNEL_TURNS)

    @app.service
    class AgentSource(Source):
        def __init__(self, **_: Any) -> None:
            super().__init__(app, settings, runtime, channel, before_ready)

    @app.agent(channel, name=handler.name, concurrency=1)
    async def agent(stream: Any) -> None:
        async for turn in stream.noack():  # positions, not Faust's acknowledgements, say what is done
            await runtime.process(turn)

    return runtime


def run_worker(build: Callable[[], faust.App], settings: Settings) -> None:
    """Run an app until SIGTERM or SIGINT, which end it within 10 s with all finished work saved.

    Args:
        build: makes the app; called inside the event loop, to which Faust binds it.

    Raises:
        MillraceError: the app could not start, or an agent's source ended with this error.
    """
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.metrics_host)
    limit_kafka_logs()
    return_memory()
    asyncio.run(_run(build))


class _Worker(faust.Worker):
    def install_signal_handlers(self) -> None:
        """Signals are handled in `_run`, which waits until the stop is complete."""


async def _run(build: Callable[[], faust.App]) -> None:
    loop, signalled = asyncio.get_running_loop(), asyncio.Event()

    def signal_came() -> None:
        signalled.set()
        end_at_last(HARD_STOP_S)

    # Blocks while models are loaded. There is nothing to save yet: a signal just ends it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    app = build()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, signal_came)
    calm_collector()
    worker = _Worker(app, quiet=True, override_logging=False, redirect_stdouts=False, loop=loop)
    worker.spinner = None
    running = asyncio.ensure_future(worker.start())  # until the worker is stopped or crashes
    signal_seen = asyncio.ensure_future(signalled.wait())
    await asyncio.wait({running, signal_seen}, return_when=asyncio.FIRST_COMPLETED)
    signal_seen.cancel()
    try:
        await asyncio.wait_for(worker.stop(), STOP_S)
    except TimeoutError:
        log.warning("the worker did not stop in time; work since the last checkpoint is repeated", waited_s=STOP_S)
        running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    if worker.crash_reason is not None:
        raise worker.crash_reason
    if not running.cancelled() and (error := running.exception()) is not None:
        raise error


def end_at_last(after_s: float) -> None:
    """End this process then, whatever its threads and its event loop wait for. What is not saved is repeated."""

    def end() -> None:
        log.error("the process does not end by itself and is ended; unsaved work is repeated", waited_s=after_s)
        os._exit(1)

    timer = threading.Timer(after_s, end)
    timer.daemon = True
    timer.start()


def calm_collector() -> None:
    """Let the garbage collector look at what is new only, and not so often.

    A batch makes tens of thousands of objects, none of them in a cycle, and by default each 700 of them start a
    collection, the large ones of which walk over all code and models. A reading takes 27 us of the worker, 46 without.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)


def return_memory() -> None:
    """Let glibc give large arrays their own pages, and those back when an array is freed.

    By itself it raises the size from which it does so to that of the largest array that was freed, and keeps and clears
    the pages of all smaller ones: tables that grew would count twice. Another C library is left as it is.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_TRIM_THRESHOLD, LARGE_BYTES)


class _FewOfAKind(logging.Filter):
    """Passes five lines of a kind in ten seconds: in an outage aiokafka logs thousands."""

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = str(record.msg)
        since, count = self._windows.get(kind, (record.created, 0))
        if record.created - since > LOG_WINDOW_S:
            since, count = record.created, 0
        self._windows[kind] = (since, count + 1)
        return count < LOG_LINES


def limit_kafka_logs() -> None:
    """Rate-limit what aiokafka logs; called once its modules are imported."""
    few = _FewOfAKind()
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("aiokafka"):
            logging.getLogger(name).addFilter(few)
