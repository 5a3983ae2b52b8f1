"""Routes under /v1: what the service has decided, and the one thing a person may add, an acknowledgement.

request ─► key and limits (dependencies) ─► one transaction of Store.reading ─► body

Plain functions: FastAPI runs them in its threads, and the database, not the event loop, is what they wait for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request
from fastapi.responses import StreamingResponse

from api import live
from api.access import needs
from api.cursors import from_asset_cursor, from_cursor, page_of, to_asset_cursor, to_cursor
from api.live import Live
from api.model_list import read_models
from api.problems import ProblemError, not_kept, responses
from schemas import (
    BODY_EXAMPLES,
    AcknowledgeBody,
    Alert,
    AlertBody,
    AlertDetail,
    AlertState,
    AssetBody,
    AssetDetail,
    EventTime,
    Id,
    ItemList,
    ModelBody,
    Name,
    Page,
    RecommendationBody,
    Score,
    Severity,
    UnavailableError,
)
from storage import AlertFilter, Reader, Store

ALWAYS = ("invalid-request", "unauthorized", "forbidden", "wrong-host", "unavailable", "internal")


async def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


async def _live(request: Request) -> Live:
    shared: Live = request.app.state.live
    return shared


Database = Annotated[Store, Depends(_store)]
AssetId = Annotated[Id, Path(description="asset_id of its events")]
AssetClass = Annotated[
    Name | None, Query(description="class of the asset; needed only where several classes have its id")
]
AlertId = Annotated[Id, Path()]
After = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=200, description="most entries of the page")]
ItemLimit = Annotated[int, Query(ge=1, le=100, description="most items of the list")]

_STREAM_EXAMPLE = f"event: alert\ndata: {orjson.dumps(Alert.EXAMPLE).decode()}\nid: 17\n\n"


class EventStream(StreamingResponse):
    """Not FastAPI's EventSourceResponse: its queue fails with an error when a client leaves in mid-event (0.165)."""

    media_type = "text/event-stream"


WORKER_SILENCE = timedelta(seconds=30)
router = APIRouter(prefix="/v1", responses=responses(*ALWAYS), dependencies=[Depends(needs("read"))])


def _shown(name: str, *problems: str) -> dict[int | str, dict[str, Any]]:
    """The responses of a route in OpenAPI: an example of the body, and its own problems."""
    return {200: {"content": {"application/json": {"example": BODY_EXAMPLES[name]}}}, **responses(*problems)}


@router.get("/users/{user_id:path}/recommendations", tags=["recommendations"], responses=_shown("RecommendationBody"))
def get_recommendations(user_id: Annotated[Id, Path()], store: Database, limit: ItemLimit = 20) -> RecommendationBody:
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


@router.get("/items/trending", tags=["recommendations"], responses=_shown("ItemList"))
def get_trending_items(store: Database, limit: ItemLimit = 20) -> ItemList:
    """What is trending over all users."""
    with store.reading() as reader:
        entry = reader.trending()
    return ItemList(event_time=entry.event_time if entry else None, items=entry.items[:limit] if entry else [])


