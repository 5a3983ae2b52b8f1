"""Dead letters: what is quarantined and why, record by record and by reason, and back onto its topic.

Store.reading ─► bodies;  ReplayBody ─► Publisher ─► note in the quarantine ─► Store.mark_replayed
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import structlog
from fastapi import Body, Depends, Path, Query
from fastapi.responses import Response

from api.access import Caller, needs
from api.cursors import from_cursor, page_of, to_cursor
from api.problems import ProblemError, responses
from api.publisher import Broker, not_sent
from api.shared import After, Database, Limit, build_router, shown
from schemas import (
    BODY_EXAMPLES,
    INPUTS,
    NOBODY,
    DeadLetterBody,
    DeadLetterDetail,
    DeadLetterReason,
    FieldError,
    Name,
    Page,
    PutBackBody,
    ReplayBody,
    ReplayedBody,
    UnavailableError,
    dead_letters_of,
)
from storage import Reader, in_thread

log = structlog.get_logger(__name__)
MOST_REASONS = 100
router = build_router("operation")
OF_LETTERS = "an input topic: `clicks.v1`, its quarantine `clicks.v1.dlq`, or `clicks`"
InputTopic = Annotated[Name, Path(description=OF_LETTERS)]
LetterPlace = Annotated[int, Path(ge=0, lt=2**63, description="on the quarantine topic, not that of the original")]


@router.get("/dead-letters", responses=shown("Page[DeadLetterBody]"))
def list_dead_letters(
    store: Database,
    topic: Annotated[Name | None, Query(description=OF_LETTERS)] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[DeadLetterBody]:
    """Quarantined records, the last first, as far back as MILLRACE_RETENTION_DEAD_LETTERS_DAYS."""
    key = from_cursor("dead-letters", after)
    topic = None if topic is None else _meant("query.topic", topic)
    with store.reading() as reader:
        found = reader.dead_letters(topic, key, limit + 1)
    return page_of(
        found, limit, lambda one: to_cursor("dead-letters", one.quarantined_at, one.topic, one.partition, one.offset)
    )


@router.get("/dead-letters/reasons", responses=shown("Page[DeadLetterReason]"))
def list_reasons(
    store: Database, topic: Annotated[Name | None, Query(description=OF_LETTERS)] = None
) -> Page[DeadLetterReason]:
    """Why records are quarantined: the newest 10,000 by topic and reason, the most frequent first; reasons that differ
    in quoted values and numbers alone count as one."""
    topic = None if topic is None else _meant("query.topic", topic)
    with store.reading() as reader:
        return Page(items=reader.dead_letter_reasons(topic, MOST_REASONS))


@router.get("/dead-letters/put-back", responses=shown("Page[PutBackBody]"))
def list_put_back(
    store: Database, topic: Annotated[Name | None, Query(description=OF_LETTERS)] = None
) -> Page[PutBackBody]:
    """Who put dead letters back and when, the last fifty first, over the API or the command line."""
    topic = None if topic is None else _meant("query.topic", topic)
    with store.reading() as reader:
        return Page(items=reader.put_back(topic, 50))


@router.post(
    "/dead-letters/replay",
    dependencies=[Depends(needs("operate"))],
    responses={**shown("ReplayedBody", "too-large"), **responses("broker-unavailable")},
)
async def replay_dead_letters(
    body: Annotated[ReplayBody, Body(examples=[BODY_EXAMPLES["ReplayBody"]])],
    store: Database,
    broker: Broker,
    caller: Caller,
) -> ReplayedBody:
    """Put back, on its topic, each dead letter that was not put back before: all of a topic, those of a reason, or one.

    A note in the quarantine says who did it, which is the key, or, where the API has no keys, `by`.
    """
    topic, by = _meant("body.topic", body.topic), caller or body.by or NOBODY
    started = datetime.now(UTC)
    try:
        replayed = await broker.replay(topic, body.letters, by)
    except UnavailableError as error:
        raise not_sent("Not all dead letters may have been put back; none is put back twice", error) from error
    await in_thread(lambda: store.mark_replayed(topic, started, body.letters))
    log.info("dead letters were put back", topic=topic, sent=replayed.sent, by=by, which=body.letters)
    return replayed


def _meant(field: str, topic: str) -> str:
    """The input topic: by its name, that of its quarantine, or without its version."""
    found = next((one for one in INPUTS if topic in (one, dead_letters_of(one), one.partition(".")[0])), None)
    if found is None:
        fault = FieldError(field=field, message=f"{topic!r} has no dead letters; topics that have: {', '.join(INPUTS)}")
        raise ProblemError("invalid-request", f"{fault.field}: {fault.message}.", [fault])
    return found


def _dead_letter(reader: Reader, topic: str, partition: int, offset: int) -> tuple[DeadLetterDetail, bytes | None]:
    topic = _meant("path.topic", topic)
    found = reader.dead_letter(topic, partition, offset)
    if found is None:
        raise ProblemError("unknown-dead-letter", f"No dead letter of {topic} is kept for {partition}/{offset}.")
    return found


@router.get("/dead-letters/{topic}/{partition}/{offset}", responses=shown("DeadLetterDetail", "unknown-dead-letter"))
def get_dead_letter(
    topic: InputTopic, partition: LetterPlace, offset: LetterPlace, store: Database
) -> DeadLetterDetail:
    """A quarantined record with its value as text."""
    with store.reading() as reader:
        return _dead_letter(reader, topic, partition, offset)[0]


@router.get(
    "/dead-letters/{topic}/{partition}/{offset}/value",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        **responses("unknown-dead-letter"),
    },
)
def get_dead_letter_value(topic: InputTopic, partition: LetterPlace, offset: LetterPlace, store: Database) -> Response:
    """The bytes of a quarantined record as they were; of a large one the first 64 KiB."""
    with store.reading() as reader:
        value = _dead_letter(reader, topic, partition, offset)[1]
    return Response(value or b"", media_type="application/octet-stream")
