"""The click feed in a worker: every process reads all of it and keeps the catalogue view; one of them tells the world.

millrace.feed.v1 ─► FeedReader ─► CatalogueView ─► (the owner of clicks partition 0) CatalogueTeller ─► catalogue.v1

The view is a pure function of the feed, so it is never checkpointed: a local snapshot only shortens its rebuilding.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from mode import Service

from models.catalogue import CatalogueView
from models.feed import FeedError
from models.recommender import Recommender
from models.snapshot import SnapshotError
from schemas import TRENDING_KEY, RecommenderProfile, Settings, rfc3339, similar_key, topic_name
from schemas.topics import CATALOGUE, FEED
from streams.kafka import open_partition
from streams.metrics import FEED_EVENTS, FEED_LAG
from streams.producer import EventProducer
from streams.runtime import Runtime

log = structlog.get_logger(__name__)
SNAPSHOT_EVERY_S = 300.0
TELL_EVERY_S = 3.0
SIMILAR_EACH_TIME = 100  # lists of similar items computed in one turn, about 0.3 ms each
LENGTH = 20


class FeedReader(Service):
    """Keeps `view` up to date; `caught_up` is awaited before the recommend agent takes partitions."""

    def __init__(self, settings: Settings, profile: RecommenderProfile) -> None:
        super().__init__()
        self._settings, self._profile = settings, profile
        self._snapshot = settings.home / "snapshots" / "catalogue.npz"
        self._is_caught_up = asyncio.Event()
        self._consumer: Any = None
        self._saved_at, self._saved_offset = time.monotonic(), 0
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
        tp = TopicPartition(topic_name(self._settings, FEED), 0)
        target = await self._open(tp)
        while not self.should_stop:
            try:
                fetched = await self._consumer.getmany(tp, timeout_ms=200, max_records=500)
            except OffsetOutOfRangeError:  # the topic was made anew, or retention overtook us
                self._start_over(int((await self._consumer.beginning_offsets([tp]))[tp]))
                self._consumer.seek(tp, self.view.feed_offset)
                continue
            except KafkaError as error:
                log.warning("the click feed cannot be read; it is tried again", error=repr(error))
                await self.sleep(1.0)
                continue
            for record in fetched.get(tp, ()):
                self._apply(record)
            self._note_progress(tp, target)

    async def _open(self, tp: TopicPartition) -> int:
        """Begin at the snapshot's offset. Returns the end of the feed at this moment."""
        while True:
            try:
                self._consumer, first, end = await open_partition(self._settings, tp, fetch_wait_ms=20)
                break
            except KafkaError as error:
                log.warning("the click feed cannot be opened; it is tried again", error=repr(error))
                await self.sleep(1.0)
        if not first <= self.view.feed_offset <= end:
            self._start_over(first)
        self._consumer.seek(tp, self.view.feed_offset)
        return end

    def _start_over(self, offset: int) -> None:
        log.warning("the catalogue view starts over: its place in the feed is not on the broker", feed_offset=offset)
        self.view = CatalogueView(self._profile)
        self.view.feed_offset = offset

    def _apply(self, record: Any) -> None:
        try:
            applied = self.view.apply(record.value, record.offset)
        except FeedError as error:
            log.warning("a record of the click feed is skipped", offset=record.offset, reason=error.detail)
            self.view.feed_offset = record.offset + 1
        else:
            FEED_EVENTS.inc(applied)

    def _note_progress(self, tp: TopicPartition, target: int) -> None:
        offset = self.view.feed_offset
        FEED_LAG.set(max(0, (self._consumer.highwater(tp) or offset) - offset))
        if not self._is_caught_up.is_set() and offset >= target:
            log.info("the catalogue view is up to date", feed_offset=offset, items=self.view.items)
            self._is_caught_up.set()
        if time.monotonic() - self._saved_at > SNAPSHOT_EVERY_S:
            self._save()

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        if self.view.feed_offset > self._saved_offset:
            self.view.save(self._snapshot)
            self._saved_offset = self.view.feed_offset

    async def on_stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
        self._save()


Asked = Callable[[], tuple[FeedReader, Recommender]]


class CatalogueTeller(Service):
    """Emits what is trending, and what is similar to items that were clicked, where it changed.

    Only the worker that owns partition 0 of the clicks does, so that one does at a time; after a change of owner the
    lists are told again, which consumers overwrite by key.

    Args:
        asked: the reader and the recommender that serve at the moment.
    """

    def __init__(self, settings: Settings, asked: Asked, runtime: Runtime) -> None:
        super().__init__()
        self._settings, self._asked, self._runtime = settings, asked, runtime
        self._told: dict[str, list[str]] = {}  # by key: the item ids that were told
        self._clicks = np.zeros(0, np.int32)  # of each item, when its list was last looked at

    @Service.task
    async def _tell(self) -> None:
        await self._asked()[0].caught_up()
        async with EventProducer(self._settings) as producer:
            async for _ in self.itertimer(TELL_EVERY_S, name="catalogue"):
                owned = self._runtime.parts.get(0)
                if owned is None or not owned.is_ready:
                    self._told.clear()
                    continue
                for key, items in self._lists():
                    ids = [item_id for item_id, _ in items]
                    if ids and self._told.get(key) != ids:
                        self._told[key] = ids
                        await producer.push_bytes(CATALOGUE, key.encode(), self._entry(key, items))
                    await asyncio.sleep(0)  # a list takes .3 ms: clicks go first

    def _lists(self) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Trending, and similar items of those that gained most clicks since they were last looked at."""
        reader, recommender = self._asked()
        view = reader.view
        yield TRENDING_KEY, view.trending(LENGTH)
        clicks = view.arrays.items["clicks"][: view.items].copy()
        gained = clicks.copy()
        known = min(len(self._clicks), len(clicks))
        gained[:known] -= self._clicks[:known]
        rows = np.argsort(-gained, kind="stable")[:SIMILAR_EACH_TIME]
        rows = rows[gained[rows] > 0]
        then = np.zeros_like(clicks)
        then[:known] = self._clicks[:known]
        then[rows] = clicks[rows]
        self._clicks = then
        for row in rows.tolist():
            yield similar_key(view.item_ids[row]), recommender.similar(view, row, LENGTH)

    def _entry(self, key: str, items: list[tuple[str, float]]) -> bytes:
        entry = {
            "key": key,
            "kind": "trending" if key == TRENDING_KEY else "similar",
            "event_time": rfc3339(datetime.now(UTC)),
            "feed_offset": self._asked()[0].view.feed_offset,
            "items": [{"item_id": item_id, "score": score} for item_id, score in items],
        }
        return orjson.dumps(entry)
