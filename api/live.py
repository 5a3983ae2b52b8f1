"""Live: server-sent events of alert transitions. A client that comes back goes on where it was.

alert_transitions ─► one poll for all streams, while there are any ─► each stream reads on from its own id ─► client
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import structlog
from fastapi.sse import format_sse_event

from api.metrics import STREAMS
from schemas import Action, Alert, MillraceError
from storage import Store, Unreadable, in_thread

log = structlog.get_logger(__name__)
POLL_S = 0.05  # one read of the last id, of about .2 ms; the budget from reading to visible alert is 100 ms
POLL_AWAY_S = 1.0
HEARTBEAT_S = 10.0  # proxies close what is silent; nginx after 60 s
LIFE_S = 3600.0  # then the client comes back, perhaps to another server: load spreads after a restart
RETRY_MS = 2000
MOST_STREAMS = 500  # a connection and a task each, about 100 kB
PAGE = 100


class Live:
    """What all streams of this process share."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.open_streams = 0
        self._last_id = 0
        self._news = asyncio.Condition()
        self._poll: asyncio.Task[None] | None = None
        self._is_closed = False

    async def close(self) -> None:
        """End all streams at once: the clients come back to whoever serves then."""
        self._is_closed = True
        if self._poll is not None:
            self._poll.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poll
            self._poll = None
        async with self._news:
            self._news.notify_all()

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """While it lasts there is one stream more."""
        self.open_streams += 1
        STREAMS.inc()
        try:
            yield
        finally:
            self.open_streams -= 1
            STREAMS.dec()

    async def start_id(self) -> int:
        """The id after which a new stream begins: it tells what happens from now on."""
        return await in_thread(self._read_last_id)

    async def stream(self, after: int, is_allowed: Callable[[], bool] = lambda: True) -> AsyncIterator[bytes]:
        """Transitions with ids above `after`, as they are committed, and a comment where there is nothing to tell.
        `is_allowed` is asked before each: where the key was taken away, the stream ends."""
        self._start_polling()
        loop = asyncio.get_running_loop()
        end = loop.time() + LIFE_S
        yield format_sse_event(retry=RETRY_MS, comment="millrace")
        while not self._is_closed and loop.time() < end:
            has_news = await self._wait_for_news(after, min(HEARTBEAT_S, end - loop.time()))
            if not is_allowed():
                return
            if not has_news:
                yield format_sse_event(comment="alive")
                continue
            for number, entry in await self._read(after):
                after = number
                if isinstance(entry, Unreadable):
                    log.error("an entry of the journal of alerts cannot be read", id=number, reason=entry.reason)
                    continue
                kind = "alert" if isinstance(entry, Alert) else "action"
                yield format_sse_event(id=str(number), event=kind, data_str=entry.model_dump_json())

    async def _wait_for_news(self, after: int, timeout_s: float) -> bool:
        def is_news() -> bool:
            return self._last_id > after or self._is_closed

        try:
            async with self._news, asyncio.timeout(timeout_s):
                await self._news.wait_for(is_news)
        except TimeoutError:
            return False
        return True

    async def _read(self, after: int) -> list[tuple[int, Alert | Action | Unreadable]]:
        try:
            return await in_thread(lambda: self._read_page(after))
        except MillraceError:
            await asyncio.sleep(POLL_AWAY_S)
            return []

    def _read_page(self, after: int) -> list[tuple[int, Alert | Action | Unreadable]]:
        with self.store.reading() as reader:
            return reader.transitions(after, PAGE)

    def _read_last_id(self) -> int:
        with self.store.reading() as reader:
            return reader.last_transition_id()

    def _start_polling(self) -> None:
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._poll_while_needed())

    async def _poll_while_needed(self) -> None:
        while self.open_streams:
            try:
                last_id = await in_thread(self._read_last_id)
            except MillraceError as error:
                log.warning("live streams wait for the database", error=str(error))
                await asyncio.sleep(POLL_AWAY_S)
                continue
            if last_id != self._last_id:
                self._last_id = last_id
                async with self._news:
                    self._news.notify_all()
            await asyncio.sleep(POLL_S)
