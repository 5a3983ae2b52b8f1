"""Topics on the broker: create what is missing, bring settings in line, refuse what would tear keys from their state.

schemas.TOPICS ─► compare with the broker ─► refuse, or create and alter ─► wait for leaders
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from schemas import TOPICS, MillraceError, Settings, Topic, partition_count, topic_name
from streams.kafka.clients import administering, answering

PATIENCE_S = 20.0
SET_ON_TOPIC = 1  # Kafka's ConfigSource: not the broker's default


class TopicError(MillraceError):
    title = "The topics cannot be used"


@dataclass(frozen=True)
class TopicChange:
    """What `apply_topics` did to one topic."""

    topic: str
    action: Literal["created", "altered"]
    detail: str


@dataclass(frozen=True)
class TopicStatus:
    """One topic of the contract as it is on the broker. `difference` is empty when all is well."""

    topic: str
    key: str
    purpose: str
    partitions: int
    replication: int
    config: Mapping[str, str]
    difference: str


async def apply_topics(settings: Settings, topics: Sequence[Topic] = TOPICS) -> list[TopicChange]:
    """Make the topics be as they should. Running it again changes nothing.

    Returns:
        The changes, in the order of `topics`; none if all was well.

    Raises:
        UnavailableError: the broker is not there.
        TopicError: a topic has another number of partitions, or the broker refuses; nothing was changed if the former.
    """
    with answering(settings):
        async with administering(settings) as admin:
            statuses = await _statuses(admin, settings, topics)
            _refuse_other_partitions(settings, topics, statuses)
            missing = [topic for topic, status in zip(topics, statuses, strict=True) if not status.partitions]
            created = await _create(admin, settings, missing)
            if len(created) < len(missing):  # another process was faster: see what it made
                statuses = await _statuses(admin, settings, topics)
                _refuse_other_partitions(settings, topics, statuses)
            altered = await _alter(admin, topics, statuses)
            changes = {change.topic: change for change in (*created, *altered)}
            return [changes[status.topic] for status in statuses if status.topic in changes]


async def list_topics(settings: Settings, topics: Sequence[Topic] = TOPICS) -> list[TopicStatus]:
    """The topics as they are on the broker, in the order of `topics`.

    Raises:
        UnavailableError: the broker is not there.
    """
    with answering(settings):
        async with administering(settings) as admin:
            return await _statuses(admin, settings, topics)


async def _statuses(admin: AIOKafkaAdminClient, settings: Settings, topics: Sequence[Topic]) -> list[TopicStatus]:
    names = [topic_name(settings, topic.name) for topic in topics]
    there = {t["topic"]: t["partitions"] for t in await admin.describe_topics(None) if t["topic"] in set(names)}
    configs = await _configs(admin, there)
    return [
        _status(topic, name, partition_count(settings, topic), there.get(name, []), configs.get(name, {}))
        for topic, name in zip(topics, names, strict=True)
    ]


def _status(
    topic: Topic, name: str, wanted: int, partitions: Sequence[Mapping[str, Any]], config: Mapping[str, str]
) -> TopicStatus:
    if not partitions:
        difference = "missing"
    else:
        parts = [
            f"{key}={config.get(key, 'default')}" for key, value in topic.config.items() if config.get(key) != value
        ]
        if len(partitions) != wanted:
            parts.insert(0, f"{len(partitions)} partitions instead of {wanted}")
        difference = ", ".join(parts)
    replication = min((len(p["replicas"]) for p in partitions), default=0)
    return TopicStatus(name, topic.key, topic.purpose, len(partitions), replication, config, difference)


async def _configs(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """What was set on each topic, without the broker's defaults."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answers = await admin.describe_configs(resources) if resources else []
    found: dict[str, dict[str, str]] = {}
    for answer in answers:
        for code, message, _, name, entries in answer.resources:
            if code:
                raise TopicError(f"The settings of {name} cannot be read: {for_code(code).__name__} {message or ''}.")
            found[name] = {key: value for key, value, _, source, *_ in entries if source == SET_ON_TOPIC}
    return found


