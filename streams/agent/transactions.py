"""Transactions: one commit of a checkpoint, by a producer that fences every earlier owner of its partition.

records + offsets ─► begin, send, offsets, commit ─► all or nothing, or DoubtfulError: open the partition again

aiokafka 0.14 speaks the transaction protocol of before KIP-890: a request to end a transaction that was delayed on its
way, and sent again, may arrive within a later transaction of the same producer and end that one in the middle. So a
producer of which any transactional request failed on its way commits nothing more. Whoever goes on opens the partition
anew: a new producer has a higher epoch, by which the broker refuses what the old one sent.
https://cwiki.apache.org/confluence/display/KAFKA/KIP-890
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced

from schemas import MillraceError
from streams.agent.saved import NUMBER, Record
from streams.kafka import started

log = structlog.get_logger(__name__)
BATCH_BYTES = 900_000  # the broker's default limit of a batch is 1,048,588
TIMEOUT_S = 30.0
CLOSE_S = 5.0
TRANSACTIONAL = ("AddPartitionsToTxn", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn")


class FencedError(MillraceError):
    """Another worker has taken this partition."""

    title = "The partition belongs to another worker"


class DoubtfulError(MillraceError):
    """The transaction was committed, but one of its requests was sent twice."""

    title = "The producer of the checkpoints is of no more use"


class CheckpointProducer:
    """The transactional producer of one partition."""

    def __init__(self, options: Mapping[str, Any], transactional_id: str) -> None:
        self._id = transactional_id
        self._producer = AIOKafkaProducer(
            **options,
            acks="all",
            max_batch_size=BATCH_BYTES + 50_000,
            transactional_id=transactional_id,
            transaction_timeout_ms=int(TIMEOUT_S * 1000),
        )
        self._failed: list[str] = []  # requests whose fate is not known

    async def start(self) -> None:
        """Fences every earlier owner, and ends their last transaction.

        Raises:
            KafkaError: the broker does not answer, or refuses.
        """
        await started(self._producer)
        send = self._producer.client.send

        async def watched(node_id: Any, request: Any, **options: Any) -> Any:
            try:
                return await send(node_id, request, **options)
            except Exception:
                name = type(request).__name__
                if name.startswith(TRANSACTIONAL):
                    self._failed.append(name)
                raise

        self._producer.client.send = watched

    async def commit(
        self,
        to: TopicPartition,
        records: AsyncIterator[Record],
        number: int,
        offsets: Mapping[TopicPartition, int],
        group: str,
    ) -> None:
        """One transaction: the records, which carry the number of the checkpoint, and the offsets of the group.

        Raises:
            FencedError: another worker owns the partition now.
            DoubtfulError: it is committed, but this producer must not be used again.
            KafkaError: the outcome is unknown. There is no abort, which would wait for the broker: the caller opens
                the partition again, and fencing aborts.
        """
        producer = self._producer
        try:
            await producer.begin_transaction()
            await self._send(to, records, number)
            await producer.send_offsets_to_transaction(dict(offsets), group)
            await producer.commit_transaction()
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise FencedError(f"{self._id}: {error}") from error
        if self._failed:
            raise DoubtfulError(f"{self._id} sent again: {', '.join(self._failed)}.", "The partition is opened again.")

    async def _send(self, to: TopicPartition, records: AsyncIterator[Record], number: int) -> None:
        headers = [(NUMBER, b"%d" % number)]
        sends: list[Any] = []
        batch = self._producer.create_batch()
        async for key, value in records:
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                sends.append(await self._producer.send_batch(batch, to.topic, partition=to.partition))
                batch = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=None, headers=headers)
        sends.append(await self._producer.send_batch(batch, to.topic, partition=to.partition))
        await asyncio.gather(*sends)

    async def close(self) -> None:
        """Never in mid-transaction, where it would not answer."""
        try:
            await asyncio.wait_for(self._producer.stop(), CLOSE_S)
        except Exception as error:  # whatever it is, the producer is of no more use
            log.warning("the producer of a partition did not close", transactional_id=self._id, error=repr(error))
