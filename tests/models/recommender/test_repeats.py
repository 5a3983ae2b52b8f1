"""The memory of the newest events: against a plain deque and set."""

from __future__ import annotations

from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.recommender.repeats import REMEMBERED, Repeats


@given(st.lists(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 30)), max_size=20), max_size=20))
def test_it_knows_the_newest_and_no_others(batches: list[list[tuple[int, int]]]) -> None:
    memory, newest = Repeats(np.zeros(16, np.uint64)), deque[tuple[int, int]](maxlen=16)
    for batch in batches:
        users, events = (np.array([one[n] for one in batch], np.uint64) for n in range(2))
        expected = []
        for event in batch:
            expected.append(event in newest)
            if event not in newest:
                newest.append(event)
        assert memory.take(users, events).tolist() == expected
        memory = Repeats(memory.keys, memory.until)  # as it is loaded


def test_it_is_as_long_as_documented() -> None:
    memory = Repeats()
    user = np.ones(REMEMBERED, np.uint64)
    assert not memory.take(user, np.arange(1, REMEMBERED + 1, dtype=np.uint64)).any()
    assert memory.take(user, np.arange(1, REMEMBERED + 1, dtype=np.uint64)).all()
    assert not memory.take(user[:1], np.array([REMEMBERED + 1], np.uint64)).any()
    assert memory.take(user[:2], np.array([1, 2], np.uint64)).tolist() == [False, False]  # 1 left for it, 2 for 1
    assert memory.take(user[:1], np.array([4], np.uint64)).tolist() == [True]
