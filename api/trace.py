"""Trace: one event, from its topic to the row in the database.

place of a record ─► Publisher.trace ─► what it caused ─► whether the database has it
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Path

from api.problems import ProblemError, responses
from api.publisher import Broker, Publisher, not_sent
from api.shared import Database, build_router, shown
from schemas import (
    ALERTS,
    INPUTS,
    RECOMMENDATIONS,
    SCORES,
    Alert,
    FieldError,
    Name,
    Recommendation,
    Score,
    TraceBody,
    TraceHop,
    UnavailableError,
)
from storage import Reader, Store, in_thread

router = build_router("operation")
Place = Annotated[int, Path(ge=0, lt=2**63)]


@router.get(
    "/events/{topic}/{partition}/{offset}",
    responses={**shown("TraceBody", "unknown-event"), **responses("broker-unavailable")},
)
async def get_event(
    topic: Annotated[Name, Path(description="an input topic, such as `clicks.v1`")],
    partition: Place,
    offset: Place,
    store: Database,
    broker: Broker,
) -> TraceBody:
    """A record of an input topic as it is there, and what came of it: decisions or a dead letter, how long each
    took, and whether the database has it."""
    return await traced(topic, partition, offset, store, broker)


async def traced(topic: str, partition: int, offset: int, store: Store, broker: Publisher) -> TraceBody:
    """The record and what came of it.

    Raises:
        ProblemError: it is not there, or Kafka does not answer.
    """
    if topic not in INPUTS:
        fault = FieldError(field="path.topic", message=f"is not an input topic: {', '.join(INPUTS)}")
        raise ProblemError("invalid-request", f"{fault.field}: {fault.message}.", [fault])
    try:
        found = await broker.trace(topic, partition, offset)
    except UnavailableError as error:
        raise not_sent("The record was not read", error) from error
    if found is None:
        raise ProblemError("unknown-event", f"{topic} has no record {offset} on partition {partition} (any more).")
    hops = await in_thread(lambda: _with_rows(store, found.hops))
    return found.model_copy(update={"hops": hops})


def _with_rows(store: Store, hops: list[TraceHop]) -> list[TraceHop]:
    with store.reading() as reader:
        return [hop.model_copy(update={"is_kept": _is_kept(reader, hop)}) for hop in hops]


def _is_kept(reader: Reader, hop: TraceHop) -> bool | None:
    """Of a user's lists only the newest is kept."""
    if hop.event is None:
        return None
    if hop.topic == RECOMMENDATIONS:
        told = Recommendation.model_validate(hop.event)
        kept = reader.recommendation(told.user_id)
        return kept is not None and kept.recommendation_id == told.recommendation_id
    if hop.topic == SCORES:
        score = Score.model_validate(hop.event)
        until = score.event_time + timedelta(microseconds=1)
        found = reader.scores(score.asset_id, score.event_time, until, None, 50, score.asset_class)
        return any(one.score_id == score.score_id for one in found)
    if hop.topic == ALERTS:
        alert = Alert.model_validate(hop.event)
        known = reader.alert(alert.alert_id)
        return known is not None and any(one.sequence == alert.sequence for one in known.transitions)
    return None
