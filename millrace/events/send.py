"""One event, and what came back: for people who want to see the service answer.

event ─► schema ─► topic ─► wait on the output topics and the quarantine for what it caused ─► decisions with delay
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from millrace.events.latest import why_silent
from schemas import (
    ALERTS,
    ASSETS,
    CLICKS,
    ITEMS,
    KEY_FIELDS,
    MAINTENANCE,
    RECOMMENDATIONS,
    SCORES,
    TELEMETRY,
    UNDECIDED,
    WHY_HEADER,
    InputEvent,
    MillraceError,
    Settings,
    UnavailableError,
    dead_letters_of,
    topic_name,
)
from streams.agent import HEADER
from streams.kafka import EventProducer, answering, reading

ANSWERS: dict[str, tuple[str, ...]] = {
    CLICKS: (RECOMMENDATIONS,),
    TELEMETRY: (SCORES, ALERTS),
    MAINTENANCE: (ALERTS,),
    ITEMS: (),
    ASSETS: (),
}
EXPECTED = (CLICKS, TELEMETRY)  # the other events only change what is known
Place = tuple[str, int, int]  # topic (its name in the contract), partition, offset
SETTLE_S = 0.1  # a reading may lead to several scores and an alert, all of one batch


class EventError(MillraceError):
    title = "The event was not accepted"


class UndecidedError(MillraceError):
    title = "The event has no decision of its own"


class NoDecisionError(UnavailableError):
    title = "No decision came back"


@dataclass(frozen=True)
class Decision:
    """An output event and how long after sending it was here."""

    topic: str
    delay_ms: float
    event: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """Where the event went, and what it caused."""

    topic: str
    partition: int
    offset: int
    acknowledged_ms: float
    decisions: list[Decision] = field(default_factory=list)


async def send_event(settings: Settings, topic: str, event: InputEvent, wait_s: float) -> Answer:
    """Push the event and wait for the decisions that name it as their cause.

    Raises:
        EventError: the service quarantined the event; with the reason.
        UndecidedError: a worker says why a click or reading has no decision of its own.
        NoDecisionError: a click or reading led to nothing within `wait_s`; with what the workers' offsets tell.
        UnavailableError: the broker or a topic is not there.
    """
    key = str(getattr(event, KEY_FIELDS[topic])).encode()
    return await send_bytes(settings, topic, key, event.model_dump_json(exclude_none=True).encode(), wait_s)


async def send_bytes(settings: Settings, topic: str, key: bytes, value: bytes | None, wait_s: float) -> Answer:
    """As `send_event`, with bytes as they are; none is a tombstone."""
    is_expected = topic in EXPECTED
    answers = (*ANSWERS[topic], dead_letters_of(topic), *([UNDECIDED] if is_expected else []))
    headers = [(WHY_HEADER, b"1")] if is_expected else None
    async with listening(settings, answers) as listener, EventProducer(settings) as producer:
        sent = time.perf_counter()
        metadata = await (await producer.push_bytes(topic, key, value, headers))
        acknowledged_ms = _milliseconds_since(sent)
        where = (topic, metadata.partition, metadata.offset)
        found = await listener.caused_by(*where, sent, wait_s)
    place = f"{topic}, partition {metadata.partition}, offset {metadata.offset}"
    for decision in found:
        _raise_why(topic, place, decision)
    if is_expected and not found:
        why = await why_silent(settings, *where)
        raise NoDecisionError(
            f"{topic} has the event (partition {metadata.partition}, offset {metadata.offset}), but nothing came out "
            f"within {wait_s:g} s. {why}",
            "`millrace up` starts a worker; one that has just started or is busy with earlier events needs a longer "
            "--wait. `millrace doctor` looks at everything.",
        )
    return Answer(*where, acknowledged_ms, found)


def _raise_why(topic: str, place: str, decision: Decision) -> None:
    """Raises:
    EventError: it is a dead letter.
    UndecidedError: the worker says why there is no decision.
    """
    if decision.topic == dead_letters_of(topic):
        raise EventError(
            f"{place} is quarantined: {decision.event['reason']}",
            f"It is on {dead_letters_of(topic)}: `millrace deadletters list {topic}`.",
        )
    if decision.topic == UNDECIDED:
        raise UndecidedError(
            f"{place}: {decision.event['reason']}: {decision.event['detail']}.",
            "millrace_skipped_total of the edge worker counts it under this reason.",
        )


@asynccontextmanager
async def listening(settings: Settings, topics: Sequence[str]) -> AsyncIterator[Listener]:
    """To output topics, from their present ends on."""
    names = {topic_name(settings, topic): topic for topic in topics}
    with answering(settings):
        async with reading(settings, list(names)) as reader:
            for partition, end in (await reader.end_offsets(list(reader.assignment()))).items():
                reader.seek(partition, end)
            yield Listener(settings, names, reader)


@dataclass(frozen=True)
class Listener:
    settings: Settings
    names: Mapping[str, str]  # on the broker -> in the contract
    reader: Any

    async def caused_by(self, topic: str, partition: int, offset: int, sent: float, wait_s: float) -> list[Decision]:
        """What one record led to; see `caused_by_any`."""
        where = (topic, partition, offset)
        return (await self.caused_by_any([where], {where}, sent, wait_s))[where]

    async def caused_by_any(
        self, causes: Iterable[Place], expected: Set[Place], sent: float, wait_s: float
    ) -> dict[Place, list[Decision]]:
        """What some records led to, by their places: until each of the expected ones led to something, or for `wait_s`.

        Args:
            sent: by time.perf_counter(), when they were sent.
        """
        found: dict[Place, list[Decision]] = {cause: [] for cause in causes}
        deadline = time.perf_counter() + wait_s
        is_settling = False
        while (left_s := deadline - time.perf_counter()) > 0:
            batches = await self.reader.getmany(timeout_ms=int(left_s * 1000) + 1)
            delay_ms = _milliseconds_since(sent)
            for records in batches.values():
                for record in records:
                    if (event := _event(record)) and (cause := self._cause(event)) in found:
                        found[cause].append(Decision(self.names[record.topic], delay_ms, event))
            if not is_settling and any(found.values()) and all(found[cause] for cause in expected):
                is_settling, deadline = True, min(deadline, time.perf_counter() + SETTLE_S)
        return found

    def _cause(self, event: dict[str, Any]) -> Place:
        """The place of the record that led to the event; its topic by the name in the contract."""
        cause = event["caused_by"]
        return cause["topic"].removeprefix(self.settings.topic_prefix), cause["partition"], cause["offset"]


def _event(record: Any) -> dict[str, Any] | None:
    """The output event, or for a dead letter its cause and reason from the headers."""
    headers = {
        name.removeprefix(HEADER): (text or b"").decode(errors="replace")
        for name, text in record.headers
        if name.startswith(HEADER)
    }
    try:
        if "message" in headers:
            cause = {name: int(headers[name]) for name in ("partition", "offset")}
            return {"reason": headers["message"], "caused_by": {"topic": headers["topic"], **cause}}
        event = orjson.loads(record.value) if record.value else None
    except (ValueError, KeyError):  # somebody else wrote it
        return None
    return event if isinstance(event, dict) and "caused_by" in event else None


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
