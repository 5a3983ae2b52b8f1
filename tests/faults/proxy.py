"""Proxy: stands between one client process and a server, and does to the connection what networks do.

client ─► delayed, held, cut, or one request of it ─► broker ─► answers, with the proxy's own port in them ─► client

To a broker it speaks in frames (4 bytes of length; api key, version, correlation id), so that single requests can be
told apart, held while others go on, and let go later, when their client has long connected again. To a database it is
a pipe of bytes. https://kafka.apache.org/protocol
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Self

from aiokafka.protocol import fetch

PRODUCE, FETCH, LIST_OFFSETS, METADATA, FIND_COORDINATOR, HEARTBEAT = 0, 1, 2, 3, 10, 12
INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSETS = 22, 24, 25, 26, 28
HOST = "127.0.0.1"
HIDDEN_PAUSE_S = 0.01  # an answer without records comes at once, and would be asked for again at once
ANSWER_S = 5.0  # for requests that were let go after their client had left


class Request(NamedTuple):
    """One frame on its way to the broker."""

    key: int
    version: int
    correlation: int
    frame: bytes  # without its length

    def names(self, *topics: str) -> bool:
        """Does it name one of these topics (on the broker)?"""
        return any(topic.encode() in self.frame for topic in topics)

    @property
    def first_text(self) -> str:
        """What its body begins with, if that is a text: the transactional id, of all requests about one."""
        (client,) = struct.unpack_from(">h", self.frame, 8)
        start = 10 + max(0, client)
        (length,) = struct.unpack_from(">h", self.frame, start)
        return self.frame[start + 2 : start + 2 + max(0, length)].decode(errors="replace")


class Dropped(Exception):
    """The connection is at its end."""


Hook = Callable[[Request], Awaitable[None]]


class Proxy:
    """Listens on a port of its own; everything may be changed while connections are open.

    Args:
        behind: the port of the server.
        is_kafka: frames, or bytes.
    """

    def __init__(self, behind: int, *, is_kafka: bool = True) -> None:
        self.behind, self.is_kafka, self.port = behind, is_kafka, 0
        self.delay_s = 0.0  # of everything
        self.before: list[Hook] = []  # awaited with each request before it goes on; may wait, or raise Dropped
        self.after: list[Hook] = []  # the same with the request of each answer
        self.hidden: set[str] = set()  # topics of which fetches bring no records
        self.flows = asyncio.Event()
        self.flows.set()
        self.is_open = True  # else connections are refused
        self._connections: set[_Connection] = set()
        self._server: Any = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0, limit=1 << 24)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        self.flows.set()
        self.cut()
        await asyncio.gather(*(one.task for one in self._connections if one.task), return_exceptions=True)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def behind_address(self) -> str:
        return f"{HOST}:{self.behind}"

    def cut(self, *, is_for_good: bool = False) -> None:
        """All connections end at once, in both directions; with `is_for_good` there are no new ones."""
        self.is_open = self.is_open and not is_for_good
        for connection in list(self._connections):
            connection.abort()

    def cut_clients(self) -> None:
        """Clients lose their connections; what is held here still reaches the server once it is let go."""
        for connection in list(self._connections):
            connection.client.transport.abort()

    def hold(self) -> None:
        """Nothing goes through until `flows` is set; connections stay."""
        self.flows.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_open:
            writer.transport.abort()
            return
        try:
            server = await asyncio.open_connection(HOST, self.behind, limit=1 << 24)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(self, (reader, writer), server)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def let_through(self) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self.flows.wait()


class _Connection:
    def __init__(
        self,
        proxy: Proxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._proxy, self.task = proxy, asyncio.current_task()
        (self._from_client, self.client), (self._from_server, self._server) = client, server
        self._waiting: dict[int, Request] = {}  # for an answer, by correlation id

    def abort(self) -> None:
        self.client.transport.abort()
        self._server.transport.abort()

    async def run(self) -> None:
        there, back = (self._requests, self._answers) if self._proxy.is_kafka else (self._bytes_there, self._bytes_back)
        tasks = [asyncio.ensure_future(there()), asyncio.ensure_future(back())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if (
            tasks[0].done() and tasks[0].exception() is None and self._waiting
        ):  # the client left, its last words did not
            await asyncio.wait(tasks[1:], timeout=ANSWER_S)
        self.abort()
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(result, None | asyncio.CancelledError | Dropped | OSError | EOFError):
                raise result

    # frames

    async def _requests(self) -> None:
        while (frame := await _frame(self._from_client)) is not None:
            request = Request(*struct.unpack_from(">hhi", frame), frame)
            await self._proxy.let_through()
            for hook in list(self._proxy.before):
                await hook(request)
            if not (request.key == PRODUCE and _asks_no_answer(request)):
                self._waiting[request.correlation] = request
            self._server.write(struct.pack(">i", len(frame)) + frame)
            await self._server.drain()

    async def _answers(self) -> None:
        while (frame := await _frame(self._from_server)) is not None:
            (correlation,) = struct.unpack_from(">i", frame)
            request = self._waiting.get(correlation)
            await self._proxy.flows.wait()
            if request is not None:
                for hook in list(self._proxy.after):
                    await hook(request)
                frame = await self._changed(request, frame)
            self._waiting.pop(correlation, None)
            with contextlib.suppress(OSError):  # it may have left
                self.client.write(struct.pack(">i", len(frame)) + frame)
                await self.client.drain()
            if not self._waiting and self._from_client.at_eof():
                return

    async def _changed(self, request: Request, frame: bytes) -> bytes:
        if request.key in (METADATA, FIND_COORDINATOR):  # in every version a port follows its host
            host = HOST.encode()
            real, own = (host + struct.pack(">i", port) for port in (self._proxy.behind, self._proxy.port))
            return frame.replace(real, own)
        hidden = self._proxy.hidden
        if request.key == FETCH and hidden and request.names(*hidden):
            await asyncio.sleep(HIDDEN_PAUSE_S)
            return frame[:4] + _without_records(request.version, frame[4:], hidden)
        return frame

    # bytes

    async def _bytes_there(self) -> None:
        while data := await self._from_client.read(1 << 16):
            await self._proxy.let_through()
            for hook in list(self._proxy.before):
                await hook(Request(-1, 0, 0, data))
            self._server.write(data)
            await self._server.drain()

    async def _bytes_back(self) -> None:
        while data := await self._from_server.read(1 << 16):
            await self._proxy.flows.wait()
            for hook in list(self._proxy.after):
                await hook(Request(-1, 0, 0, data))
            self.client.write(data)
            await self.client.drain()


async def _frame(reader: asyncio.StreamReader) -> bytes | None:
    try:
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return None


def _asks_no_answer(request: Request) -> bool:
    """Produce with acks=0: after the header, client id, and transactional id of version 3 and later."""
    place = 8
    for _ in range(2 if request.version >= 3 else 1):
        (length,) = struct.unpack_from(">h", request.frame, place)
        place += 2 + max(0, length)
    return struct.unpack_from(">h", request.frame, place) == (0,)


def _without_records(version: int, body: bytes, topics: set[str]) -> bytes:
    """A fetch's answer as if these topics had nothing new."""
    response = getattr(fetch, f"FetchResponse_v{version}")
    decoded = response.decode(body)
    changed = [
        (topic, [(*partition[:-1], b"") for partition in partitions] if topic in topics else partitions)
        for topic, partitions in decoded.topics
    ]
    fields = [changed if name == "topics" else getattr(decoded, name) for name in response.SCHEMA.names]
    return bytes(response(*fields).encode())
