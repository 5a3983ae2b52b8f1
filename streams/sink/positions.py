"""Sink positions: where each partition goes on. The database says so, if it speaks of the topic that is there now.

rows of `offsets` (position, topic id) + ids and offsets of the broker ─► where to go on ─► or: anew from the beginning
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import structlog
from aiokafka import TopicPartition

from schemas import Settings
from storage import Span, Store
from streams.kafka import TopicWatch, topic_ids
from streams.metrics import LOST_RECORDS, TOPICS_MADE_ANEW

log = structlog.get_logger(__name__)
DAY_MS = 24 * 3600 * 1000
Result = TypeVar("Result")


class Patiently(Protocol):
    """Does blocking work in a thread, again and again while the database is away."""

    def __call__(self, work: Callable[[], Result], /) -> Awaitable[Result]: ...


class _Place(NamedTuple):
    """What database and broker know of a partition."""

    position: int | None
    known_id: str | None
    topic_id: str | None
    first: int
    last: int


class SinkPositions:
    def __init__(
        self, settings: Settings, store: Store, topics: Mapping[str, float | None], agent: str, patiently: Patiently
    ) -> None:
        """`topics` (names on the broker) with the days for which what they bring is kept; none: for good."""
        self._settings, self._store, self._topics, self._agent = settings, store, list(topics), agent
        self._days = topics
        self._patiently = patiently
        self._watch = TopicWatch(settings, self._topics)
        for topic in topics:  # from 0 on, so that an alert sees the first increment
            TOPICS_MADE_ANEW.labels(agent, topic)
            LOST_RECORDS.labels(agent, topic)

    async def starts(self, consumer: Any, assigned: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Where to go on, and with the rows of topics made anew put there.

        Raises:
            KafkaError: the broker does not answer.
        """
        partitions = list(assigned)
        self._watch.ids = await topic_ids(self._settings, self._topics)
        stored, stored_ids = await self._patiently(self._read)
        first = await consumer.beginning_offsets(partitions)
        last = await consumer.end_offsets(partitions)
        first |= await self._not_forgotten(
            consumer, [tp for tp in partitions if (tp.topic, tp.partition) not in stored]
        )
        starts = {}
        for tp in partitions:
            key = (tp.topic, tp.partition)
            ids = (stored_ids.get(key), self._watch.ids.get(tp.topic))
            starts[tp] = await self._start(tp, _Place(stored.get(key), *ids, first[tp], last[tp]))
        return starts

    async def have_changed(self) -> bool:
        """Whether a topic is another one than at the last `starts`; not when nobody can tell at the moment."""
        found = await self._watch.look()
        return bool(found.anew or found.first_seen)

    def span(self, tp: TopicPartition, start: int, end: int) -> Span:
        return Span(tp.topic, tp.partition, start, end, self._watch.ids.get(tp.topic))

    async def _not_forgotten(self, consumer: Any, new: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where to begin with partitions that were never read: what retention would delete at once is passed over.

        So a home of a version before, which did not keep this topic, gets what there is of it.
        """
        now_ms = time.time() * 1000
        asked = {tp: int(now_ms - days * DAY_MS) for tp in new if (days := self._days[tp.topic]) is not None}
        if not asked:
            return {}
        ends = await consumer.end_offsets(list(asked))  # first: what comes meanwhile is not passed over
        found = await consumer.offsets_for_times({tp: max(0, at) for tp, at in asked.items()})
        return {tp: ends[tp] if offset is None else offset.offset for tp, offset in found.items()}

    def _read(self) -> tuple[dict[tuple[str, int], int], dict[tuple[str, int], str | None]]:
        with self._store.reading() as reader:
            return reader.positions(self._topics), reader.topic_ids(self._topics)

    async def _start(self, tp: TopicPartition, place: _Place) -> int:
        """The position of the database, unless the topic was made anew, or lost its end."""
        if place.position is None:
            return place.first
        if place.known_id and place.topic_id and place.known_id != place.topic_id:
            TOPICS_MADE_ANEW.labels(self._agent, tp.topic).inc()
            log.error(
                "the topic was made anew: it is another one than that of the position in the database. It is read "
                "from its beginning; rows of the old one stay. With a new Kafka, use a new database too",
                at=_name(tp), position=place.position, old_id=place.known_id, new_id=place.topic_id, start=place.first,
            )  # fmt: skip
            return await self._put(tp, place.first, place.topic_id)
        if place.position > place.last:
            log.error(
                "the topic ends before the position in the database: it was made anew, or the broker lost its end. It "
                "is read from its beginning, and ids drop what is known; with a new Kafka, use a new database too",
                at=_name(tp), position=place.position, end=place.last,
            )  # fmt: skip
            return await self._put(tp, place.first, place.topic_id)
        if place.position < place.first:
            LOST_RECORDS.labels(self._agent, tp.topic).inc(place.first - place.position)
            log.error(
                "the next records are not on the broker any more; going on from the earliest. Decisions between them "
                "are missing in the database: give the topic a longer retention, or keep the sink running",
                at=_name(tp), next_offset=place.position, earliest_offset=place.first,
            )  # fmt: skip
            return await self._put(tp, place.first, place.topic_id)
        if place.known_id is None and place.topic_id:  # a database of before, or a new one: the topic is first seen
            return await self._put(tp, place.position, place.topic_id)
        return place.position

    async def _put(self, tp: TopicPartition, position: int, topic_id: str | None) -> int:
        await self._patiently(lambda: self._store.set_position(tp.topic, tp.partition, position, topic_id))
        return position


def _name(tp: TopicPartition) -> str:
    return f"{tp.topic}-{tp.partition}"
