"""The teller with a real view: what it tells of an item whose id is used again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson

from models.recommender import feed_items
from schemas import TRENDING_KEY, Item, Settings, similar_key
from streams.catalogue.teller import REVISITED, SIMILAR_EACH_TIME, CatalogueTeller, Turns
from tests.models.recommender.shoppers import START, Shop, shopping, small


class Producer:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.sent: dict[str, bytes] = {}

    async def push_bytes(self, _: str, key: bytes, value: bytes) -> Any:
        self.sent[key.decode()] = value
        return _done()


async def _done() -> None:
    return None


async def test_as_much_is_told_to_be_trending_as_the_api_promises() -> None:
    shop: Shop = Shop(small("shop", unknown_items=True))
    shop.live(shopping(3000))
    runtime: Any = SimpleNamespace(parts={0: SimpleNamespace(is_ready=True)})
    producer: Any = Producer()
    await CatalogueTeller(Settings(), lambda: (shop.recommender, shop.view), _done, runtime)._tell_changes(producer)
    lengths = {key: len(orjson.loads(value)["items"]) for key, value in producer.sent.items()}
    assert lengths.pop(TRENDING_KEY) == 100
    assert max(lengths.values()) == 20


async def test_the_list_of_a_removed_item_is_told_empty_and_then_anew() -> None:
    shop, key = Shop(small("shop", unknown_items=True)), similar_key("item-5-4")
    shop.live(shopping(3000))
    runtime: Any = SimpleNamespace(parts={0: SimpleNamespace(is_ready=True)})
    teller = CatalogueTeller(Settings(), lambda: (shop.recommender, shop.view), _done, runtime)

    async def told() -> dict[str, bytes]:
        producer: Any = Producer()
        for _ in range(3):
            await teller._tell_changes(producer)
        sent: dict[str, bytes] = producer.sent
        return sent

    assert b"item-5-5" in (await told())[key]
    for offset, item in enumerate((None, Item(item_id="item-5-4", event_time=START))):
        shop.view.apply(feed_items([("item-5-4", item)], 1, np.array([offset]), START.timestamp()))
    assert b'"items":[]' in (await told())[key]
    assert key not in await told()
    shop.live(shopping(800, seed=1))
    assert b"item-5-" in (await told())[key]


async def test_a_list_follows_its_neighbours_though_nobody_clicks_its_own_item() -> None:
    """At rest, what was told is what the view says, whatever happened to the other items of a list."""
    shop = Shop(small("shop", unknown_items=True))
    shop.live(shopping(3000))
    runtime: Any = SimpleNamespace(parts={0: SimpleNamespace(is_ready=True)})
    teller = CatalogueTeller(Settings(), lambda: (shop.recommender, shop.view), _done, runtime)
    producer: Any = Producer()

    def told(key: str) -> list[str]:
        return [item["item_id"] for item in orjson.loads(producer.sent[key])["items"]]

    async def comes_to_rest() -> None:
        for _ in range(-(-shop.view.items // REVISITED) + 1):
            await teller._tell_changes(producer)

    await comes_to_rest()
    gone = told(similar_key("item-5-4"))[0]
    shop.view.apply(feed_items([(gone, None)], 1, np.array([0]), START.timestamp()))
    shop.live(shopping(40, seed=3))  # some gain, and change the lists of others
    await comes_to_rest()
    for row in range(shop.view.items):
        key = similar_key(shop.view.item_ids[row])
        if key in producer.sent:
            assert told(key) == [item for item, _ in shop.recommender.similar(shop.view, row, 20)]
    assert gone not in told(similar_key("item-5-4"))


def test_items_that_gained_go_first_and_every_other_has_its_turn() -> None:
    turns, clicks, count = Turns(), np.ones(1000, np.int32), SIMILAR_EACH_TIME
    for _ in range(1000 // count):
        turns.rows(clicks)  # every item has been looked at
    seen: set[int] = set()
    for _ in range(1000 // REVISITED):
        clicks[:count] += 1  # always the same ones sell
        rows = turns.rows(clicks).tolist()
        assert len(set(rows)) == count
        assert set(rows[: count - REVISITED]) <= set(range(count))
        seen |= set(rows)
    assert seen == set(range(1000))
