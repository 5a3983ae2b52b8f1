"""The page of clicks by itself: no client's clock moves what all share, and what is sent again counts once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest

from models.recommender import CatalogueView, ItemRecord, Recommender
from models.recommender.feed import decode_record
from schemas import (
    CLICKS,
    FEED,
    ITEMS,
    RECOMMENDATIONS,
    UNDECIDED,
    WHY_HEADER,
    ModelRef,
    Settings,
    rfc3339,
)
from streams.agent import Outcome, PartitionState, empty_state
from streams.agent.ownership import Partition
from streams.agent.saved import restore
from streams.agent.trying import Trial
from streams.kafka import ConsumerRecord
from streams.recommend import USERS, Recommend, ServedRanker
from streams.repeats import BLOCK, BLOCKS, RECENT, known_before
from tests.models.recommender.shoppers import small

SETTINGS = Settings(topic_prefix="p.")
START = 1_770_000_000.0
HOUR_S = 3600.0
USER_OF_BEFORE = [
    ("last", "f8"), ("session", "u8"), ("session_id", "u8"), ("prefix", "u8", (20,)), ("events", "u8", (64,)),
    ("sessions", "u4"), ("length", "u2"), ("event", "u2"),
]  # fmt: skip


class Page:
    """The page, and the view that its feed records make."""

    def __init__(self, profile: str = "portal") -> None:
        self.view = CatalogueView(small(profile))
        recommender = Recommender(None, self.view.profile)
        served = ServedRanker(recommender, self.view, ModelRef(name="r", version="v"))
        self.page = Recommend(SETTINGS, served)
        self.state = empty_state(1, self.page.layouts())
        self.answers: list[Any] = []
        self.fed = 0

    def take(self, records: Sequence[ConsumerRecord]) -> Outcome:
        outcome = self.page.handle(self.state, records)
        assert not outcome.dead
        for output in outcome.outputs:
            assert output.value is not None
            if output.topic == FEED:
                self.view.apply(output.value, self.fed)
                self.fed += 1
            elif output.topic == RECOMMENDATIONS:
                self.answers.append(orjson.loads(output.value))
        return outcome

    def rows(self, table: str) -> dict[bytes, bytes]:
        rows = self.state.tables[table]
        return {key: rows.array[rows.find(key)].tobytes() for key in rows.keys()}  # noqa: SIM118 - not a mapping


OFFSETS = itertools.count()


def click(user: str, item: str, time: float, event: str, arrived: float | None = None, offset: int = -1) -> Any:
    """A record; `arrived`: its Kafka timestamp in seconds, as the event's own time if not given."""
    value = {
        "event_id": event,
        "event_time": rfc3339(datetime.fromtimestamp(time, UTC)),
        "user_id": user,
        "item_id": item,
    }
    return _record(CLICKS, user, value, time if arrived is None else arrived, offset)


def _record(topic: str, key: str, value: dict[str, Any] | None, arrived: float, offset: int = -1) -> Any:
    return SimpleNamespace(
        topic=f"p.{topic}", partition=1, offset=next(OFFSETS) if offset < 0 else offset, key=key.encode(), headers=(),
        timestamp=int(arrived * 1000), value=None if value is None else orjson.dumps(value),
    )  # fmt: skip


def shopping(clicks: int, users: int = 9, event: str = "e") -> list[Any]:
    dice = random.Random(3)
    return [
        click(f"u{dice.randrange(users)}", f"i{dice.randrange(30)}", START + n, f"{event}{n}") for n in range(clicks)
    ]


