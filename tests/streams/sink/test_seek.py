"""Where the sink goes on, while the broker does not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import RequestTimedOutError

from schemas import Settings
from storage import Store
from streams.kafka import ids
from streams.sink import positions
from streams.sink.positions import SinkPositions
from streams.sink.source import SinkSource


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
