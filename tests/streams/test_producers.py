"""Are records on the partition of their key? Looked at on a real broker, as `millrace doctor` does."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer

from schemas import CLICKS, TELEMETRY, TOPICS, Settings, topic_name
from streams.agent import TAKEN_FROM, partition_of
from streams.kafka import apply_topics, client_options
from streams.producers import Placement, placements

pytestmark = pytest.mark.kafka


async def test_records_that_are_not_on_their_partition_are_counted(settings: Settings) -> None:
    await apply_topics(settings, TOPICS)
    assert set((await placements(settings)).values()) == {Placement(0, 0)}
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        for number in range(20):
            key = b"user-%d" % number
            right = partition_of(key, settings.partitions)
            wrong = (right + 1) % settings.partitions
            clicks = topic_name(settings, CLICKS)
            await producer.send(clicks, b"{}", key)  # as the client places it
            if number < 5:
                await producer.send(clicks, b"{}", key, partition=wrong)
                brought = [(TAKEN_FROM, b"clicks.v1/0/1/0")]  # it was counted where it came
                await producer.send(clicks, b"{}", key, partition=right, headers=brought)
        await producer.send(topic_name(settings, TELEMETRY), b"{}")
    found = await placements(settings)
    assert found[CLICKS] == Placement(5, 25)
    assert found[TELEMETRY] == Placement(1, 1)
