"""Dead letters for people: what is quarantined and why, and back onto the input topic once the cause is mended.

<topic>.dlq ─► list
<topic>.dlq from the last replay to now ─► original key, bytes, headers ─► <topic>; position in the same transaction
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from schemas import INPUTS, MillraceError, Settings, dead_letters_of, rfc3339, topic_name
from streams.agent import HEADER, TAKEN_FROM
from streams.kafka import ConsumerRecord, answering, client_options, group_name, read_to, reading, started

OURS = (HEADER, TAKEN_FROM)  # a letter that is put back is a record like any other
EXCERPT_BYTES = 200
MOST_DIGITS = 19
MAX_VALUE_BYTES = 12 << 20


class DeadLetterError(MillraceError):
    title = "The dead letters cannot be used"


@dataclass(frozen=True)
class Letter:
    """One quarantined record; `partition` and `offset` are those of the original, `quarantine_...` its own: the API
    knows it by those."""

    topic: str
    partition: int
    offset: int
    quarantine_partition: int
    quarantine_offset: int
    quarantined_at: str
    exception: str
    reason: str
    key: str
    excerpt: str
    bytes: int
    is_replayed: bool


@dataclass(frozen=True)
class ReplayedLetters:
    """Letters put back; those that could not be since the quarantine holds only their beginning; and those that
    retention deleted before anybody put them back.
    """

    sent: int
    truncated: int
    deleted: int = 0


def input_topic(name: str) -> str:
    """The input topic that is meant: `clicks.v1`, its quarantine `clicks.v1.dlq`, or `clicks` for short.

    Raises:
        DeadLetterError: it is none of these.
    """
    meant = {**{topic: topic for topic in INPUTS}, **{dead_letters_of(topic): topic for topic in INPUTS}}
    meant |= {topic.rpartition(".")[0]: topic for topic in INPUTS}
    if name not in meant:
        raise DeadLetterError(f"{name!r} has no dead letters.", f"One of: {', '.join(INPUTS)}.")
    return meant[name]


async def list_letters(settings: Settings, topic: str) -> list[Letter]:
    """All letters of an input topic, oldest first.

    Raises:
        DeadLetterError: not an input topic.
        UnavailableError: the broker or the topic is not there.
    """
    topic = input_topic(topic)
    async with _quarantine(settings, topic) as (consumer, ends):
        replayed = {partition: await consumer.committed(partition) or 0 for partition in ends}
        starts = await consumer.beginning_offsets(list(ends))
        letters = [
            _letter(record, is_replayed=record.offset < replayed[_place(record)])
            async for records in read_to(consumer, starts, ends)
            for record in records
        ]
    return sorted(letters, key=lambda letter: (letter.quarantined_at, letter.partition, letter.offset))


async def replay_letters(settings: Settings, topic: str) -> ReplayedLetters:
    """Put back the letters that were quarantined since the last replay, each once, even if this is interrupted.

    Raises:
        DeadLetterError: not an input topic.
        UnavailableError: the broker or the topic is not there.
    """
    topic = input_topic(topic)
    group = _group(settings, topic)
    producer = AIOKafkaProducer(
        **client_options(settings), transactional_id=f"{group}-replay", max_request_size=MAX_VALUE_BYTES
    )
    sent = truncated = 0
    async with _quarantine(settings, topic) as (consumer, ends):
        await started(producer)  # first: it waits until a replay that has just ended has its position written down
        try:
            starts, deleted = await _unreplayed(consumer, ends)
            async for records in read_to(consumer, starts, ends):
                whole = [record for record in records if HEADER + "truncated" not in dict(record.headers)]
                async with producer.transaction():
                    for record in whole:
                        headers = [header for header in record.headers if not header[0].startswith(OURS)]
                        await producer.send(topic_name(settings, topic), record.value, record.key, headers=headers)
                    await producer.send_offsets_to_transaction({_place(records[0]): records[-1].offset + 1}, group)
                sent += len(whole)
                truncated += len(records) - len(whole)
        finally:
            await producer.stop()
        if deleted:  # told once, also where nothing is left after them
            consumer.assign(list(deleted))  # of others nothing was read, and what is not assigned is not committed
            await consumer.commit({partition: ends[partition] for partition in deleted})
    return ReplayedLetters(sent, truncated, sum(deleted.values()))


@asynccontextmanager
async def _quarantine(settings: Settings, topic: str) -> AsyncIterator[tuple[Any, dict[TopicPartition, int]]]:
    """A consumer of all partitions of the quarantine, and their present ends."""
    name = topic_name(settings, dead_letters_of(topic))
    advice = "See that it runs and try again: what was put back is not put back twice."
    with answering(settings, advice):
        async with reading(settings, [name], offsets_of=_group(settings, topic)) as consumer:
            yield consumer, await consumer.end_offsets(list(consumer.assignment()))


async def _unreplayed(
    consumer: Any, ends: dict[TopicPartition, int]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Where the last replay ended, or the first letter that is still there; and how many are gone between."""
    first = await consumer.beginning_offsets(list(ends))
    replayed = {partition: await consumer.committed(partition) or 0 for partition in ends}
    starts = {partition: max(first[partition], replayed[partition]) for partition in ends}
    return starts, {partition: first[partition] - to for partition, to in replayed.items() if first[partition] > to}


def _place(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def _letter(record: ConsumerRecord, *, is_replayed: bool) -> Letter:
    header = {name.removeprefix(HEADER): (value or b"").decode(errors="replace") for name, value in record.headers}
    value = record.value or b""
    return Letter(
        header.get("topic", ""),
        _number(header.get("partition"), -1),
        _number(header.get("offset"), -1),
        record.partition,
        record.offset,
        rfc3339(datetime.fromtimestamp(record.timestamp / 1000, UTC)),
        header.get("exception", ""),
        header.get("message", ""),
        (record.key or b"").decode(errors="replace"),
        value[:EXCERPT_BYTES].decode(errors="replace"),
        _number(header.get("truncated"), len(value)),
        is_replayed,
    )


def _number(text: str | None, otherwise: int) -> int:
    """Somebody else may have written to the quarantine."""
    return int(text) if text and text.isdecimal() and len(text) < MOST_DIGITS else otherwise


def _group(settings: Settings, topic: str) -> str:
    return group_name(settings, f"deadletters-{topic}")
