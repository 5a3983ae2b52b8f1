"""Outbox: outputs leave at once, with deterministic ids; they must be acknowledged before the next checkpoint.

outputs of a batch ─► one record batch per topic and partition ─► acknowledgements that the checkpoint waits for
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from models.stages import StageClock
from schemas import INPUTS, MillraceError, Settings, UnavailableError, dead_letters_of, topic_name
from streams.agent.batches import WrittenBatch
from streams.agent.deadletters import bare_letter, dead_letter_output
from streams.agent.handler import Bulk, DeadLetter, Outcome, Output, Outputs, Written
from streams.kafka import BATCH_BYTES, MOST_BATCH_BYTES, client_options, started
from streams.metrics import DEAD_LETTERS, OUTPUTS

log = structlog.get_logger(__name__)
MOST_BYTES = 1_000_000  # of an output
SURELY_BYTES = 500_000  # of a value that needs no closer look
MOST_DEAD_BYTES = 12_500_000  # dead letters keep events that are too large: max.message.bytes of their topics is 12 MiB
RECORD_OVERHEAD = 100  # bytes at most of a batch and a record besides key, value and headers
DEAD_LETTERS_SUFFIX = dead_letters_of("")
FEW = 4  # records; more are a batch of their own, which costs less a record
STOP_S = 5.0


class OutputTooLargeError(MillraceError):
    title = "A decision is too large for its topic"


class Delivery(NamedTuple):
    """A record batch on its way; the future has the metadata of its first record when the broker has it."""

    future: asyncio.Future[Any]
    topic: str  # on the broker
    partition: int
    records: int


class Packed(NamedTuple):
    """A record batch that is full or complete, and the bytes of its records."""

    batch: Any
    size: int


class StoodStillError(KafkaError):
    """This process was frozen with outputs on their way; another worker may have decided them since."""

    retriable = False


class _Guard:
    """In the place of a client's `send`: once the process has stood still, nothing of before goes out any more."""

    def __init__(self, send: Callable[..., Awaitable[Any]], has_stood_still: Callable[[], bool]) -> None:
        self._send, self._has_stood_still = send, has_stood_still
        self.refuses = False

    async def __call__(self, node_id: Any, request: Any, **options: Any) -> Any:
        self.refuses = self.refuses or self._has_stood_still()
        if self.refuses and type(request).__name__.startswith("Produce"):
            raise StoodStillError("The process stood still for longer than its session.")
        return await self._send(node_id, request, **options)


