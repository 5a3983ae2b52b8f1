"""Shared: what the routes of all resources say in the same words: parameters, answers, problems.

request ─► key and limits (dependencies) ─► one transaction of Store.reading ─► body

Routes are plain functions: FastAPI runs them in its threads, and they wait for the database, not the event loop.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from api.access import needs
from api.addresses import only_known
from api.keys import Scope
from api.problems import responses
from schemas import BODY_EXAMPLES, EventTime, Id, Label, Name
from storage import PlaceFilter, Store

ALWAYS = ("invalid-request", "unauthorized", "forbidden", "wrong-host", "unavailable", "internal")


async def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


Database = Annotated[Store, Depends(_store)]
UserId = Annotated[Id, Path(description="user_id of its clicks")]
ItemId = Annotated[Id, Path(description="item_id of its clicks")]
AssetId = Annotated[Id, Path(description="asset_id of its events")]
AssetClass = Annotated[
    Name | None, Query(description="class of the asset; needed only where several classes have its id")
]
After = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=200, description="most entries of the page")]
ItemLimit = Annotated[int, Query(ge=1, le=100, description="most items of the list")]
From = Annotated[EventTime | None, Query(alias="from", description="at or after this time")]
To = Annotated[EventTime | None, Query(alias="to", description="before this time")]
KEY_AND_VALUE = r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}:[^\x00-\x1f\x7f]{1,100}$"
LabelOfAsset = Annotated[str, Query(max_length=201, pattern=KEY_AND_VALUE)]


async def _place(
    site: Annotated[Label | None, Query(description="where the asset stands, as `assets.v1` told")] = None,
    line: Annotated[Label | None, Query()] = None,
    label: Annotated[
        list[LabelOfAsset] | None, Query(max_length=8, description="`key:value`; several times for several that it has")
    ] = None,
) -> PlaceFilter:
    return PlaceFilter(site, line, tuple(dict.fromkeys(label or ())))


InPlace = Annotated[PlaceFilter, Depends(_place)]
SearchText = Annotated[
    str | None,
    Query(min_length=1, max_length=100, pattern=r"^[^\x00]*$", description="beginnings of words that it has"),
]


def build_router(tag: str, scope: Scope = "read") -> APIRouter:
    """Routes under /v1 that a key with this scope may use."""
    first = [Depends(needs(scope)), Depends(only_known)]
    return APIRouter(prefix="/v1", tags=[tag], responses=responses(*ALWAYS), dependencies=first)


def shown(name: str, *problems: str) -> dict[int | str, dict[str, Any]]:
    """The responses of a route in OpenAPI: an example of the body, and its own problems."""
    return {200: {"content": {"application/json": {"example": BODY_EXAMPLES[name]}}}, **responses(*problems)}
