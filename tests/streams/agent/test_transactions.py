"""Of the producers of one partition only the newest commits, and none after a request of it failed on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.conn import AIOKafkaConnection

from schemas import CLICKS, RECOMMEND_STATE, Settings, topic_name
from streams.agent.saved import NUMBER
from streams.agent.transactions import CheckpointProducer, DoubtfulError, FencedError
from streams.kafka import apply_topics, client_options
from tests.support.kafka import consume


async def records() -> AsyncIterator[tuple[bytes, bytes]]:
    yield b"key", b"value"


@pytest.fixture
async def producers(settings: Settings) -> AsyncIterator[list[CheckpointProducer]]:
    """Two owners of one partition; only started ones are closed."""
    await apply_topics(settings)
    options = client_options(settings)
    both = [CheckpointProducer(options, settings.topic_prefix + "one-id") for _ in range(2)]
    yield both
    await asyncio.gather(*(producer.close() for producer in both))


async def commit(settings: Settings, producer: CheckpointProducer, number: int) -> None:
    to = TopicPartition(topic_name(settings, RECOMMEND_STATE), 0)
    offsets = {TopicPartition(topic_name(settings, CLICKS), 0): number}
    await producer.commit(to, records(), number, offsets, settings.topic_prefix + "group")


async def numbers(settings: Settings, count: int) -> list[bytes]:
    found = await consume(settings, RECOMMEND_STATE, count)
    return [dict(record.headers)[NUMBER] for record in found]


async def test_an_earlier_owner_is_fenced(settings: Settings, producers: list[CheckpointProducer]) -> None:
    first, second = producers
    await first.start()
    await commit(settings, first, 1)
    await second.start()
    with pytest.raises(FencedError, match="one-id"):
        await commit(settings, first, 2)
    await commit(settings, second, 3)
    assert await numbers(settings, 2) == [b"1", b"3"]


@pytest.mark.parametrize("kind", ["AddPartitionsToTxn", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn"])
async def test_a_producer_of_which_a_request_failed_on_its_way_is_of_no_more_use(
    settings: Settings, producers: list[CheckpointProducer], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed may still arrive, in the middle of a later transaction (KIP-890)."""
    first, second = producers
    await first.start()
    lost: list[str] = []
    send = AIOKafkaConnection.send

    async def loses_an_answer(self: Any, request: Any, **options: Any) -> Any:
        answer = await send(self, request, **options)
        if type(request).__name__.startswith(kind) and not lost:
            lost.append(kind)
            raise TimeoutError(kind)
        return answer

    monkeypatch.setattr(AIOKafkaConnection, "send", loses_an_answer)
    with pytest.raises(DoubtfulError, match=kind):
        await commit(settings, first, 1)
    with pytest.raises(DoubtfulError, match=kind):  # nor is it forgotten
        await commit(settings, first, 2)
    await second.start()
    await commit(settings, second, 3)
    assert await numbers(settings, 3) == [b"1", b"2", b"3"]
