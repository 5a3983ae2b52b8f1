"""Ids say what they were caused by, headers are CloudEvents, dead letters keep what they were."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from models.stages import StageClock
from schemas import FEED, SCORES, Settings, Topic, rfc3339
from streams.agent.deadletters import dead_letter_output, failure_reason
from streams.agent.handler import DeadLetter, Output
from streams.agent.outbox import Delivery, Outbox, StoodStillError, size_of
from streams.agent.outputs import NAMESPACE, cloud_event_headers, output_id
from streams.kafka import apply_topics
from streams.kafka.clients import BATCH_BYTES
from tests.support.kafka import consume


def test_ids_are_uuids_of_version_5_that_repeat_and_differ() -> None:
    for offset in range(200):
        assert output_id("clicks.v1", 1, offset, "x") == str(uuid.uuid5(NAMESPACE, f"clicks.v1/1/{offset}/x"))
    assert output_id("clicks.v1", 1, 2, "x") == output_id("clicks.v1", 1, 2, "x")
    ids = {output_id(t, p, o, k) for t in ("a", "b") for p in (1, 11) for o in (1, 11) for k in ("x", "y")}
    assert len(ids) == 16


def test_an_id_is_for_ever() -> None:
    assert output_id("clicks.v1", 0, 0, "recommendation") == "49e57346-1469-520c-bee1-3a942038ec00"


def test_headers_are_cloud_events_in_binary_mode() -> None:
    time = datetime(2026, 1, 1, tzinfo=UTC)
    headers = cloud_event_headers("id", "millrace.score", "/millrace", time, b"00-ab-cd-01")
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"id",
        "ce_type": b"millrace.score",
        "ce_source": b"/millrace",
        "ce_time": b"2026-01-01T00:00:00Z",
        "content-type": b"application/json",
        "traceparent": b"00-ab-cd-01",
    }
    later = dict(cloud_event_headers("id", "type", "source", time.replace(microsecond=70)))
    assert later["ce_time"] == b"2026-01-01T00:00:00.000070Z" == rfc3339(time.replace(microsecond=70)).encode()
    assert "traceparent" not in later


def record(value: bytes | None, key: bytes | None = b"key", headers: Any = (("traceparent", b"t"),)) -> Any:
    return ConsumerRecord("clicks.v1", 3, 77, 0, 0, key, value, None, 3, 0, headers)


def test_a_dead_letter_keeps_key_bytes_partition_and_headers() -> None:
    output = dead_letter_output(DeadLetter(record(b"\xff{"), "not JSON"), "clicks.v1")
    assert (output.topic, output.key, output.value, output.partition) == ("clicks.v1.dlq", b"key", b"\xff{", 3)
    assert dict(output.headers) == {
        "traceparent": b"t",
        "__streams.errors.exception": b"InvalidEvent",
        "__streams.errors.message": b"not JSON",
        "__streams.errors.topic": b"clicks.v1",
        "__streams.errors.partition": b"3",
        "__streams.errors.offset": b"77",
    }


def test_a_dead_letter_that_no_topic_takes_is_cut_and_says_so() -> None:
    letter = DeadLetter(record(b"x" * 5000), "too large")
    surplus = size_of(dead_letter_output(letter, "clicks.v1")) - 3000
    cut = dead_letter_output(letter, "clicks.v1", surplus)
    assert size_of(cut) <= 3000
    assert dict(cut.headers)["__streams.errors.truncated"] == b"5000"


def test_nothing_at_all_can_be_a_dead_letter() -> None:
    output = dead_letter_output(DeadLetter(record(None, None), "no value"), "clicks.v1")
    assert (output.key, output.value) == (None, b"")


def test_a_reason_is_the_traceback() -> None:
    with pytest.raises(ValueError) as caught:
        raise ValueError("wrong")
    assert failure_reason(caught.value).startswith("Traceback")
    assert failure_reason(caught.value).endswith("ValueError: wrong")


def outputs(count: int, topic: str = SCORES) -> list[Output]:
    return [Output(topic, b"key", b"%d" % number, [("ce_id", b"id")]) for number in range(count)]


NAMES = st.text(max_size=5) | st.sampled_from(["", "ce_id", "__millrace.taken-from", "__streams.errors.topic"])
HEADERS = st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=5) | st.just(b"x" * 13_000_000)), max_size=4)


@given(HEADERS, st.none() | st.just(b"k"), st.none() | st.just(b"bad"))
def test_whatever_headers_a_record_has_its_dead_letter_is_packed(headers: Any, key: Any, value: Any) -> None:
    """Headers with null values are legal in Kafka. What cannot be sent whole says where it is and why."""
    found = asyncio.run(packed_letter(DeadLetter(record(value, key, headers), "why \ud800 " * 3000)))
    assert dict(found.headers)["__streams.errors.offset"] == b"77"
    is_large = any(len(one or b"") > 5 for _, one in headers)
    assert ("__streams.errors.truncated" in dict(found.headers)) == is_large
    if not is_large:
        assert (found.key, tuple(found.headers[: len(headers)])) == (key, tuple(headers))


async def packed_letter(letter: DeadLetter) -> Any:
    """The record as the broker would get it."""
    outbox = Outbox(Settings(kafka="127.0.0.1:1"), "agent", StageClock())
    outbox.prepare()
    [batch] = outbox.pack([], [letter], 3)["clicks.v1.dlq", 3]
    raw = batch.batch._build()
    await outbox.stop()
    [found] = next(iter([MemoryRecords(bytes(raw)).next_batch()]))
    return found


async def test_a_dead_letter_that_cannot_be_packed_at_all_says_where_its_record_is() -> None:
    """The class of failure: nothing that is in a record keeps its partition from going on."""
    found = await packed_letter(DeadLetter(record(b"bad", headers=(("odd", object()),)), "why"))
    headers = dict(found.headers)
    assert (headers["__streams.errors.message"], headers["__streams.errors.truncated"]) == (b"why", b"3")
    assert (found.key, found.value) == (None, b"")


async def test_outputs_are_packed_by_topic_and_partition_without_a_broker() -> None:
    clock = StageClock()
    outbox = Outbox(Settings(kafka="127.0.0.1:1"), "agent", clock)
    outbox.prepare()
    feed = Output(FEED, None, b"feed", partition=0)
    packed = outbox.pack([*outputs(3), feed], [DeadLetter(record(b"bad"), "why")], 2)
    assert packed.pop((FEED, 0)) == [feed]  # it joins what others have for that partition
    records = {at: [batch.batch.record_count() for batch in batches] for at, batches in packed.items()}
    assert records == {(SCORES, 2): [3], ("clicks.v1.dlq", 3): [1]}
    seconds = clock.take()
    assert seconds.pop("emit") > 0
    assert set(seconds.values()) == {0.0}
    large = [Output(SCORES, b"key", b"x" * 400_000) for _ in range(5)]
    batches = outbox.pack(large, [], 1)[SCORES, 1]
    assert sum(batch.batch.record_count() for batch in batches) == 5
    assert len(batches) > 1
    assert all(batch.size <= BATCH_BYTES + 50_000 for batch in batches)
    await outbox.stop()


@pytest.mark.kafka
async def test_what_is_sent_arrives_and_its_cpu_time_is_emit(settings: Settings) -> None:
    await apply_topics(settings)
    clock = StageClock()
    outbox = Outbox(settings, "agent", clock)
    await asyncio.gather(*(delivery.future for delivery in await outbox.send(outputs(50), [], 1)))
    await outbox.stop()
    assert [found.value for found in await consume(settings, SCORES, 50)] == [b"%d" % number for number in range(50)]
    seconds = clock.take()
    assert seconds.pop("emit") > 0
    assert set(seconds.values()) == {0.0}


@pytest.mark.kafka
async def test_what_a_process_has_in_its_buffers_when_it_wakes_is_not_sent(settings: Settings) -> None:
    """Another worker may have decided it meanwhile. What it decides from then on goes out."""
    await apply_topics(settings)
    outbox = Outbox(settings, "agent", StageClock())

    def output(value: bytes) -> Output:
        return Output(SCORES, b"key", value, [("ce_id", value)])

    first = await outbox.send([output(b"before")], [], 0)
    await asyncio.gather(*(delivery.future for delivery in first))
    buffered = await outbox.send([output(b"of before")], [], 0)
    outbox.distrust()  # the loop has not run since
    with pytest.raises(StoodStillError):
        await asyncio.gather(*(delivery.future for delivery in buffered))
    last = await outbox.send([output(b"after")], [], 0)
    await asyncio.gather(*(delivery.future for delivery in last))
    await outbox.stop()
    assert [record.value for record in await consume(settings, SCORES, 2)] == [b"before", b"after"]


@pytest.mark.kafka
async def test_records_for_a_shared_partition_go_together_or_where_they_are_refused_one_by_one(
    settings: Settings,
) -> None:
    """The broker takes a batch of each of them, and of none more than one: nothing is lost, and nothing is repeated."""
    await apply_topics(settings, [Topic(FEED, "none", "feed", partitions=1, config={"max.message.bytes": "2000"})])
    outbox = Outbox(settings, "agent", StageClock())
    values = [b"%d" % number * 900 for number in range(6)]

    async def send(value: bytes) -> list[Delivery]:
        return await outbox.send([Output(FEED, None, value, partition=0)], [], 1)

    sent = [await send(value) for value in values]
    found = await asyncio.gather(*(one.future for each in sent for one in each), return_exceptions=True)
    refused = [value for value, one in zip(values, found, strict=True) if isinstance(one, KafkaError)]
    assert len(refused) > 1  # they were in one batch
    again = [await send(value) for value in refused]
    await asyncio.gather(*(one.future for each in again for one in each))
    await outbox.stop()
    assert sorted(record.value for record in await consume(settings, FEED, 6)) == values
