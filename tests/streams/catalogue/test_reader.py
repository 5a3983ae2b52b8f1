"""The feed reader recovers: whatever becomes of its snapshot, its feed or its broker, the view is that of the feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from millrace.kafka import Broker
from models.recommender import CatalogueView, encode_record
from schemas import FEED, TOPICS, Settings, topic_name
from streams.catalogue.reader import FeedReader
from streams.kafka import EventProducer, apply_topics, client_options
from tests.models.recommender.shoppers import Shop, shopping, small
from tests.models.recommender.test_catalogue import assert_equal
from tests.support.kafka import delete_topics

pytestmark = pytest.mark.kafka
DEADLINE_S = 60.0
PROFILE = small("shop")


class Feed:
    """What the agent that handles clicks would write, and a view of all of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.shop, self.number = settings, Shop(PROFILE), 0
        self.view = self.shop.view

    async def push(self, clicks: int = 200) -> None:
        """The next clicks."""
        records = [record for _, _, record in self.shop.batches(shopping(clicks, seed=self.number))]
        self.number += 1
        async with EventProducer(self.settings) as producer:
            for record in records:
                await (await producer.push_bytes(FEED, b"", encode_record(record)))
                self.view.apply(encode_record(record), self.view.feed_offset)


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[FeedReader]:
    """A reader that has caught up, as a worker starts it; it leaves a snapshot at its end."""
    reader = FeedReader(settings, PROFILE)
    view = reader.view
    await reader.start()
    try:
        await asyncio.wait_for(reader.caught_up(), DEADLINE_S)
        yield reader
        assert reader.view is view, "handlers hold the view, not the reader"
    finally:
        await reader.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await asyncio.sleep(0.02)


def snapshot_of(settings: Settings) -> Path:
    return settings.home / "snapshots" / "catalogue.npz"


@pytest.fixture
async def feed(settings: Settings) -> Feed:
    """A feed, and a snapshot of its first half."""
    await apply_topics(settings)
    feed = Feed(settings)
    await feed.push()
    async with reading(settings) as reader:
        assert_equal(reader.view, feed.view)
    assert snapshot_of(settings).exists()
    await feed.push()
    return feed


async def test_a_reader_goes_on_where_its_snapshot_is(settings: Settings, feed: Feed) -> None:
    reader = FeedReader(settings, PROFILE)
    assert 0 < reader.view.feed_offset < feed.view.feed_offset
    assert reader.view.clicks == 200
    async with reading(settings) as reader:
        assert_equal(reader.view, feed.view)
        await feed.push()
        await until(lambda: reader.view.feed_offset == feed.view.feed_offset)
        assert_equal(reader.view, feed.view)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    """One bit."""
    written = bytearray(path.read_bytes())
    written[len(written) // 2] ^= 1
    path.write_bytes(written)


def changed(path: Path) -> None:
    """A sound archive, whose content is not what the checksum is of."""
    with np.load(path) as file:
        arrays = dict(file)
    arrays["popularity"][0, 0] += 1
    with path.open("wb") as out:
        np.savez(out, **arrays)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_another_profile(path: Path) -> None:
    view = CatalogueView(small("shop", window=5))
    view.feed_offset = 3
    view.save(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [cut, flipped, changed, emptied, of_another_profile, a_folder])
async def test_a_snapshot_that_cannot_be_used_is_built_anew(
    settings: Settings, feed: Feed, damage: Callable[[Path], None]
) -> None:
    damage(snapshot_of(settings))
    assert FeedReader(settings, PROFILE).view.feed_offset == 0
    async with reading(settings) as reader:
        assert_equal(reader.view, feed.view)
    if damage is not a_folder:
        assert CatalogueView.load(snapshot_of(settings), PROFILE).feed_offset == feed.view.feed_offset


async def made_anew(settings: Settings, feed: Feed) -> Feed:
    """Another feed under the same name, already longer than the place of the snapshot."""
    await delete_topics(settings, *(topic.name for topic in TOPICS))
    await apply_topics(settings)
    other = Feed(settings)
    other.number = 7
    await other.push(600)
    return other


async def retained(settings: Settings, feed: Feed) -> Feed:
    """What the snapshot lacks is deleted in part: the rest is all that anybody can know."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    first = feed.view.feed_offset - 2
    await admin.delete_records({TopicPartition(topic_name(settings, FEED), 0): RecordsToDelete(first)})
    await admin.close()
    rest = Feed(settings)
    records = [record for number in range(2) for _, _, record in rest.shop.batches(shopping(200, seed=number))]
    for offset, record in enumerate(records):
        if offset >= first:
            rest.view.apply(encode_record(record), offset)
    return rest


@pytest.mark.parametrize("happens", [made_anew, retained])
async def test_a_snapshot_whose_place_is_not_in_the_feed_is_not_used(
    settings: Settings, feed: Feed, happens: Callable[[Settings, Feed], Awaitable[Feed]]
) -> None:
    now = await happens(settings, feed)
    async with reading(settings) as reader:
        assert_equal(reader.view, now.view)


async def test_a_broker_that_is_away_and_back(tmp_path: Path) -> None:
    with Broker(tmp_path / "kafka") as broker:
        settings = Settings(kafka=broker.bootstrap, home=tmp_path)
        await apply_topics(settings)
        feed = Feed(settings)
        await feed.push()
        async with reading(settings) as reader:
            broker.kill()
            starting = asyncio.create_task(_starts_without_a_broker(settings))
            await until(lambda: reader._consumer is not None and not starting.done())
            broker.start()
            await feed.push()
            await until(lambda: reader.view.feed_offset == feed.view.feed_offset)
            assert_equal(reader.view, feed.view)
            other = await asyncio.wait_for(starting, DEADLINE_S)
            assert_equal(other, feed.view)


async def _starts_without_a_broker(settings: Settings) -> CatalogueView:
    """One more worker, whose home is empty."""
    elsewhere = settings.model_copy(update={"home": settings.home / "other"})
    async with reading(elsewhere) as reader:
        await until(lambda: reader.view.clicks == 400)
        return reader.view
