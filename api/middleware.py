"""Middleware: what holds for every request.

request ─► Measured ─► LimitedBody ─► route
"""

from __future__ import annotations

import time

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import DURATION, REQUESTS

METHODS = {"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"}


class Measured:
    """Middleware: counts and times each answer when it starts, so that live streams count too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path_format", "unknown")
                method = scope["method"] if scope["method"] in METHODS else "other"
                REQUESTS.labels(route, method, message["status"]).inc()
                DURATION.labels(route).observe(time.perf_counter() - start)
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        await self.app(scope, receive, send_measured)


class LimitedBody:
    """Middleware: a body of more than `most_bytes` is not read. FastAPI's own limit answers with plain text."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self.app, self.most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        size = 0

        async def receive_limited() -> Message:
            nonlocal size
            self._check(int(declared) if declared.isdecimal() else 0)
            message = await receive()
            size += len(message.get("body", b""))
            self._check(size)
            return message

        await self.app(scope, receive_limited, send)

    def _check(self, size: int) -> None:
        if size > self.most_bytes:
            raise HTTPException(413, f"The body has more than {self.most_bytes:,} bytes.")
