"""Live: the page on which a newcomer sees events flow, and tries one.

Moment ─► tiles, charts of a quarter of an hour, newest decisions;  POST /try/... ─► Publisher ─► decision
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import Depends, Form, Request
from fastapi.responses import Response, StreamingResponse

from api import Broker, Database, Outgoing, ProblemError, StillAllowed, needs
from console.first import suggest
from console.news import MOST_STREAMS, STORING, News, point_of, read_moment
from console.page import build_pages, show
from schemas import (
    ALERTS,
    CLICKS,
    RECOMMENDATIONS,
    SCORES,
    TELEMETRY,
    Alert,
    Figures,
    FiguresBody,
    Id,
    PeakBody,
    Score,
    SentEvent,
    UnavailableError,
    rfc3339,
)
from storage import Reader, Store, in_thread

router = build_pages()
QUARTER = timedelta(minutes=15)
WAIT_S = 3.0
Text = Annotated[str, Form(max_length=200)]
MAY_SEND = [Depends(needs("write"))]


@router.get("/")
def get_live(request: Request, store: Database) -> Response:
    """How things are, and as they come."""
    with store.reading() as reader:
        moment = read_moment(reader, request.app.state.settings)
        points = _points(reader, [status.worker for status in moment.workers])
        first = suggest(reader, moment, request.app.state.settings.home)
    points.append(point_of(moment))
    return show(request, "live.html", moment=moment, points=points, first=first)


@router.get("/live/stream")
async def get_stream(request: Request, is_allowed: StillAllowed) -> Response:
    """Server-sent events for all pages: a moment a second."""
    news: News = request.app.state.news
    if news.open_streams >= MOST_STREAMS:
        raise ProblemError("too-many-streams", f"This server has {MOST_STREAMS} pages open.")
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(news.stream(is_allowed), media_type="text/event-stream", headers=headers)


def _points(reader: Reader, workers: list[str]) -> list[dict[str, Any]]:
    """What the workers told, minute by minute, the oldest first."""
    minutes: dict[datetime, list[FiguresBody]] = {}
    for worker in workers:
        for one in reader.figures(worker, datetime.now(UTC) - QUARTER, 15):
            minutes.setdefault(one.minute, []).append(one)
    return [_point(minute, told) for minute, told in sorted(minutes.items())]


def _point(minute: datetime, told: list[FiguresBody]) -> dict[str, Any]:
    """The greatest of the minute, as a chart of seconds had shown it. Those of several workers may not have been at the
    same second: their sum is the most that it can have been."""
    agents = [(name, peak) for one in told for name, peak in (one.peaks or _as_told(one.figures)).items()]
    slow = [(name, peak.decision_p99_ms) for name, peak in agents if peak.decision_p99_ms is not None]
    times = {agent: [ms for name, ms in slow if name == agent] for agent in ("recommend", "maintain")}
    return {
        "time": minute.timestamp(),
        "clicks": sum(peak.events_per_s for agent, peak in agents if agent == "recommend"),
        "readings": sum(peak.events_per_s for agent, peak in agents if agent == "maintain"),
        "click_p99": max(times["recommend"], default=None),
        "reading_p99": max(times["maintain"], default=None),
        "undecided": sum(peak.lag for agent, peak in agents if agent not in STORING),
        "unkept": sum(peak.lag for agent, peak in agents if agent in STORING),
    }


def _as_told(figures: Figures) -> dict[str, PeakBody]:
    """Of a minute that a version of before kept: its last figures alone."""
    names = tuple(PeakBody.model_fields)
    return {agent: PeakBody(**{name: getattr(own, name) for name in names}) for agent, own in figures.agents.items()}


@router.post("/try/click", dependencies=MAY_SEND)
async def try_click(request: Request, store: Database, broker: Broker, user: Text = "", item: Text = "") -> Response:
    """A click, and the list that it came to, beside the one before."""
    before = await in_thread(lambda: _list_of(store, user.strip()))
    event = {"event_id": str(uuid.uuid4()), "event_time": _now(), "user_id": user.strip(), "item_id": item.strip()}
    return await _sent(request, broker, CLICKS, event, before=before)


def _list_of(store: Store, user: str) -> list[str]:
    with store.reading() as reader:
        found = reader.recommendation(user)
    return [item.item_id for item in found.items] if found else []


@router.post("/try/reading", dependencies=MAY_SEND)
async def try_reading(
    request: Request, store: Database, broker: Broker,
    asset: Text = "", sensor: Text = "", value: Annotated[float | None, Form()] = None,
) -> Response:  # fmt: skip
    """A reading like the asset's last one with one sensor changed, and the score that it came to."""
    with store.reading() as reader:
        event = _reading_like_last(reader, asset.strip())
        known = reader.asset(event["asset_id"], event["asset_class"])
    name = sensor.strip()
    unknown = name if name and name not in event["readings"] else None
    if name and value is not None:
        event["readings"][name] = value
    before = {score.component: score for score in known.latest_scores} if known else {}
    return await _sent(request, broker, TELEMETRY, event, before=before, unknown=unknown)


def _reading_like_last(reader: Reader, asset: Id) -> dict[str, Any]:
    classes = reader.classes_of(asset)
    if not classes:
        raise ProblemError("unknown-asset", f"There is no asset {asset}.")
    return {
        "event_id": str(uuid.uuid4()), "event_time": _now(), "asset_id": asset, "asset_class": classes[0],
        "readings": reader.last_reading((classes[0], asset)),
    }  # fmt: skip


def _now() -> str:
    return rfc3339(datetime.now(UTC))


async def _sent(request: Request, broker: Broker, topic: str, event: dict[str, Any], **beside: Any) -> Response:
    began = time.perf_counter()
    try:
        [sent] = await broker.publish([Outgoing(0, topic, None, orjson.dumps(event))], WAIT_S)
    except UnavailableError as error:
        sent = SentEvent(index=0, topic=topic, error=str(error))
    took_ms = (time.perf_counter() - began) * 1000
    values = tried(sent, event, **beside)
    return show(request, "tried.html", took_ms=took_ms, is_part="hx-request" in request.headers, **values)


def tried(sent: SentEvent, event: dict[str, Any], before: Any = (), unknown: str | None = None) -> dict[str, Any]:
    """What became of an event, for its page.

    Args:
        before: the list of the user, or the scores of the asset by component, as they were.
        unknown: the sensor that the asset had never told of.
    """
    told = [(one.get("topic"), one["event"]) for one in sent.decisions if one.get("event")]
    return {
        "sent": sent, "event": event, "before": before, "unknown": unknown,
        "lists": [told_event for topic, told_event in told if topic == RECOMMENDATIONS],
        "scores": [Score.model_validate(told_event) for topic, told_event in told if topic == SCORES],
        "alerts": [Alert.model_validate(told_event) for topic, told_event in told if topic == ALERTS],
        "reasons": [one["reason"] for one in sent.decisions if one.get("reason")],
    }  # fmt: skip
