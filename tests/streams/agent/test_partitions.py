"""Partitions that share a worker share its turns: none waits for another one's backlog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas import topic_name
from streams.kafka import client_options
from tests.streams.agent.trial import Trial
from tests.streams.agent.trivial import OUTPUT_TOPIC, Trivial

pytestmark = pytest.mark.kafka
AT_MS = 1_700_000_000_000


async def test_a_long_backlog_does_not_keep_other_partitions_waiting(trial_of: Callable[..., Any]) -> None:
    trial: Trial = await trial_of(Trivial(every=1))
    trial.settings = trial.settings.model_copy(update={"max_batch_records": 20})
    await trial.produce("trivial.v1", ((0, b"many", {"value": n}, AT_MS + n) for n in range(4000)))
    await trial.produce("trivial.v1", ((1, b"few", {"value": n}, AT_MS + n) for n in range(40)))
    worker = trial.start()
    await trial.until_applied()
    trial.stop(worker)
    sent = await trial.read(OUTPUT_TOPIC)
    last_of_few = max(record.timestamp for record in sent if record.key == b"few")
    assert sum(record.timestamp > last_of_few for record in sent if record.key == b"many") > 1000
    await trial.assert_undisturbed()


async def test_records_of_a_backlog_are_kept_when_another_partition_has_lost_some(trial_of: Callable[..., Any]) -> None:
    """What is wrong with one is found while another one's records are in hand."""
    trial: Trial = await trial_of(Trivial(every=1))
    trial.settings = trial.settings.model_copy(update={"max_batch_records": 20})
    await trial.produce("trivial.v1", ((n % 2, b"key", {"value": n}, AT_MS + n) for n in range(20)))
    worker = trial.start()
    await trial.until_applied()
    trial.stop(worker)
    await trial.produce("trivial.v1", ((n % 2, b"key", {"value": n}, AT_MS + n) for n in range(4000)))
    admin = AIOKafkaAdminClient(**client_options(trial.settings))
    await admin.start()
    lost = TopicPartition(topic_name(trial.settings, "trivial.v1"), 1)
    await admin.delete_records({lost: RecordsToDelete(before_offset=1500)})
    await admin.close()
    worker = trial.start()
    await trial.until_applied()
    trial.stop(worker)
    assert "not on the broker any more" in trial.logs()
    counts = {number: count for (number, _), (count, _, _) in (await trial.totals()).items()}
    assert counts == {0: 2010, 1: 10 + 510}
