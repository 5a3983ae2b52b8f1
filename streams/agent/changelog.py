"""Changelog: partition state on Kafka. One transaction saves the changed rows, their positions and the group's offsets.

open: fence earlier owners ─► read rows and standing ─► compare with topics and group ─► recall outputs ─► first commit
commit: changed rows + standing ─► changelog, positions ─► group offsets, all or nothing
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka import TopicPartition

from schemas import MillraceError, Settings, dead_letters_of, topic_name
from streams.agent.handler import Handler
from streams.agent.ownership import Memory, Partition, Positions
from streams.agent.recall import Sent, output_starts
from streams.agent.saved import ReplayedChangelog, Snapshot, Standing, encode, restore
from streams.agent.transactions import CheckpointProducer
from streams.kafka import client_options, group_name, group_offsets, partition_counts, read_to, reading, topic_ids
from streams.metrics import REFUSED_ROWS, TOPICS_MADE_ANEW

log = structlog.get_logger(__name__)
__all__ = ["Changelog", "Snapshot", "StateMismatchError", "take_snapshot"]


class StateMismatchError(MillraceError):
    title = "The partition state does not fit the consumer group"


def take_snapshot(part: Partition) -> Snapshot:
    """Copies of what changed since the last snapshot; between two batches only."""
    tables = {name: (rows.layout, rows.take_changes()) for name, rows in part.state.tables.items()}
    return Snapshot(standing_of(part), tables)


def standing_of(part: Partition) -> Standing:
    """Where it stands now; outputs are those known to be acknowledged."""
    return Standing(
        positions=dict(part.positions),
        ahead=frozenset(part.ahead),
        number=part.checkpoint + 1,
        owner=part.owner,
        placed=tuple(part.memory.placed),  # those that are applied by now are passed over at opening
        outputs=dict(part.output_ends),
        topic_ids=dict(part.topic_ids),
        origins=dict(part.origins),
    )


class Changelog:
    """The saved state of one agent."""

    def __init__(self, settings: Settings, handler: Handler) -> None:
        self.group = group_name(settings, handler.name)
        self.topics = [topic_name(settings, topic) for topic in handler.topics]
        self.log_topic = topic_name(settings, handler.log_topic) if handler.log_topic else None
        self.outputs = [topic_name(settings, topic) for topic in handler.outputs]
        self.topic = topic_name(settings, handler.changelog)
        self._settings, self._handler = settings, handler
        self._options = client_options(settings)
        self._seen: dict[str, tuple[str, str]] = {}  # topic -> id, and what ids of outputs are made of

    async def open(self, part: Partition) -> None:
        """Fence earlier owners, then load: only after fencing is the outcome of their last transaction decided.

        Raises:
            StateMismatchError: changelog and consumer group disagree.
            FencedError: another worker was faster.
            KafkaError: the broker does not answer, or refuses.
        """
        part.producer = CheckpointProducer(self._options, f"{self.group}-{part.number}")
        await part.producer.start()
        async with reading(self._settings) as reader:
            replayed = await self._replay(reader, part.number)
            part.topic_ids = await self._topic_ids()
            is_anew = await self._stand(reader, part, replayed.standing)
            await self._recall(reader, part, replayed, is_anew)
        torn = replayed.torn
        if torn:
            REFUSED_ROWS.labels(self._handler.name).inc(len(torn))
            part.log.error("a torn checkpoint is refused: its rows are taken from the one before", rows=len(torn))
        part.state = restore(part.number, self._handler.layouts(), replayed.rows)
        prefix = self._settings.topic_prefix
        part.state.origins = {topic.removeprefix(prefix): origin for topic, origin in part.origins.items()}
        counts = await partition_counts(self._settings, self.topics)
        part.state.partitions = min(counts.values())  # they are equal, or the source does not join
        part.owner, part.checkpoint = uuid.uuid4().hex, replayed.newest_number
        repaired = {**torn, **dict.fromkeys(replayed.forgotten())}
        await self.commit(part, Snapshot(standing_of(part), repaired=repaired))
        part.checkpoint += 1
        part.saved = dict(part.positions)

    async def _replay(self, reader: Any, number: int) -> ReplayedChangelog:
        """The changelog from its beginning to its end."""
        source, replayed = TopicPartition(self.topic, number), ReplayedChangelog()
        reader.assign([source])
        first, end = await reader.beginning_offsets([source]), await reader.end_offsets([source])
        async for records in read_to(reader, first, end):
            replayed.take(records)
        return replayed

    async def _topic_ids(self) -> dict[str, str]:
        found = await topic_ids(self._settings, self.topics)
        if missing := set(self.topics) - set(found):
            raise StateMismatchError(f"Kafka does not have {', '.join(missing)}.", "Run `millrace topics apply`.")
        return found

    async def _stand(self, reader: Any, part: Partition, standing: Standing | None) -> bool:
        """Positions, and which topics they are of. Returns whether one was made anew."""
        sources = {topic: TopicPartition(topic, part.number) for topic in self.topics}
        first = await reader.beginning_offsets(list(sources.values()))
        part.memory = Memory(ends={tp.topic: at for tp, at in (await reader.end_offsets(list(first))).items()})
        found, committed = standing or Standing(), await group_offsets(self._settings, self.group)
        part.ahead, is_anew = set(found.ahead), False
        for topic, source in sources.items():
            plain, now = topic.removeprefix(self._settings.topic_prefix), part.topic_ids[topic]
            seen, origin = self._seen.get(topic, ("", plain))  # the changelog may be gone with the topic
            seen, origin = found.topic_ids.get(topic, seen), found.origins.get(topic, origin)
            if seen in ("", now):
                position = self._position(part, topic, found.positions.get(topic), committed.get(source), first[source])
            else:
                origin, position, is_anew = f"{plain}@{now}", first[source], True
                self._made_anew(part, topic, found.positions.get(topic, 0))
            part.positions[topic], part.origins[topic] = position, origin
            self._seen[topic] = now, origin
        for topic in self.outputs:  # of what lives as long as the state does: alerts
            plain = topic.removeprefix(self._settings.topic_prefix)
            new = plain + "".join(part.origins[self.topics[0]].partition("@")[1:])
            part.origins[topic] = found.origins.get(topic, plain if standing else new)
        return is_anew

    def _made_anew(self, part: Partition, topic: str, position: int) -> None:
        TOPICS_MADE_ANEW.labels(self._handler.name, topic.removeprefix(self._settings.topic_prefix)).inc()
        if topic == self.log_topic:
            part.ahead = set()
        part.log.error(
            "a topic was deleted and made anew; it is read from its beginning. What was in the old one beyond the "
            "position is lost; ids of decisions differ from those before",
            topic=topic, position_in_the_old_one=position,
        )  # fmt: skip

    def _position(self, part: Partition, topic: str, position: int | None, committed: int | None, first: int) -> int:
        """The changelog decides. The group's offset may be missing, as Kafka forgets those of idle groups, or
        behind, when a transaction was ended before its offsets were in it.
        """
        if position is None and committed is None:  # never read before
            return first
        if position is None or (committed is not None and committed > position):
            raise StateMismatchError(
                f"{topic}-{part.number}: the changelog {self.topic} stands at {position}, the group {self.group} at "
                f"{committed}. Going on would skip or repeat events.",
                "Was one of the topics deleted or restored from a backup? To start afresh, delete the changelog topic "
                "and the consumer group, run `millrace topics apply`, and replay the events.",
            )
        if committed is not None and committed < position:
            part.log.warning("the group's offset is behind the changelog's", topic=topic, committed=committed)
        return position

    async def _recall(self, reader: Any, part: Partition, replayed: ReplayedChangelog, is_anew: bool) -> None:
        """What earlier owners decided since the checkpoint; of records of another topic it says nothing."""
        quarantine = [dead_letters_of(topic) for topic in self.topics]
        tps = [TopicPartition(topic, part.number) for topic in (*self.outputs, *quarantine)]
        sent = Sent(self._handler.topics[0])
        standing = replayed.standing if not is_anew else None
        starts, ends = await output_starts(reader, tps, standing.outputs if standing else {})
        async for records in read_to(reader, starts, ends):
            sent.take(records)
        part.output_ends = {tp.topic: at for tp, at in starts.items()}
        part.memory.sent, part.memory.decided_until = sent.ids, sent.decided_until
        if standing:
            part.memory.placed = [p for p in replayed.placed if not standing.has_applied(p[0], self.log_topic)]

    async def commit(self, part: Partition, snapshot: Snapshot) -> None:
        """All or nothing; raises as `CheckpointProducer.commit`."""
        standing = snapshot.standing
        offsets = {TopicPartition(topic, part.number): at for topic, at in standing.positions.items()}
        to = TopicPartition(self.topic, part.number)
        await part.producer.commit(to, encode(snapshot), standing.number, offsets, self.group)

    async def close(self, part: Partition) -> None:
        """Give the producer back."""
        producer, part.producer = part.producer, None
        if producer is not None:
            await producer.close()


def covered(standing: Standing, acknowledged: Positions) -> Standing:
    """With where the outputs ended that this checkpoint covers."""
    fields: Mapping[str, Any] = {**standing.__dict__, "outputs": {**standing.outputs, **acknowledged}}
    return Standing(**fields)
