"""Publisher: what the API asks of Kafka. Whoever composes the service hands one in; the API knows no client of it.

POST /v1/events ─► publish;  actions ─► tell;  /readyz ─► check;  dead letters ─► replay
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Annotated, NamedTuple, Protocol

import structlog
from fastapi import Depends, Request

from api.problems import RETRY_AFTER_S, ProblemError
from schemas import Alias, AliasRecord, Letters, MillraceError, ReplayedBody, SentEvent, TraceBody
from storage import Store, Told, in_thread

log = structlog.get_logger(__name__)
AT_ONCE, EVERY_S, AGAIN_S = 200, 10.0, 5.0


class Outgoing(NamedTuple):
    """An event as it was sent, by its place in the request: `value` is its JSON; without one the key is
    removed from a compacted topic.
    """

    number: int
    topic: str
    key: str | None
    value: bytes | None


class Publisher(Protocol):
    """Every call raises UnavailableError where the broker does not answer. Used in one event loop."""

    async def check(self) -> None:
        """The broker answers, and has the input topics."""

    async def publish(self, events: Sequence[Outgoing], wait_s: float) -> list[SentEvent]:
        """Put those that can be used on their topics, and wait for what comes of them where `wait_s` is above 0."""

    async def tell(self, actions: Sequence[Told]) -> None:
        """Put these on actions.v1, and of a closed alert an entry for the worker of its asset on maintenance.v1."""

    async def forget(self, user_id: str) -> SentEvent:
        """Ask the workers and sinks to forget a user. Returns where the record is that asks."""

    async def trace(self, topic: str, partition: int, offset: int) -> TraceBody | None:
        """A record of an input topic and what came of it; None: it is not there any more."""

    def partition_of(self, key: str, partitions: int) -> int:
        """On which of so many partitions Java's clients, and so the workers, put a key."""

    async def replay(self, topic: str, which: Letters, by: str) -> ReplayedBody:
        """Put back dead letters of an input topic, each once."""

    async def close(self) -> None:
        """Let go of the broker."""


class ModelKeeper(Protocol):
    """Who lets models serve. Every call raises ModelError where the version cannot be used, and UnavailableError where
    the broker does not answer; nothing was moved then."""

    async def promote(self, name: str, version: str, alias: Alias, by: str) -> AliasRecord:
        """Let a version serve (`champion`), or be tried beside it (`challenger`). `by`: who decides."""

    async def rollback(self, name: str, alias: Alias, by: str) -> AliasRecord:
        """Let the version before the present one serve again."""


async def _keeper(request: Request) -> ModelKeeper:
    found: ModelKeeper | None = request.app.state.keeper
    if found is None:
        raise ProblemError("broker-unavailable", "This API server was started without a way to change models.")
    return found


Keeper = Annotated[ModelKeeper, Depends(_keeper)]


async def _publisher(request: Request) -> Publisher:
    found: Publisher | None = request.app.state.publisher
    if found is None:
        raise ProblemError("broker-unavailable", "This API server was started without a broker (MILLRACE_KAFKA).")
    return found


Broker = Annotated[Publisher, Depends(_publisher)]


def not_sent(what: str, error: MillraceError) -> ProblemError:
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return ProblemError("broker-unavailable", f"{what}: {error.detail}", (), headers)


class ActionTeller:
    """Tells actions on actions.v1, also those of a time when the broker was away, and brings shelved alerts back whose
    time is over. Ids do not change, so what is told twice is the same."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store, self._publisher = store, publisher
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            try:
                await in_thread(self._store.end_shelvings)
                while await self._tell():
                    pass
                pause_s = EVERY_S
            except MillraceError as error:
                log.warning("actions are told later", error=str(error))
                pause_s = AGAIN_S
            except Exception as error:  # whatever it is, what people do must be told
                log.exception("actions are told later", error=repr(error))
                pause_s = AGAIN_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), pause_s)

    def nudge(self) -> None:
        """There is something to tell; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._news.set)

    async def _tell(self) -> bool:
        actions = await in_thread(self._untold)
        if actions:
            await self._publisher.tell(actions)
            await in_thread(lambda: self._store.mark_told(actions))
        return bool(actions)

    def _untold(self) -> list[Told]:
        with self._store.reading() as reader:
            return reader.untold_actions(AT_ONCE)
