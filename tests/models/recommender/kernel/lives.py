"""A short life of a shop, and all that the kernels made of it, as arrays to be compared with those recorded.

shoppers and item changes ─► users' rows, view, candidates, feature rows, scores ─► {name: array}

    python -m tests.models.recommender.kernel.lives golden.npz    (records it anew)

Recorded from the kernels of before, which numba compiled. Whole numbers must be the same everywhere, so they are there
as digests; what went through `exp` or `log` differs in the last digit between machines.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import numpy as np

from models.recommender import queries_of
from models.recommender.clicks import feed_items
from models.recommender.feed import encode_record
from schemas import Click, Item
from tests.models.recommender.shoppers import START, Shop, shopping, small

ALL = {"max_candidates": 1000, "min_candidates": 1000, "click_log": 1024, "recent_sessions": 256, "unknown_items": True}
FLOATS = ("popularity", "context", "context_total", "clocks", "rates")
RECORDED = {"counters": 7, "clocks": 6}  # values; what came later is not among them


def life(profile: str) -> dict[str, np.ndarray]:
    """Whatever has evidence is a candidate, so that a last digit cannot choose others."""
    quotas = dict.fromkeys(small(profile).quotas.model_dump(), 1000)
    shop, told = Shop(small(profile, **ALL, quotas=quotas)), blake2b(digest_size=16)
    found: dict[str, np.ndarray] = {}
    for number, batch in enumerate(_batches()):
        if number % 8 == 5:
            record = feed_items(_changes(number), 1, np.arange(20 * number, 20 * number + 4), START.timestamp())
            shop.view.apply(encode_record(record))
        for _, steps, record in shop.batches(batch, size=len(batch)):
            for array in steps:
                told.update(array.tobytes())
            shop.view.apply(encode_record(record))
    told.update(shop.rows.tobytes())
    found["whole"] = np.array([told.hexdigest(), _digest(shop)])
    found |= {name: getattr(shop.view.arrays, name)[: RECORDED.get(name, shop.view.items)] for name in FLOATS}
    arrays, steps = shop.step(shopping(40, seed=4, tastes=4)[-3:])
    candidates = shop.recommender.candidates(shop.view, queries_of(arrays, steps))
    order = np.lexsort((candidates.items, np.repeat(np.arange(3), candidates.counts)))
    found |= {"items": candidates.items[order], "counts": candidates.counts, "met": candidates.met}
    found |= {"rows": candidates.rows[order], "scores": shop.recommender.by_hand(candidates)[order]}
    found["best"] = shop.recommender.rank(shop.view, queries_of(arrays, steps)).scores
    found["trending"] = np.array([score for _, score in shop.view.trending(15)])
    return found


def _batches() -> Iterator[list[Click]]:
    """More than the rings hold; some clicks are more than views, or come from the past."""
    actions = ("view", "view", "cart", "view", "purchase", "view", "dislike", "view", "remove")
    log = shopping(1500, seed=3, tastes=4, users=25)
    for first in range(0, len(log), 50):
        yield [
            click.model_copy(update={
                "action": actions[n * 7 % len(actions)],
                "event_time": click.event_time - timedelta(hours=n % 41 == 0),
            })
            for n, click in enumerate(log[first : first + 50], first)
        ]  # fmt: skip


def _changes(number: int) -> list[tuple[str, Item | None]]:
    at = START + timedelta(seconds=150 * number)
    names = [f"item-1-{number % 10}", f"item-2-{number % 7}", f"item-0-{number % 3}", f"new-{number}"]
    later = {"published_at": at + timedelta(minutes=20)}
    said: list[dict[str, Any]] = [{"available": False}, {"available": True}, {}, later]
    items = [Item(item_id=name, event_time=at, **more) for name, more in zip(names, said, strict=True)]
    return [
        (name, None if number % 3 == 1 and n == 1 else item)
        for n, (name, item) in enumerate(zip(names, items, strict=True))
    ]


def _digest(shop: Shop) -> str:
    """Of all arrays without numbers that were computed from an exponential."""
    digest = blake2b("".join(shop.view.item_ids).encode(), digest_size=16)
    for name, array in shop.view.arrays._asdict().items():
        if name not in (*FLOATS, "item_table", "summaries", "co_visits"):
            count = shop.view.items if name in ("items", "waiting") else RECORDED.get(name)
            digest.update(array[:count].tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    lives = {f"{profile}_{name}": array for profile in ("shop", "portal") for name, array in life(profile).items()}
    np.savez_compressed(sys.argv[1], **lives)
