"""The click feed in a worker: every process reads all of it and keeps the catalogue view.

millrace.feed.v1 ─► FeedReader ─► CatalogueView

The view is a pure function of the feed, so it is never checkpointed: a local snapshot only shortens its rebuilding. The
snapshot keeps the id of the feed that it is of: a feed that was made anew is read from its beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import structlog
from mode import Service

from models.recommender import CatalogueView, FeedError, SnapshotError
from schemas import FEED, RecommenderProfile, Settings
from streams.kafka import TopicFollower
from streams.metrics import FEED_EVENTS, FEED_LAG

log = structlog.get_logger(__name__)
SNAPSHOT_EVERY_S = 300.0
SAVE_S = 3.0  # at the end; without it the next start reads more of the feed


class FeedReader(TopicFollower):
    """Keeps `view` up to date; `caught_up` is awaited before the recommend agent takes partitions."""

    def __init__(self, settings: Settings, profile: RecommenderProfile) -> None:
        super().__init__(settings, FEED)
        self._profile = profile
        self._snapshot = settings.home / "snapshots" / "catalogue.npz"
        self._is_caught_up = asyncio.Event()
        self._saved_offset = 0
        self.view = self._restore()

    async def caught_up(self) -> None:
        await self._is_caught_up.wait()

    def _restore(self) -> CatalogueView:
        if not self._snapshot.exists():
            return CatalogueView(self._profile)
        try:
            view = CatalogueView.load(self._snapshot, self._profile)
        except SnapshotError as error:
            log.warning("the catalogue view is rebuilt from the feed", reason=error.detail)
            return CatalogueView(self._profile)
        self._saved_offset = view.feed_offset
        return view

    def begin_at(self, first: int, end: int, topic_id: str) -> int:
        """Where the view is, unless that place is not in this feed: then the view starts over."""
        is_other = self.view.feed_id not in ("", topic_id)
        if is_other or not first <= self.view.feed_offset <= end:
            log.warning("the catalogue view starts over: its place is not in the feed", feed_offset=first)
            self.view.start_over(first)
        self.view.feed_id = topic_id
        return self.view.feed_offset

    async def take(self, records: Sequence[Any]) -> None:
        for record in records:
            self._apply(record)

    def _apply(self, record: Any) -> None:
        try:
            applied = self.view.apply(record.value, record.offset)
        except FeedError as error:
            log.warning("a record of the click feed is skipped", offset=record.offset, reason=error.detail)
            self.view.feed_offset = record.offset + 1
        else:
            FEED_EVENTS.inc(applied)

    async def progressed(self, position: int, end: int, highwater: int) -> None:  # noqa: ARG002 - the view knows
        offset = self.view.feed_offset
        FEED_LAG.set(max(0, highwater - offset))
        if not self._is_caught_up.is_set() and offset >= end:
            log.info("the catalogue view is up to date", feed_offset=offset, items=self.view.items)
            self._is_caught_up.set()

    @Service.task
    async def _save_now_and_then(self) -> None:
        """Arrays are copied between two records, and written beside the flow of events."""
        while not self.should_stop:
            await self.sleep(SNAPSHOT_EVERY_S)
            await self._save()

    async def _save(self) -> None:
        """Without a snapshot the next start reads more of the feed: no reason to end a worker."""
        if self.view.feed_offset <= self._saved_offset:
            return
        write, offset = self.view.frozen(), self.view.feed_offset
        try:
            await asyncio.to_thread(write, self._snapshot)
        except OSError as error:
            log.warning("the snapshot of the view is not written; the next start reads more", error=str(error))
        else:
            self._saved_offset = offset

    async def on_stop(self) -> None:
        await super().on_stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._save(), SAVE_S)