class Outbox:
    """The idempotent producer of one agent.

    `has_stood_still` is asked before each request of the producer: a frozen process may wake with outputs in its
    buffers that another worker has decided meanwhile, from another view.
    """

    def __init__(self, settings: Settings, agent: str, clock: StageClock) -> None:
        self._settings, self._agent, self._clock = settings, agent, clock
        self._producer: Any = None
        self._guard: _Guard | None = None
        self.has_stood_still: Callable[[], bool] = lambda: False
        self._is_broken = False
        self._most: dict[str, int] = {}  # topic -> bytes of a record that the broker takes, once it has refused one
        self._batch: dict[str, int] = {}  # topic -> bytes of a batch, likewise

    def prepare(self) -> None:
        """Make the producer, which connects to nothing yet: enough to `pack`. Needs a running event loop."""
        options = client_options(self._settings)
        self._producer = AIOKafkaProducer(
            **options, acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=MOST_BATCH_BYTES
        )

    async def start(self) -> None:
        self.prepare()
        await started(self._producer)
        self._guard = self._producer.client.send = _Guard(self._producer.client.send, self.has_stood_still)
        self._is_broken = False

    async def stop(self) -> None:
        """Send what is left and close, within 5 s."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), STOP_S)
            except Exception as error:  # unsent outputs are repeated after the next start
                log.warning("outputs are still unsent; they will be sent again", agent=self._agent, error=repr(error))

    async def send(self, outputs: Sequence[Output], dead: Iterable[DeadLetter], partition: int) -> list[Delivery]:
        """Hand outputs and dead letters to the producer.

        Raises:
            UnavailableError: an output topic lacks the partition.
            KafkaError: the broker is away.
        """
        await self._until_ready()
        packed = self.pack(outputs, dead, partition)
        return [one for at, batches in packed.items() for one in await self._send_packed(*at, batches)]

    async def write_down(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        """One record, until the broker has it.

        Raises:
            KafkaError: the broker is away.
        """
        await self._until_ready()
        await self._producer.send_and_wait(topic, value, key, partition)

    def distrust(self) -> None:
        """What is still on its way is refused; the next outputs go by a new producer."""
        self._is_broken = True
        if self._guard is not None:
            self._guard.refuses = True

    async def _until_ready(self) -> None:
        if self._is_broken:  # after a refused batch the sequence numbers have a gap: only a new producer goes on
            await self.stop()
        if self._producer is None:
            await self.start()

    def check(self, outcome: Outcome) -> None:
        """Write what is in bulk, as long as a record that fails can be undone.

        Raises:
            OutputTooLargeError: an output is larger than its topic takes.
        """
        outcome.outputs.parts = [self._checked(part) for part in outcome.outputs.parts]

    def _checked(self, part: list[Output] | Bulk) -> list[Output] | Bulk:
        if isinstance(part, list) or part.topic in self._most:  # what is in bulk is small
            for output in part:
                self._check_size(output)
        return part if isinstance(part, list) else Written(part, *self._room(part.topic))

    def _room(self, topic: str) -> tuple[int, int]:
        """Bytes of records from which a batch is full, and those that it must not pass."""
        return self._batch.get(topic, BATCH_BYTES), MOST_BATCH_BYTES

    def pack(
        self, outputs: Sequence[Output], dead: Iterable[DeadLetter], partition: int
    ) -> dict[tuple[str, int], list[Packed | Output]]:
        """(topic, partition) -> record batches, ready to be sent, and records that join one: all work of sending that
        does not wait."""
        packed: dict[tuple[str, int], list[Packed | Output]] = defaultdict(list)
        with self._clock.running("emit"):
            for part in outputs.parts if isinstance(outputs, Outputs) else [outputs]:
                if isinstance(part, Sequence):
                    self._pack_each(part, partition, packed, self._may_join)
                else:
                    packed[part.topic, partition] += self._pack_bulk(part)
            letters = [self._quarantine(letter)._replace(partition=letter.record.partition) for letter in dead]
            self._pack_each(letters, partition, packed, lambda *_: False)
            return packed

    def _pack_each(
        self,
        outputs: Sequence[Output],
        partition: int,
        packed: dict[tuple[str, int], list[Packed | Output]],
        may_join: Callable[[str, Sequence[Output]], bool],
    ) -> None:
        groups: dict[tuple[str, int], list[Output]] = defaultdict(list)
        for output in outputs:
            groups[output.topic, partition if output.partition is None else output.partition].append(output)
        for (topic, number), group in groups.items():
            packed[topic, number] += group if may_join(topic, group) else self._pack_group(topic, group)

    def _may_join(self, topic: str, group: Sequence[Output]) -> bool:
        """Few records for a partition to which others write, too, go into the batch that waits there. One of their own
        would not be taken before that has left, and all that is behind it would wait.
        """
        return (
            len(group) <= FEW
            and topic not in self._batch
            and all(one.partition is not None and size_of(one) < SURELY_BYTES for one in group)
        )

    def _pack_bulk(self, bulk: Bulk) -> list[Packed]:
        now_ms = int(time.time() * 1000)
        written = [WrittenBatch(buffer, records, now_ms) for buffer, records in bulk.batches(*self._room(bulk.topic))]
        return [Packed(batch, batch.records_size) for batch in written]

    def _check_size(self, output: Output) -> None:
        if output.topic not in self._most and len(output.value or b"") < SURELY_BYTES:
            return
        largest = MOST_DEAD_BYTES if output.topic in INPUTS else MOST_BYTES  # events that are brought elsewhere
        size, most = size_of(output), self._most.get(output.topic, largest)
        if size > most:
            raise OutputTooLargeError(
                f"A record of {size:,} bytes for {output.topic}, which takes {most:,}.",
                "Raise max.message.bytes of the topic, or make the decision smaller.",
            )

    def _quarantine(self, letter: DeadLetter) -> Output:
        """As whole as it can be sent: a record that cannot be packed must never stop its partition."""
        topic = letter.record.topic.removeprefix(self._settings.topic_prefix)
        most = self._most.get(dead_letters_of(topic), MOST_DEAD_BYTES)
        try:
            output = dead_letter_output(letter, topic)
            if (surplus := size_of(output) - most) > 0:
                output = dead_letter_output(letter, topic, surplus)
            if size_of(output) <= most and self._producer.create_batch().append(**_packed(output)) is not None:
                return output
        except Exception as error:  # whatever producers put into headers
            log.warning("a dead letter is quarantined without its headers", topic=topic, error=repr(error))
        return bare_letter(letter, topic)

    def _pack_group(self, topic: str, outputs: Sequence[Output]) -> list[Packed]:
        now_ms, most = int(time.time() * 1000), self._batch.get(topic, BATCH_BYTES)
        packed, batch, size = [], self._producer.create_batch(), 0
        for output in outputs:
            record = _packed(output, now_ms)
            added = batch.append(**record) if size < most else None
            if added is None:  # it is full
                packed.append(Packed(batch, size))
                batch, size = self._producer.create_batch(), 0
                added = batch.append(**record)
            size += added.size
        return [*packed, Packed(batch, size)]

    async def _send_packed(self, topic: str, partition: int, packed: Sequence[Packed | Output]) -> list[Delivery]:
        name = topic_name(self._settings, topic)
        if partition not in await self._producer.partitions_for(name):
            raise UnavailableError(
                f"{name} has no partition {partition}, so its outputs cannot be sent.",
                "It needs as many partitions as the input topics: `millrace topics list` shows them.",
            )
        deliveries = []
        for one in packed:
            future: asyncio.Future[Any]
            if isinstance(one, Output):
                records, size = 1, None
                future = await self._producer.send(name, one.value, one.key, partition, headers=list(one.headers))
            else:
                records, size = one.batch.record_count(), one.size
                future = await self._producer.send_batch(one.batch, name, partition=partition)
            future.add_done_callback(partial(self._delivered, topic, records, size))
            deliveries.append(Delivery(future, name, partition, records))
        return deliveries

    def _delivered(self, topic: str, records: int, size: int | None, future: asyncio.Future[Any]) -> None:
        """`size`: bytes of the records in the batch; none: it has others in it."""
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            is_dead = topic.endswith(DEAD_LETTERS_SUFFIX)
            counter = DEAD_LETTERS if is_dead else OUTPUTS
            counter.labels(self._agent, topic.removesuffix(DEAD_LETTERS_SUFFIX)).inc(records)
            return
        self._is_broken = True
        if isinstance(error, MessageSizeTooLargeError):  # smaller ones next time, until the record is known
            if size is None:
                self._batch.setdefault(topic, BATCH_BYTES)  # in batches of their own from here on
            elif records == 1:
                self._most[topic] = min(size - 1, self._most.get(topic, size))
            else:
                self._batch[topic] = min(size, self._batch.get(topic, size)) // 2
            log.warning("the broker refused outputs for their size", topic=topic, records=records, bytes=size)


def _packed(output: Output, now_ms: int = 0) -> dict[str, Any]:
    return {"key": output.key, "value": output.value, "timestamp": now_ms, "headers": list(output.headers)}


def size_of(output: Output) -> int:
    """Bytes of a record in a batch of its own, a little more than they really are."""
    size = RECORD_OVERHEAD + len(output.key or b"") + len(output.value or b"")
    for name, value in output.headers:
        size += len(name.encode()) + len(value or b"") + 8
    return size
