"""What a shop tells of its items, and every list in which an item can be."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import numpy as np

from models.recommender.clicks import feed_items
from models.recommender.feed import encode_record
from models.recommender.queries import queries_of
from schemas import Click, Item
from tests.models.recommender.shoppers import START, Shop

NUMBERS = itertools.count()
LATER = START + timedelta(hours=3)  # after the clicks of `shopping(3000)`


def click(user: str, item: str, at: datetime, session: str | None = None, event: str = "") -> Click:
    event = event or f"{user}-{item}-{at.timestamp()}"
    return Click(event_id=event, event_time=at, user_id=user, item_id=item, session_id=session)


class Changes:
    """The shop tells of items; offsets of a partition of its own."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.offset = shop, 0

    def say(self, item_id: str, at: datetime, item: Item | None) -> None:
        self.offset += 1
        self.shop.view.apply(encode_record(feed_items([(item_id, item)], 9, np.array([self.offset]), at.timestamp())))

    def announce(self, item_id: str, at: datetime, published: datetime | None = None, available: bool = True) -> None:
        item = Item(item_id=item_id, event_time=at, published_at=published, available=available)
        self.say(item_id, at, item)


def lists(shop: Shop, at: datetime, *prefix: str) -> dict[str, list[str]]:
    """Every list there is, as they are for somebody who clicks the items of the prefix now."""
    view = shop.view
    asked = [click(f"asker-{at}", item, at, "asker", f"asked-{next(NUMBERS)}") for item in prefix or ("item-5-3",)]
    queries = queries_of(*shop.step(asked))
    ranked = shop.recommender.rank(view, queries)
    found = shop.recommender.candidates(view, queries)
    hot = [view.arrays.hot[kind, : view.arrays.hot_length[kind]].tolist() for kind in range(4)]
    return {
        "recommended": [view.item_ids[row] for row in ranked.items[-1, : ranked.counts[-1]]],
        "candidates": [view.item_ids[row] for row in found.items.tolist()],
        "trending": [item for item, _ in view.trending(500)],
        "fallback": [view.item_ids[row] for row in view.trending_rows(500)],
        "hot": [view.item_ids[row] for kind in hot for row in kind],
        "similar": [item for item, _ in shop.recommender.similar(view, view.row_of("item-5-3"), 500)],
    }
