"""Shop: a user's clicks beside the list that they led to and why, an item and what goes with it, what is trending.

Store.reading, rank with its explanation ─► pages;  POST /shop/click ─► Publisher ─► the list changes
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import Depends, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from api import Broker, Choice, Database, Outgoing, ProblemError, get_user, listed, needs, popular_now
from console.page import build_pages, part, show
from schemas import CLICKS, ClickAction, Id, ItemBody, RankAnswer, RankBody, UnavailableError, UserBody, rfc3339
from storage import TREND_LOOKED_AT, ItemFilter, Store, in_thread, parse_words

router = build_pages()
WAIT_S = 3.0
ALL = Choice(20, frozenset(), None)
MOST_FOUND = 50
# what moved a score, in the words of a shop: beginnings of the names of features. {last}: what the user clicked last
REASONS = (
    ("this user clicked it in this visit", ("times_in_session", "clicks_since", "is_first_of_session", "own")),
    ("users with a visit like this one clicked it", ("neighbour", "nearest", "best_neighbours")),
    ("users often click it soon after {last}", ("after", "next", "before", "near_second", "recent", "best_after")),
    ("users often click it in the same visit as {last}", ("cosine", "together", "directed", "covered", "evidence")),
    ("it goes with what goes with {last}", ("second_order",)),
    ("many users click it now", ("popularity", "continued", "item_clicks", "item_repeat")),
    ("more users click it than a while ago", ("trend",)),
    ("it is new in the shop", ("item_age", "fresh_bonus")),
    ("it is clicked at this hour, on this device or from this place", ("lift", "context")),
)


@router.get("/shop")
def get_shop(request: Request, store: Database, query: Annotated[str, Query(max_length=100)] = "") -> Response:
    """What is trending, who clicked last, and items by their words."""
    words = parse_words(query)
    with store.reading() as reader:
        found = reader.items(ItemFilter(words), None, MOST_FOUND) if words else []
        trending = popular_now(reader, ALL)
        recent = reader.newest_recommendations(20)
    return show(request, "shop.html", trending=trending, recent=recent, found=found, query=query)


@router.get("/shop/users")
def find_user(user: Annotated[str, Query(max_length=200)] = "") -> Response:
    """From the search box to the page of a user."""
    return RedirectResponse(f"/shop/users/{part(user.strip())}" if user.strip() else "/shop", 303)


@router.get("/shop/users/{user_id:id}")
async def show_user(request: Request, store: Database, user_id: Annotated[Id, Path()]) -> Response:
    """The clicks of a user and, beside them, the list with the reasons."""
    return await _user_page(request, store, user_id, "user.html")


async def _user_page(request: Request, store: Store, user_id: str, template: str) -> Response:
    user = await in_thread(lambda: get_user(user_id, store, ALL, 30))
    reasons = await _reasons(request, user)
    said = await in_thread(lambda: _said(store, user))
    return show(request, template, user=user, reasons=reasons, said=said)


def _said(store: Store, user: UserBody) -> dict[str, ItemBody]:
    """What the shop said of the items of the list."""
    with store.reading() as reader:
        return reader.items_of(item.item_id for item in user.recommendations.items)


async def _reasons(request: Request, user: UserBody) -> dict[str, str]:
    """By item, what speaks for it most; empty while no worker answers."""
    items = [item.item_id for item in user.recommendations.items]
    if not items:
        return {}
    try:
        content = await request.app.state.rankers.rank(RankBody(user_id=user.user_id, items=items, explain=True))
    except ProblemError:
        return {}
    answer = RankAnswer.model_validate_json(content)
    last = (user.clicks[0].title or user.clicks[0].item_id) if user.clicks else "the last click"
    return {
        one.item_id: in_words({c.name: c.contribution for c in one.contributions or ()}, last) for one in answer.items
    }


def in_words(moved: dict[str, float], last: str) -> str:
    """What speaks for an item most, with its share of all that speaks for it.

    Args:
        moved: contribution to the score, by name of the feature.
        last: what the user clicked last.
    """
    sums: dict[str, float] = defaultdict(float)
    for name, value in moved.items():
        words = next((words for words, names in REASONS if name.startswith(names)), None)
        if words is not None:
            sums[words] += value
    best = sorted((words for words in sums if sums[words] > 0), key=lambda words: -sums[words])
    total = sum(sums[words] for words in best)
    return "; ".join(f"{words.format(last=last)} ({sums[words] / total:.0%})" for words in best[:2])


@router.post("/shop/click", dependencies=[Depends(needs("write"))])
async def click(
    request: Request,
    store: Database,
    broker: Broker,
    user: Annotated[Id, Form()],
    item: Annotated[Id, Form()],
    action: Annotated[ClickAction, Form()] = "view",
) -> Response:
    """Click as a user, wait for the list that it leads to, and show it."""
    event: dict[str, Any] = {
        "event_id": str(uuid.uuid4()), "event_time": rfc3339(datetime.now(UTC)), "user_id": user, "item_id": item,
        "action": action,
    }  # fmt: skip
    try:
        [sent] = await broker.publish([Outgoing(0, CLICKS, None, orjson.dumps(event))], WAIT_S)
    except UnavailableError as error:
        raise ProblemError("broker-unavailable", f"The click was not sent: {error.detail}") from error
    if sent.error is not None:
        raise ProblemError("invalid-request", f"The click was not sent: {sent.error}")
    await _until_kept(store, user, event["event_id"])
    if "hx-request" in request.headers:
        return await _user_page(request, store, user, "parts/user.html")
    return RedirectResponse(f"/shop/users/{part(user)}", 303)


async def _until_kept(store: Store, user: str, event_id: str) -> None:
    """Until the list of this click is in the database, two seconds at most."""

    def is_kept() -> bool:
        with store.reading() as reader:
            found = reader.recommendation(user)
        return found is not None and found.caused_by.event_id == event_id

    for _ in range(40):
        if await in_thread(is_kept):
            return
        await asyncio.sleep(0.05)


@router.get("/shop/items/{item_id:id}")
def get_item(request: Request, store: Database, item_id: Annotated[Id, Path()]) -> Response:
    """What the shop says of an item, and what goes with it."""
    with store.reading() as reader:
        item = reader.items_of([item_id]).get(item_id)
        similar = listed(reader, reader.similar(item_id), ALL)
        trending = popular_now(reader, Choice(100, frozenset(), None))
        trend = reader.item_trend(item_id)
    place = next((n for n, one in enumerate(trending.items, 1) if one.item_id == item_id), None)
    return show(
        request, "item.html", item_id=item_id, item=item, similar=similar, place=place, trend=trend,
        most_looked_at=TREND_LOOKED_AT,
    )  # fmt: skip
