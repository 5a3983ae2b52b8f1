"""Replays of a plant's records: what is told of them in one process, and by workers on a broker that are killed.

records in the order of arrival ─► the real handler: as they come, at once, in batches of any size ─► alerts by asset
                                └► two topics, `millrace worker`, kill -9 and a new one, again     ─► alerts by asset
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka import ConsumerRecord as Fetched
from aiokafka.errors import GroupCoordinatorNotAvailableError

from benchmarks.trouble import CYCLE_S, Sent, Week
from benchmarks.world import running
from schemas import ALERTS, MAINTENANCE, TELEMETRY, TOPICS, Settings, topic_name
from streams.agent import PartitionState, empty_state, partition_of
from streams.kafka import ConsumerRecord, apply_topics, client_options, group_name, group_offsets, read_to, reading
from streams.maintain import Maintain
from streams.silence import entries_of

AT_ONCE = 1000
SIZES = (1, 2, 7, 40, 300, AT_ONCE)  # of batches
SETTLED_S = 600.0
SESSION_S = "3"
Told = dict[str, list[bytes]]  # asset -> its alerts in their order, each once


class ContradictionError(Exception):
    """Two alerts say different things under one id."""


# ---- in one process


def in_event_time(records: Sequence[ConsumerRecord], maintain: Maintain) -> list[ConsumerRecord]:
    """As a worker merges what is at hand: log entries first at equal times. A reading that is older than one before
    it stays where it came."""
    timed, latest = [], defaultdict[Any, float](float)
    for record in sorted(records, key=lambda record: record.offset):
        at, is_reading = _time(record, maintain), record.topic.endswith(TELEMETRY)
        if is_reading:
            at = latest[record.key] = max(at, latest[record.key])
        timed.append((at, is_reading, record.offset, record))
    return [record for *_, record in sorted(timed, key=lambda entry: entry[:3])]


def _time(record: ConsumerRecord, maintain: Maintain) -> float:
    try:
        return maintain.event_time(record) or 0.0
    except Exception:  # a dead letter, wherever it comes
        return 0.0


class Records:
    """The records that the broker would have: each partition and topic counts its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next: dict[tuple[str, int], Iterator[int]] = defaultdict(count)

    def of(self, sent: Sent) -> ConsumerRecord:
        key, topic = sent.key.encode(), topic_name(self._settings, sent.topic)
        number = partition_of(key, self._settings.partitions)
        offset, at = next(self._next[sent.topic, number]), int(sent.arrived * 1000)
        return Fetched(topic, number, offset, at, 0, key, sent.value, None, len(key), len(sent.value), ())


def by_partition(sent: Iterable[Sent], settings: Settings) -> dict[int, list[ConsumerRecord]]:
    made, found = Records(settings), defaultdict[int, list[ConsumerRecord]](list)
    for one in sent:
        record = made.of(one)
        found[record.partition].append(record)
    return found


def handled(maintain: Maintain, state: PartitionState, records: Sequence[ConsumerRecord]) -> list[tuple[str, bytes]]:
    """Ids and values of the alerts."""
    parts = maintain.handle(state, records).outputs.parts  # scores are in bulk, and not asked for
    alerts = [one for part in parts if isinstance(part, list) for one in part if one.topic == ALERTS]
    return [(_id(one.headers), one.value or b"") for one in alerts]


def recorded(week: Week, maintain: Maintain, settings: Settings) -> tuple[list[Sent], Told]:
    """The week as it came, minute by minute, with what was said of silence; and what was told."""
    made, states = Records(settings), {n: empty_state(n, maintain.layouts()) for n in range(settings.partitions)}
    kept, alerts, now = list[Sent](), list[tuple[str, bytes]](), week.start
    coming = [*week.records()]
    place = 0
    while place < len(coming):
        now += CYCLE_S
        fresh = list[Sent]()
        while place < len(coming) and coming[place].arrived <= now:
            fresh.append(coming[place])
            place += 1
        for state in states.values():
            for entry in entries_of(state, maintain, settings, now, week.start):
                fresh.append(Sent(now, MAINTENANCE, entry["asset_id"], orjson.dumps(entry)))
        kept += fresh
        records = [made.of(sent) for sent in fresh]
        for number, state in states.items():
            own = [record for record in records if record.partition == number]
            alerts += handled(maintain, state, in_event_time(own, maintain))
    return kept, told(alerts)


