"""Agents as processes on the real broker: whatever dies, state and decisions are those of an undisturbed run."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from millrace.kafka import Broker
from schemas import Settings, topic_name
from streams.kafka import client_options
from tests.streams.agent.trial import Trial
from tests.streams.agent.trivial import Trivial
from tests.streams.conftest import SESSION_S

pytestmark = pytest.mark.kafka
KEYS = 200


def events(count: int, first: int = 0, seed: int = 1) -> Iterator[tuple[int, bytes, dict[str, Any], int]]:
    """(partition, key, value, timestamp): keys belong to one partition each."""
    chance = random.Random(seed)
    for i in range(first, first + count):
        key = chance.randrange(KEYS)
        yield key % 2, b"key-%d" % key, {"value": i, "filler": "." * 100}, 1_700_000_000_000 + i


async def flow(trial: Trial, until: asyncio.Event, chunk: int = 300) -> None:
    """Events at about 3,000 a second until told to end."""
    first = 0
    while not until.is_set():
        await trial.produce("trivial.v1", events(chunk, first, seed=first))
        first += chunk
        await asyncio.sleep(0.1)


async def test_a_killed_worker_loses_and_doubles_nothing(trial_of: Callable[..., Any]) -> None:
    trial = await trial_of()
    enough = asyncio.Event()
    flowing = asyncio.create_task(flow(trial, enough))
    first, second = trial.start(), trial.start()
    await trial.until(lambda: progressed(trial, 1500))
    first.kill()
    seen = await trial.committed_records()
    third = trial.start()
    await trial.until(lambda: progressed(trial, seen + 1500))
    second.kill()
    seen = await trial.committed_records()
    await trial.until(lambda: progressed(trial, seen + 1500))
    enough.set()
    await flowing
    await trial.until_applied()
    trial.stop(third)
    await trial.assert_undisturbed()


async def progressed(trial: Trial, records: int) -> bool:
    return await trial.committed_records() >= records


async def test_a_stopped_worker_ends_within_ten_seconds_under_load_and_repeats_nothing(
    trial_of: Callable[..., Any],
) -> None:
    trial = await trial_of()
    await trial.produce("trivial.v1", events(40_000))
    worker = trial.start()
    await trial.until(lambda: progressed(trial, 1000))
    assert trial.stop(worker) < 10
    totals = await trial.totals()
    assert sum(count for count, _, _ in totals.values()) == await trial.committed_records()
    worker = trial.start()
    await trial.until_applied()
    trial.stop(worker)
    await trial.assert_undisturbed()
    assert len(await trial.read("trivial.out.v1")) == len(await trial.outputs())


async def test_a_poisonous_record_is_quarantined_with_its_traceback_and_the_rest_goes_on(
    trial_of: Callable[..., Any],
) -> None:
    trial = await trial_of()
    poison = [json.dumps({"value": i, "poison": True}).encode() for i in range(3)]
    await trial.produce("trivial.v1", events(500))
    await trial.produce("trivial.v1", [(1, b"key-1", value, 1_700_000_001_000) for value in poison])
    await trial.produce("trivial.v1", events(500, 2000))
    worker = trial.start()
    letters = await trial.dead_letters(3)
    await trial.until_applied()
    trial.stop(worker)
    assert [letter.value for letter in letters] == poison
    headers = dict(letters[0].headers)
    assert headers["__streams.errors.exception"] == b"ValueError"
    assert headers["__streams.errors.topic"] == b"trivial.v1"
    assert headers["__streams.errors.partition"] == b"1"
    assert b"in handle" in headers["__streams.errors.message"]
    assert headers["__streams.errors.message"].endswith(b"ValueError: poison at " + headers["__streams.errors.offset"])
    assert letters[0].key == b"key-1"
    await trial.assert_undisturbed(skip=poison)


async def test_two_topics_are_merged_by_time_and_saved_together(trial_of: Callable[..., Any]) -> None:
    trial = await trial_of(Trivial(topics=("trivial.v1", "trivial.log.v1")))
    await trial.produce("trivial.v1", events(20_000))
    await trial.produce("trivial.log.v1", [(p, k, v, at * 10 - 9 * 1_700_000_000_000) for p, k, v, at in events(2000)])
    worker = trial.start()
    await trial.until(lambda: progressed(trial, 2000))
    worker.kill()
    worker = trial.start()
    await trial.until_applied()
    trial.stop(worker)
    await trial.assert_undisturbed()


async def test_rows_of_another_layout_are_dropped_and_never_come_back(trial_of: Callable[..., Any]) -> None:
    trial = await trial_of()
    await trial.produce("trivial.v1", events(400))
    worker = trial.start()
    await trial.until_applied()
    trial.stop(worker)
    before = await trial.totals()
    await trial.produce("trivial.v1", [(1, b"key-1", {"value": 7}, 1_700_000_000_000)])
    worker = trial.start(version=2)
    await trial.until_applied()
    trial.stop(worker)
    assert "rows of another layout" in trial.logs()
    trial.handler.version = 2
    (changed,) = (await trial.totals()).items()
    assert changed[0] == (1, b"key-1")
    assert changed[1][:2] == (1, 7)
    trial.handler.version = 1
    assert len(before) > 1
    assert await trial.totals() == {key: total for key, total in before.items() if key[0] == 0}


async def test_a_worker_that_was_frozen_disturbs_nothing(trial_of: Callable[..., Any]) -> None:
    trial = await trial_of()
    enough = asyncio.Event()
    flowing = asyncio.create_task(flow(trial, enough))
    frozen = trial.start()
    await trial.until(lambda: progressed(trial, 500))
    frozen.send_signal(signal.SIGSTOP)
    seen = await trial.committed_records()
    other = trial.start()
    await trial.until(lambda: progressed(trial, seen + 1000))
    frozen.send_signal(signal.SIGCONT)
    seen = await trial.committed_records()
    await trial.until(lambda: progressed(trial, seen + 2000))
    enough.set()
    await flowing
    await trial.until_applied()
    trial.stop(frozen)
    trial.stop(other)
    await trial.assert_undisturbed()


async def test_a_decision_too_large_for_its_topic_is_quarantined(trial_of: Callable[..., Any]) -> None:
    handler = Trivial(every=1, large={"key-3": 20_000, "key-5": 2_000_000})
    trial = await trial_of(handler, output_config={"max.message.bytes": "10000"})
    small = [(n % 2, b"key-%d" % n, {"value": n}, 1_700_000_000_000) for n in (0, 1, 2, 4) for _ in range(100)]
    refused = [json.dumps({"value": n}).encode() for n in (3, 5)]
    await trial.produce("trivial.v1", [*small, *((1, b"key-%d" % n, {"value": n}, 1_700_000_000_000) for n in (3, 5))])
    worker = trial.start()
    letters = await trial.dead_letters(2)
    await trial.until_applied()
    trial.stop(worker)
    assert sorted(letter.value for letter in letters) == refused
    assert all(b"which takes" in dict(letter.headers)["__streams.errors.message"] for letter in letters)
    await trial.assert_undisturbed(skip=refused)


async def test_aborted_events_never_happened_and_markers_are_passed_over(trial_of: Callable[..., Any]) -> None:
    trial = await trial_of()
    topic = topic_name(trial.settings, "trivial.v1")
    producer = AIOKafkaProducer(**client_options(trial.settings), transactional_id=trial.settings.topic_prefix + "shop")
    await producer.start()
    for first, end in enumerate([producer.commit_transaction, producer.abort_transaction] * 3):
        await producer.begin_transaction()
        for partition, key, value, at_ms in events(50, 50 * first):
            await producer.send(topic, json.dumps(value).encode(), key, partition, at_ms)
        await end()
    await producer.stop()
    worker = trial.start()
    await trial.until_applied()
    trial.stop(worker)
    assert sum(count for count, _, _ in (await trial.totals()).values()) == 150
    await trial.assert_undisturbed()


async def test_a_batch_is_tried_until_what_it_needs_is_there(trial_of: Callable[..., Any], tmp_path: Path) -> None:
    trial = await trial_of(Trivial(needs=str(tmp_path / "needed")))
    await trial.produce("trivial.v1", events(500))
    worker = trial.start()
    await trial.until(lambda: told(trial, "needed is not there"))
    (tmp_path / "needed").touch()
    await trial.until_applied()
    trial.stop(worker)
    await trial.assert_undisturbed()


async def test_retention_that_passed_the_position_is_told(trial_of: Callable[..., Any]) -> None:
    trial = await trial_of()
    await trial.produce("trivial.v1", events(200))
    worker = trial.start()
    await trial.until_applied()
    trial.stop(worker)
    await trial.produce("trivial.v1", events(300, 200))
    topic = topic_name(trial.settings, "trivial.v1")
    admin = AIOKafkaAdminClient(**client_options(trial.settings))
    await admin.start()
    ends, _ = await trial._ends_and_committed()
    at = TopicPartition(topic, 0)
    await admin.delete_records({at: RecordsToDelete(before_offset=ends[at] - 10)})
    await admin.close()
    worker = trial.start()
    await trial.until_applied()
    trial.stop(worker)
    assert "not on the broker any more" in trial.logs()
    totals = await trial.totals()
    assert sum(count for (number, _), (count, _, _) in totals.items() if number == 1) == ends[TopicPartition(topic, 1)]


async def test_an_outage_of_the_broker_is_waited_for(tmp_path: Path) -> None:
    with Broker(tmp_path / "kafka") as broker:
        trial = Trial(
            Settings(
                kafka=broker.bootstrap,
                home=tmp_path,
                partitions=2,
                session_timeout_s=SESSION_S,
                checkpoint_interval_s=0.3,
            )
        )
        try:
            await trial.create_topics()
            await trial.produce("trivial.v1", events(20_000))
            impatient, worker = trial.start(), trial.start()
            await trial.until(lambda: progressed(trial, 500))
            broker.kill()
            await trial.until(lambda: told(trial, "Failed", "Unable connect"))  # by what was under way just then
            assert trial.stop(impatient) < 10
            broker.start()
            await trial.produce("trivial.v1", events(1000, 20_000))
            await trial.until_applied()
            trial.stop(worker)
            await trial.assert_undisturbed()
        finally:
            trial.end()


async def told(trial: Trial, *words: str) -> bool:
    """Whether the logs have one of these."""
    return any(one in trial.logs() for one in words)


async def test_unequal_partition_counts_are_refused(trial_of: Callable[..., Any]) -> None:
    trial = await trial_of()
    admin = AIOKafkaAdminClient(**client_options(trial.settings))
    await admin.start()
    await admin.create_partitions({topic_name(trial.settings, "trivial.v1"): NewPartitions(3)})
    await admin.close()
    worker = trial.start()
    assert worker.wait(20) == 1
    assert "needs equal partition counts" in trial.logs()
    assert "trivial.v1: 3" in trial.logs()


async def test_a_worker_without_its_topics_says_what_to_do(settings: Settings) -> None:
    trial = Trial(settings)
    try:
        assert trial.start().wait(30) == 1
        assert "trivial.state.v1 (UnknownTopicOrPartitionError)" in trial.logs()
        assert "millrace topics apply" in trial.logs()
    finally:
        trial.end()
