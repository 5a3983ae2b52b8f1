"""The teller end to end: clicks on Kafka become lists on catalogue.v1, those of the feed, whoever tells them."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest

from models.recommender import CatalogueView, Recommender
from schemas import CATALOGUE, FEED, ITEMS, PROFILES, TRENDING_KEY, CatalogueEntry, Settings, similar_key
from streams.kafka import EventProducer
from tests.support.kafka import consume, create_topics, produce
from tests.support.workers import Workers
from tests.support.world import shop_events, topic_of

pytestmark = pytest.mark.kafka
TIMEOUT_S = 90.0
Lists = dict[str, list[str]]


@pytest.fixture
def workers(settings: Settings) -> Iterator[Workers]:
    """Without any model: the hand-weighted list of the shop serves."""
    workers = Workers(settings)
    yield workers
    workers.end()


async def push(settings: Settings, events: Sequence[Any]) -> None:
    async with EventProducer(settings) as producer:
        for event in events:
            await producer.push(topic_of(event), event.model_dump(mode="json", exclude_none=True))
        await producer.flush()


def latest(records: Sequence[Any]) -> Lists:
    """The list of each key that was told last."""
    found: Lists = {}
    for record in records:
        entry = CatalogueEntry.model_validate_json(record.value)
        assert record.key.decode() == entry.key
        assert entry.kind == ("trending" if entry.key == TRENDING_KEY else "similar")
        scores = [item.score for item in entry.items]
        assert scores == sorted(scores, reverse=True)
        found[entry.key] = [item.item_id for item in entry.items]
    return found


async def should_be(settings: Settings, events: int) -> Lists:
    """What a view of the whole feed says, once so many clicks and items are in it."""
    view = CatalogueView(PROFILES["shop"])

    def is_whole(records: list[Any]) -> bool:
        for record in records[view.feed_offset :]:
            view.apply(record.value, record.offset)
        return sum(last_offset + 1 for last_offset in view.positions.values()) >= events

    await consume(settings, FEED, is_whole, TIMEOUT_S)
    recommender = Recommender(None, PROFILES["shop"])
    found = {TRENDING_KEY: view.trending(100)}
    for row in range(view.items):
        if view.arrays.items["clicks"][row] > 0:
            found[similar_key(view.item_ids[row])] = recommender.similar(view, row, 20)
    return {key: [item for item, _ in items] for key, items in found.items() if items}


async def assert_told(settings: Settings, events: int) -> Lists:
    expected = await should_be(settings, events)

    def holds(records: list[Any]) -> bool:
        return {key: items for key, items in latest(records).items() if items} == expected

    return latest(await consume(settings, CATALOGUE, holds, TIMEOUT_S))


async def test_clicks_become_what_is_trending_and_similar(settings: Settings, workers: Workers) -> None:
    await create_topics(settings)
    events = shop_events(900, seed=71)
    some, rest = events[:600], events[600:]
    first = workers.start("edge")
    await push(settings, some)
    told = await assert_told(settings, len(some))
    assert len(told) > 20
    assert 20 < len(told[TRENDING_KEY]) <= 100

    first.send_signal(signal.SIGKILL)
    first.wait()
    workers.start("edge")  # tells from what the feed says
    await push(settings, rest)
    told = await assert_told(settings, len(events))

    gone = told[TRENDING_KEY][0]
    await produce(settings, ITEMS, [(gone, None)])

    def is_gone(records: list[Any]) -> bool:
        now = latest(records)
        return now.get(similar_key(gone)) == [] and gone not in now[TRENDING_KEY]

    records = await consume(settings, CATALOGUE, is_gone, TIMEOUT_S)
    assert all(orjson.loads(record.value)["feed_offset"] > 0 for record in records)
