"""Alerts: which there are, and as they happen. What people do about them is in `alert_actions`.

Store.reading, Live ─► bodies, server-sent events
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, NamedTuple

import orjson
from fastapi import Depends, Header, Path, Query, Request
from fastapi.responses import StreamingResponse

from api import live
from api.access import StillAllowed
from api.cursors import List, from_cursor, page_of, to_cursor
from api.live import Live
from api.problems import ProblemError, responses
from api.shared import After, Database, From, InPlace, Limit, SearchText, To, build_router, shown
from schemas import (
    Alert,
    AlertBody,
    AlertDetail,
    AlertKind,
    AlertState,
    FieldError,
    Id,
    Name,
    Page,
    PerformanceBody,
    Severity,
    SiteAlertsBody,
)
from storage import AlertFilter, parse_words, place_of_alert

_STREAM_EXAMPLE = f"event: alert\ndata: {orjson.dumps(Alert.EXAMPLE).decode()}\nid: 17\n\n"
LONGEST_PERFORMANCE = timedelta(days=366)
AlertId = Annotated[Id, Path()]
router = build_router("alerts")


class EventStream(StreamingResponse):
    """Not FastAPI's EventSourceResponse: its queue fails with an error when a client leaves in mid-event (0.165)."""

    media_type = "text/event-stream"


async def _live(request: Request) -> Live:
    shared: Live = request.app.state.live
    return shared


class Handling(NamedTuple):
    acknowledged: bool | None
    shelved: bool | None
    assignee: str | None


class _Standing(NamedTuple):
    state: AlertState | None
    suppressed: bool | None


class _Of(NamedTuple):
    asset_id: str | None
    asset_class: str | None
    failure_mode: str | None
    kind: AlertKind | None


async def _of(
    asset_id: Annotated[Id | None, Query()] = None,
    asset_class: Annotated[Name | None, Query()] = None,
    failure_mode: Annotated[Id | None, Query(description="or the component that is to fail")] = None,
    kind: Annotated[AlertKind | None, Query(description="about the machine, or about what it sends")] = None,
) -> _Of:
    return _Of(asset_id, asset_class, failure_mode, kind)


async def _handling(
    acknowledged: Annotated[bool | None, Query(description="whether somebody has seen it")] = None,
    shelved: Annotated[bool | None, Query(description="whether its failure mode is shelved at this moment")] = None,
    assignee: Annotated[Id | None, Query(description="who looks after it")] = None,
) -> Handling:
    return Handling(acknowledged, shelved, assignee)


async def _standing(
    state: Annotated[AlertState | None, Query()] = None,
    suppressed: Annotated[
        bool | None, Query(description="whether so many of its site have an open alert that the site is the alarm")
    ] = None,
) -> _Standing:
    return _Standing(state, suppressed)


InHandling = Annotated[Handling, Depends(_handling)]


async def _filter(
    handling: InHandling,
    of: Annotated[_Of, Depends(_of)],
    place: InPlace,
    standing: Annotated[_Standing, Depends(_standing)],
    severity: Annotated[
        list[Severity] | None, Query(max_length=3, description="several times for several of them")
    ] = None,
    start: From = None,
    end: To = None,
    query: Annotated[SearchText, Query(description="beginnings of words of its asset's id or class")] = None,
) -> AlertFilter | None:
    """None: the text has no word, so nothing is found."""
    words = parse_words(query)
    if query is not None and not words:
        return None
    severities = tuple(dict.fromkeys(severity or ()))
    return AlertFilter(
        standing.state, severities, of.asset_id, of.asset_class, *handling, start, end, words, of.failure_mode,
        of.kind, place, standing.suppressed,
    )  # fmt: skip


@router.get("/alerts", responses=shown("Page[AlertBody]"))
def list_alerts(
    store: Database,
    which: Annotated[AlertFilter | None, Depends(_filter)],
    sort: Annotated[
        Literal["raised_at", "worst"],
        Query(description="the last raised first; or the worst first, and of those alike the last raised"),
    ] = "raised_at",
    after: After = None,
    limit: Limit = 50,
) -> Page[AlertBody]:
    """Alerts. `from` and `to` are about when they were raised; `query` looks for words of the id and class of their
    asset; `failure_mode` asks for one."""
    name: List = "alerts/worst" if sort == "worst" else "alerts"
    key = from_cursor(name, after)
    if which is None:
        return Page(items=[])
    with store.reading() as reader:
        alerts = reader.alerts(which, key, limit + 1, sort)
    return page_of(alerts, limit, lambda alert: to_cursor(name, *place_of_alert(alert, sort)))


@router.get("/alerts/sites", responses=shown("Page[SiteAlertsBody]"))
def list_sites_in_trouble(store: Database) -> Page[SiteAlertsBody]:
    """The sites that have assets with an open alert, the most assets first, all of them. A site with five or more
    suppresses the alerts of its assets: they are one alarm, and `/v1/alerts?suppressed=false` leaves them out."""
    with store.reading() as reader:
        return Page(items=reader.sites_in_trouble())


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
    response_class=EventStream,
    dependencies=[Depends(_own_stream)],
    responses={200: {"content": {"text/event-stream": {"example": _STREAM_EXAMPLE}}}, **responses("too-many-streams")},
)
async def stream_alerts(
    shared: Annotated[Live, Depends(_live)], start_id: Annotated[int, Depends(_start_id)], is_allowed: StillAllowed
) -> EventStream:
    """Server-sent events: each transition of an alert as it happens, as event `alert` with the value of `alerts.v1`,
    and what people do about alerts, as event `action` with the value of `actions.v1`.

    A client that sends `Last-Event-ID` gets all that it missed; EventSource in browsers does so by itself.
    """
    return EventStream(
        shared.stream(start_id, is_allowed), headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    )


@router.get("/alerts/performance", responses=shown("PerformanceBody"))
def get_performance(
    store: Database,
    start: From = None,
    end: To = None,
    asset_class: Annotated[Name | None, Query()] = None,
) -> PerformanceBody:
    """How the alarm system does, as EEMUA 191 asks: alerts an hour, floods, chattering, stale, times to acknowledge.

    And how good its alarms were: precision by outcome, failures found and missed. By default of the last seven days;
    366 days at most.
    """
    now = datetime.now(UTC)
    end = min(end or now, now)
    start = start or end - timedelta(days=7)
    if not timedelta(0) < end - start <= LONGEST_PERFORMANCE:
        fault = FieldError(field="query.from", message="must be before `to`, by 366 days at most")
        raise ProblemError("invalid-request", f"{fault.field}: {fault.message}.", [fault])
    with store.reading() as reader:
        return reader.performance(start, end, asset_class)


@router.get("/alerts/{alert_id:id}", responses=shown("AlertDetail", "unknown-alert"))
def get_alert(alert_id: AlertId, store: Database) -> AlertDetail:
    """An alert with all its transitions and their evidence, and all that people did about it."""
    with store.reading() as reader:
        alert = reader.alert(alert_id)
    if alert is None:
        raise ProblemError("unknown-alert", f"There is no alert {alert_id}.")
    return alert