@pytest.mark.long
@pytest.mark.parametrize("ahead_s", [0.4, 30.0, 290.0])
@pytest.mark.parametrize("profile", ["shop", "portal"])
def test_clocks_are_never_ahead_of_what_has_arrived(profile: str, ahead_s: float) -> None:
    page, right = Page(profile), Page(profile)
    dice = random.Random(5)
    for n in range(600):
        user, item, now = f"u{dice.randrange(20)}", f"i{dice.randrange(30)}", START + n
        wrong = now + ahead_s if dice.random() < 0.1 else now
        page.take([click(user, item, wrong, f"e{n}", arrived=now)])
        right.take([click(user, item, now, f"e{n}", arrived=now)])
        assert page.view.event_time <= now
    assert page.view.trending(20) == right.view.trending(20)
    assert page.view.arrays.clocks.tobytes() == right.view.arrays.clocks.tobytes()
    assert page.rows(USERS) == right.rows(USERS)
    assert [a["items"] for a in page.answers] == [a["items"] for a in right.answers]
    assert [a["event_time"] for a in page.answers] == [a["event_time"] for a in right.answers]


@pytest.mark.parametrize("timestamp_s", [0.0, -0.001, START / 1000])
def test_a_record_time_that_is_none_is_no_clock(timestamp_s: float) -> None:
    page = Page()
    event = START + 5
    settings = SETTINGS.model_copy(
        update={"max_future_clicks_s": 1e12, "max_future_items_s": 1e12}
    )  # what decoding makes of it is tested there
    page.page._settings = settings
    page.take([click("u", "i", event, "e", arrived=timestamp_s)])
    assert page.view.event_time == event
    assert len(page.answers) == 1


def test_items_from_the_future_move_no_clock() -> None:
    page = Page()
    item = {"item_id": "i", "event_time": rfc3339(datetime.fromtimestamp(START + HOUR_S, UTC))}
    published = {"published_at": rfc3339(datetime.fromtimestamp(START + 60, UTC))}
    page.take([_record(ITEMS, "i", item | published, START)])
    assert page.view.event_time == START
    assert page.view.trending(5) == []
    page.take([_record(ITEMS, "j", None, START + 61)])
    assert [name for name, _ in page.view.trending(5)] == ["i"]


def test_removals_have_times_of_their_own_and_are_told_apart_from_not_available() -> None:
    page = Page()
    away = {"item_id": "k", "event_time": rfc3339(datetime.fromtimestamp(START, UTC)), "available": False}
    outcome = page.take([_record(ITEMS, "i", None, START + 1), _record(ITEMS, "j", None, START + 2),
                         _record(ITEMS, "k", away, START + 3), _record(ITEMS, "l", None, 0.0)])  # fmt: skip
    told = decode_record(outcome.outputs[0].value or b"")
    assert isinstance(told, ItemRecord)
    assert told.times.tolist() == [START + 1, START + 2, START, 0.0]
    assert not told.is_available.any()
    assert page.view.arrays.items["is_removed"][:4].tolist() == [1, 1, 0, 1]


@pytest.mark.long
@pytest.mark.parametrize("users", [1, 9])
@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_a_batch_that_is_sent_again_counts_once(users: int, size: int) -> None:
    page, sent = Page(), shopping(500, users)
    again = [click(r.key.decode(), v["item_id"], START + 600, v["event_id"])
             for r in sent[100:] for v in [orjson.loads(r.value)]]  # fmt: skip
    for part in (sent, again, again):
        for first in range(0, len(part), size):
            page.take(part[first : first + size])
    assert page.view.clicks == len(page.answers) == 500
    assert len({answer["caused_by"]["event_id"] for answer in page.answers}) == 500


def test_the_same_event_id_of_two_users_is_two_clicks() -> None:
    page = Page()
    page.take([click(user, "i", START, "same") for user in ("a", "b", "a")])
    assert page.view.clicks == 2


@pytest.mark.long
def test_whoever_asks_is_told_that_a_click_is_known() -> None:
    page = Page()
    page.take([click("ann", "i1", START, "c")])
    again = click("ann", "i1", START, "c", offset=9)
    again.headers = [(WHY_HEADER, b"")]
    [told] = [output for output in page.take([again]).outputs if output.topic == UNDECIDED]
    assert orjson.loads(told.value or b"")["reason"] == "duplicate"
    assert orjson.loads(told.value or b"")["caused_by"]["offset"] == 9


def test_what_is_remembered_does_not_depend_on_how_records_are_cut() -> None:
    rows = []
    records = [*shopping(700), *shopping(700)[300:]]
    for size in (1, 13, 1100):
        page = Page()
        for first in range(0, len(records), size):
            page.take(records[first : first + size])
        rows.append((page.rows(RECENT), page.rows(USERS), page.view.clicks))
    assert rows[0] == rows[1] == rows[2]


