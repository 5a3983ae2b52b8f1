"""One event: a record from its topic through the worker to the row, with milliseconds.

place ─► api.traced ─► steps;  workers' figures ─► what each stage costs at the moment
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import orjson
from fastapi import Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, ValidationError

from api import WORKER_SILENCE, Broker, Database, traced
from console.page import build_pages, show
from schemas import ASSETS, CLICKS, ITEMS, EventTime, Name, TraceBody
from storage import Store, in_thread

router = build_pages()


class _WithTime(BaseModel):
    model_config = ConfigDict(val_temporal_unit="milliseconds")
    event_time: EventTime


Place = Annotated[int, Path(ge=0, lt=2**63)]


@router.get("/events/{topic}/{partition}/{offset}")
async def get_event(
    request: Request,
    store: Database,
    broker: Broker,
    topic: Annotated[Name, Path()],
    partition: Place,
    offset: Place,
) -> Response:
    """The way of one record."""
    found = await traced(topic, partition, offset, store, broker)
    agent = {CLICKS: "recommend", ITEMS: "recommend", ASSETS: "sink"}.get(topic, "maintain")
    costs = await in_thread(lambda: _costs(store, agent))
    return show(
        request, "event.html", event=found, value=_pretty(found.value), agent=agent, costs=costs,
        on_way_ms=on_way_ms(found),
    )  # fmt: skip


def on_way_ms(event: TraceBody) -> float | None:
    """From the time that the event itself tells to its topic; by two clocks, so perhaps below 0. None: no time."""
    try:
        happened = _WithTime.model_validate_json(event.value or "").event_time
    except ValidationError:
        return None
    return (event.time - happened).total_seconds() * 1000


def _pretty(value: str | None) -> str | None:
    """JSON with a field on each line; anything else as it is."""
    try:
        return orjson.dumps(orjson.loads(value or ""), option=orjson.OPT_INDENT_2).decode()
    except (ValueError, TypeError):
        return value


def _costs(store: Store, agent: str) -> dict[str, float]:
    """CPU time of an event by stage, in microseconds, as a worker of the agent told last."""
    with store.reading() as reader:
        workers = reader.workers(datetime.now(UTC) - WORKER_SILENCE)
    told = [w.figures.agents[agent].cpu_us for w in workers if w.figures and agent in w.figures.agents]
    return next((costs for costs in told if costs), {})
