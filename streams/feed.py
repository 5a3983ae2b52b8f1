"""The click feed in a worker: every process reads all of it and keeps the catalogue view.

millrace.feed.v1 ─► FeedReader ─► CatalogueView

The view is a pure function of the feed, so it is never checkpointed: a local snapshot only shortens its rebuilding. The
snapshot keeps the id of the feed that it is of: a feed that was made anew is read from its beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError, OffsetOutOfRangeError
from mode import Service

from models.catalogue import CatalogueView
from models.feed import FeedError
from models.snapshot import SnapshotError
from schemas import RecommenderProfile, Settings, topic_name
from schemas.topics import FEED
from streams.kafka import open_partition
from streams.metrics import FEED_EVENTS, FEED_LAG
from streams.topic_ids import topic_ids

log = structlog.get_logger(__name__)
SNAPSHOT_EVERY_S = 300.0
AGAIN_S, MOST_AGAIN_S = 1.0, 5.0
WATCH_S = 2.0
CLOSE_S = 1.0
SAVE_S = 3.0  # at the end; without it the next start reads more of the feed


class FeedReader(Service):
    """Keeps `view` up to date; `caught_up` is awaited before the recommend agent takes partitions."""

    def __init__(self, settings: Settings, profile: RecommenderProfile) -> None:
        super().__init__()
        self._settings, self._profile = settings, profile
        self._tp = TopicPartition(topic_name(settings, FEED), 0)
        self._snapshot = settings.home / "snapshots" / "catalogue.npz"
        self._is_caught_up = asyncio.Event()
        self._consumer: Any = None
        self._is_anew = False  # the feed was deleted and made again under us
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

    @Service.task
    async def _read(self) -> None:
        while not self.should_stop:
            end = await self._open()
            while not (self.should_stop or self._is_anew) and end is not None:
                try:
                    await self._turn(end)
                except ConsumerStoppedError:  # the worker ends
                    return
            self._is_anew = False

    async def _turn(self, end: int) -> None:
        consumer = self._consumer
        try:
            fetched = await consumer.getmany(self._tp, timeout_ms=200, max_records=500)
        except OffsetOutOfRangeError:  # the topic was made anew, or retention overtook us
            first = int((await consumer.beginning_offsets([self._tp]))[self._tp])
            self._start_over(first, self.view.feed_id)
            consumer.seek(self._tp, first)
            return
        except KafkaError as error:
            log.warning("the click feed cannot be read; it is tried again", error=repr(error))
            await self.sleep(AGAIN_S)
            return
        for record in fetched.get(self._tp, ()):
            self._apply(record)
        self._note_progress(consumer.highwater(self._tp), end)

    async def _open(self) -> int | None:
        """Begin at the snapshot's offset. Returns the end of the feed at this moment; none when the worker stops."""
        await self._close()
        attempts = 0
        while not self.should_stop:
            try:
                feed_id = (await topic_ids(self._settings, [self._tp.topic]))[self._tp.topic]
                self._consumer, first, end = await open_partition(self._settings, self._tp, fetch_wait_ms=20)
            except (KafkaError, OSError, KeyError) as error:
                attempts += 1
                log.warning("the click feed cannot be opened; it is tried again", error=repr(error), attempts=attempts)
                await self.sleep(min(AGAIN_S * 2 ** min(attempts - 1, 3), MOST_AGAIN_S))
            else:
                is_other = self.view.feed_id not in ("", feed_id)
                if is_other or not first <= self.view.feed_offset <= end:
                    self._start_over(first, feed_id)
                self.view.feed_id = feed_id
                self._consumer.seek(self._tp, self.view.feed_offset)
                return end
        return None

    @Service.task
    async def _watch(self) -> None:
        """Only its id tells a feed that was made anew."""
        while not self.should_stop:
            await self.sleep(WATCH_S)
            try:
                found = await topic_ids(self._settings, [self._tp.topic])
            except (KafkaError, OSError):
                continue
            self._is_anew = self._is_anew or found.get(self._tp.topic, self.view.feed_id) != self.view.feed_id != ""

    def _start_over(self, offset: int, feed_id: str) -> None:
        log.warning("the catalogue view starts over: its place in the feed is not on the broker", feed_offset=offset)
        self.view = CatalogueView(self._profile)
        self.view.feed_offset, self.view.feed_id = offset, feed_id

    def _apply(self, record: Any) -> None:
        try:
            applied = self.view.apply(record.value, record.offset)
        except FeedError as error:
            log.warning("a record of the click feed is skipped", offset=record.offset, reason=error.detail)
            self.view.feed_offset = record.offset + 1
        else:
            FEED_EVENTS.inc(applied)

    def _note_progress(self, highwater: int | None, end: int) -> None:
        offset = self.view.feed_offset
        FEED_LAG.set(max(0, (highwater or offset) - offset))
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

    async def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), CLOSE_S)

    async def on_stop(self) -> None:
        await self._close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._save(), SAVE_S)
