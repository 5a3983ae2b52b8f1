"""The click feed: what goes in comes out, and nothing else is taken for it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.recommender.feed import HEADER, ClickRecord, FeedError, ItemRecord, decode_record, encode_record

IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200)
U64 = st.integers(1, 2**64 - 1)


def assert_same(a: ClickRecord | ItemRecord, b: ClickRecord | ItemRecord) -> None:
    assert type(a) is type(b)
    for field in dataclasses.fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            np.testing.assert_array_equal(x, y)
            assert x.shape == y.shape
        else:
            assert list(x) == list(y) if field.name == "item_ids" else x == y


@given(
    st.lists(st.tuples(U64, U64, st.floats(0, 4e9), st.integers(0, 255), IDS), max_size=20), st.integers(0, 2**32 - 1)
)
def test_clicks_come_back(clicks: list[tuple[int, int, float, int, str]], context: int) -> None:
    sessions, items, times, codes, ids = zip(*clicks, strict=True) if clicks else ((),) * 5
    record = ClickRecord(
        partition=7,
        first_offset=2**40,
        last_offset=2**40 + 100,
        offsets=np.arange(len(clicks)) + 2**40,
        sessions=np.array(sessions, np.uint64),
        items=np.array(items, np.uint64),
        times=np.array(times, np.float64),
        codes=np.array([codes, codes], np.uint8).reshape(2, -1).T,
        item_ids=list(ids),
        context=context,
    )
    assert_same(record, decode_record(encode_record(record)))
    if clicks:
        users, is_repeated = np.arange(len(clicks), dtype=np.uint32), np.ones(len(clicks), np.uint8)
        wider = dataclasses.replace(record, users=users, is_repeated=is_repeated)
        assert_same(wider, decode_record(encode_record(wider)))
        assert encode_record(wider)[HEADER.size :].startswith(
            encode_record(record)[HEADER.size :]
        )  # what workers of before read


@pytest.fixture
def changes() -> ItemRecord:
    return ItemRecord(
        partition=0,
        first_offset=3,
        last_offset=5,
        offsets=np.array([3, 5]),
        items=np.array([1, 2**63], np.uint64),
        times=np.array([1.7e9, 1.7e9 + 1]),
        published=np.array([np.nan, 1.6e9]),
        categories=np.array([0, 9], np.uint64),
        is_available=np.array([1, 0], np.uint8),
        item_ids=["first", "zweites Stück"],
    )


def test_item_changes_come_back(changes: ItemRecord) -> None:
    assert_same(changes, decode_record(encode_record(changes)))


def test_a_flipped_bit_is_noticed(changes: ItemRecord) -> None:
    data = bytearray(encode_record(changes))
    for place in range(40, len(data)):
        data[place] ^= 4
        with pytest.raises(FeedError, match="damaged"):
            decode_record(bytes(data))
        data[place] ^= 4


@pytest.mark.parametrize("data", [b"", b"MR", b'{"event_id": 1}' * 9, b"\x00" * 100])
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FeedError, match="no record of the click feed"):
        decode_record(data)


def test_a_record_that_is_cut_is_refused(changes: ItemRecord) -> None:
    data = encode_record(changes)
    for end in range(len(data)):
        with pytest.raises(FeedError):
            decode_record(data[:end])


def test_another_version_is_told(changes: ItemRecord) -> None:
    data = bytearray(encode_record(changes))
    data[4] = 2
    with pytest.raises(FeedError, match=r"version 2.*reads version 1"):
        decode_record(bytes(data))
