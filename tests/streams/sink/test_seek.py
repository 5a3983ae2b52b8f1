"""Where the sink goes on, while the broker does not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import RequestTimedOutError

from schemas import CLICKS, Settings, dead_letters_of, topic_name
from storage import Store
from streams.kafka import client_options, ids
from streams.sink import positions
from streams.sink.positions import SinkPositions
from streams.sink.source import SinkSource
from tests.support.kafka import create_topics, produce


class _Consumer:
    """Has one partition."""

    def __init__(self, tp: TopicPartition) -> None:
        self._tp = tp

    def assignment(self) -> set[TopicPartition]:
        return {self._tp}

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 100)


@pytest.mark.long
async def test_a_broker_that_is_away_at_a_seek_does_not_end_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path, kafka="127.0.0.1:1")
    app = faust.App("sink", broker="kafka://none", datadir=str(tmp_path / "faust"))
    source = SinkSource(app, settings, Store(settings.database()), "sink", {})
    monkeypatch.setattr(source._group, "consumer", _Consumer(TopicPartition(source.topics[0], 0)))

    async def away(*_: Any) -> dict[TopicPartition, int]:
        raise RequestTimedOutError("away")

    monkeypatch.setattr(source._positions, "starts", away)
    source._is_assigned = source._must_seek = True
    await source._turn()
    assert source._must_seek


async def test_a_topic_that_was_not_told_at_the_start_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [{"alerts.v1": "1"}, {"alerts.v1": "1", "scores.v1": "new"}]

    async def topic_ids(*_: Any) -> dict[str, str]:
        return told.pop(0)

    monkeypatch.setattr(positions, "topic_ids", topic_ids)
    monkeypatch.setattr(ids, "topic_ids", topic_ids)
    settings, tp = Settings(home=tmp_path, kafka="127.0.0.1:1"), TopicPartition("scores.v1", 0)

    async def at_once(work: Any) -> Any:
        return work()

    sink = SinkPositions(settings, Store(settings.database()), {"scores.v1": None, "alerts.v1": None}, "sink", at_once)
    monkeypatch.setattr(sink, "_read", lambda: ({("scores.v1", 0): 50}, {("scores.v1", 0): "old"}))
    assert await sink.starts(_Consumer(tp), [tp]) == {tp: 50}
    assert await sink.have_changed()


class _Arriving:
    """A consumer of an empty partition to which a record comes right after the first question about it."""

    def __init__(self, settings: Settings, consumer: Any) -> None:
        self._settings, self._consumer, self._has_come = settings, consumer, False

    async def _ask(self, name: str, asked: Any) -> Any:
        found = await getattr(self._consumer, name)(asked)
        if not self._has_come:
            self._has_come = True
            await produce(self._settings, dead_letters_of(CLICKS), [("ann", b"bad")], partition=0)
        return found

    async def offsets_for_times(self, asked: Any) -> Any:
        return await self._ask("offsets_for_times", asked)

    async def end_offsets(self, asked: Any) -> Any:
        return await self._ask("end_offsets", asked)


@pytest.mark.kafka
async def test_what_comes_while_a_new_partition_is_looked_at_is_not_passed_over(settings: Settings) -> None:
    await create_topics(settings, dead_letters_of(CLICKS))
    topic = topic_name(settings, dead_letters_of(CLICKS))

    async def at_once(work: Any) -> Any:
        return work()

    sink = SinkPositions(settings, Store(settings.database()), {topic: 30.0}, "history", at_once)
    async with AIOKafkaConsumer(**client_options(settings)) as consumer:
        found = await sink._not_forgotten(_Arriving(settings, consumer), [TopicPartition(topic, 0)])
    assert found == {TopicPartition(topic, 0): 0}
