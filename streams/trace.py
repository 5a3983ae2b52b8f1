"""Trace: one input record, and what came of it on the output topics.

topic, partition, offset ─► record ─► from its time on, the partitions its decisions go to ─► those that it caused
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from aiokafka import TopicPartition

from schemas import (
    ALERTS,
    CLICKS,
    RECOMMENDATIONS,
    SCORES,
    TELEMETRY,
    Settings,
    TraceBody,
    TraceHop,
    dead_letters_of,
    topic_name,
)
from streams.agent import HEADER, TAKEN_FROM, partition_of
from streams.kafka import ConsumerRecord, answering, partition_counts, reading

LEADS_TO: Mapping[str, tuple[str, ...]] = {CLICKS: (RECOMMENDATIONS,), TELEMETRY: (SCORES, ALERTS)}
MOST_TEXT = 65_536
PATIENCE_S = 2.5  # for each topic; the API answers within 6 s
MOST_RECORDS = 20_000
AHEAD_MS = 1000  # clocks of brokers differ


async def trace_record(settings: Settings, topic: str, partition: int, offset: int) -> TraceBody | None:
    """A record of an input topic (the name in the contract) and what it caused; None: it is not there any more.

    Raises:
        UnavailableError: the broker or a topic is not there.
    """
    place = TopicPartition(topic_name(settings, topic), partition)
    with answering(settings):
        async with reading(settings) as reader:
            known = await partition_counts(settings, [place.topic])
            record = await _record(reader, place, offset) if partition < known[place.topic] else None
            if record is None:
                return None
            outputs = [*LEADS_TO.get(topic, ()), dead_letters_of(topic)]
            counts = await partition_counts(settings, [topic_name(settings, name) for name in (topic, *outputs)])
            hops = []
            for name in outputs:
                on_broker = topic_name(settings, name)
                number = partition
                if name != dead_letters_of(topic) and record.key:
                    number = partition_of(record.key, counts[on_broker])
                found = await _caused(reader, TopicPartition(on_broker, number), record, (topic, partition, offset))
                hops += [_hop(name, record, one) for one in found]
    return _body(topic, record, hops)


async def _record(reader: Any, place: TopicPartition, offset: int) -> ConsumerRecord | None:
    reader.assign([place])
    first, end = (await reader.beginning_offsets([place]))[place], (await reader.end_offsets([place]))[place]
    if not first <= offset < end:
        return None
    reader.seek(place, offset)
    found = await reader.getmany(place, timeout_ms=int(PATIENCE_S * 1000), max_records=1)
    records = [record for records in found.values() for record in records if record.offset == offset]
    return records[0] if records else None


async def _caused(
    reader: Any, place: TopicPartition, record: ConsumerRecord, cause: tuple[str, int, int]
) -> list[ConsumerRecord]:
    """Records of a partition that name the cause; they lie close behind it in time."""
    reader.assign([place])
    since = {place: max(record.timestamp - AHEAD_MS, 0)}
    start = (await reader.offsets_for_times(since))[place]
    end = (await reader.end_offsets([place]))[place]
    if start is None:
        return []
    reader.seek(place, start.offset)
    found: list[ConsumerRecord] = []
    deadline, seen = time.monotonic() + PATIENCE_S, 0
    while seen < MOST_RECORDS and time.monotonic() < deadline and await reader.position(place) < end:
        for records in (await reader.getmany(place, timeout_ms=200, max_records=1000)).values():
            seen += len(records)
            found += [one for one in records if _cause(one) == cause]
            if found and _cause(records[-1]) != cause:
                return found  # what one record leads to lies together
    return found


def _cause(record: ConsumerRecord) -> tuple[str, int, int] | None:
    headers = {name: value for name, value in record.headers if value is not None}
    if HEADER + "offset" in headers:
        topic = headers[HEADER + "topic"].decode()
        return topic, int(headers[HEADER + "partition"]), int(headers[HEADER + "offset"])
    try:
        cause = orjson.loads(record.value or b"null")["caused_by"]
        return cause["topic"], cause["partition"], cause["offset"]
    except (ValueError, KeyError, TypeError):
        return None


def _time(record: ConsumerRecord) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


def _hop(topic: str, cause: ConsumerRecord, record: ConsumerRecord) -> TraceHop:
    headers = dict(record.headers)
    reason = headers.get(HEADER + "message")
    return TraceHop(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        time=_time(record),
        after_ms=record.timestamp - cause.timestamp,
        event=None if reason is not None or not record.value else orjson.loads(record.value),
        reason=None if reason is None else reason.decode(errors="replace"),
    )


def _body(topic: str, record: ConsumerRecord, hops: list[TraceHop]) -> TraceBody:
    headers = {name: (value or b"").decode(errors="replace")[:1000] for name, value in record.headers}
    value = record.value
    return TraceBody(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        time=_time(record),
        key=None if record.key is None else record.key.decode(errors="replace"),
        value=None if value is None else value[:MOST_TEXT].decode(errors="replace"),
        size=len(value or b""),
        headers=headers,
        taken_from=headers.get(TAKEN_FROM),
        hops=hops,
    )
