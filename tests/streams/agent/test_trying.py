"""Bad records cost themselves: their rows are undone, their neighbours go on, and nothing is opened again."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from schemas import UnavailableError
from streams.agent.handler import Outcome, Work
from streams.agent.ownership import SUSPICIOUS_FOR, Partition
from streams.agent.rows import Layout, PartitionState, empty_state
from streams.agent.saved import Snapshot, restore
from streams.agent.trying import OutOfBoundsError, Trial, Try, check_changes
from tests.streams.agent.trivial import ROW, Trivial

BOUNDED = Layout(ROW, 1, {"count": (0, 1000)})


class Counted(Trivial):
    """Counts its calls; `"corrupt": n` in an event makes the count of its row n."""

    calls = 0

    def layouts(self) -> dict[str, Layout]:
        return {"totals": BOUNDED, "seen": Layout(np.dtype("<i8"), 1)}

    def handle(self, state: PartitionState, records: Sequence[Any]) -> Outcome:
        self.calls += 1
        outcome = super().handle(state, records)
        for record in records:
            if "corrupt" in (event := json.loads(record.value)):
                rows = state.tables["totals"]
                rows.array[rows.find(record.key)]["count"] = event["corrupt"]
        return outcome


def record(offset: int, key: str, **more: Any) -> ConsumerRecord[bytes, bytes]:
    value = json.dumps({"value": offset, **more}).encode()
    return ConsumerRecord("trivial.v1", 0, offset, 0, 0, key.encode(), value, None, 1, 1, ())


def tried(handler: Counted, *batches: Sequence[Any], is_careful: bool = False) -> tuple[Partition, Outcome]:
    part, whole = Partition(0, empty_state(0, handler.layouts())), Outcome()
    trial = Trial(handler, lambda _: None)
    for batch in batches:
        outcome = trial.handle(part, batch, is_careful=is_careful)
        whole.outputs += outcome.outputs
        whole.dead += outcome.dead
    return part, whole


def totals(part: Partition) -> dict[bytes, tuple[int, int, int]]:
    rows = part.state.tables["totals"]
    return {key: rows.array[rows.find(key)].item() for key in rows.keys()}  # noqa: SIM118 - not a mapping


@pytest.mark.long
@given(st.integers(0, 2**32), st.floats(0, 0.5))
def test_good_records_come_to_what_they_would_without_the_bad_ones(seed: int, share: float) -> None:
    chance = random.Random(seed)
    records = [
        record(n, f"key-{chance.randrange(8)}", **({"poison": True} if chance.random() < share else {}))
        for n in range(60)
    ]
    cuts = sorted(chance.sample(range(1, 60), 3))
    batches = [records[a:b] for a, b in zip([0, *cuts], [*cuts, 60], strict=True)]
    good = [one for one in records if b"poison" not in one.value]
    part, outcome = tried(Counted(every=1), *batches)
    alone, expected = tried(Counted(every=1), good)
    assert totals(part) == totals(alone)
    assert [output.value for output in outcome.outputs] == [output.value for output in expected.outputs]
    assert [letter.record.offset for letter in outcome.dead] == [r.offset for r in records if b"poison" in r.value]


def test_a_key_that_keeps_failing_costs_one_call_a_record() -> None:
    handler = Counted()
    bad = [
        [record(100 * n + i, f"key-{i}", **({"poison": True} if i == 7 else {})) for i in range(100)] for n in range(20)
    ]
    _, outcome = tried(handler, *bad)
    assert len(outcome.dead) == 20
    finding = 2 * 7 + 1  # halves of the first batch until the record is found
    assert handler.calls <= finding + 19 * 3
    last = outcome.dead[-1]
    assert last.reason.startswith("key 'key-7', 20 in a row")
    assert last.exception == "ValueError"


def test_a_key_is_trusted_again() -> None:
    handler = Counted()
    part, _ = tried(handler, [record(0, "a"), record(1, "b", poison=True)])
    trial = Trial(handler, lambda _: None)
    for offset in range(SUSPICIOUS_FOR):
        assert b"b" in part.suspects
        trial.handle(part, [record(2 + offset, "b")], is_careful=False)
    assert b"b" not in part.suspects


def test_a_row_out_of_bounds_is_told_with_its_table_key_and_field() -> None:
    records = [record(0, "a"), record(1, "b", corrupt=5000), record(2, "c")]
    part, outcome = tried(Counted(), records, is_careful=True)
    (letter,) = outcome.dead
    assert letter.record.offset == 1
    assert "table totals, the row of 'b': count is 5000, not within 0 to 1000" in letter.reason
    assert sorted(totals(part)) == [b"a", b"c"]
    check_changes(part, snapshot_of(part))


def snapshot_of(part: Partition) -> Snapshot:
    from streams.agent.changelog import take_snapshot

    return take_snapshot(part)


def test_a_row_out_of_bounds_is_neither_saved_nor_loaded() -> None:
    part, _ = tried(Counted(), [record(0, "a"), record(1, "b", corrupt=-3)])
    snapshot = snapshot_of(part)
    with pytest.raises(OutOfBoundsError, match=r"1 rows of table totals .* the first of 'b': count is -3"):
        check_changes(part, snapshot)
    layout, changes = snapshot.tables["totals"]
    raw = {
        b"totals\0" + key: layout.to_bytes(4, "little") + row.tobytes()
        for key, row in zip(changes.keys, changes.rows, strict=True)
    }
    table = restore(0, Counted().layouts(), raw).tables["totals"]
    assert table.keys() == [b"a"]
    assert table.take_changes().removed == [b"b"]


def test_rows_of_an_earlier_layout_are_taken_over_and_saved_anew() -> None:
    old = np.dtype([("count", "<i8"), ("sum", "<i8")])

    class Earlier:
        dtype = old

        def __call__(self, before: np.ndarray) -> np.ndarray:
            rows = np.zeros(len(before), ROW)
            rows["count"], rows["sum"] = before["count"], before["sum"]
            return rows

    raw = {b"totals\0k%d" % n: (7).to_bytes(4, "little") + np.array((n, 2 * n), old).tobytes() for n in range(3)}
    table = restore(0, {"totals": Layout(ROW, 8, earlier={7: Earlier()})}, raw).tables["totals"]
    changes = table.take_changes()
    assert dict(zip(changes.keys, changes.rows[["count", "sum"]].tolist(), strict=True)) == {
        b"k0": (0, 0),
        b"k1": (1, 2),
        b"k2": (2, 4),
    }


def test_what_is_away_is_no_bad_record(tmp_path: Any) -> None:
    handler = Counted(needs=str(tmp_path / "needed"))
    part = Partition(0, empty_state(0, handler.layouts()))
    with pytest.raises(UnavailableError):
        Trial(handler, lambda _: None).handle(part, [record(0, "a")], is_careful=False)
    assert totals(part) == {}


class Partial(Counted):
    """What it needs is away for the keys that say so."""

    def handle(self, state: PartitionState, records: Sequence[Any]) -> Outcome:
        outcome = super().handle(state, records)
        if any(record.key == b"away" for record in records):
            raise UnavailableError("It is not there.")
        return outcome


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.02, 0.3]))
def test_partitions_that_are_handled_together_come_to_what_each_comes_to_alone(seed: int, share: float) -> None:
    """Also where records of some fail, where what one needs is away, and where keys of one are watched."""
    chance = random.Random(seed)
    together, alone = Partial(every=1), Partial(every=1)
    parts, others = (
        [Partition(number, empty_state(number, handler.layouts())) for number in range(3)]
        for handler in (together, alone)
    )
    for turn in range(4):
        batches = [
            [
                record(20 * turn + n, "away" if chance.random() < share / 10 else f"key-{chance.randrange(4)}",
                       **({"poison": True} if chance.random() < share else {}))
                for n in range(chance.randrange(1, 20))
            ]
            for _ in parts
        ]  # fmt: skip
        found = Trial(together, lambda _: None).handle_all(
            [Try(part, batch, False) for part, batch in zip(parts, batches, strict=True)]
        )
        for part, batch, outcome in zip(others, batches, found, strict=True):
            try:
                expected = Trial(alone, lambda _: None).handle(part, batch, is_careful=False)
            except UnavailableError:
                assert isinstance(outcome, UnavailableError)
            else:
                assert isinstance(outcome, Outcome)
                assert [one.value for one in outcome.outputs] == [one.value for one in expected.outputs]
                assert [one.record for one in outcome.dead] == [one.record for one in expected.dead]
    assert list(map(totals, parts)) == list(map(totals, others))


class Joined(Trivial):
    """Counts how often it was given several partitions."""

    turns = 0

    def handle_all(self, work: Sequence[Work]) -> list[Outcome]:
        self.turns += 1
        return super().handle_all(work)


def test_partitions_are_handled_at_once_as_long_as_nothing_fails() -> None:
    handler = Joined(every=1)
    parts = [Partition(number, empty_state(number, handler.layouts())) for number in range(3)]
    trial = Trial(handler, lambda _: None)
    for offset in range(5):
        trial.handle_all([Try(part, [record(offset, "a")], False) for part in parts])
    assert handler.turns == 5
    trial.handle_all([Try(part, [record(5, "b", poison=part is parts[1])], False) for part in parts])
    assert handler.turns == 6
    trial.handle_all([Try(part, [record(6, "a")], False) for part in parts])
    assert handler.turns == 6  # a key of one is watched
