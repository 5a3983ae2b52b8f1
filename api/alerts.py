"""Alerts: which there are, as they happen, and that someone has seen one.

Store.reading, Live ─► bodies, server-sent events;  acknowledgement ─► Store.acknowledge
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import Body, Depends, Header, Path, Query, Request
from fastapi.responses import StreamingResponse

from api import live
from api.access import Caller, needs
from api.cursors import from_cursor, page_of, to_cursor
from api.live import Live
from api.problems import ProblemError, not_kept, responses
from api.publisher import ActionTeller
from api.shared import After, Database, From, Limit, SearchText, To, build_router, shown
from schemas import (
    BODY_EXAMPLES,
    AcknowledgeBody,
    Alert,
    AlertBody,
    AlertDetail,
    AlertState,
    FieldError,
    Id,
    Name,
    Page,
    Severity,
    UnavailableError,
)
from storage import AlertFilter, parse_words

_STREAM_EXAMPLE = f"event: alert\ndata: {orjson.dumps(Alert.EXAMPLE).decode()}\nid: 17\n\n"
AlertId = Annotated[Id, Path()]
router = build_router("alerts")


class EventStream(StreamingResponse):
    """Not FastAPI's EventSourceResponse: its queue fails with an error when a client leaves in mid-event (0.165)."""

    media_type = "text/event-stream"


async def _live(request: Request) -> Live:
    shared: Live = request.app.state.live
    return shared


async def _filter(
    state: Annotated[AlertState | None, Query()] = None,
    severity: Annotated[
        list[Severity] | None, Query(max_length=3, description="several times for several of them")
    ] = None,
    acknowledged: Annotated[bool | None, Query(description="whether somebody has seen it")] = None,
    asset_id: Annotated[Id | None, Query()] = None,
    asset_class: Annotated[Name | None, Query()] = None,
    start: From = None,
    end: To = None,
    query: Annotated[SearchText, Query(description="beginnings of words of its asset's id or class")] = None,
) -> AlertFilter | None:
    """None: the text has no word, so nothing is found."""
    words = parse_words(query)
    if query is not None and not words:
        return None
    severities = tuple(dict.fromkeys(severity or ()))
    return AlertFilter(state, severities, asset_id, asset_class, acknowledged, start, end, words)


@router.get("/alerts", responses=shown("Page[AlertBody]"))
def list_alerts(
    store: Database,
    which: Annotated[AlertFilter | None, Depends(_filter)],
    after: After = None,
    limit: Limit = 50,
) -> Page[AlertBody]:
    """Alerts, the last raised first. `from` and `to` are about when they were raised; `query` looks
    for words of the id and class of their asset, and not for failure modes."""
    key = from_cursor("alerts", after)
    if which is None:
        return Page(items=[])
    with store.reading() as reader:
        alerts = reader.alerts(which, key, limit + 1)
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


@router.get("/alerts/{alert_id:id}", responses=shown("AlertDetail", "unknown-alert"))
def get_alert(alert_id: AlertId, store: Database) -> AlertDetail:
    """An alert with all its transitions and their evidence."""
    with store.reading() as reader:
        alert = reader.alert(alert_id)
    if alert is None:
        raise ProblemError("unknown-alert", f"There is no alert {alert_id}.")
    return alert


async def _teller(request: Request) -> ActionTeller | None:
    teller: ActionTeller | None = request.app.state.teller
    return teller


@router.post(
    "/alerts/{alert_id:id}/acknowledge",
    dependencies=[Depends(needs("operate"))],
    responses=shown("AlertDetail", "unknown-alert", "too-large"),
)
def acknowledge_alert(
    alert_id: AlertId,
    body: Annotated[AcknowledgeBody, Body(examples=[BODY_EXAMPLES["AcknowledgeBody"]])],
    store: Database,
    caller: Caller,
    teller: Annotated[ActionTeller | None, Depends(_teller)],
) -> AlertDetail:
    """Note that someone has seen the alert: who that is says the key, or, where the API has no keys, `by`.

    The first acknowledgement stands; repeating it changes nothing. It is told on the live stream and on `actions.v1`.
    """
    by = caller or body.by
    if by is None:
        fault = FieldError(field="body.by", message="is needed where the API has no keys: say who it is")
        raise ProblemError("invalid-request", f"{fault.field}: {fault.message}.", [fault])
    try:
        alert = store.acknowledge(alert_id, by, body.comment)
    except UnavailableError as error:
        raise not_kept("The acknowledgement", error) from error
    if alert is None:
        raise ProblemError("unknown-alert", f"There is no alert {alert_id}.")
    if teller is not None:
        teller.nudge()
    return alert
