"""Ids say what they were caused by, headers are CloudEvents, dead letters keep what they were."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from aiokafka import ConsumerRecord

from schemas import rfc3339
from streams.deadletters import dead_letter_output, failure_reason
from streams.handler import DeadLetter
from streams.outbox import NAMESPACE, cloud_event_headers, output_id, size_of


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


def record(value: bytes | None, key: bytes | None = b"key") -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("clicks.v1", 3, 77, 0, 0, key, value, None, 3, 0, (("traceparent", b"t"),))


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
