"""One order of the records of a partition: by event time with everything at hand, decided once, followed ever after."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.agent import merge
from streams.agent.merge import Lane, PlacedLane
from streams.agent.ownership import Batch, Memory, Partition, Placement
from streams.agent.rows import PartitionState

SEEDS = st.integers(0, 2**32)
MAIN, LOG = "main", "log"


def record(topic: str, offset: int, timestamp: int, key: bytes = b"k") -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(topic, 0, offset, timestamp, 0, key, b"v", None, 1, 1, ())


def placed(part: Partition | None = None) -> PlacedLane:
    part = part or Partition(0, PartitionState(0), positions={MAIN: 0, LOG: 0})
    return PlacedLane(part, lambda r: None if r.timestamp < 0 else float(r.timestamp))


def order(batch: Batch | None) -> list[tuple[str, int]]:
    assert batch is not None
    return [(r.topic, r.offset) for r in batch.records]


def test_without_a_log_later_topics_go_first_and_gaps_move_the_positions() -> None:
    lane = Lane(Partition(0, PartitionState(0), positions={"clicks": 5, "items": 0}))
    lane.add("clicks", [record("clicks", 5, 1), record("clicks", 7, 2)], 9)
    lane.add("items", [record("items", 0, 9)], 1)
    batch = lane.take(10)
    assert order(batch) == [("items", 0), ("clicks", 5), ("clicks", 7)]
    assert batch is not None
    assert (batch.starts, batch.ends) == ({"clicks": 5, "items": 0}, {"clicks": 9, "items": 1})
    assert lane.take(10) is None


def test_records_wait_until_the_log_is_known_to_its_end() -> None:
    lane = placed()
    lane.add(MAIN, [record(MAIN, 0, 10), record(MAIN, 1, 30)], 2)
    assert lane.wants_ends
    assert lane.take(10) is None
    lane.confirm({MAIN: 2, LOG: 2})
    assert lane.take(10) is None  # the log has two records that were not fetched
    lane.add(LOG, [record(LOG, 0, 20)], 1)
    assert lane.take(10) is None
    lane.add(LOG, [], 2)  # it was a transaction marker
    batch = lane.take(10)
    assert order(batch) == [(MAIN, 0), (LOG, 0), (MAIN, 1)]
    assert batch is not None
    assert (batch.placements, batch.ends) == ([(0, 1)], {MAIN: 2, LOG: 2})
    lane.add(MAIN, [record(MAIN, 2, 40)], 3)
    assert lane.take(10) is None  # what was fetched after the question waits for the next one
    lane.confirm({MAIN: 3, LOG: 2})
    assert order(lane.take(10)) == [(MAIN, 2)]


def test_entries_come_first_at_equal_times_and_wait_for_records_of_their_own_key() -> None:
    lane = placed()
    lane.add(MAIN, [record(MAIN, 0, 99, b"other"), record(MAIN, 1, 19), record(MAIN, 2, 20), record(MAIN, 3, 21)], 4)
    lane.add(LOG, [record(LOG, 0, 50), record(LOG, 1, 20), record(LOG, 2, -1)], 3)  # the last one is no event
    lane.confirm({MAIN: 9, LOG: 3})
    first = lane.take(10)
    assert order(first) == [(MAIN, 0), (LOG, 2), (MAIN, 1), (LOG, 1), (MAIN, 2), (MAIN, 3)]
    assert first is not None
    assert first.ends == {MAIN: 4, LOG: 0}
    assert first.ahead == [2, 1]
    lane.add(MAIN, [], 9)
    lane.confirm({MAIN: 9, LOG: 3})
    last = lane.take(10)  # nothing more is at hand
    assert order(last) == [(LOG, 0)]
    assert last is not None
    assert (last.ends, last.placements) == ({MAIN: 9, LOG: 3}, [(0, 9)])


def test_patience_with_a_silent_log_ends_but_not_before_it_was_read_once(monkeypatch) -> None:
    monkeypatch.setattr(merge, "PATIENCE_S", 0.0)
    lane = placed()
    lane.add(MAIN, [record(MAIN, 0, 10)], 1)
    assert lane.take(10) is None
    lane.confirm({MAIN: 1, LOG: 1})
    assert lane.take(10) is None  # earlier owners may have decided with what is in it
    lane.add(LOG, [record(LOG, 0, 5)], 1)
    assert order(lane.take(10)) == [(LOG, 0), (MAIN, 0)]
    lane.add(MAIN, [record(MAIN, 1, 11)], 2)
    assert order(lane.take(10)) == [(MAIN, 1)]  # its end was not told


def test_more_entries_than_may_wait_are_merged_by_time(monkeypatch) -> None:
    monkeypatch.setattr(merge, "MOST_ENTRIES", 4)
    lane, delivered = placed(), []
    entries = [record(LOG, n, 10 * n + 5, b"silent" if n % 2 else b"k") for n in range(12)]
    lane.add(MAIN, [record(MAIN, n, 10 * n) for n in range(12)], 12)
    fetched = 0
    for _ in range(40):
        lane.confirm({MAIN: 12, LOG: 12})
        if lane.wants(LOG, 1000) and fetched < 12:
            lane.add(LOG, [entries[fetched]], fetched + 1)
            fetched += 1
        batch = lane.take(100)
        delivered += batch.records if batch else []
    assert [r.timestamp for r in delivered if r.key == b"k"] == sorted(r.timestamp for r in delivered if r.key == b"k")
    assert len(delivered) == 24


@dataclass
class World:
    """Two topics that grow, a worker that may die, and all that was ever sent."""

    chance: random.Random
    topics: dict[str, list[ConsumerRecord[bytes, bytes]]] = field(default_factory=lambda: {MAIN: [], LOG: []})
    sent: dict[int, list[int]] = field(default_factory=dict)  # main offset -> entries of its key applied before it
    written: list[Placement] = field(default_factory=list)
    time: int = 0

    def grow(self, count: int) -> None:
        for _ in range(count):
            self.time += self.chance.randrange(3)
            topic = LOG if self.chance.random() < 0.3 else MAIN
            key = b"%d" % self.chance.randrange(3)
            early = self.chance.choice([0, 0, 0, 4]) if topic == LOG else 0
            records = self.topics[topic]
            records.append(record(topic, len(records), self.time - early, key))


class Worker:
    """From a checkpoint on, following what was written down and what was sent."""

    def __init__(
        self, world: World, positions: dict[str, int], ahead: set[int], applied: dict[bytes, list[int]]
    ) -> None:
        self.world, self.applied = world, {key: list(offsets) for key, offsets in applied.items()}
        until = max(world.sent, default=-1) + 1
        memory = Memory(placed=list(world.written), decided_until=until)
        self.part = Partition(0, PartitionState(0), positions=dict(positions), ahead=set(ahead), memory=memory)
        self.lane, self.fetched = placed(self.part), dict(positions)

    def fetch(self) -> None:
        for topic in self.world.chance.sample([MAIN, LOG], 2):
            records, start = self.world.topics[topic], self.fetched[topic]
            end = min(len(records), start + self.world.chance.randrange(6))
            if self.lane.wants(topic, 20):
                self.lane.add(topic, records[start:end], end)
                self.fetched[topic] = end

    def work(self, *, sends: bool = True) -> None:
        """One turn; without `sends` it dies after it wrote down where the entries go."""
        self.fetch()
        if self.world.chance.random() < 0.8:
            self.lane.confirm({topic: len(records) for topic, records in self.world.topics.items()})
        batch = self.lane.take(self.world.chance.randrange(1, 12))
        if batch is None:
            return
        assert batch.starts == self.part.positions
        self.world.written += batch.placements
        if not sends:
            return
        for one in batch.records:
            known = self.applied.setdefault(one.key, [])
            if one.topic == LOG:
                assert one.offset not in known
                known.append(one.offset)
            else:
                assert self.world.sent.setdefault(one.offset, list(known)) == known, "a decision is contradicted"
        self.part.has_moved(batch, LOG)


@pytest.mark.long
@given(SEEDS)
@settings(max_examples=300)
def test_whoever_replays_repeats_every_decision(seed: int) -> None:
    chance = random.Random(seed)
    world = World(chance)
    worker = Worker(world, {MAIN: 0, LOG: 0}, set(), {})
    saved: tuple[dict[str, int], set[int], dict[bytes, list[int]]] = ({MAIN: 0, LOG: 0}, set(), {})
    for _ in range(60):
        world.grow(chance.randrange(4))
        worker.work()
        if chance.random() < 0.1:
            applied = {key: list(offsets) for key, offsets in worker.applied.items()}
            saved = dict(worker.part.positions), set(worker.part.ahead), applied
        if chance.random() < 0.1:
            worker.work(sends=False)
            worker = Worker(world, *saved)
    ends = {topic: len(records) for topic, records in world.topics.items()}
    for _ in range(400):
        worker.work()
    assert worker.part.positions == ends
    assert worker.part.ahead == set()
    assert sorted(offset for offsets in worker.applied.values() for offset in offsets) == list(range(ends[LOG]))
    assert sorted(world.sent) == list(range(ends[MAIN]))


@given(SEEDS)
def test_with_everything_at_hand_the_order_is_event_time_key_by_key(seed: int) -> None:
    chance = random.Random(seed)
    world = World(chance)
    world.grow(80)
    worker = Worker(world, {MAIN: 0, LOG: 0}, set(), {})
    for _ in range(400):
        worker.work()
    expected = defaultdict(list)
    everything = [*world.topics[LOG], *world.topics[MAIN]]
    for one in sorted(everything, key=lambda r: (r.timestamp, r.topic == MAIN)):
        expected[one.key] += [one.offset] if one.topic == LOG else []
        if one.topic == MAIN:
            assert world.sent[one.offset] == expected[one.key]


@given(SEEDS)
def test_batches_follow_each_other_and_hold_every_record_once(seed: int) -> None:
    chance = random.Random(seed)
    logs = {
        topic: [
            record(topic, 2 * i, at, b"%d" % (i % 2)) for i, at in enumerate(sorted(chance.choices(range(50), k=12)))
        ]
        for topic in (MAIN, LOG)  # every other offset is a gap
    }
    lane, fetched = placed(), {MAIN: 0, LOG: 0}
    position, delivered = {MAIN: 0, LOG: 0}, []
    for _ in range(100):
        topic = chance.choice((MAIN, LOG))
        start, fetched[topic] = fetched[topic], min(12, fetched[topic] + chance.randrange(6))
        lane.add(topic, logs[topic][start : fetched[topic]], 2 * fetched[topic])
        lane.confirm({MAIN: 24, LOG: 24})
        batch = lane.take(chance.randrange(1, 7))
        if batch is not None:
            assert batch.starts == position
            position = batch.ends
            delivered += batch.records
    assert position == {MAIN: 24, LOG: 24}
    everything = [(r.topic, r.offset) for records in logs.values() for r in records]
    assert sorted((r.topic, r.offset) for r in delivered) == sorted(everything)
