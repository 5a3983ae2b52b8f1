"""News: what all open pages show of the moment, read once a second for all of them, while there are any.

Store.reading ─► Moment ─► the same event on every stream
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from fastapi.sse import format_sse_event

from api import WORKER_SILENCE, overview_of
from console.page import fragment
from schemas import AlertBody, AssetBody, ItemBody, MillraceError, Overview, Recommendation, Settings, WorkerStatus
from storage import AlertFilter, AssetFilter, Reader, Store, in_thread

log = structlog.get_logger(__name__)
EVERY_S, AWAY_S, LIFE_S = 1.0, 3.0, 3600.0
MOST_STREAMS = 500
NEWEST = 10
STORING = ("sink", "history")  # the agents that write to the database


@dataclass(frozen=True)
class Moment:
    """How things are now."""

    overview: Overview
    workers: list[WorkerStatus]
    recommendations: list[Recommendation]
    items: dict[str, ItemBody]  # that these recommend first
    assets: list[AssetBody]  # the last seen
    alerts: list[AlertBody]  # open, the last raised
    last_transition: int  # of all alerts
    core_hour_price: float

    def rate(self, agent: str) -> float:
        """Events a second of an agent."""
        found = self.overview.agents.get(agent)
        return found.events_per_s if found else 0.0

    def cpu_us(self, agent: str) -> float | None:
        """CPU time of an event of an agent, all stages, by the worker that spends most."""
        spent = [
            sum(own.cpu_us.values())
            for status in self.workers
            if status.figures and (own := status.figures.agents.get(agent)) and own.cpu_us
        ]
        return max(spent, default=None)

    def cost(self, agent: str) -> float | None:
        """Of a million decisions of an agent: core-seconds, or money where a price is given."""
        us = self.cpu_us(agent)
        return us / 3600 * self.core_hour_price if us is not None and self.core_hour_price else us

    def decision_ms(self, agent: str, quantile: str) -> float | None:
        """Time from event to decision of an agent, by the slowest worker; None: nothing was decided lately."""
        found = [
            getattr(own, quantile)
            for status in self.workers
            if status.figures and (own := status.figures.agents.get(agent)) and getattr(own, quantile) is not None
        ]
        return max(found, default=None)

    @property
    def serving(self) -> list[tuple[str, str]]:
        """Names and versions of the models that workers run as champions."""
        runs = {(run.name, run.version) for status in self.workers for run in status.running if run.alias == "champion"}
        return sorted(runs)

    @property
    def lag(self) -> int:
        return sum(agent.lag for agent in self.overview.agents.values())

    @property
    def unkept(self) -> int:
        """Decisions and records that the database does not have yet."""
        return sum(agent.lag for name, agent in self.overview.agents.items() if name in STORING)


def read_moment(reader: Reader, settings: Settings) -> Moment:
    """Some milliseconds: every question goes through an index."""
    now = datetime.now(UTC)
    workers = reader.workers(now - WORKER_SILENCE)
    recommendations = reader.newest_recommendations(NEWEST)
    return Moment(
        overview_of(reader, workers, now),
        workers,
        recommendations,
        reader.items_of([item.item_id for one in recommendations for item in one.items[:3]]),
        reader.assets(AssetFilter(), None, NEWEST, "last_seen"),
        reader.alerts(AlertFilter(state="raised", shelved=False), None, 5),
        reader.last_transition_id(),
        settings.core_hour_price,
    )


class News:
    """One reader for all streams of this process."""

    def __init__(self, store: Store, settings: Settings, wrong: Callable[[], Awaitable[str | None]]) -> None:
        """`wrong`: why the service is not ready."""
        self._store, self._settings, self._wrong = store, settings, wrong
        self._changed = asyncio.Condition()
        self._number = 0
        self._event = b""
        self._reading: asyncio.Task[None] | None = None
        self._is_closed = False
        self.open_streams = 0

    async def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        async with self._changed:
            self._changed.notify_all()

    async def stream(self, is_allowed: Callable[[], bool] = lambda: True) -> AsyncIterator[bytes]:
        """An event a second, until the client leaves, its key is taken away (`is_allowed`) or an hour has passed;
        browsers come back by themselves."""
        self.open_streams += 1
        try:
            loop, seen = asyncio.get_running_loop(), 0
            if self._reading is None or self._reading.done():
                seen = self._number  # what was read for the last tab may be old
                self._reading = asyncio.create_task(self._read_while_needed())
            end = loop.time() + LIFE_S
            yield format_sse_event(retry=2000, comment="millrace")
            while not self._is_closed and loop.time() < end:
                async with self._changed:
                    await self._changed.wait_for(lambda seen=seen: self._number > seen or self._is_closed)  # type: ignore[misc]
                if not is_allowed():
                    return
                seen = self._number
                yield self._event
        finally:
            self.open_streams -= 1

    async def _read_while_needed(self) -> None:
        while self.open_streams:
            try:
                moment = await in_thread(self._read)
                news = told(moment, await self._wrong())
                self._event = format_sse_event(event="moment", data_str=orjson.dumps(news).decode())
                pause_s = EVERY_S
            except MillraceError as error:
                log.warning("open pages wait for the database", error=str(error))
                self._event, pause_s = format_sse_event(event="away", data_str=str(error)), AWAY_S
            except Exception as error:  # a bug of ours: pages that are open say so, and do not wait for ever
                log.exception("open pages could not be told how things are", error=repr(error))
                text = "The page could not be kept up to date; the log of the API says why."
                self._event, pause_s = format_sse_event(event="away", data_str=text), AWAY_S
            async with self._changed:
                self._number += 1
                self._changed.notify_all()
            await asyncio.sleep(pause_s)

    def _read(self) -> Moment:
        with self._store.reading() as reader:
            return read_moment(reader, self._settings)


def told(moment: Moment, wrong: str | None) -> dict[str, Any]:
    """Of a moment: parts of pages by the name of their place, and the next point of the charts."""
    parts = {name: fragment(f"parts/{name}.html", moment=moment) for name in ("figures", "decisions", "open_alerts")}
    parts["banner"] = fragment("parts/banner.html", wrong=wrong)
    return {"parts": parts, "point": point_of(moment), "news": moment.last_transition}


def point_of(moment: Moment) -> dict[str, float | None]:
    """What the charts of the page Live show of a moment."""
    return {
        "time": moment.overview.time.timestamp(),
        "clicks": moment.rate("recommend"),
        "readings": moment.rate("maintain"),
        "click_p99": moment.decision_ms("recommend", "decision_p99_ms"),
        "reading_p99": moment.decision_ms("maintain", "decision_p99_ms"),
        "undecided": moment.lag - moment.unkept,
        "unkept": moment.unkept,
    }
