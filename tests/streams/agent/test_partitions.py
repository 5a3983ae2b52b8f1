"""Partitions that share a worker share its turns: none waits for another one's backlog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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
