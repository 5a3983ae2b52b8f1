"""Recall: what earlier owners of a partition sent since its last checkpoint. It is not sent again, nor contradicted.

outputs and dead letters, from where the checkpoint left them ─► ids, CRC-32 of their values, how far they decided

A decision may depend on more than rows and records (which items the view knew, which entries of the log were there), so
a repetition may differ from what was sent already: the first one stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import orjson
import structlog
from aiokafka import TopicPartition

from schemas import dead_letters_of
from streams.agent.deadletters import HEADER
from streams.agent.handler import DeadLetter, Output
from streams.agent.ownership import Positions
from streams.metrics import REPEATS

log = structlog.get_logger(__name__)
ID = "ce_id"
QUARANTINE = dead_letters_of("")


async def output_starts(
    reader: Any, tps: Sequence[TopicPartition], noted: Positions
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Where the checkpoint left the outputs, and where they end now. Without a note nothing is recalled."""
    reader.assign(list(tps))
    first, ends = await reader.beginning_offsets(list(tps)), await reader.end_offsets(list(tps))
    starts = {tp: noted.get(tp.topic, ends[tp]) for tp in tps}
    # beyond the end: the topic was made anew; before the first: retention took some
    return {tp: at if first[tp] <= at <= ends[tp] else first[tp] for tp, at in starts.items()}, ends


class Sent:
    """Outputs as they are read back."""

    def __init__(self, main_topic: str) -> None:
        self._main_topic = main_topic
        self.ids: dict[str, int] = {}
        self.decided_until = 0  # next offset of the main topic after the last whose decisions were sent

    def take(self, records: Sequence[Any]) -> None:
        for record in records:
            try:
                self._take(record)
            except (ValueError, KeyError, TypeError, AttributeError):  # not ours: it must not keep a partition closed
                log.warning("a record on an output topic is not ours", topic=record.topic, offset=record.offset)

    def _take(self, record: Any) -> None:
        headers = {name: value or b"" for name, value in record.headers}
        if record.topic.endswith(QUARANTINE):
            self.ids[_dead_id(headers[HEADER + "topic"].decode(), int(headers[HEADER + "offset"]))] = 0
            return
        if ID in headers:
            self.ids[headers[ID].decode()] = crc32(record.value or b"")
        cause = orjson.loads(record.value).get("caused_by") if record.value else None
        if cause and cause["topic"] == self._main_topic:
            self.decided_until = max(self.decided_until, cause["offset"] + 1)


def _dead_id(topic: str, offset: int) -> str:
    return f"dead/{topic}/{offset}"


def not_quarantined(letters: Sequence[DeadLetter], prefix: str, sent: dict[str, int]) -> list[DeadLetter]:
    """The dead letters without those that were sent already, which are forgotten."""
    named = [(letter, _dead_id(letter.record.topic.removeprefix(prefix), letter.record.offset)) for letter in letters]
    return [letter for letter, name in named if sent.pop(name, None) is None]


def not_sent(agent: str, outputs: Sequence[Output], sent: dict[str, int]) -> list[Output]:
    """The outputs without those that were sent already, which are forgotten."""
    left = []
    for output in outputs:
        ce_id = next((value.decode() for name, value in output.headers if name == ID and value), None)
        known = sent.pop(ce_id, None) if ce_id is not None else None
        if known is None:
            left.append(output)
        else:
            REPEATS.labels(agent, "the same" if known == crc32(output.value or b"") else "otherwise").inc()
    return left
