"""Sink writer: what one fetch brought, into the database, and out again when its retention ends. Runs in threads.

Fetched ─► decode ─► Store.write, one transaction ─► or, when the database refuses it, record by record

A record that cannot be read, or that the database refuses when it is written alone, is skipped, counted and logged with
its offset; whatever else the database lacks (room, rights, a lock, a connection, tables) is waited for. No
dead letters: these topics are written by Millrace alone, so it is a bug, and the record stays where it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import structlog
from aiokafka import TopicPartition
from mode import Service

from schemas import OUTPUTS, MillraceError, OutputEvent, Settings, text_of
from storage import RefusedError, Removal, Span, Store, in_thread
from streams.kafka import ConsumerRecord
from streams.metrics import SILENT, SINK_EVENTS, SINK_SKIPPED, SINK_WRITING

log = structlog.get_logger(__name__)
RETENTION_FIRST_S, RETENTION_EVERY_S = 60.0, 3600.0
SILENCE_EVERY_S = 60.0
LIVED = timedelta(days=1)  # an asset that was not seen for longer is not missed any more
TOMBSTONES = ("recommendations.v1", "catalogue.v1", "workers.v1")  # compacted: a null value removes its key
Records: TypeAlias = Mapping[TopicPartition, Sequence[ConsumerRecord]]
DecodedRecords: TypeAlias = list[tuple[ConsumerRecord, OutputEvent | Removal | None]]


@dataclass(frozen=True)
class Fetched:
    """What one fetch brought, a span for each partition. It is only good in the epoch of its assignment."""

    epoch: int
    records: Records
    spans: dict[TopicPartition, Span]


class Writer:
    def __init__(self, settings: Settings, store: Store) -> None:
        self._prefix, self._store = settings.topic_prefix, store
        for topic in OUTPUTS:  # from 0 on, so that an alert sees the first increment
            for reason in ("unreadable", "refused"):
                SINK_SKIPPED.labels(topic, reason)
        for outcome in ("written", "repeated"):
            SINK_EVENTS.labels(outcome)

    def write(self, fetched: Fetched) -> None:
        """All or nothing, but for what cannot be written.

        Raises:
            UnavailableError: the database is away, or something in the way that is not the data's fault; try again.
            PositionError: these records are not the next ones of the database.
        """
        decoded = {tp: self._decode(tp, records) for tp, records in fetched.records.items()}
        events = [event for pairs in decoded.values() for _, event in pairs if event is not None]
        try:
            with SINK_WRITING.time():
                written = self._store.write(events, list(fetched.spans.values()))
        except RefusedError as error:
            log.warning("a batch is refused and written record by record", error=str(error))
            for tp, pairs in decoded.items():
                self._write_one_by_one(tp, fetched.spans[tp], pairs)
        else:
            SINK_EVENTS.labels("written").inc(written.rows)
            SINK_EVENTS.labels("repeated").inc(written.duplicates)

    def _write_one_by_one(self, tp: TopicPartition, span: Span, pairs: DecodedRecords) -> None:
        position = span.start
        for record, event in pairs:
            step = [Span(span.topic, span.partition, position, record.offset + 1)]
            try:
                self._store.write([] if event is None else [event], step)
            except RefusedError as error:
                self._store.check()  # tables of another version refuse good data: that is waited for, not skipped
                self._skip(tp, [(record, str(error))], "refused")
                self._store.write([], step)
            position = record.offset + 1
        if position != span.next_offset:
            self._store.write([], [Span(span.topic, span.partition, position, span.next_offset)])

    def _decode(self, tp: TopicPartition, records: Sequence[ConsumerRecord]) -> DecodedRecords:
        """Fields that this version does not know are left out, so that the edge can be upgraded before the sink."""
        topic = tp.topic.removeprefix(self._prefix)
        validate = OUTPUTS[topic].model_validate_json
        decoded: DecodedRecords = []
        bad: list[tuple[ConsumerRecord, str]] = []
        for record in records:
            event: OutputEvent | Removal | None = None
            try:
                event = _removal(topic, record) if record.value is None else validate(record.value, extra="ignore")
            except ValueError as error:  # pydantic's ValidationError is one
                bad.append((record, text_of(error)))
            decoded.append((record, event))
        if bad:
            self._skip(tp, bad, "unreadable")
        return decoded

    def _skip(self, tp: TopicPartition, bad: Sequence[tuple[ConsumerRecord, str]], reason: str) -> None:
        SINK_SKIPPED.labels(tp.topic.removeprefix(self._prefix), reason).inc(len(bad))
        log.error(
            "records are skipped; they stay on their topic. This is a bug; please report it",
            topic=tp.topic,
            partition=tp.partition,
            reason=reason,
            count=len(bad),
            first_offset=bad[0][0].offset,
            first_error=bad[0][1],
        )


class Retention(Service):
    """Deletes scores older than MILLRACE_RETENTION_SCORES_DAYS, a minute after the start and then every hour."""

    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__()
        self._days, self._store = settings.retention_scores_days, store

    @Service.task
    async def _run(self) -> None:
        await self.sleep(RETENTION_FIRST_S)
        while not self.should_stop:
            try:
                deleted = await in_thread(
                    lambda: self._store.delete_old_scores(self._days, lambda: bool(self.should_stop))
                )
                await in_thread(self._store.delete_silent_workers)
            except MillraceError as error:
                log.warning("old scores are deleted later", error=str(error))
            else:
                log.info("old scores are deleted", scores=deleted, days=self._days)
            await self.sleep(RETENTION_EVERY_S)


class Silence(Service):
    """Counts the assets that have fallen silent, every minute; the API's lists have their names."""

    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__()
        self._after, self._store = timedelta(seconds=settings.silent_after_s), store

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            try:
                for asset_class, count in (await in_thread(self._count)).items():
                    SILENT.labels(asset_class).set(count)
            except MillraceError as error:
                log.warning("silent assets are counted later", error=str(error))
            await self.sleep(SILENCE_EVERY_S)

    def _count(self) -> Mapping[str, int]:
        now = datetime.now(UTC)
        with self._store.reading() as reader:
            return reader.silent_assets(now - LIVED, now - self._after)


def _removal(topic: str, record: ConsumerRecord) -> Removal:
    if topic not in TOMBSTONES or record.key is None:
        raise ValueError("it has no value")
    return Removal(topic, record.key.decode())
