"""Outputs: the record that an input record leads to, with an id that is the same whenever it is made again.

decision ─► UUIDv5 of its cause ─► JSON and CloudEvents headers ─► Output
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from streams.agent.handler import Output
from streams.kafka import ConsumerRecord

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
TRACE = "traceparent"
NAMESPACE = uuid.UUID("8a0b5f2c-52f5-5d0e-9f7e-3f1f2f6d9c11")
_SHA1 = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}  # RFC 9562: two bits of that place


def output_id(topic: str, partition: int, offset: int, kind: str) -> str:
    """Id of what the input record at (topic, partition, offset) led to: UUIDv5, the same whenever it is repeated."""
    sha1 = _SHA1.copy()  # uuid.uuid5 takes 3 times as long, mostly to make an object
    sha1.update(f"{topic}/{partition}/{offset}/{kind}".encode())
    text = sha1.hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def cloud_event_headers(
    ce_id: str, ce_type: str, ce_source: str, ce_time: datetime, traceparent: bytes | None = None
) -> list[tuple[str, bytes]]:
    """Headers of a CloudEvents 1.0 record in binary mode; `ce_time` is in UTC.

    Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", ce_id.encode()),
        ("ce_type", ce_type.encode()),
        ("ce_source", ce_source.encode()),
        ("ce_time", orjson.dumps(ce_time, option=orjson.OPT_UTC_Z)[1:-1]),  # a quarter of the time of isoformat
        ("content-type", b"application/json"),
    ]
    if traceparent is not None:
        headers.append((TRACE, traceparent))
    return headers


def caused_by(record: ConsumerRecord, topic: str, event_id: str) -> dict[str, Any]:
    """The field `caused_by` of an output; `topic` is the name in the contract."""
    return {"topic": topic, "partition": record.partition, "offset": record.offset, "event_id": event_id}


def decision(topic: str, ce_type: str, ce_id: str, value: dict[str, Any], record: ConsumerRecord) -> Output:
    """The output record of what an input record led to: JSON, CloudEvents headers, the trace context passed on.

    Args:
        value: with `event_time` as datetime in UTC, as input events have it.
    """
    traceparent = dict(record.headers).get(TRACE) if record.headers else None
    headers = cloud_event_headers(ce_id, ce_type, "millrace", value["event_time"], traceparent)
    return Output(topic, record.key, orjson.dumps(value, option=orjson.OPT_UTC_Z), headers)


def epoch_us(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - EPOCH) // MICROSECOND


def traces_of(records: Sequence[ConsumerRecord]) -> list[bytes | None] | None:
    """The trace contexts that records carry; none where no record has any header."""
    if not any(record.headers for record in records):
        return None
    return [dict(record.headers).get(TRACE) for record in records]
