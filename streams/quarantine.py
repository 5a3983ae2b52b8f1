"""Dead letters for people: what is quarantined and why, and back onto the input topic once the cause is mended.

<topic>.dlq ─► list
<topic>.dlq from the last replay to now ─► original key, bytes, headers ─► <topic>; position in the same transaction
those that somebody chose ─► <topic>; in the same transaction a note of them, behind them in the quarantine
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from schemas import (
    INPUTS,
    NOBODY,
    Letters,
    MillraceError,
    Settings,
    dead_letters_of,
    rfc3339,
    topic_name,
)
from streams.agent import HEADER, TAKEN_FROM, is_note, note_of, read_note
from streams.kafka import ConsumerRecord, answering, client_options, group_name, read_to, reading, started

OURS = (HEADER, TAKEN_FROM)  # a letter that is put back is a record like any other
EXCERPT_BYTES = 200
MOST_DIGITS = 19
MAX_VALUE_BYTES = 12 << 20
NOTED_AT_ONCE = 1000  # letters: their note has 64 KiB at most, as much as the database keeps
ALL = Letters()
Done = dict[int, set[int]]  # by partition of the quarantine: letters that were put back one by one


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
        records = [record async for some in read_to(consumer, starts, ends) for record in some]
        done = _noted(records)
        letters = [
            _letter(one, is_replayed=one.offset < replayed[_place(one)] or one.offset in done.get(one.partition, ()))
            for one in records
            if not is_note(one)
        ]
    return sorted(letters, key=lambda letter: (letter.quarantined_at, letter.partition, letter.offset))


async def replay_letters(settings: Settings, topic: str, which: Letters = ALL, by: str = NOBODY) -> ReplayedLetters:
    """Put back letters that were not put back before, each once, even if this is interrupted or asked for again.

    Args:
        settings: of the service.
        topic: an input topic.
        which: all of them, those of a kind of reason, or a single one.
        by: who does it; a note in the quarantine says so.

    Raises:
        DeadLetterError: not an input topic.
        UnavailableError: the broker or the topic is not there.
    """
    topic = input_topic(topic)
    producer = AIOKafkaProducer(
        **client_options(settings),
        transactional_id=f"{_group(settings, topic)}-replay",
        max_request_size=MAX_VALUE_BYTES,
    )
    async with _quarantine(settings, topic) as (consumer, before):
        await started(producer)  # first: it waits until a replay that has just ended has its position written down
        try:
            work = _Replay(settings, topic, consumer, producer, by)
            ends = await consumer.end_offsets(list(before))  # with the notes of that replay
            starts, deleted = await _unreplayed(consumer, ends)
            await (work.all(starts, ends) if which == ALL else work.chosen(starts, ends, which))
        finally:
            await producer.stop()
        if which != ALL:
            return ReplayedLetters(work.sent, work.truncated)
        if deleted:  # told once, also where nothing is left after them
            consumer.assign(list(deleted))  # of others nothing was read, and what is not assigned is not committed
            await consumer.commit({partition: ends[partition] for partition in deleted})
    return ReplayedLetters(work.sent, work.truncated, sum(deleted.values()))


class _Replay:
    """One replay of the letters of a topic."""

    def __init__(self, settings: Settings, topic: str, consumer: Any, producer: Any, by: str) -> None:
        self._settings, self._topic, self._consumer, self._producer = settings, topic, consumer, producer
        self._by = by
        self.sent = self.truncated = 0

    async def all(self, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]) -> None:
        """What is left, and the position behind it."""
        done = await self._done(starts, ends)
        group, sent = _group(self._settings, self._topic), dict[TopicPartition, int]()
        async for records in read_to(self._consumer, starts, ends):
            left = [one for one in records if not is_note(one) and one.offset not in done.get(one.partition, ())]
            whole = [record for record in left if not _is_cut(record)]
            async with self._producer.transaction():
                await self._put_back(whole)
                await self._producer.send_offsets_to_transaction({_place(records[0]): records[-1].offset + 1}, group)
            self.truncated += len(left) - len(whole)
            if whole:
                sent[_place(whole[0])] = sent.get(_place(whole[0]), 0) + len(whole)
        self.sent = sum(sent.values())
        await self._note_all(sent, ends)

    async def chosen(self, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int], which: Letters) -> None:
        """Some of what is left; the position stays, and notes say which they were."""
        if which.partition is not None:
            starts = {tp: start for tp, start in starts.items() if tp.partition == which.partition}
            ends = {tp: ends[tp] for tp in starts}
        done = await self._done(starts, ends)
        async for records in read_to(self._consumer, starts, ends):
            meant = [
                one for one in records
                if not is_note(one)
                and one.offset not in done.get(one.partition, ())
                and which.include(one.partition, one.offset, _reason(one))
            ]  # fmt: skip
            whole = [record for record in meant if not _is_cut(record)]
            what = "one letter" if which.kind is None else f"those of: {which.kind}"
            for some in (whole[n : n + NOTED_AT_ONCE] for n in range(0, len(whole), NOTED_AT_ONCE)):
                async with self._producer.transaction():
                    await self._put_back(some)
                    await self._note(_place(some[0]), what, len(some), (one.offset for one in some))
            self.sent += len(whole)
            self.truncated += len(meant) - len(whole)

    async def _done(self, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]) -> Done:
        """What notes behind these positions tell."""
        done: Done = {}
        async for records in read_to(self._consumer, starts, ends):
            for partition, offsets in _noted(records).items():
                done.setdefault(partition, set()).update(offsets)
        return done

    async def _put_back(self, letters: Sequence[ConsumerRecord]) -> None:
        """Onto their topic."""
        name, sent = topic_name(self._settings, self._topic), []
        for record in letters:
            headers = [header for header in record.headers if not header[0].startswith(OURS)]
            sent.append(await self._producer.send(name, record.value, record.key, headers=headers))
        await asyncio.gather(*sent)

    async def _note(
        self, place: TopicPartition, what: str, count: int, offsets: Iterable[int] = (), until: int | None = None
    ) -> None:
        value, headers = note_of(self._topic, self._by, what, offsets, until, count)
        await (await self._producer.send(place.topic, value, partition=place.partition, headers=headers))

    async def _note_all(self, sent: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> None:
        """The positions guard what was put back; these tell who did it. They are no letters: where nothing else came
        since, the position of a partition goes behind its note and the marker of the transaction."""
        if not sent:
            return
        async with self._producer.transaction():
            for place, count in sent.items():
                await self._note(place, "all that were left", count, until=ends[place])
        self._consumer.assign(list(sent))
        now = await self._consumer.end_offsets(list(sent))
        if behind := {place: end for place, end in now.items() if end == ends[place] + 2}:
            await self._consumer.commit(behind)


def _noted(records: Iterable[ConsumerRecord]) -> Done:
    """What the notes among these records tell."""
    done: Done = {}
    for record in records:
        note = read_note(record)
        for first, last in note.offsets if note else ():
            done.setdefault(record.partition, set()).update(range(first, last + 1))
    return done


def _is_cut(record: ConsumerRecord) -> bool:
    return HEADER + "truncated" in dict(record.headers)


def _reason(record: ConsumerRecord) -> str:
    return (dict(record.headers).get(HEADER + "message") or b"").decode(errors="replace")


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
