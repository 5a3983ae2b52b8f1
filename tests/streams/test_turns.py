"""The records of a turn: all partitions of a worker are answered at once, and none sees it."""

from __future__ import annotations

import random

from schemas import FORGET_HEADER
from streams.agent import empty_state
from streams.kafka import ConsumerRecord
from streams.recommend import USERS
from tests.streams.test_click_page import START, Page, click, shopping


def test_partitions_that_are_answered_at_once_get_what_each_gets_alone() -> None:
    """Ids, lists, feed and rows; with users that are forgotten between their clicks, and items on the way."""
    chance, page = random.Random(3), Page("shop")
    for first in range(0, 600, 60):
        page.take(shopping(600)[first : first + 60])
    together, alone = ([empty_state(n, page.page.layouts()) for n in range(4)] for _ in range(2))
    for turn in range(12):
        work = [some_records(chance, state.number, 40 * turn) for state in together]
        outcomes = page.page.handle_all(list(zip(together, work, strict=True)))
        for state, records, outcome in zip(alone, work, outcomes, strict=True):
            expected = page.page.handle(state, records)
            assert list(outcome.outputs) == list(expected.outputs)
            assert outcome.dead == expected.dead
    for one, other in zip(together, alone, strict=True):
        assert set(one.tables[USERS].keys()) == set(other.tables[USERS].keys())
        for key in one.tables[USERS].keys():  # noqa: SIM118 - not a mapping
            rows, others = one.tables[USERS], other.tables[USERS]
            assert rows.array[rows.find(key)].tobytes() == others.array[others.find(key)].tobytes()


def some_records(chance: random.Random, partition: int, first: int) -> list[ConsumerRecord]:
    """Up to 20 clicks, now and then a user who is to be forgotten, or nothing that can be read."""
    found: list[ConsumerRecord] = []
    for n in range(chance.randrange(0, 20)):
        one = click(
            f"u{chance.randrange(6)}", f"i{chance.randrange(30)}", START + first + n, f"e{partition}-{first + n}"
        )
        if chance.random() < 0.15:
            one.value, one.headers = None, [(FORGET_HEADER, b"1")]
        elif chance.random() < 0.05:
            one.value = b"{"
        one.partition, one.offset = partition, first + n
        found.append(one)
    return found
