"""Every record is handled once, on the partition of its key, wherever its producer put it and whoever dies."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from schemas import CLICKS, Settings
from streams.agent.placing import (
    TAKEN,
    TAKEN_FROM,
    TAKEN_LAYOUT,
    is_second,
    partition_of,
    partitions_of,
    placed,
    take_any,
    taken_from,
)
from streams.agent.rows import PartitionState, empty_state
from streams.metrics import MISPLACED
from tests.streams.agent.trial import Trial
from tests.streams.agent.trivial import Trivial

SETTINGS = Settings(topic_prefix="p.")
PARTITIONS = 4


def record(partition: int, offset: int, key: bytes | None, value: bytes | None = b"{}", headers: Any = ()) -> Any:
    return SimpleNamespace(
        topic=f"p.{CLICKS}", partition=partition, offset=offset, key=key, value=value, headers=headers, timestamp=0
    )


def new_state(number: int) -> PartitionState:
    state = empty_state(number, {TAKEN: TAKEN_LAYOUT})
    state.partitions = PARTITIONS
    return state


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=100), st.integers(1, 200))
def test_partitions_are_those_of_the_java_client(keys: list[bytes], partitions: int) -> None:
    everywhere = list(range(partitions))
    right = [DefaultPartitioner()(key, everywhere, everywhere) for key in keys]
    assert partitions_of([record(0, 0, key) for key in keys], partitions) == right
    assert [partition_of(key, partitions) for key in keys] == right


@dataclass
class Log:
    """A topic of four partitions and the states behind it; a crash takes back what was not saved, not what was sent.
    Of what was sent before a crash some may not have arrived, though what was sent after it has.
    """

    topic: list[list[Any]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    handled: list[list[Any]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    states: list[PartitionState] = field(default_factory=lambda: [new_state(n) for n in range(PARTITIONS)])
    positions: list[int] = field(default_factory=lambda: [0] * PARTITIONS)

    def put(self, partition: int, key: bytes | None, value: bytes | None, headers: Any = ()) -> None:
        at = self.topic[partition]
        at.append(record(partition, len(at), key, value, headers))

    def work(self, number: int, most: int, *, dies: bool, lost: Callable[[], bool] = lambda: False) -> None:
        records = self.topic[number][self.positions[number] :][:most]
        rows = self.states[number].tables[TAKEN]
        saved = {key: int(rows.array[rows.find(key)]["next"]) for key in rows.keys()}  # noqa: SIM118
        kept, outcome = placed(self.states[number], records, "recommend", SETTINGS)
        for output in outcome.outputs:
            assert output.topic == CLICKS
            assert output.partition is not None
            if not (dies and lost()):
                self.put(output.partition, output.key, output.value, output.headers)
        if dies:
            self.states[number] = new_state(number)
            rows = self.states[number].tables[TAKEN]
            for key, place in saved.items():
                rows.array["next"][rows.slots([key])] = place
            return
        self.handled[number] += kept
        self.positions[number] += len(records)

    @property
    def is_done(self) -> bool:
        return self.positions == [len(records) for records in self.topic]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40), st.randoms(use_true_random=False))
def test_each_is_handled_once_in_order_whatever_dies(sent: Sequence[tuple[int, int]], chance: random.Random) -> None:
    log = Log()
    for number, (partition, key) in enumerate(sent):
        log.put(partition, b"key-%d" % key, b"%d" % number)
    for _ in range(1000):
        if log.is_done:
            break
        dies, lost = chance.random() < 0.3, lambda: chance.random() < 0.3
        log.work(chance.randrange(PARTITIONS), chance.randint(1, 7), dies=dies, lost=lost)
    while not log.is_done:
        for number in range(PARTITIONS):
            log.work(number, 10, dies=False)
    handled = [(number, one) for number, records in enumerate(log.handled) for one in records]
    assert Counter(one.value for _, one in handled) == Counter(b"%d" % number for number in range(len(sent)))
    assert all(number == partition_of(one.key, PARTITIONS) for number, one in handled)
    for source in range(PARTITIONS):
        for key in {key for partition, key in sent if partition == source}:
            wanted = [b"%d" % number for number, one in enumerate(sent) if one == (source, key)]
            found = [one.value for _, one in handled if one.key == b"key-%d" % key and one.value in wanted]
            assert found == wanted


def test_a_record_without_a_key_gets_its_id_as_key() -> None:
    state, where = new_state(1), partition_of(b"ann", PARTITIONS)
    for number, value in enumerate((b'{"user_id": "ann"}', b'{"user_id": "ann", "item_id": 3}')):
        kept, outcome = placed(state, [record(1, 5, None, value)], "recommend", SETTINGS)
        (output,) = outcome.outputs
        assert (list(kept), output.key, output.partition, output.value) == ([], b"ann", where, value)
        assert dict(output.headers)[TAKEN_FROM] == b"clicks.v1/1/5/%d/keyless" % number
        (there,) = [record(where, 0, output.key, value, output.headers)]
        assert taken_from(there) == ("clicks.v1", 1, 5, number)
        assert not is_second(there)  # whoever reads all partitions could not use the original
    (output,) = placed(state, [record(1, 5, b"", b'{"user_id": 7}')], "recommend", SETTINGS)[1].outputs
    assert output.key == b"7"
    for value in (b"", None, b"[]", b"{", b'{"user_id": null}', b'{"user_id": true}', b'{"user_id": ""}'):
        kept, outcome = placed(state, [record(1, 5, None, value)], "recommend", SETTINGS)
        assert (len(kept), outcome.outputs) == (1, [])  # a dead letter says why


@pytest.mark.parametrize(
    "mark",
    [None, b"", b"\xff", b"clicks.v1/0/" + b"9" * 5000 + b"/0", b"t" * 5000 + b"/0/0/0", b"a/b/c/d"],
)
def test_a_mark_that_is_not_ours_says_nothing(mark: bytes | None) -> None:
    where = partition_of(b"ann", PARTITIONS)
    odd = record(where, 0, b"ann", headers=[(TAKEN_FROM, mark), ("other", None)])
    assert taken_from(odd) is None
    assert is_second(odd)
    assert placed(new_state(where), [odd], "recommend", SETTINGS)[0] == [odd]


def test_what_is_too_large_stays_and_becomes_a_dead_letter() -> None:
    settings = SETTINGS.model_copy(update={"max_event_bytes": 1000})
    there = next(n for n in range(PARTITIONS) if n != partition_of(b"ann", PARTITIONS))
    kept, outcome = placed(new_state(there), [record(there, 0, b"ann", b"." * 1001)], "recommend", settings)
    assert (len(kept), outcome.outputs) == (1, [])


def test_headers_of_others_mean_nothing_and_those_of_the_producer_stay() -> None:
    there = next(n for n in range(PARTITIONS) if n != partition_of(b"ann", PARTITIONS))
    mine = [("traceparent", b"00-1"), ("x", b"\xff")]
    before = MISPLACED.labels("recommend", CLICKS)._value.get()
    (output,) = placed(new_state(there), [record(there, 3, b"ann", headers=mine)], "recommend", SETTINGS)[1].outputs
    assert list(output.headers)[:2] == mine
    assert is_second(record(0, 0, b"ann", headers=output.headers))
    assert MISPLACED.labels("recommend", CLICKS)._value.get() == before + 1
    for odd in (b"", b"1", b"a/b/c", b"clicks.v1/-1/2/0", b"\xff/1/x/0", b"clicks.v1/1/2"):
        assert taken_from(record(0, 0, b"ann", headers=[(TAKEN_FROM, odd)])) is None


@given(st.permutations(range(6)))
def test_entries_of_a_log_are_brought_in_the_order_in_which_they_are_placed(order: list[int]) -> None:
    """That is event time, not that of their offsets."""
    key = next(key for key in (b"%d" % n for n in range(99)) if partition_of(key, PARTITIONS) == 1)
    source, target = new_state(0), new_state(1)
    brought = placed(source, [record(0, offset, key) for offset in order], "maintain", SETTINGS)[1].outputs
    records = [record(1, n, key, headers=output.headers) for n, output in enumerate(brought)]
    kept, _ = placed(target, records, "maintain", SETTINGS)
    assert [one.offset for one in map(taken_from, kept) if one] == order


def test_what_comes_before_something_that_did_not_arrive_waits_until_that_is_known_to_be_lost() -> None:
    state = new_state(2)

    def takes(number: int) -> bool:
        header = (TAKEN_FROM, b"clicks.v1/1/%d/%d" % (number, number))
        return len(placed(state, [record(2, 0, b"ann", headers=[header])], "recommend", SETTINGS)[0]) == 1

    assert [takes(n) for n in (0, 2, 1, 1, 2)] == [True, False, True, False, True]
    take_any(state)  # retention took some
    assert [takes(n) for n in (9, 11, 10)] == [True, False, True]


def test_a_topic_made_anew_counts_from_its_beginning() -> None:
    state = new_state(2)
    old, new = [(TAKEN_FROM, b"clicks.v1/1/900/0")], [(TAKEN_FROM, b"clicks.v1@id/1/0/0")]
    for headers, news in ((old, 1), (old, 0), (new, 1), (new, 0)):
        assert len(placed(state, [record(2, 0, b"ann", headers=headers)], "recommend", SETTINGS)[0]) == news


@pytest.mark.kafka
async def test_on_a_broker_with_workers_that_are_killed(settings: Settings) -> None:
    quick = settings.model_copy(update={"session_timeout_s": 4.0, "checkpoint_interval_s": 0.3})
    trial = Trial(quick, Trivial(places=True, every=1 << 40))
    await trial.create_topics()
    chance = random.Random(3)
    sent = [(chance.randrange(2), b"key-%d" % chance.randrange(60), number) for number in range(6000)]

    def produce(first: int, end: int) -> Any:
        some = ((partition, key, {"value": n}, 1_700_000_000_000 + n) for partition, key, n in sent[first:end])
        return trial.produce("trivial.v1", some)

    try:
        await produce(0, 3000)
        first = trial.start()
        await trial.until(lambda: _has_committed(trial, 500))
        first.kill()
        second = trial.start()
        await produce(3000, 6000)
        await trial.until(lambda: _has_committed(trial, 5000))
        second.kill()
        last = trial.start()
        await trial.until_applied()
        trial.stop(last)
        right: dict[tuple[int, bytes], list[int]] = {}
        for _, key, number in sent:
            right.setdefault((partition_of(key, 2), key), []).append(number)
        totals = {key: (count, total) for key, (count, total, _) in (await trial.totals()).items()}
        assert totals == {key: (len(numbers), sum(numbers)) for key, numbers in right.items()}
    finally:
        trial.end()


async def _has_committed(trial: Trial, records: int) -> bool:
    return await trial.committed_records() >= records
