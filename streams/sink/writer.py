"""Sink writer: what one fetch brought, into the database. Runs in threads.

Fetched ─► Decoding ─► Store.write, one transaction ─► or, when the database refuses it, record by record

A record that cannot be read, or that the database refuses when it is written alone, is skipped, counted and logged with
its offset; whatever else the database lacks (room, rights, a lock, a connection, tables) is waited for. No
dead letters: outputs are written by Millrace alone, so it is a bug, and the record stays where it is; what the edge
could not use of inputs it has quarantined itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog
from aiokafka import TopicPartition

from schemas import INPUTS, OUTPUTS, Settings
from storage import RefusedError, Span, Store
from streams.kafka import ConsumerRecord
from streams.metrics import SINK_EVENTS, SINK_SKIPPED, SINK_WRITING
from streams.sink.decoding import DecodedRecords, Decoding

log = structlog.get_logger(__name__)
Records: TypeAlias = Mapping[TopicPartition, Sequence[ConsumerRecord]]


@dataclass(frozen=True)
class Fetched:
    """What one fetch brought, a span for each partition. It is only good in the epoch of its assignment."""

    epoch: int
    records: Records
    spans: dict[TopicPartition, Span]


class Writer:
    def __init__(self, settings: Settings, store: Store) -> None:
        self._prefix, self._store, self._decoding = settings.topic_prefix, store, Decoding(settings)
        for topic in (*OUTPUTS, *INPUTS):  # from 0 on, so that an alert sees the first increment
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
        self._decoding.begin()
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
        self._decoding.done()

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
        decoded, bad = self._decoding.decode(tp, records)
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
