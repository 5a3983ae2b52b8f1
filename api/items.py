"""Users and items: what is recommended, trending and similar, what the shop said of items, what a user clicked.

Store.reading ─► lists as they are shown now ─► bodies
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from api.access import needs
from api.cursors import from_cursor, page_of, to_cursor
from api.lists import Choice, choice, listed, popular_now, recommended
from api.problems import ProblemError, responses
from api.publisher import Broker, not_sent
from api.shared import After, Database, ItemId, Limit, SearchText, UserId, build_router, shown
from schemas import (
    CLICKS,
    ItemBody,
    ItemList,
    ItemTrend,
    Page,
    RecommendationBody,
    SentEvent,
    UnavailableError,
    UserBody,
)
from storage import ItemFilter, parse_words

router = build_router("recommendations")
FORGOTTEN = {"index": 0, "topic": CLICKS, "partition": 3, "offset": 40817}
Wanted = Annotated[Choice, Depends(choice)]


# `:id`: ids may hold slashes; so the longer route comes first
@router.get("/users/{user_id:id}/recommendations", responses=shown("RecommendationBody"))
def get_recommendations(user_id: UserId, store: Database, wanted: Wanted) -> RecommendationBody:
    """The latest recommendation for a user; for an unknown user what is trending, and `strategy` says so.

    What is not available, was removed or is not published yet is left out, whenever the list was made, and so is what
    the user turned down. The list is filled up from what is trending, whose scores are of another scale; with
    `category` then with other items of that category, whose score is 0.
    """
    with store.reading() as reader:
        return recommended(reader, user_id, wanted)


@router.get("/users/{user_id:id}", responses=shown("UserBody"))
def get_user(
    user_id: UserId,
    store: Database,
    wanted: Wanted,
    clicks: Annotated[int, Query(ge=0, le=200, description="most clicks that are shown")] = 20,
) -> UserBody:
    """The newest clicks of a user, as many as MILLRACE_CLICKS_PER_USER keeps, and the list that the user gets.

    A user whom nobody knows has no clicks and gets what is trending.
    """
    with store.reading() as reader:
        found = reader.clicks(user_id, clicks)
        said = reader.items_of(click.item_id for click in found)
        titled = [
            click.model_copy(update={"title": item.title, "category": item.category})
            if (item := said.get(click.item_id))
            else click
            for click in found
        ]
        return UserBody(user_id=user_id, clicks=titled, recommendations=recommended(reader, user_id, wanted))


@router.delete(
    "/users/{user_id:id}",
    status_code=202,
    dependencies=[Depends(needs("admin"))],
    responses={202: {"content": {"application/json": {"example": FORGOTTEN}}}, **responses("broker-unavailable")},
)
async def forget_user(user_id: UserId, broker: Broker) -> SentEvent:
    """Forget a person: the state of the workers, the latest list and the clicks in the database.

    Done when the worker and the sink have read the record that asks for it; the answer says where that is on
    `clicks.v1`. Clicks on the topic itself go with its retention; docs/api.md says what stays.
    """
    try:
        return await broker.forget(user_id)
    except UnavailableError as error:
        raise not_sent("The user is not forgotten; send the request again", error) from error


@router.get("/items/trending", responses=shown("ItemList"))
def get_trending_items(store: Database, wanted: Wanted) -> ItemList:
    """What is trending over all users, up to 100 items; with `category` then other items of it, with the score 0."""
    with store.reading() as reader:
        return popular_now(reader, wanted)


@router.get("/items", responses=shown("Page[ItemBody]"))
def list_items(
    store: Database,
    query: SearchText = None,
    category: Annotated[str | None, Query(max_length=200)] = None,
    available: Annotated[
        bool | None, Query(description="true: those that can be had, published by now; false: the others")
    ] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[ItemBody]:
    """What the shop said of items, by id; `query` is looked for in titles and ids."""
    key = from_cursor("items", after)
    which = ItemFilter(parse_words(query), category, available)
    if query is not None and not which.words:
        return Page(items=[])
    with store.reading() as reader:
        items = reader.items(which, key and key[0], limit + 1)
    return page_of(items, limit, lambda item: to_cursor("items", item.item_id))


@router.get("/items/{item_id:id}/similar", responses=shown("ItemList", "unknown-item"))
def list_similar_items(item_id: ItemId, store: Database, wanted: Wanted) -> ItemList:
    """What is similar to an item by what people click together, 20 items at most; empty where nobody has.

    404 for an item of which neither the shop said anything nor a worker a list.
    """
    with store.reading() as reader:
        entry = reader.similar(item_id)
        if entry is None and not reader.items_of([item_id]):
            raise ProblemError("unknown-item", f"Neither the shop nor a worker has ever told of item {item_id}.")
        return listed(reader, entry, wanted)


@router.get("/items/{item_id:id}/trend", responses=shown("ItemTrend"))
def get_trend(item_id: ItemId, store: Database) -> ItemTrend:
    """How often an item was clicked lately, by minutes, hours or days, among the newest clicks that are kept.

    Zeros for an item that nobody clicked, known or not.
    """
    with store.reading() as reader:
        return reader.item_trend(item_id)


@router.get("/items/{item_id:id}", responses=shown("ItemBody", "unknown-item"))
def get_item(item_id: ItemId, store: Database) -> ItemBody:
    """What the shop said of an item; of one that it removed only that."""
    with store.reading() as reader:
        found = reader.items_of([item_id]).get(item_id)
    if found is None:
        raise ProblemError("unknown-item", f"Nothing was ever said of item {item_id} on items.v1.")
    return found
