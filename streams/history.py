"""History: the events that the topics hold, for training on what the service itself has seen.

clicks.v1, ... from the earliest offset to the end as it is now ─► decode ─► sorted by event time ─► batches
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from schemas import INPUTS, Click, InputEvent, Item, Settings, Telemetry, topic_name
from streams.agent import at_arrival, decode_records
from streams.kafka import ConsumerRecord, answering, read_to, reading

BATCH = 1000


def read_topics(settings: Settings, topics: Sequence[str]) -> Iterator[list[InputEvent]]:
    """All valid events of the topics (names in the contract), in the order of event time, entries of a log first.

    What a producer's transaction aborted never happened, as for the agents. They are held in memory, about 1 KB each.

    Raises:
        UnavailableError: the broker or a topic is not there.
    """
    events = asyncio.run(_read(settings, topics))
    events.sort(key=lambda event: (event.event_time, isinstance(event, Telemetry)))  # type: ignore[attr-defined]
    for start in range(0, len(events), BATCH):
        yield events[start : start + BATCH]


async def _read(settings: Settings, topics: Sequence[str]) -> list[InputEvent]:
    types = {topic_name(settings, topic): INPUTS[topic] for topic in topics}
    events: list[InputEvent] = []
    with answering(settings):
        async with reading(settings, list(types)) as reader:
            partitions = list(reader.assignment())
            starts, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
            async for records in read_to(reader, starts, ends):
                decoded, _ = decode_records(records, types[records[0].topic], settings)
                events += [_as_served(e, r) for e, r in zip(decoded, records, strict=True) if e is not None]
    return events


def _as_served(event: InputEvent, record: ConsumerRecord) -> InputEvent:
    """What moves the clocks of all is at the time at which it came; plans of a plant may lie ahead."""
    return at_arrival(event, record) if isinstance(event, Click | Item) else event
