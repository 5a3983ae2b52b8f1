"""What the teller puts on catalogue.v1 has keys that no item can take from a list, whatever items are named."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import orjson

from schemas import TRENDING_KEY, CatalogueEntry, Settings, similar_key
from storage.rows import catalogue_key
from streams.catalogue.teller import CatalogueTeller

NAMES = ["trending", "list/trending", "item/trending", "i1"]


class _View:
    """As much of a catalogue view as the teller looks at."""

    items = len(NAMES)
    item_ids = NAMES
    feed_offset = 7

    class arrays:
        items = {"clicks": np.arange(1, len(NAMES) + 1, dtype=np.int32)}  # noqa: RUF012

    def trending(self, _: int) -> list[tuple[str, float]]:
        return [("hot", 1.0)]


class _Asked:
    view = _View()

    def similar(self, _: object, row: int, __: int) -> list[tuple[str, float]]:
        return [(f"like {NAMES[row]}", 1.0)]


def test_items_named_like_lists_are_items() -> None:
    asked = _Asked()
    teller = CatalogueTeller(Settings(), cast("Any", lambda: (asked, asked)), cast("Any", None))
    told = {
        key: CatalogueEntry.model_validate(orjson.loads(teller._entry(key, items))) for key, items in teller._lists()
    }
    assert set(told) == {TRENDING_KEY, *map(similar_key, NAMES)}
    assert all(entry.key == key == catalogue_key(entry) for key, entry in told.items())
    assert [told[TRENDING_KEY].kind, told[TRENDING_KEY].items[0].item_id] == ["trending", "hot"]
    assert {told[similar_key(name)].items[0].item_id for name in NAMES} == {f"like {name}" for name in NAMES}
    assert {told[similar_key(name)].kind for name in NAMES} == {"similar"}
