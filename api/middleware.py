"""Middleware: what holds for every request.

request ─► Measured ─► Timely ─► LimitedBody ─► route, with those of `api.representation` and `api.addresses` between
"""

from __future__ import annotations

import asyncio
import time

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import DURATION, ERRORS, REQUESTS

log = structlog.get_logger(__name__)
BODY_TIMEOUT_S = 4.0  # 64 KiB take that long at 130 kbit/s
ANSWER_TIMEOUT_S = 6.0  # more than the database's own time-outs, for when it does not even keep those
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
                if message["status"] >= 500:
                    ERRORS.labels(message["status"]).inc()
                DURATION.labels(route).observe(time.perf_counter() - start)
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        await self.app(scope, receive, send_measured)


class Timely:
    """Middleware: an answer begins within ANSWER_TIMEOUT_S, or it is `late`'s.

    A route whose database hangs is a thread that nothing can stop. It is left to itself, and what it says is not heard.
    """

    def __init__(self, app: ASGIApp, late: ASGIApp) -> None:
        self.app, self.late = app, late
        self._left: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, is_late = asyncio.Event(), False

        async def send_in_time(message: Message) -> None:
            if not is_late:
                begun.set()
                await send(message)

        answer = asyncio.ensure_future(self._answer(scope, receive, send_in_time))
        beginning = asyncio.ensure_future(begun.wait())
        try:
            await asyncio.wait({answer, beginning}, timeout=ANSWER_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if begun.is_set() or answer.done():
                await answer
                return
            is_late = True
        except asyncio.CancelledError:
            answer.cancel()
            raise
        finally:
            beginning.cancel()
        self._leave(answer, scope["path"])
        await self.late(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def _leave(self, answer: asyncio.Task[None], path: str) -> None:
        log.warning("a request was not answered in time", path=path, waited_s=ANSWER_TIMEOUT_S)
        self._left.add(answer)

        def forget(task: asyncio.Task[None]) -> None:
            self._left.discard(task)
            if not task.cancelled():
                task.exception()  # its answer was given already

        answer.add_done_callback(forget)


class LimitedBody:
    """Middleware: a body of more than `most_bytes`, or one that does not come within BODY_TIMEOUT_S, is not read.

    FastAPI's own limit answers with plain text.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, more: dict[str, int]) -> None:
        """`more`: the limits of paths that take more than `most_bytes`."""
        self.app, self.most_bytes, self.more = app, most_bytes, more

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        most = self.more.get(scope["path"], self.most_bytes)
        size, is_complete = 0, False
        deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT_S

        async def receive_limited() -> Message:
            nonlocal size, is_complete
            if is_complete:  # from here on a receiver waits for the client to leave
                return await receive()
            self._check(int(declared) if declared.isdecimal() else 0, most)
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                detail = f"The body did not come within {BODY_TIMEOUT_S:.0f} s."
                raise HTTPException(408, detail, {"Connection": "close"}) from None
            is_complete = not message.get("more_body", False)
            size += len(message.get("body", b""))
            self._check(size, most)
            return message

        await self.app(scope, receive_limited, send)

    @staticmethod
    def _check(size: int, most: int) -> None:
        if size > most:
            raise HTTPException(413, f"The body has more than {most:,} bytes.", {"Connection": "close"})
