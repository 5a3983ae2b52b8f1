"""Replay: events from files onto their topics, paced, resumable.

files ─► rows by event time ─► skip what was sent ─► pace ─► producer ─► acknowledged ─► position in MILLRACE_HOME

The position counts acknowledged events and is saved every second and at the end, however that comes. After kill -9 up
to a second of events is sent again, under the same event ids, which Millrace does not apply twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from millrace.events.files import EventFile, EventFileError, Read, merged
from millrace.events.rows import EventRow
from millrace.tables import Report
from models.files import replace_file
from schemas import ASSETS, ITEMS, MAINTENANCE, Settings
from streams.kafka import EventProducer, answering, partition_counts

RUN_AGAIN = "See that it runs, then run the same command again: it goes on from there."
IN_FLIGHT = 4000  # records queued but not acknowledged; deep enough to keep the sender busy
SAVE_INTERVAL_S = 1.0
LEAST_SLEEP_S = 0.002  # shorter waits are not worth a sleep
STOP_S = 5.0
TOLD_FIRST = (ITEMS, MAINTENANCE, ASSETS)  # on the broker before the clicks and readings that follow are sent


@dataclass(frozen=True)
class Pace:
    """`rate` events a second, or `speed` times as fast as they happened; with neither, as fast as Kafka takes them."""

    rate: float | None = None
    speed: float | None = None

    def due_s(self, number: int, after_first_s: float) -> float:
        """Seconds after the start at which an event is due, from its number and event time."""
        if self.rate is not None:
            return number / self.rate
        return after_first_s / self.speed if self.speed is not None else 0.0


@dataclass(frozen=True)
class ReplayResult:
    """How many events were sent in this run and skipped since an earlier one had sent them."""

    sent: int
    skipped: int
    seconds: float


@dataclass
class Position:
    """How many events of these files have been acknowledged, kept in a file."""

    file: Path
    sizes: dict[str, int]
    acknowledged: int = 0

    @classmethod
    def load(cls, settings: Settings, sources: list[EventFile], *, restart: bool) -> Position:
        """Raise EventFileError if a file is shorter than when the replay began: it is another one."""
        sizes = {_name(source): source.file.stat().st_size for source in sources}
        name = hashlib.sha256("\n".join([settings.topic_prefix, *sizes]).encode()).hexdigest()[:16]
        file = settings.home / "replay" / f"{name}.json"
        if restart or not file.exists():
            return cls(file, sizes)
        saved = orjson.loads(file.read_bytes())
        for key, size in sizes.items():
            if size < saved["sizes"][key]:
                raise EventFileError(
                    f"{key} is shorter than when {saved['acknowledged']:,} events were sent: it is another file.",
                    "Use --restart to send it from its beginning.",
                )
        return cls(file, sizes, saved["acknowledged"])

    def save(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.file, orjson.dumps({"sizes": self.sizes, "acknowledged": self.acknowledged}))


@dataclass
class Replay:
    """One replay.

    Args:
        report: told of the bytes read since the last time.
        skip: told of each row that is no event, which is then left out; without it such a row ends the replay.
    """

    settings: Settings
    sources: list[EventFile]
    pace: Pace = field(default_factory=Pace)
    is_checked: bool = True
    report: Report = lambda _: None
    skip: Callable[[EventFile, Read], None] | None = None
    sent: int = 0

    async def run(self, *, restart: bool = False) -> ReplayResult:
        """Send what has not been sent.

        Raises:
            EventFileError: a line is not an event; what came before it is sent.
            UnavailableError: the broker or a topic is not there, or Kafka did not take an event.
        """
        started = time.monotonic()
        position = Position.load(self.settings, self.sources, restart=restart)
        skipped = position.acknowledged
        rows = merged(self.sources, is_checked=self.is_checked, report=self.report, skip=self.skip)
        if named := {source.topic for source in self.sources if source.topic}:
            with answering(self.settings):
                await partition_counts(self.settings, [self.settings.topic_prefix + topic for topic in named])
        async with EventProducer(self.settings) as producer:
            await self._send(itertools.islice(rows, skipped, None), producer, position)
        return ReplayResult(self.sent, skipped, time.monotonic() - started)

    async def _send(self, rows: Iterator[EventRow], producer: EventProducer, position: Position) -> None:
        waiting: deque[Any] = deque()
        started = saved = time.monotonic()
        first_s, before = 0.0, ""
        try:
            for row in rows:
                first_s = first_s or row.time_s
                wait_s = started + self.pace.due_s(self.sent, row.time_s - first_s) - time.monotonic()
                if wait_s > LEAST_SLEEP_S:
                    await asyncio.sleep(wait_s)
                with answering(self.settings, RUN_AGAIN):
                    if before in TOLD_FIRST and row.topic != before:
                        await producer.flush()
                    before = row.topic
                    waiting.append(await producer.push_bytes(row.topic, row.key, row.value))
                    self.sent += 1
                    if len(waiting) >= IN_FLIGHT or waiting[0].done():
                        await _acknowledge(waiting, position, IN_FLIGHT // 2)
                if (now := time.monotonic()) - saved > SAVE_INTERVAL_S:
                    saved = now
                    position.save()
        finally:
            try:
                with answering(self.settings, RUN_AGAIN):
                    await asyncio.wait_for(_acknowledge(waiting, position, 0), STOP_S if waiting else None)
            finally:
                position.save()


async def _acknowledge(waiting: deque[Any], position: Position, leave: int) -> None:
    """Count what Kafka has, in order, and wait until no more than `leave` are on their way."""
    while waiting and (len(waiting) > leave or waiting[0].done()):
        await waiting[0]
        waiting.popleft()
        position.acknowledged += 1


def _name(source: EventFile) -> str:
    """The file and how it is read: read in another way it has other events."""
    mapping = source.said()
    said = f" {hashlib.sha256(mapping.text().encode()).hexdigest()[:16]}" if mapping else ""
    return f"{source.topic or 'topics of lines'} {source.file.resolve()}{said}"
