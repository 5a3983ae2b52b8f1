"""Users and items: what is recommended, what is trending.

Store.reading ─► bodies
"""

from __future__ import annotations

from api.shared import Database, ItemLimit, UserId, build_router, shown
from schemas import ItemList, RecommendationBody

router = build_router("recommendations")


@router.get("/users/{user_id:id}/recommendations", responses=shown("RecommendationBody"))
def get_recommendations(user_id: UserId, store: Database, limit: ItemLimit = 20) -> RecommendationBody:
    """The latest recommendation for a user; for an unknown user what is trending, and `strategy` says so."""
    with store.reading() as reader:
        found = reader.recommendation(user_id)
        trending = None if found else reader.trending()
    if found is None:
        time, items = (trending.event_time, trending.items) if trending else (None, [])
        return RecommendationBody(user_id=user_id, strategy="trending", event_time=time, items=items[:limit])
    return RecommendationBody(
        user_id=user_id,
        strategy=found.strategy,
        event_time=found.event_time,
        recommendation_id=found.recommendation_id,
        model=found.model,
        caused_by=found.caused_by,
        items=found.items[:limit],
    )


@router.get("/items/trending", responses=shown("ItemList"))
def get_trending_items(store: Database, limit: ItemLimit = 20) -> ItemList:
    """What is trending over all users."""
    with store.reading() as reader:
        entry = reader.trending()
    return ItemList(event_time=entry.event_time if entry else None, items=entry.items[:limit] if entry else [])
