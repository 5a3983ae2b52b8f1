"""Topics are merged by time as far as it is known, and batches follow each other without a gap."""

from __future__ import annotations

import random
from collections import defaultdict

from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from streams import merge
from streams.merge import Lane
from streams.ownership import Batch, Partition
from streams.partition import PartitionState


def lane_at(**positions: int) -> Lane:
    return Lane(Partition(0, PartitionState(0), positions=dict(positions)))


def record(topic: str, offset: int, timestamp: int) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(topic, 0, offset, timestamp, 0, b"k", b"v", None, 1, 1, ())


def order(batch: Batch | None) -> list[tuple[str, int]]:
    assert batch is not None
    return [(r.topic, r.offset) for r in batch.records]


def test_a_topic_that_has_more_is_awaited() -> None:
    lane = lane_at(a=0, b=0)
    lane.add("a", [record("a", 0, 10), record("a", 1, 30)], 2, 2)
    assert lane.take(10) is None  # nothing is known of b
    lane.add("b", [record("b", 0, 20)], 1, 2)
    assert order(lane.take(10)) == [("a", 0), ("b", 0)]  # b has another one, perhaps before 30
    assert lane.take(10) is None
    lane.add("b", [], 2, 2)  # it was a transaction marker
    batch = lane.take(10)
    assert order(batch) == [("a", 1)]
    assert batch is not None
    assert batch.starts == {"a": 1, "b": 1}
    assert batch.ends == {"a": 2, "b": 2}


def test_of_the_same_millisecond_the_last_topic_comes_first() -> None:
    lane = lane_at(readings=0, log=0)
    lane.add("readings", [record("readings", n, 10 + n) for n in range(3)], 3, 3)
    lane.add("log", [record("log", 0, 11)], 1, 1)
    assert order(lane.take(10)) == [("readings", 0), ("log", 0), ("readings", 1), ("readings", 2)]


def test_patience_with_a_silent_topic_ends(monkeypatch) -> None:
    lane = lane_at(a=0, b=0)
    lane.add("a", [record("a", 0, 10)], 1, 1)
    assert lane.take(10) is None
    monkeypatch.setattr(merge, "PATIENCE_S", 0.0)
    assert order(lane.take(10)) == [("a", 0)]


def test_a_gap_without_records_moves_the_positions() -> None:
    lane = lane_at(a=5)
    lane.add("a", [], 9, 9)
    batch = lane.take(10)
    assert batch is not None
    assert (batch.starts, batch.ends, list(batch.records)) == ({"a": 5}, {"a": 9}, [])
    assert lane.take(10) is None


@given(st.integers(0, 2**32))
def test_batches_follow_each_other_and_hold_every_record_once(seed: int) -> None:
    chance = random.Random(seed)
    topics = ("a", "b", "c")
    logs = {
        topic: [
            record(topic, 2 * i, time)  # every other offset is a gap
            for i, time in enumerate(sorted(chance.choices(range(50), k=chance.randrange(15))))
        ]
        for topic in topics
    }
    ends = {topic: 2 * len(log) for topic, log in logs.items()}
    lane, fetched, position = lane_at(a=0, b=0, c=0), defaultdict(int), dict.fromkeys(topics, 0)
    delivered: list[ConsumerRecord[bytes, bytes]] = []
    while position != ends:
        topic = chance.choice(topics)
        start, fetched[topic] = fetched[topic], min(len(logs[topic]), fetched[topic] + chance.randrange(6))
        lane.add(topic, logs[topic][start : fetched[topic]], 2 * fetched[topic], ends[topic])
        batch = lane.take(chance.randrange(1, 7))
        if batch is not None:
            assert batch.starts == position
            position = batch.ends
            delivered += batch.records
    everything = [r for topic in topics for r in logs[topic]]
    assert [r.timestamp for r in delivered] == sorted(r.timestamp for r in everything)
    assert sorted((r.topic, r.offset) for r in delivered) == sorted((r.topic, r.offset) for r in everything)
