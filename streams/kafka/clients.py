"""Kafka clients: how every producer, consumer and admin client of Millrace reaches the broker.

Settings ─► client_options ─► AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from schemas import Settings, SettingsError, UnavailableError
from streams.kafka.login import login_options

log = structlog.get_logger(__name__)
ADVICE = (
    "See that it runs and that MILLRACE_KAFKA and the MILLRACE_KAFKA_* security settings are right; `millrace doctor` "
    "checks them."
)
ConsumerRecord: TypeAlias = Any  # aiokafka.ConsumerRecord[bytes | None, bytes | None]; aiokafka is only half typed
BATCH_BYTES = 900_000  # the broker's default limit of a batch is 1,048,588
MOST_BATCH_BYTES = BATCH_BYTES + 50_000  # with what headers and overhead may add
REQUEST_TIMEOUT_MS = 20_000
OPEN_TIMEOUT_MS = 10_000  # a partition that is not there is waited for as long
ASK_S = 2.0
CLOSE_S = 1.0
FETCH_WAIT_MS = 100  # a fetch returns at once when there is something; without it a new partition waits this long


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments that all aiokafka clients take: address, encryption and login.

    Raises:
        SettingsError: no broker is named, or what its login needs is not there.
    """
    if not settings.kafka:
        raise SettingsError(
            "MILLRACE_KAFKA is empty, so there is no broker to connect to.",
            "Set MILLRACE_KAFKA=host:port, or use `millrace up`, which brings its own Kafka.",
        )
    return {"bootstrap_servers": settings.kafka} | login_options(settings)


@contextmanager
def answering(settings: Settings, advice: str = ADVICE) -> Iterator[None]:
    """What the broker does inside, in words for whoever asked for it.

    Raises:
        UnavailableError: it does not answer, or not as it should.
    """
    try:
        yield
    except (KafkaError, TimeoutError, OSError) as error:
        said = "it says nothing" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise UnavailableError(f"Kafka at {settings.kafka} does not answer as it should: {said}.", advice) from error


async def unbroken(starting: Coroutine[Any, Any, None]) -> None:
    """The start of a client. Where the caller is cancelled it goes on for a moment: aiokafka 0.14 leaves a connection
    open when it is cut short within it.
    """
    task = asyncio.ensure_future(starting)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=CLOSE_S)
        if task.done() and not task.cancelled():
            task.exception()  # of no more interest, and told otherwise
        else:
            task.cancel()
        raise


def group_name(settings: Settings, agent: str) -> str:
    """Consumer group of an agent; its transactional ids begin with it."""
    return f"{settings.topic_prefix}millrace-{agent}"


async def started(client: Any) -> Any:
    """The consumer or producer, started; where that fails nothing is left open."""
    try:
        await unbroken(client.start())
    except BaseException:
        await client.stop()
        raise
    return client


async def open_partition(settings: Settings, tp: TopicPartition) -> tuple[Any, int, int]:
    """A started consumer of one partition, in no group, with the partition's first and next offset.

    Raises:
        KafkaError: the broker does not answer, or has no such partition; nothing is left open. A consumer cannot be
            started twice, so trying again takes a new one.
    """
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        auto_offset_reset="none",
        enable_auto_commit=False,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        request_timeout_ms=OPEN_TIMEOUT_MS,
    )
    try:
        await unbroken(consumer.start())
        consumer.assign([tp])
        first = (await consumer.beginning_offsets([tp]))[tp]
        end = (await consumer.end_offsets([tp]))[tp]
    except BaseException:
        await consumer.stop()
        raise
    return consumer, int(first), int(end)


class TopicEnds:
    """Asks where partitions end, by a connection of its own: on that of a consumer the question would wait for the
    fetch that waits for new records.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Any = None

    async def of(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of each, as a `read_committed` reader sees it.

        Raises:
            KafkaError: the broker does not answer as it should.
            TimeoutError: nor within 2 s.
        """
        async with asyncio.timeout(ASK_S):
            if self._consumer is None:
                reader = AIOKafkaConsumer(**client_options(self._settings), isolation_level="read_committed")
                self._consumer = await started(reader)
            ends: dict[TopicPartition, int] = await self._consumer.end_offsets(list(partitions))
            return ends

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()


@asynccontextmanager
async def administering(settings: Settings) -> AsyncIterator[Any]:
    """A started admin client.

    Raises:
        KafkaError: the broker does not answer.
    """
    admin = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=OPEN_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def cluster(settings: Settings) -> tuple[set[int], int]:
    """The nodes that the cluster lists, and which of them is its controller.

    Raises:
        KafkaError: the broker does not answer.
    """
    async with administering(settings) as admin:
        found = await admin.describe_cluster()
    return {node["node_id"] for node in found["brokers"]}, found["controller_id"]


async def group_offsets(settings: Settings, group: str) -> dict[TopicPartition, int]:
    """What a group has committed.

    Raises:
        KafkaError: the broker does not answer, or not yet: the first group of a new broker takes it a second.
    """
    async with administering(settings) as admin:
        found = await admin.list_consumer_group_offsets(group)
    return {tp: meta.offset for tp, meta in found.items() if meta.offset >= 0}


async def partition_counts(settings: Settings, topics: Sequence[str]) -> dict[str, int]:
    """Partitions of each of the topics, by their names on the broker.

    Raises:
        UnavailableError: a topic is not there.
        KafkaError: the broker does not answer.
    """
    async with administering(settings) as admin:
        found = await admin.describe_topics(list(topics))
    missing = [f"{t['topic']} ({for_code(t['error_code']).__name__})" for t in found if t["error_code"]]
    if missing:
        raise UnavailableError(
            f"Kafka at {settings.kafka} does not have: {', '.join(sorted(missing))}.",
            "Run `millrace topics apply`.",
        )
    return {t["topic"]: len(t["partitions"]) for t in found}