def _refuse_other_partitions(settings: Settings, topics: Sequence[Topic], statuses: Sequence[TopicStatus]) -> None:
    wrong = [
        f"{status.topic} has {status.partitions} partitions, not {wanted}"
        for topic, status in zip(topics, statuses, strict=True)
        if status.partitions and status.partitions != (wanted := partition_count(settings, topic))
    ]
    if not wrong:
        return
    counts = {s.partitions for t, s in zip(topics, statuses, strict=True) if s.partitions and not t.partitions}
    keep = f"Set MILLRACE_PARTITIONS={counts.pop()} to keep what is there" if len(counts) == 1 else "Keep what is there"
    raise TopicError(
        f"{'; '.join(wrong)}. Nothing was changed: a key's partition follows from their number, so another number "
        "would part users and assets from the state and the earlier events that are kept for them, and partitions "
        "cannot be taken away at all.",
        f"{keep}; or start anew beside it with another MILLRACE_TOPIC_PREFIX and `millrace replay` the events.",
    )


async def _create(admin: AIOKafkaAdminClient, settings: Settings, topics: Sequence[Topic]) -> list[TopicChange]:
    if not topics:
        return []
    names = [topic_name(settings, topic.name) for topic in topics]
    answer = await admin.create_topics(
        [
            NewTopic(name, partition_count(settings, topic), settings.kafka_replication, topic_configs=topic.config)
            for name, topic in zip(names, topics, strict=True)
        ]
    )
    refused = [
        f"{name}: {for_code(code).__name__} {message or ''}".strip()
        for name, code, message, *_ in answer.topic_errors
        if code not in (0, TopicAlreadyExistsError.errno)
    ]
    if refused:
        raise TopicError(
            f"Kafka refused to create {'; '.join(refused)}. The other topics were created.",
            f"MILLRACE_KAFKA_REPLICATION={settings.kafka_replication} needs as many brokers, and the user of "
            "MILLRACE_KAFKA_SASL_USERNAME must be allowed to create topics.",
        )
    async for late in _until_all_are("ready"):
        late.extend(topic["topic"] for topic in await admin.describe_topics(names) if not _has_leaders(topic))
    made = {name for name, code, *_ in answer.topic_errors if not code}
    return [
        TopicChange(name, "created", f"{partition_count(settings, topic)} partitions")
        for name, topic in zip(names, topics, strict=True)
        if name in made
    ]


def _has_leaders(topic: dict[str, Any]) -> bool:
    """Right after its creation a topic is not known, or has no leader."""
    return not topic["error_code"] and all(partition["leader"] >= 0 for partition in topic["partitions"])


async def _until_all_are(what: str) -> AsyncIterator[list[str]]:
    """What was asked for is known to a broker a moment later: again and again, until no topic is added to the list.

    Raises:
        TopicError: there are some after PATIENCE_S.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        late: list[str] = []
        yield late
        if not late:
            return
        if time.monotonic() > deadline:
            raise TopicError(f"{', '.join(sorted(late))}: not {what} after {PATIENCE_S:.0f} s.", "Try again.")
        await asyncio.sleep(0.02)


async def _alter(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic], statuses: Sequence[TopicStatus]
) -> list[TopicChange]:
    changed = [
        (topic, status)
        for topic, status in zip(topics, statuses, strict=True)
        if status.partitions and status.difference
    ]
    if not changed:
        return []
    # This request replaces all that is set on a topic, so what others have set goes with it.
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, status.topic, {**status.config, **topic.config})
        for topic, status in changed
    ]
    for answer in await admin.alter_configs(resources):
        for code, message, _, name in answer.resources:
            if code:
                raise TopicError(f"Kafka refused to alter {name}: {for_code(code).__name__} {message or ''}.")
    return [TopicChange(status.topic, "altered", f"was {status.difference}") for _, status in changed]
