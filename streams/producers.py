"""Producers: do they put records on the partition of their key? Looked at in what the input topics hold.

newest records of each partition ─► those on another partition than their key's, or without a key ─► counts by topic
"""

from __future__ import annotations

from typing import NamedTuple

from schemas import INPUTS, Settings, topic_name
from streams.agent import partition_of, taken_from
from streams.kafka import answering, read_to, reading

NEWEST = 1000  # records of each partition


class Placement(NamedTuple):
    """How many of the records looked at a producer put on another partition than their key's, or without a key."""

    misplaced: int
    looked_at: int


async def placements(settings: Settings) -> dict[str, Placement]:
    """By input topic (the name in the contract), of the newest records.

    Raises:
        UnavailableError: the broker or a topic is not there.
    """
    found = dict.fromkeys(INPUTS, Placement(0, 0))
    names = {topic_name(settings, topic): topic for topic in INPUTS}
    with answering(settings):
        async with reading(settings, list(names)) as reader:
            partitions = list(reader.assignment())
            first, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
            starts = {tp: max(first[tp], ends[tp] - NEWEST) for tp in partitions}
            counts = {topic: sum(tp.topic == topic for tp in partitions) for topic in names}
            async for records in read_to(reader, starts, ends):
                topic, partition = records[0].topic, records[0].partition
                own = [record.key for record in records if taken_from(record) is None]
                wrong = sum(not key or partition_of(key, counts[topic]) != partition for key in own)
                before = found[names[topic]]
                found[names[topic]] = Placement(before.misplaced + wrong, before.looked_at + len(own))
    return found
