"""Lists: what of a ranking is shown now: titles come with it, and what cannot be had is left out.

ranked items of the worker, what is trending ─► what the shop says of them now ─► chosen ─► filled up from a category
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from fastapi import Query

from api.shared import ItemLimit
from schemas import CatalogueEntry, Id, ItemBody, ItemList, ListedItem, Recommendation, RecommendationBody, ScoredItem
from storage import Reader


class Choice(NamedTuple):
    """Which items a list may show, and how many."""

    limit: int
    exclude: frozenset[str]
    category: str | None


async def choice(
    limit: ItemLimit = 20,
    exclude: Annotated[list[Id] | None, Query(max_length=200, description="item_ids that it is not to show")] = None,
    category: Annotated[str | None, Query(max_length=200, description="only items of this category")] = None,
) -> Choice:
    return Choice(limit, frozenset(exclude or ()), category)


def recommended(reader: Reader, user_id: str, wanted: Choice) -> RecommendationBody:
    """The latest list of a user, filled up from what is trending; for an unknown user that alone. Never what the user
    turned down: a worker leaves that out of the list, but what is trending is the same for all."""
    found, trending = reader.recommendation(user_id), reader.trending()
    popular = trending.items if trending else []
    wanted = wanted._replace(exclude=wanted.exclude | reader.turned_down(user_id))
    items = filled(reader, [*(found.items if found else []), *popular], wanted)
    if found is None:
        time = trending.event_time if trending else None
        return RecommendationBody(user_id=user_id, strategy="trending", event_time=time, items=items)
    return _body(found, items)


def popular_now(reader: Reader, wanted: Choice) -> ItemList:
    """What is trending; of a category also what is not, after that."""
    entry = reader.trending()
    return ItemList(
        event_time=entry.event_time if entry else None, items=filled(reader, entry.items if entry else [], wanted)
    )


def listed(reader: Reader, entry: CatalogueEntry | None, wanted: Choice) -> ItemList:
    """A list of the catalogue as it is, not filled up; none: there is none yet."""
    items = chosen(reader, entry.items, wanted) if entry else []
    return ItemList(event_time=entry.event_time if entry else None, items=items)


def filled(reader: Reader, ranked: Sequence[ScoredItem], wanted: Choice) -> list[ListedItem]:
    """Those chosen; of a category then its other items, by id and with the score 0: hardly anything of a category may
    be trending."""
    items = chosen(reader, ranked, wanted)
    if wanted.category is None or len(items) >= wanted.limit:
        return items
    but = {item.item_id for item in items} | wanted.exclude
    more = reader.items_to_be_had(wanted.category, datetime.now(UTC), but, wanted.limit - len(items))
    return items + [
        ListedItem(item_id=item.item_id, score=0.0, title=item.title, category=item.category) for item in more
    ]


def chosen(reader: Reader, ranked: Sequence[ScoredItem], wanted: Choice) -> list[ListedItem]:
    """Those that can be had now, each once. An item of which the shop said nothing is shown: the worker knows why."""
    said = reader.items_of(item.item_id for item in ranked)
    now = datetime.now(UTC)
    return list(_first(_shown(ranked, said, wanted, now), wanted.limit))


def _first(items: Iterable[ListedItem], limit: int) -> Iterable[ListedItem]:
    return [item for item, _ in zip(items, range(limit), strict=False)]


def _shown(
    ranked: Sequence[ScoredItem], said: dict[str, ItemBody], wanted: Choice, now: datetime
) -> Iterable[ListedItem]:
    taken = set(wanted.exclude)
    for scored in ranked:
        item = said.get(scored.item_id)
        category = item.category if item else None
        is_wanted = wanted.category is None or category == wanted.category
        if scored.item_id not in taken and is_wanted and (item is None or can_be_had(item, now)):
            taken.add(scored.item_id)
            title = item.title if item else None
            yield ListedItem(item_id=scored.item_id, score=scored.score, title=title, category=category)


def can_be_had(item: ItemBody, now: datetime) -> bool:
    """Not removed, available, and published by now."""
    is_published = item.published_at is None or item.published_at <= now
    return item.removed_at is None and item.available and is_published


def _body(found: Recommendation, items: list[ListedItem]) -> RecommendationBody:
    return RecommendationBody(
        user_id=found.user_id,
        strategy=found.strategy,
        event_time=found.event_time,
        recommendation_id=found.recommendation_id,
        model=found.model,
        caused_by=found.caused_by,
        items=items,
    )
