"""The teller with a real view: what it tells of an item whose id is used again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson

from models.recommender import feed_items
from schemas import TRENDING_KEY, Item, Settings, similar_key
from streams.catalogue.teller import CatalogueTeller
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
