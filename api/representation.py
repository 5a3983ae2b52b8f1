"""Representation: how an answer travels: HEAD without its body, compressed, or not at all where the client has it.

request ─► Headed ─► Compressed ─► Conditional ─► route
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Callable

import cramjam
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST_BYTES = 1000  # below it the headers weigh more than what is saved
GZIP_LEVEL, ZSTD_LEVEL = 5, 3
STREAM = "text/event-stream"
RARELY = ("/openapi.json", "/asyncapi.json", "/problems/", "/docs", "/v1/models")  # what changes rarely


class Headed:
    """Middleware: HEAD is answered as GET is, with the same headers and without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        told, inner = asyncio.Event(), {**scope, "method": "GET"}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                if "route" in inner:
                    scope["route"] = inner["route"]  # for whoever counts the answers
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                told.set()

        async def receive_until_told() -> Message:
            """The live stream only ends when its client leaves."""
            if told.is_set():
                return {"type": "http.disconnect"}
            come, done = asyncio.ensure_future(receive()), asyncio.ensure_future(told.wait())
            await asyncio.wait({come, done}, return_when=asyncio.FIRST_COMPLETED)
            done.cancel()
            if come.done():
                return come.result()
            come.cancel()
            return {"type": "http.disconnect"}

        await self.app(inner, receive_until_told, send_head)


class Compressed:
    """Middleware: whole bodies of LEAST_BYTES and more as zstd or gzip, whichever the client likes better."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        coding = best_coding(Headers(scope=scope).get("accept-encoding", ""))
        await self.app(scope, receive, _Whole(send, lambda start, body: _compress(start, body, coding)))


class Conditional:
    """Middleware: what changes rarely has an ETag, and is not sent to a client that names it in If-None-Match."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(RARELY):
            await self.app(scope, receive, send)
            return
        known = {tag.strip() for tag in Headers(scope=scope).get("if-none-match", "").split(",")}
        await self.app(scope, receive, _Whole(send, lambda start, body: _condition(start, body, known)))


class _Whole:
    """Sends an answer whose body is one piece as `change` makes it; a stream goes as it is."""

    def __init__(self, send: Send, change: Callable[[Message, bytes], bytes]) -> None:
        self._send, self._change = send, change
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = Headers(raw=message["headers"]).get("content-type", "")
            if not kind.startswith(STREAM):
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            start, self._start = self._start, None
            if not message.get("more_body", False):
                message = {**message, "body": self._change(start, message.get("body", b""))}
            await self._send(start)
        await self._send(message)


def best_coding(accepted: str) -> str | None:
    """`zstd` or `gzip` by the q-values of an Accept-Encoding, zstd where they are equal; none: neither is wanted."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, rest = part.partition(";")
        try:
            weights[name.strip()] = float(rest.partition("=")[2]) if rest.strip() else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    found = {name: weights.get(name, weights.get("*", 0.0)) for name in ("zstd", "gzip")}
    best = max(found, key=lambda name: found[name])
    return best if found[best] > 0 else None


def _compress(start: Message, body: bytes, coding: str | None) -> bytes:
    headers = MutableHeaders(raw=start["headers"])
    headers.add_vary_header("Accept-Encoding")
    start["headers"] = headers.raw
    if coding is None or len(body) < LEAST_BYTES or "content-encoding" in headers:
        return body
    if coding == "zstd":
        body = bytes(cramjam.zstd.compress(body, ZSTD_LEVEL))
    else:
        packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        body = packer.compress(body) + packer.flush()
    headers["Content-Encoding"], headers["Content-Length"] = coding, str(len(body))
    start["headers"] = headers.raw
    return body


def _condition(start: Message, body: bytes, known: set[str]) -> bytes:
    """A weak tag: it is of what is said, however it is compressed."""
    if start["status"] != 200:
        return body
    tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = MutableHeaders(raw=start["headers"])
    headers["ETag"], headers["Cache-Control"] = tag, "no-cache"  # kept, and asked about each time
    if known & {tag, tag.removeprefix("W/"), "*"}:
        start["status"], body = 304, b""
        for name in ("content-length", "content-type"):
            del headers[name]
    start["headers"] = headers.raw
    return body
