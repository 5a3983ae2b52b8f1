"""The recommendation page by itself: real models and real rows, records in hand instead of a broker."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from schemas import (
    CLICKS,
    FORGET_HEADER,
    ITEMS,
    RECOMMENDATIONS,
)
from streams.recommend import USERS
from tests.streams.pages import Shop, record, records_of
from tests.support.world import shop_events, topic_of


def test_each_click_gets_items_of_the_shop_best_first(trained_home: Path) -> None:
    shop, found = Shop(trained_home, is_trained=True), []
    events = shop_events(900, seed=6)
    records = records_of(events)
    for start in range(0, len(records), 16):
        found += shop.handle(records[start : start + 16])[0]
    clicks = [event for event in events if topic_of(event) == CLICKS]
    known = {event.item_id for event in events}  # type: ignore[attr-defined]
    assert len(found) == len(clicks)
    assert {answer.strategy for answer in found[100:]} == {"ranker"}
    for answer, click in zip(found, clicks, strict=True):
        assert answer.caused_by.event_id == click.event_id
        ids, scores = [item.item_id for item in answer.items], [item.score for item in answer.items]
        assert len(set(ids)) == len(ids) <= 20
        assert set(ids) <= known
        assert scores == sorted(scores, reverse=True)
    sessions = {click.event_id: click.session_id for click in clicks}
    hits, cases = 0, 0
    for place, click in enumerate(clicks):
        later = next((other for other in clicks[place + 1 :] if sessions[other.event_id] == click.session_id), None)
        if place >= 300 and later is not None:
            cases += 1
            hits += later.item_id in [item.item_id for item in found[place].items]
    assert hits / cases > 0.6  # 80 items, 20 shown: chance is 0.25


def test_a_new_user_of_an_empty_shop_gets_an_answer_and_removed_items_vanish(trained_home: Path) -> None:
    shop = Shop(trained_home, is_trained=False)
    items = [event for event in shop_events(85) if topic_of(event) == ITEMS]
    click = next(event for event in shop_events(200) if topic_of(event) == CLICKS)
    shop.handle(records_of(items))
    answer = shop.handle(records_of([click]))[0][0]
    assert answer.strategy == "trending"
    assert answer.items
    gone = answer.items[0].item_id
    shop.handle([record(ITEMS, gone, None, offset=500)])
    again = click.model_copy(update={"event_id": "again"})
    later = shop.handle([record(CLICKS, again.user_id, again.model_dump_json().encode(), offset=501)])[0][0]
    assert gone not in [item.item_id for item in later.items]


def test_a_repeated_click_is_neither_answered_nor_counted(trained_home: Path) -> None:
    shop = Shop(trained_home, is_trained=False)
    clicks = [event for event in shop_events(150) if topic_of(event) == CLICKS][:30]
    shop.handle(records_of(clicks))
    counted = shop.view.clicks
    repeated = [record(CLICKS, c.user_id, c.model_dump_json().encode(), 100 + n) for n, c in enumerate(clicks[-10:])]
    answers, dead = shop.handle(repeated)
    assert (answers, dead) == ([], [])
    assert shop.view.clicks == counted
    assert np.array_equal(shop.view.arrays.counters[:1], [counted])


def test_a_user_who_is_forgotten_begins_anew_in_the_order_of_the_topic(trained_home: Path) -> None:
    shop = Shop(trained_home, is_trained=False)
    clicks = [event for event in shop_events(200, seed=6) if topic_of(event) == CLICKS]
    one, records = clicks[0], records_of(clicks)
    again = records_of([one.model_copy(update={"event_id": "later"})])[0]
    again.offset = 10_001
    for headers, is_forgotten in (([], False), ([(FORGET_HEADER, b"user")], True)):
        asks = record(CLICKS, str(getattr(one, "user_id")), None, offset=10_000)  # noqa: B009
        asks.headers = headers
        fresh = Shop(trained_home, is_trained=False)
        outcome = fresh.page.handle(fresh.state, [*records, asks, again])
        assert bool(outcome.dead) is not is_forgotten  # a null value alone may be a mistake
        row = fresh.state.tables[USERS].array[fresh.state.tables[USERS].find(again.key)]
        assert (row["sessions"] == row["length"] == 1) == is_forgotten
        gone = [output for output in outcome.outputs if output.topic == RECOMMENDATIONS and output.value is None]
        assert [output.key for output in gone] == ([again.key] if is_forgotten else [])
    asks.offset = 10_002
    shop.page.handle(shop.state, [*records, again, asks])
    assert again.key not in shop.state.tables[USERS]
    assert again.key in shop.state.tables[USERS].take_changes().removed  # in the changelog too
