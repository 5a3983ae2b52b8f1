"""Server: one uvicorn in this process, until SIGTERM or Ctrl-C.

Settings ─► listen ─► serve ─► stop: streams end, requests in hand are answered
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from api.app import build_api
from api.connections import GuardedProtocol
from api.publisher import ModelKeeper, Publisher
from schemas import MillraceError, Settings

log = structlog.get_logger(__name__)
STOP_TIMEOUT_S = 3  # for requests in hand; within the 10 s in which a part ends
LAST_S = 7.0
BACKLOG = 1024


class ListenError(MillraceError):
    title = "The API cannot listen"


class ApiServer(uvicorn.Server):
    """Listens from the start; `run` serves until a signal, or until `should_exit` is set by another thread.

    Args:
        port_callback: called with the port once requests are answered; useful with MILLRACE_API_PORT=0.
        publisher: how Kafka is reached; without one the API takes no events.
        keeper: how models are let to serve; without one the API changes none.
        extend: adds to the application, such as the console's pages.

    Raises:
        SettingsError, KeysError: see `build_api`.
        ListenError: the address is in use or not of this machine.
    """

    def __init__(
        self,
        settings: Settings,
        port_callback: Callable[[int], None] | None = None,
        publisher: Publisher | None = None,
        extend: Callable[[FastAPI], None] | None = None,
        keeper: ModelKeeper | None = None,
    ) -> None:
        self.settings, self.port_callback = settings, port_callback
        self.app = build_api(settings, publisher, keeper)
        if extend is not None:
            extend(self.app)
        self.listener = _listen(settings)
        super().__init__(
            uvicorn.Config(
                self.app,
                log_config=None,
                access_log=False,
                server_header=False,
                http=GuardedProtocol,
                timeout_graceful_shutdown=STOP_TIMEOUT_S,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        port, has_keys = int(self.listener.getsockname()[1]), self.app.state.keys is not None
        log.info("the API serves", host=self.settings.api_host, port=port, has_keys=has_keys)
        if self.port_callback is not None:
            self.port_callback(port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On a signal. A thread that waits for a database that hangs would keep the process, so that has an end too."""
        last = threading.Timer(LAST_S, _end_at_once)
        last.daemon = True
        last.start()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for streams in self.app.state.streams:
            await streams.close()  # before uvicorn waits for open connections, which streams would be
        await super().shutdown(sockets)
        log.info("the API has stopped")


def serve(
    settings: Settings,
    port_callback: Callable[[int], None] | None = None,
    publisher: Publisher | None = None,
    extend: Callable[[FastAPI], None] | None = None,
    keeper: ModelKeeper | None = None,
) -> None:
    """Serve the API until the process is told to stop, which is a success; see `ApiServer`."""
    server = ApiServer(settings, port_callback, publisher, extend, keeper)
    with server.listener, _signals_are_done():
        server.run(sockets=[server.listener])


def _end_at_once() -> None:
    log.warning("the API ends without some answers: the database does not let go of them", waited_s=LAST_S)
    os._exit(0)


@contextmanager
def _signals_are_done() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more: it has done its work, so nothing follows from that."""
    is_main = threading.current_thread() is threading.main_thread()  # signals only ever reach this one
    numbers = (signal.SIGTERM, signal.SIGINT) if is_main else ()
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.api_host, settings.api_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol left open asyncio does not set TCP_NODELAY, and each answer waits 40 ms for the client's ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(
            f"The API cannot listen on {host}:{port}: {error.strerror or error}.",
            "Stop what uses that port, or set MILLRACE_API_PORT (0: any free port) or MILLRACE_API_HOST.",
        ) from error
    return listener