def test_a_checkpoint_saves_only_the_blocks_that_changed_and_a_partition_that_is_opened_again_remembers() -> None:
    page = Page()
    sent = shopping(3 * BLOCK + 5)
    page.take(sent[: 3 * BLOCK])
    table = page.state.tables[RECENT]
    saved = table.take_changes()
    page.take(sent[3 * BLOCK :])
    assert table.take_changes().keys == [b"3"]
    records = {b"recent\0" + key: (1).to_bytes(4, "little") + row.tobytes()
               for key, row in zip(saved.keys, saved.rows, strict=True)}  # fmt: skip
    page.state = restore(1, page.page.layouts(), records)
    before = page.view.clicks
    page.take(sent[: 3 * BLOCK])  # its users are not known: what it remembers is the partition's
    assert page.view.clicks == before


def test_the_memory_is_bounded() -> None:
    page = Page()
    users = events = np.arange(1, 3 * BLOCK * BLOCKS // 2, dtype=np.uint64)
    for first in range(0, len(events), 5000):
        assert not known_before(page.state, users[first : first + 5000], events[first : first + 5000]).any()
    assert len(page.state.tables[RECENT]) == BLOCKS
    page.state.memo.clear()
    newest = slice(len(events) - BLOCK * BLOCKS, None)
    assert known_before(page.state, users[newest], events[newest]).all()
    assert not known_before(page.state, users[:10], events[:10]).any()


def test_a_home_of_before_has_no_memory_yet_and_its_users_keep_theirs() -> None:
    old = np.dtype(USER_OF_BEFORE, align=True)
    assert old.itemsize == 704
    page = Page()
    page.take(shopping(40, users=1))
    row = np.zeros(1, old)
    now = page.state.tables[USERS].array[0]
    for name in old.names or ():
        if name == "events":
            row[name][0][: len(now[name])] = now[name]  # fewer are kept now; none has been written over yet
        else:
            row[name] = now[name]
    value = (1).to_bytes(4, "little") + row.tobytes()
    page.state = restore(1, page.page.layouts(), {b"users\0u0": value})
    assert len(page.state.tables[RECENT]) == 0
    page.take(shopping(41, users=1))
    assert page.view.clicks == 41
    taken = page.state.tables[USERS].array[0]
    assert all(taken[name].tobytes() == row[name][0].tobytes() for name in ("session_id", "sessions"))


class Failing(Recommend):
    """Fails after the rows were changed, where a click says so."""

    def handle(self, state: PartitionState, records: Sequence[ConsumerRecord]) -> Outcome:
        outcome = super().handle(state, records)
        if any(b"poison" in record.value for record in records):
            raise ValueError("poison")
        return outcome


def test_records_that_fail_are_undone_in_the_memory_too() -> None:
    page, clean = Page(), Page()
    page.page.__class__ = Failing
    trial, part = Trial(page.page, lambda _: None), Partition(1, page.state)
    good = shopping(300)
    bad = [click(f"u{n % 9}", "poison", START + n, f"bad{n}") for n in range(5)]
    mixed = [
        record for n, record in enumerate(good) for record in ([record, bad[n // 60]] if n % 60 == 7 else [record])
    ]
    dead = []
    for first in range(0, len(mixed), 50):
        dead += trial.handle(part, mixed[first : first + 50], is_careful=False).dead
    assert [letter.record for letter in dead] == bad
    clean.take(good)
    assert page.rows(RECENT) == clean.rows(RECENT)
    assert page.rows(USERS) == clean.rows(USERS)
    page.page.__class__ = Recommend
    healed = [click(r.key.decode(), "healed", START + 900, orjson.loads(r.value)["event_id"]) for r in bad]
    page.take([*good, *healed])  # dead letters that are replayed count, the others are known
    assert [answer["caused_by"]["event_id"] for answer in page.answers] == [f"bad{n}" for n in range(5)]
