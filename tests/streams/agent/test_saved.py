"""What a changelog says: whole checkpoints count, torn ones do not, and the first format is read."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from streams.agent.saved import FORMAT, NUMBER, PLACED, POSITIONS, NewerStateError, Replayed, Standing


def row(key: bytes, value: bytes | None, number: int | None = None) -> ConsumerRecord[bytes, bytes]:
    headers = () if number is None else ((NUMBER, b"%d" % number),)
    return ConsumerRecord("state", 0, 0, 0, 0, key, value, None, 1, 1, headers)


def standing(number: int, **more: object) -> ConsumerRecord[bytes, bytes]:
    return row(POSITIONS, Standing(positions={"a": number}, number=number, **more).to_bytes(), number)  # type: ignore[arg-type]


def replayed(records: Iterable[ConsumerRecord[bytes, bytes]]) -> Replayed:
    replay = Replayed()
    replay.take(records)
    return replay


def test_the_first_format_had_positions_alone() -> None:
    found = replayed([row(b"t\0k", b"1"), row(POSITIONS, json.dumps({"a": 7}).encode()), row(b"t\0k", None)])
    assert found.standing == Standing(positions={"a": 7})
    assert found.rows == {b"t\0k": b"1"}
    assert found.torn == {b"t\0k": b"1"}


def test_rows_after_the_last_standing_are_of_a_torn_checkpoint() -> None:
    found = replayed(
        [
            row(b"t\0old", b"1", 1),
            row(b"t\0gone", b"1", 1),
            standing(1),
            row(b"t\0old", b"2", 2),
            row(b"t\0new", b"2", 2),
        ]
    )
    assert found.rows == {b"t\0old": b"1", b"t\0gone": b"1"}
    assert found.torn == {b"t\0old": b"1", b"t\0new": None}
    assert found.newest_number == 2


def test_a_checkpoint_that_repairs_a_torn_one_closes_it() -> None:
    torn = [
        standing(1),
        row(b"t\0k", b"torn", 2),
        row(b"t\0k", b"1", 3),
        standing(3),
        row(b"t\0k", b"4", 4),
        standing(4),
    ]
    found = replayed(torn)
    assert (found.rows, found.torn) == ({b"t\0k": b"4"}, {})


def test_placements_are_those_of_the_last_owner() -> None:
    found = replayed(
        [
            standing(1, owner="x", placed=((3, 10),)),
            row(PLACED + b"x", b"[[4, 11], [5, 12]]"),
            row(PLACED + b"frozen", b"[[4, 99]]"),
        ]
    )
    assert found.placed == [(3, 10), (4, 11), (5, 12)]
    assert sorted(found.forgotten()) == [PLACED + b"frozen", PLACED + b"x"]


@given(st.sets(st.integers(0, 50)), st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=3))
def test_a_standing_is_read_as_it_was_written(ahead: set[int], positions: dict[str, int]) -> None:
    one = Standing(positions=positions, ahead=frozenset(ahead), number=3, owner="o", placed=((1, 2),), outputs={"s": 4})
    assert Standing.from_bytes(one.to_bytes()) == one


def test_what_a_newer_version_saved_is_not_read() -> None:
    document = json.loads(Standing(positions={"t": 5}).to_bytes())
    newer = json.dumps(document | {"format": FORMAT + 1, "something": "new"}).encode()
    with pytest.raises(NewerStateError, match=f"format {FORMAT + 1} by a newer version"):
        Standing.from_bytes(newer)
    del document["format"]  # of before there was one
    assert Standing.from_bytes(json.dumps(document).encode()) == Standing(positions={"t": 5})
