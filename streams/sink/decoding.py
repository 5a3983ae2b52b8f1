"""Decoding: what the records of each kind of topic are for the database.

output topic ─► its event, or what it removes;  input topic ─► what can be used of it;  <topic>.dlq ─► a dead letter

What cannot be used of an input the edge quarantines, or `quarantine` where no edge worker reads the topic; so it comes
as a dead letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from aiokafka import TopicPartition

from schemas import (
    ASSETS,
    CLICKS,
    EARLIEST,
    INPUTS,
    ITEMS,
    OUTPUTS,
    TELEMETRY,
    Settings,
    dead_letters_of,
    text_of,
)
from storage import Placed, Quarantined, Record, Removal
from streams.agent import HEADER, decode_topics, forgets_user, is_second, readable_key, record_time_s
from streams.kafka import ConsumerRecord
from streams.sink.thinning import Thinning

TOMBSTONES = ("recommendations.v1", "catalogue.v1", "workers.v1")  # compacted: a null value removes its key
DEAD_LETTERS = {dead_letters_of(topic): topic for topic in INPUTS}
DecodedRecords: TypeAlias = list[tuple[ConsumerRecord, Record | None]]
Bad: TypeAlias = list[tuple[ConsumerRecord, str]]


class Decoding:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thinning = Thinning(settings.readings_every_s)
        self._chosen: list[dict[tuple[bytes | None, bytes], tuple[int, int]]] = []

    def decode(self, tp: TopicPartition, records: Sequence[ConsumerRecord]) -> tuple[DecodedRecords, Bad]:
        """What each record is, none where it is nothing that is kept; and those that nobody could read.

        Fields of outputs that this version does not know are left out: the edge may be upgraded before the sink.
        """
        topic = tp.topic.removeprefix(self._settings.topic_prefix)
        if topic in DEAD_LETTERS:
            return [(record, _dead_letter(DEAD_LETTERS[topic], record)) for record in records], []
        if topic in INPUTS:
            return self._inputs(topic, records), []
        return _outputs(topic, records)

    def begin(self) -> None:
        """A batch begins; what was chosen of one before and not written is forgotten."""
        self._chosen = []

    def done(self) -> None:
        """The batch is written."""
        for chosen in self._chosen:
            self._thinning.remember(chosen)
        self._chosen = []

    def _inputs(self, topic: str, records: Sequence[ConsumerRecord]) -> DecodedRecords:
        records = [record for record in records if not is_second(record)]
        if topic == TELEMETRY:
            kept, chosen = self._thinning.choose(records)
            self._chosen.append(chosen)
            records = kept
        events, _ = decode_topics(records, (topic,), self._settings)
        decoded: DecodedRecords = []
        for record, event in zip(records, events, strict=True):
            if event is not None:
                decoded.append((record, Placed(record.partition, record.offset, event)))
            elif topic in (ITEMS, ASSETS) and record.value is None and (key := readable_key(record)):
                decoded.append((record, Removal(topic, key, _time(record))))
            elif topic == CLICKS and forgets_user(record, self._settings):
                decoded.append((record, Removal(topic, record.key.decode(), _time(record))))
        return decoded


def _outputs(topic: str, records: Sequence[ConsumerRecord]) -> tuple[DecodedRecords, Bad]:
    validate = OUTPUTS[topic].model_validate_json
    decoded: DecodedRecords = []
    bad: Bad = []
    for record in records:
        event: Record | None = None
        try:
            event = _removal(topic, record) if record.value is None else validate(record.value, extra="ignore")
        except ValueError as error:  # pydantic's ValidationError is one
            bad.append((record, text_of(error)))
        decoded.append((record, event))
    return decoded, bad


def _removal(topic: str, record: ConsumerRecord) -> Removal:
    if topic not in TOMBSTONES or record.key is None:
        raise ValueError("it has no value")
    return Removal(topic, record.key.decode())


def _dead_letter(topic: str, record: ConsumerRecord) -> Quarantined:
    header = {name.removeprefix(HEADER): value for name, value in record.headers if name.startswith(HEADER)}
    size = header.get("truncated", b"%d" % len(record.value or b""))
    return Quarantined(
        topic, record.partition, record.offset, _time(record), _number(header.get("partition")),
        _number(header.get("offset")), _text(header.get("exception")) or "", _text(header.get("message")) or "",
        record.key, record.value, _number(size),
    )  # fmt: skip


def _number(text: bytes | None) -> int:
    """-1 where somebody else wrote to the quarantine without saying it."""
    try:
        found = int(text or b"-1")
    except ValueError:
        return -1
    return found if -1 <= found < 2**63 else -1


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _time(record: ConsumerRecord) -> datetime:
    """The broker's; where a client wrote none that is one, the moment."""
    seconds = record_time_s(record)
    return datetime.fromtimestamp(seconds, UTC) if seconds >= EARLIEST.timestamp() else datetime.now(UTC)