@router.get("/assets", tags=["assets"], responses=_shown("Page[AssetBody]"))
def list_assets(
    store: Database,
    asset_class: Annotated[Name | None, Query()] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[AssetBody]:
    """Assets in the order of their classes, and of their ids within a class."""
    key = from_asset_cursor(after)
    with store.reading() as reader:
        assets = reader.assets(asset_class, key, limit + 1)
    return page_of(assets, limit, lambda asset: to_asset_cursor(asset.asset_class, asset.asset_id))


def _the_class(reader: Reader, asset_id: str, asked: str | None) -> str:
    """The class of the asset that is asked for.

    Raises:
        ProblemError: there is none of this id and class, or there are several of this id and no class is asked for.
    """
    classes = reader.classes_of(asset_id)
    if asked is None and len(classes) > 1:
        raise ProblemError(
            "ambiguous-asset",
            f"Several asset classes have an asset {asset_id}: {', '.join(classes)}. Ask again with one of them, as in "
            f"`?asset_class={classes[0]}`.",
        )
    if asked is None and classes:
        return classes[0]
    if asked is None or asked not in classes:
        of_class = "" if asked is None else f" of the class {asked}"
        elsewhere = f" There is one of {', '.join(classes)}." if classes else ""
        raise ProblemError(
            "unknown-asset", f"No score or alert of asset {asset_id}{of_class} was ever seen.{elsewhere}"
        )
    return asked


# `:path`: ids may hold slashes, as in site/line/pump; so the longer route comes first
@router.get(
    "/assets/{asset_id:path}/scores",
    tags=["assets"],
    responses=_shown("Page[Score]", "unknown-asset", "ambiguous-asset"),
)
def list_scores(
    asset_id: AssetId,
    store: Database,
    asset_class: AssetClass = None,
    since: Annotated[EventTime | None, Query(description="scores at or after this time")] = None,
    until: Annotated[EventTime | None, Query(description="scores before this time")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[Score]:
    """The scores of an asset, newest first, as far back as MILLRACE_RETENTION_SCORES_DAYS."""
    key = from_cursor("scores", after)
    with store.reading() as reader:
        of_class = _the_class(reader, asset_id, asset_class)
        scores = reader.scores(asset_id, since, until, key, limit + 1, of_class)
    return page_of(scores, limit, lambda score: to_cursor("scores", score.event_time, score.score_id))


@router.get(
    "/assets/{asset_id:path}", tags=["assets"], responses=_shown("AssetDetail", "unknown-asset", "ambiguous-asset")
)
def get_asset(asset_id: AssetId, store: Database, asset_class: AssetClass = None) -> AssetDetail:
    """An asset with the newest score of each of its targets and its open alerts."""
    with store.reading() as reader:
        asset = reader.asset(asset_id, _the_class(reader, asset_id, asset_class))
    assert asset is not None, "its class was read in the same transaction"
    return asset


@router.get("/alerts", tags=["alerts"], responses=_shown("Page[AlertBody]"))
def list_alerts(
    store: Database,
    state: Annotated[AlertState | None, Query()] = None,
    severity: Annotated[Severity | None, Query()] = None,
    asset_id: Annotated[Id | None, Query()] = None,
    asset_class: Annotated[Name | None, Query()] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[AlertBody]:
    """Alerts, the last raised first."""
    key = from_cursor("alerts", after)
    with store.reading() as reader:
        alerts = reader.alerts(AlertFilter(state, severity, asset_id, asset_class), key, limit + 1)
    return page_of(alerts, limit, lambda alert: to_cursor("alerts", alert.raised_at, alert.alert_id))


async def _own_stream(shared: Annotated[Live, Depends(_live)]) -> AsyncIterator[None]:
    """A place among the streams, taken as soon as it is found free and given back however the request ends."""
    if shared.open_streams >= live.MOST_STREAMS:
        raise ProblemError("too-many-streams", f"This API server has {live.MOST_STREAMS} live streams open.")
    with shared.counted():
        yield


async def _start_id(
    shared: Annotated[Live, Depends(_live)],
    last_event_id: Annotated[int | None, Header(ge=0, lt=2**63, description="resume after this event")] = None,
) -> int:
    return await shared.start_id() if last_event_id is None else last_event_id


@router.get(
    "/alerts/stream",
    tags=["alerts"],
    response_class=EventStream,
    dependencies=[Depends(_own_stream)],
    responses={200: {"content": {"text/event-stream": {"example": _STREAM_EXAMPLE}}}, **responses("too-many-streams")},
)
async def stream_alerts(
    shared: Annotated[Live, Depends(_live)], start_id: Annotated[int, Depends(_start_id)]
) -> EventStream:
    """Server-sent events: each transition of an alert as it happens, as event `alert` with the value of `alerts.v1`.

    A client that sends `Last-Event-ID` gets all that it missed; EventSource in browsers does so by itself.
    """
    return EventStream(shared.stream(start_id), headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})


@router.get("/alerts/{alert_id}", tags=["alerts"], responses=_shown("AlertDetail", "unknown-alert"))
def get_alert(alert_id: AlertId, store: Database) -> AlertDetail:
    """An alert with all its transitions and their evidence."""
    with store.reading() as reader:
        alert = reader.alert(alert_id)
    if alert is None:
        raise ProblemError("unknown-alert", f"There is no alert {alert_id}.")
    return alert


@router.post(
    "/alerts/{alert_id}/acknowledge",
    tags=["alerts"],
    dependencies=[Depends(needs("operate"))],
    responses=_shown("AlertDetail", "unknown-alert", "too-large"),
)
def acknowledge_alert(
    alert_id: AlertId,
    body: Annotated[AcknowledgeBody, Body(examples=[BODY_EXAMPLES["AcknowledgeBody"]])],
    store: Database,
) -> AlertDetail:
    """Note that someone has seen the alert. The first acknowledgement stands; repeating it changes nothing."""
    try:
        alert = store.acknowledge(alert_id, body.by, body.comment)
    except UnavailableError as error:
        raise not_kept("The acknowledgement", error) from error
    if alert is None:
        raise ProblemError("unknown-alert", f"There is no alert {alert_id}.")
    return alert


@router.get("/models", tags=["models"], responses=_shown("Page[ModelBody]"))
def list_models(request: Request, store: Database) -> Page[ModelBody]:
    """The models in MILLRACE_HOME with their versions, aliases and cards, and what the edge workers run and refuse.

    All of them: there are few. A worker that has been silent for half a minute is left out.
    """
    with store.reading() as reader:
        workers = reader.workers(datetime.now(UTC) - WORKER_SILENCE)
    return Page(items=read_models(request.app.state.settings.home / "models", workers))