def replayed(
    sent: Iterable[Sent], maintain: Maintain, settings: Settings, chance: random.Random | None = None, kills: int = 0
) -> Told:
    """The topics from their beginning, with everything at hand.

    Args:
        chance: of the sizes of batches; none: all are of AT_ONCE.
        kills: times that each partition goes back to its last checkpoint, and on in other batches.
    """
    alerts = list[tuple[str, bytes]]()
    for number, records in by_partition(sent, settings).items():
        ordered = in_event_time(records, maintain)
        state, place = empty_state(number, maintain.layouts()), 0
        deaths = sorted(chance.sample(range(len(ordered)), min(kills, len(ordered)))) if chance else []
        saved = deepcopy(state), place
        while place < len(ordered):
            size = chance.choice(SIZES) if chance else AT_ONCE
            alerts += handled(maintain, state, ordered[place : place + size])
            place += size
            if deaths and place > deaths[0]:
                deaths.pop(0)
                state, place = deepcopy(saved[0]), saved[1]
            elif chance and chance.random() < 0.2:
                saved = deepcopy(state), place
    return told(alerts)


def shuffled(sent: Sequence[Sent], chance: random.Random, most: int = 500) -> list[Sent]:
    """Records of different assets in another order, in pieces of at most so many; those of one asset keep theirs."""
    found = list[Sent]()
    for start in range(0, len(sent), most):
        piece = sent[start : start + most]
        own = defaultdict[str, list[Sent]](list)
        for one in reversed(piece):
            own[one.key].append(one)
        keys = [one.key for one in piece]
        chance.shuffle(keys)
        found += [own[key].pop() for key in keys]
    return found


# ---- on a real broker


async def fill(settings: Settings, sent: Iterable[Sent]) -> None:
    """Topics that keep the time at which each record came, as a mirror of others does."""
    kept = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
    topics = [replace(t, config=t.config | kept) if t.name in (TELEMETRY, MAINTENANCE) else t for t in TOPICS]
    await apply_topics(settings, topics)
    producer = AIOKafkaProducer(**client_options(settings), enable_idempotence=True, linger_ms=20)
    await producer.start()
    try:
        for one in sent:
            key = one.key.encode()
            await producer.send(
                topic_name(settings, one.topic), one.value, key, timestamp_ms=int(one.arrived * 1000),
                partition=partition_of(key, settings.partitions),
            )  # fmt: skip
        await producer.flush()
    finally:
        await producer.stop()


async def worked(settings: Settings, models: Path, expected: int, chance: random.Random, kills: int) -> Told:
    """What a worker tells that is killed at random moments, each time with a new one in its place.

    Args:
        expected: alerts in all, by which the moments are chosen.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    shutil.copytree(models, settings.home / "models")
    moments = sorted(chance.sample(range(1, max(expected, kills + 1)), kills))
    for moment in moments:
        with _worker(settings, chance) as pid:
            await _until_told(settings, moment)
            os.kill(pid, signal.SIGKILL)
    with _worker(settings, chance):
        await _until_applied(settings)
    topic = topic_name(settings, ALERTS)
    found = defaultdict[int, list[tuple[str, bytes]]](list)
    async with reading(settings, [topic]) as reader:
        ends = await reader.end_offsets(list(reader.assignment()))
        async for records in read_to(reader, dict.fromkeys(ends, 0), ends):
            found[records[0].partition] += [(_id(record.headers), record.value) for record in records]
    return told([one for number in sorted(found) for one in found[number]])


def _worker(settings: Settings, chance: random.Random) -> AbstractContextManager[int]:
    more = {"MAX_BATCH_RECORDS": str(chance.choice(SIZES[2:])), "SESSION_TIMEOUT_S": SESSION_S}
    return running(settings, "edge", "worker", "--role", "edge", **{f"MILLRACE_{k}": v for k, v in more.items()})


async def _until_told(settings: Settings, count: int) -> None:
    """Until so many records of alerts are there."""
    async with asyncio.timeout(SETTLED_S), reading(settings, [topic_name(settings, ALERTS)]) as reader:
        while sum((await reader.end_offsets(list(reader.assignment()))).values()) < count:
            await asyncio.sleep(0.01)


async def _until_applied(settings: Settings) -> None:
    names = [topic_name(settings, topic) for topic in (TELEMETRY, MAINTENANCE)]
    async with asyncio.timeout(SETTLED_S), reading(settings, names) as reader:
        ends: Mapping[TopicPartition, int] = await reader.end_offsets(list(reader.assignment()))
        while True:
            try:
                done = await group_offsets(settings, group_name(settings, Maintain.name))
            except GroupCoordinatorNotAvailableError:
                done = {}
            if all(done.get(tp, 0) >= end for tp, end in ends.items()):
                return
            await asyncio.sleep(0.2)


# ---- what was told


def _id(headers: Sequence[tuple[str, bytes | None]]) -> str:
    return (dict(headers)["ce_id"] or b"").decode()


def told(alerts: Iterable[tuple[str, bytes]]) -> Told:
    """The first record under each id.

    Raises:
        ContradictionError: two records say different things under one id.
    """
    first, found = dict[str, bytes](), defaultdict[str, list[bytes]](list)
    for name, value in alerts:
        if name not in first:
            first[name] = value
            found[orjson.loads(value)["asset_id"]].append(value)
        elif first[name] != value:
            raise ContradictionError(f"two under one id:\n{first[name].decode()}\n{value.decode()}")
    return dict(found)
