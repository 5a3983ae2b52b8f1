"""Whoever follows a topic reads it from its beginning when it was made anew, and goes on whatever a record does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from schemas import TOPICS, WORKERS, Settings
from streams.kafka.admin import apply_topics
from streams.kafka.follow import TopicFollower
from streams.kafka.producer import EventProducer
from tests.support.kafka import delete_topics

pytestmark = pytest.mark.kafka
DEADLINE_S = 30.0


class Follower(TopicFollower):
    """Keeps the values; fails once for each value that begins with `bad`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, WORKERS)
        self.values: list[bytes] = []
        self.ids: list[str] = []
        self.failed: set[bytes] = set()
        self.next = 0

    def begin_at(self, first: int, end: int, topic_id: str) -> int:
        if self.ids and self.ids[-1] != topic_id:
            self.next = first
        self.ids.append(topic_id)
        return max(self.next, first)

    async def take(self, records: Sequence[Any]) -> None:
        for record in records:
            if record.value.startswith(b"bad") and record.value not in self.failed:
                self.failed.add(record.value)
                raise ValueError(record.value)
            self.values.append(record.value)
            self.next = record.offset + 1

    async def progressed(self, position: int, end: int, highwater: int) -> None:
        assert position <= highwater


async def push(settings: Settings, *values: bytes) -> None:
    async with EventProducer(settings) as producer:
        for value in values:
            await (await producer.push_bytes(WORKERS, b"key", value))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await asyncio.sleep(0.02)


@pytest.fixture
async def follower(settings: Settings) -> AsyncIterator[Follower]:
    await apply_topics(settings)
    follower = Follower(settings)
    await follower.start()
    yield follower
    await follower.stop()


async def test_a_record_that_fails_is_read_again(settings: Settings, follower: Follower) -> None:
    await push(settings, b"1", b"bad", b"2")
    await until(lambda: follower.values == [b"1", b"bad", b"2"])
    assert follower.failed == {b"bad"}


async def test_a_topic_that_was_made_anew_is_read_from_its_beginning(settings: Settings, follower: Follower) -> None:
    await push(settings, b"1", b"2")
    await until(lambda: follower.values == [b"1", b"2"])
    await delete_topics(settings, *(topic.name for topic in TOPICS))
    await apply_topics(settings)
    await push(settings, b"3", b"4", b"5")  # beyond the old position
    # what lies there may be read before the topic is known to be another one, and again after
    await until(lambda: follower.values[-3:] == [b"3", b"4", b"5"] and follower.values[:2] == [b"1", b"2"])
    assert len(set(follower.ids)) == 2
