"""Topics against a real broker."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas import ALERTS, CATALOGUE, CLICKS, OUTPUTS, TELEMETRY, TOPICS, Settings, UnavailableError, topic_name
from streams.kafka.admin import TopicError, apply_topics, list_topics
from streams.kafka.clients import client_options
from tests.support import consume, create_topics, produce


async def test_topics_are_created_as_the_contract_says(settings: Settings) -> None:
    changes = await apply_topics(settings)
    assert [change.topic for change in changes] == [settings.topic_prefix + topic.name for topic in TOPICS]
    assert {change.action for change in changes} == {"created"}
    for status, topic in zip(await list_topics(settings), TOPICS, strict=True):
        assert status.difference == ""
        assert status.partitions == (topic.partitions or 2)
        assert topic.config.items() <= status.config.items()
    assert await apply_topics(settings) == []


async def test_several_processes_may_apply_at_once(settings: Settings) -> None:
    changes = await asyncio.gather(*(apply_topics(settings) for _ in range(4)))
    assert sorted(change.topic for of_one in changes for change in of_one) == sorted(
        settings.topic_prefix + topic.name for topic in TOPICS
    )
    assert {status.difference for status in await list_topics(settings)} == {""}


async def test_missing_topics_are_listed_as_such(settings: Settings) -> None:
    assert {status.difference for status in await list_topics(settings)} == {"missing"}


async def test_a_setting_is_brought_in_line_and_others_are_left_alone(settings: Settings) -> None:
    alerts = topic_name(settings, ALERTS)
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(alerts, 2, 1, topic_configs={"retention.ms": "1000", "segment.ms": "5000"})]
        )
    finally:
        await admin.close()
    only = [topic for topic in TOPICS if topic.name == ALERTS]
    [change] = await apply_topics(settings, only)
    assert (change.topic, change.action) == (alerts, "altered")
    assert "retention.ms=1000" in change.detail
    [status] = await list_topics(settings, only)
    assert status.config == {**only[0].config, "segment.ms": "5000"}
    assert await apply_topics(settings, only) == []


async def test_compacted_outputs_keep_every_record_for_a_day_on_old_topics_too(settings: Settings) -> None:
    compacted = [t for t in TOPICS if t.name in OUTPUTS and "compact" in t.config["cleanup.policy"]]
    assert len(compacted) == 3
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        before = {"cleanup.policy": "compact"}
        names = {topic_name(settings, topic.name): topic.partitions or 2 for topic in compacted}
        await admin.create_topics([NewTopic(name, count, 1, topic_configs=before) for name, count in names.items()])
    finally:
        await admin.close()
    changes = await apply_topics(settings, compacted)
    assert all("min.compaction.lag.ms=default" in change.detail for change in changes)
    for status in await list_topics(settings, compacted):
        assert int(status.config["min.compaction.lag.ms"]) >= 24 * 3600 * 1000


@pytest.mark.parametrize("wanted", [1, 3])
async def test_another_number_of_partitions_is_refused_and_nothing_is_changed(settings: Settings, wanted: int) -> None:
    await create_topics(settings, CLICKS)
    other = settings.model_copy(update={"partitions": wanted})
    with pytest.raises(TopicError) as caught:
        await apply_topics(other)
    assert f"{topic_name(settings, CLICKS)} has 2 partitions, not {wanted}" in caught.value.detail
    assert "MILLRACE_PARTITIONS=2" in caught.value.advice
    there = [status.topic for status in await list_topics(settings) if status.partitions]
    assert there == [topic_name(settings, CLICKS)]


async def test_more_replicas_than_brokers_are_explained(settings: Settings) -> None:
    with pytest.raises(TopicError, match="MILLRACE_KAFKA_REPLICATION=9"):
        await apply_topics(settings.model_copy(update={"kafka_replication": 9}))


async def test_a_broker_that_is_not_there_is_told_soon() -> None:
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 does not answer"):
        await apply_topics(Settings(kafka="127.0.0.1:1"))
    assert time.monotonic() - started < 30


async def test_records_come_back_as_they_were_sent(settings: Settings) -> None:
    """The helpers of the other tests."""
    await create_topics(settings, TELEMETRY, CATALOGUE)
    sent = await produce(settings, TELEMETRY, [("a", b"\x00not json"), ("b", {"x": 1}), ("a", None)])
    records = await consume(settings, [TELEMETRY, CATALOGUE], until=3)
    assert {(r.partition, r.offset): (r.key, r.value) for r in records} == {
        sent[0]: (b"a", b"\x00not json"),
        sent[1]: (b"b", b'{"x":1}'),
        sent[2]: (b"a", None),
    }
    with pytest.raises(AssertionError, match="not enough"):
        await consume(settings, TELEMETRY, until=4, timeout_s=0.3)
