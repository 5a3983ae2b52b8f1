"""Publish: what the API asks of Kafka, over one producer that is opened when it is first needed.

POST /v1/events ─► checked as a worker checks ─► producer ─► place on the topic ─► (wait) decisions
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence, Set
from datetime import datetime
from typing import Any, NamedTuple

from api import Outgoing
from millrace.events.latest import why_silent
from millrace.events.send import ANSWERS, EXPECTED, Decision, Listener, Place, listening
from schemas import (
    ACTIONS,
    CLICKS,
    FORGET_HEADER,
    INPUTS,
    KEY_FIELDS,
    MAINTENANCE,
    UNDECIDED,
    WHY_HEADER,
    Action,
    Letters,
    Maintenance,
    ReplayedBody,
    SentEvent,
    Settings,
    TraceBody,
    UnavailableError,
    dead_letters_of,
    parse_event,
    topic_name,
)
from storage import Told
from streams.agent import cloud_event_headers, decode_topics, partition_of
from streams.kafka import EventProducer, answering, partition_counts
from streams.quarantine import replay_letters
from streams.trace import trace_record

CHECKED_S = 1.0
MOST_ENTRY_WAIT_S = 1.0  # of entries of a log alone, which seldom change an alert
LOOKED_S = 1.0  # why nothing came; with the longest wait within the 6 s too
READ_S = 3.0  # of topics; a client that is broken off takes another second to close, within the 6 s too
ACKNOWLEDGED_S = 4.0  # within the 6 s in which the API answers
LATE = "was not acknowledged in time: it may be on its topic or not; sent again with its event_id it counts once"


class _Record(NamedTuple):
    """What decoding looks at in a record of Kafka's client."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class KafkaPublisher:
    """The `Publisher` of the API. One event loop uses it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: EventProducer | None = None
        self._opening, self._replaying = asyncio.Lock(), asyncio.Lock()
        self._answers_until = 0.0

    async def check(self) -> None:
        """Asked at most once a second: whoever starts a service asks ten times."""
        if time.monotonic() < self._answers_until:
            return
        with answering(self._settings):
            await partition_counts(self._settings, [topic_name(self._settings, topic) for topic in INPUTS])
        self._answers_until = time.monotonic() + CHECKED_S

    async def publish(self, events: Sequence[Outgoing], wait_s: float) -> list[SentEvent]:
        usable, refused = self._checked(events)
        if not usable:
            return refused
        producer = await self._producer()
        topics = {event.topic for event, _ in usable if ANSWERS[event.topic]} if wait_s > 0 else set()
        async with contextlib.AsyncExitStack() as stack:
            with answering(self._settings):
                async with asyncio.timeout(READ_S):
                    listener = await stack.enter_async_context(self._listening(topics))
            sent = time.perf_counter()
            with answering(self._settings):
                async with asyncio.timeout(ACKNOWLEDGED_S):
                    futures = [
                        await producer.push_bytes(event.topic, key, event.value, _headers(event, wait_s))
                        for event, key in usable
                    ]
                    await asyncio.wait(futures, timeout=ACKNOWLEDGED_S)
            results = [_result(event, future) for (event, _), future in zip(usable, futures, strict=True)]
            if listener is not None:
                results = await self._with_decisions(listener, results, sent, wait_s)
        return [*results, *refused]

    async def tell(self, actions: Sequence[Told]) -> None:
        producer = await self._producer()
        with answering(self._settings):
            async with asyncio.timeout(ACKNOWLEDGED_S):
                for action, _, updated_at in actions:
                    if action.kind == "closed":  # first: an action that is told is done
                        await (await producer.push(MAINTENANCE, _closing(action, updated_at)))
                    headers = cloud_event_headers(action.action_id, "millrace.action.v1", "millrace", action.event_time)
                    value = action.model_dump_json(exclude_none=True).encode()
                    await (await producer.push_bytes(ACTIONS, action.alert_id.encode(), value, headers))

    async def forget(self, user_id: str) -> SentEvent:
        producer = await self._producer()
        with answering(self._settings):
            async with asyncio.timeout(ACKNOWLEDGED_S):
                sent = await producer.push_bytes(CLICKS, user_id.encode(), None, [(FORGET_HEADER, b"user")])
                at = await sent
        return SentEvent(index=0, topic=CLICKS, partition=at.partition, offset=at.offset)

    async def trace(self, topic: str, partition: int, offset: int) -> TraceBody | None:
        with answering(self._settings):
            async with asyncio.timeout(READ_S):
                return await trace_record(self._settings, topic, partition, offset)

    def partition_of(self, key: str, partitions: int) -> int:
        return partition_of(key.encode(), partitions)

    async def replay(self, topic: str, which: Letters, by: str) -> ReplayedBody:
        async with self._replaying:  # the second of two would fence the first
            replayed = await replay_letters(self._settings, topic, which, by)
        return ReplayedBody(topic=topic, sent=replayed.sent, truncated=replayed.truncated, deleted=replayed.deleted)

    async def close(self) -> None:
        if self._opened is not None:
            with contextlib.suppress(UnavailableError), answering(self._settings):
                async with asyncio.timeout(2):
                    await self._opened.__aexit__(None, None, None)
            self._opened = None

    async def _producer(self) -> EventProducer:
        async with self._opening:
            if self._opened is None:
                try:
                    async with asyncio.timeout(ACKNOWLEDGED_S):
                        self._opened = await EventProducer(self._settings).__aenter__()
                except TimeoutError as error:
                    raise UnavailableError(
                        f"Kafka at {self._settings.kafka} does not answer.", "See that it runs."
                    ) from error
            return self._opened

    def _checked(self, events: Sequence[Outgoing]) -> tuple[list[tuple[Outgoing, bytes]], list[SentEvent]]:
        """Those that a worker could use, with the keys of their records; and why the others are refused."""
        records = [self._record(event) for event in events]
        decoded, dead = decode_topics(records, INPUTS, self._settings)
        reasons = {letter.record.offset: letter.reason for letter in dead}
        usable, refused = [], []
        for event, record, read in zip(events, records, decoded, strict=True):
            reason = reasons.get(event.number)
            if reason is None and event.value is not None and read is None:
                reason = "it could not be read"
            if reason is None:
                usable.append((event, record.key or b""))
            else:
                refused.append(SentEvent(index=event.number, topic=event.topic, error=reason))
        return usable, refused

    def _record(self, event: Outgoing) -> _Record:
        """As it would be on its topic, with its place in the request for an offset."""
        key = event.key if event.key is not None else _key_of(event)
        name, now_ms = topic_name(self._settings, event.topic), int(time.time() * 1000)
        return _Record(name, 0, event.number, now_ms, key.encode(), event.value)

    @contextlib.asynccontextmanager
    async def _listening(self, topics: Set[str]) -> AsyncIterator[Listener | None]:
        if not topics:
            yield None
            return
        answers = {answer for topic in topics for answer in (*ANSWERS[topic], dead_letters_of(topic))}
        answers |= {UNDECIDED} if topics & set(EXPECTED) else set()
        async with listening(self._settings, sorted(answers)) as listener:
            yield listener

    async def _with_decisions(
        self, listener: Listener, results: Sequence[SentEvent], sent: float, wait_s: float
    ) -> list[SentEvent]:
        """The results with what came of the events, or why nothing did."""
        places: dict[Place, SentEvent] = {
            (r.topic or "", r.partition or 0, r.offset): r for r in results if r.offset is not None
        }
        expected = {place for place in places if place[0] in EXPECTED}
        longest_s = wait_s if expected else min(wait_s, MOST_ENTRY_WAIT_S)
        found = await listener.caused_by_any(places, expected, sent, longest_s)
        why = {place: _why(found[place]) for place in places}
        silent = [place for place in expected if not found[place]]
        why |= dict.fromkeys(silent, f"nothing came of it within {wait_s:g} s")
        for place in silent[:1]:
            with contextlib.suppress(TimeoutError, UnavailableError):
                async with asyncio.timeout(LOOKED_S):
                    why[place] = f"{why[place]}. {await why_silent(self._settings, *place)}"
        told = {
            event.index: {"decisions": _told(found[place]), "undecided": why[place]} for place, event in places.items()
        }
        return [event.model_copy(update=told.get(event.index, {})) for event in results]


def _headers(event: Outgoing, wait_s: float) -> list[tuple[str, bytes]] | None:
    """Whoever waits wants to know why nothing comes."""
    return [(WHY_HEADER, b"1")] if wait_s > 0 and event.topic in EXPECTED and event.value is not None else None


def _key_of(event: Outgoing) -> str:
    """What the contract says is the key; a number by its decimal text. Without one decoding says what is missing."""
    try:
        found, _ = parse_event(INPUTS[event.topic], event.value or b"")
    except ValueError:  # pydantic's ValidationError is one
        return ""
    return str(getattr(found, KEY_FIELDS[event.topic]))


def _closing(action: Action, updated_at: datetime) -> dict[str, Any]:
    """What the worker of the asset hears of an alert that was closed by hand: after what it said of it itself."""
    event = Maintenance(
        event_id=action.action_id, event_time=max(action.event_time, updated_at), asset_id=action.asset_id,
        asset_class=action.asset_class, kind="alert_closed", component=action.failure_mode,
    )  # fmt: skip
    return event.model_dump(mode="json", exclude_none=True)


def _result(event: Outgoing, future: asyncio.Future[Any]) -> SentEvent:
    if not future.done():
        return SentEvent(index=event.number, topic=event.topic, error=LATE)
    if (error := future.exception()) is not None:
        return SentEvent(index=event.number, topic=event.topic, error=f"the broker did not take it: {error}")
    at = future.result()
    return SentEvent(index=event.number, topic=event.topic, partition=at.partition, offset=at.offset)


def _told(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """Decisions with their topics; of a dead letter why it is one."""
    return [
        {"topic": decision.topic, "reason": decision.event["reason"]}
        if "reason" in decision.event and decision.topic.endswith(".dlq")
        else {"topic": decision.topic, "event": decision.event}
        for decision in decisions
        if decision.topic != UNDECIDED
    ]


def _why(decisions: Sequence[Decision]) -> str | None:
    """Why an event has no decision of its own, as a worker says it."""
    said = (decision.event for decision in decisions if decision.topic == UNDECIDED)
    return next((f"{event['reason']}: {event['detail']}" for event in said), None)
