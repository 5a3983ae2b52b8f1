"""Latest: the newest reading of an asset on its topic, and what the workers say, for whoever sends by hand.

telemetry.v1, read from its end backwards ─► the newest reading │ workers.v1, committed offsets ─► why nothing came
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson

from schemas import CLICKS, TELEMETRY, WORKERS, MillraceError, Settings, Telemetry, WorkerStatus, topic_name
from streams.kafka import answering, group_name, group_offsets, read_to, reading

STEPS = (1_000, 20_000, 400_000)  # records of each partition, from its end, until the asset is found
ALIVE = timedelta(seconds=15)  # a worker tells of itself every five seconds
AGENTS = {CLICKS: "recommend"}  # of the other topics `maintain`


class NoReadingError(MillraceError):
    title = "There is no reading to begin from"


async def last_reading(settings: Settings, asset_id: str, asset_class: str | None) -> Telemetry:
    """The newest reading of the asset, by event time.

    Raises:
        NoReadingError: none is among the newest 400,000 records of each partition.
        UnavailableError: the broker or the topic is not there.
    """
    key = asset_id.encode()
    with answering(settings):
        async with reading(settings, [topic_name(settings, TELEMETRY)]) as reader:
            partitions = list(reader.assignment())
            first, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
            for step in STEPS:
                starts = {tp: max(first[tp], ends[tp] - step) for tp in partitions}
                found = [
                    event
                    async for records in read_to(reader, starts, ends)
                    for record in records
                    if record.key == key and (event := _reading(record.value, asset_class)) is not None
                ]
                if found:
                    return max(found, key=lambda event: event.event_time)
                ends = starts
    of = f" of class {asset_class}" if asset_class else ""
    raise NoReadingError(
        f"{TELEMETRY} has no reading of the asset {asset_id!r}{of}. Nothing was sent.",
        "Give --class and the numbers by --set SENSOR=NUMBER, without --like.",
    )


def _reading(value: bytes | None, asset_class: str | None) -> Telemetry | None:
    try:
        event = Telemetry.model_validate_json(value or b"")
    except ValueError:
        return None
    return event if asset_class in (None, event.asset_class) else None


async def why_silent(settings: Settings, topic: str, partition: int, offset: int) -> str:
    """Why a record led to nothing so far, as far as the workers and their offsets tell, for people.

    Raises:
        UnavailableError: the broker does not answer.
    """
    agent = AGENTS.get(topic, "maintain")
    with answering(settings):
        alive = await _workers(settings)
        if not alive:
            return "No edge worker has told of itself within the last 15 s, so none runs, or it is still starting."
        offsets = await group_offsets(settings, group_name(settings, agent))
    name = topic_name(settings, topic)
    done = next((at for tp, at in offsets.items() if (tp.topic, tp.partition) == (name, partition)), 0)
    if done > offset:
        return "An edge worker has handled it; it did not tell why nothing came, so it is of an older version."
    behind = f"{offset - done:,} records before it are not saved yet" if offset > done else "it is the next one"
    return f"Edge workers run ({', '.join(alive)}), and have not come to it: {behind}."


async def _workers(settings: Settings) -> list[str]:
    async with reading(settings, [topic_name(settings, WORKERS)]) as reader:
        partitions = list(reader.assignment())
        starts, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
        newest: dict[bytes, bytes | None] = {}
        async for records in read_to(reader, starts, ends):
            newest |= {record.key: record.value for record in records}
    told = [WorkerStatus.model_validate(orjson.loads(value)) for value in newest.values() if value]
    return [status.worker for status in told if status.event_time > datetime.now(UTC) - ALIVE]
