"""Streams: topics, agents, workers and what they cost; dead letters with their bytes, and how to put them back.

workers' status, Store.reading ─► pages;  POST /streams/replay ─► Publisher
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from api import (
    MOST_REASONS,
    WORKER_SILENCE,
    Broker,
    Caller,
    Database,
    ProblemError,
    from_cursor,
    list_topics,
    needs,
    overview_of,
    replay_dead_letters,
    to_cursor,
)
from console.page import build_pages, link, show
from schemas import INPUTS, Name, ReplayBody

router = build_pages()
PAGE = 50
Place = Annotated[int, Path(ge=0, lt=2**63)]


@router.get("/streams")
def get_streams(request: Request, store: Database) -> Response:
    """What flows, who handles it, what it costs."""
    now = datetime.now(UTC)
    with store.reading() as reader:
        workers = reader.workers(now - WORKER_SILENCE)
        overview = overview_of(reader, workers, now)
    topics = list_topics(request, store).items
    return show(request, "streams.html", workers=workers, overview=overview, topics=topics)


@router.get("/streams/dead-letters")
def list_dead_letters(
    request: Request,
    store: Database,
    topic: Annotated[Name | None, Query()] = None,
    after: Annotated[str | None, Query(max_length=500)] = None,
    replayed: Annotated[int | None, Query(ge=0, description="how many were just put back")] = None,
) -> Response:
    """By reason, and each of them, the last quarantined first; and who put some back."""
    with store.reading() as reader:
        found = reader.dead_letters(topic, from_cursor("dead-letters", after), PAGE + 1)
        counts = reader.count_dead_letters(datetime.fromtimestamp(0, UTC))
        reasons = [] if after else reader.dead_letter_reasons(topic, MOST_REASONS)
        put_back = [] if after else reader.put_back(topic, 10)
    more = None
    if len(found) > PAGE:
        last = found[PAGE - 1]
        cursor = to_cursor("dead-letters", last.quarantined_at, last.topic, last.partition, last.offset)
        more = link("/streams/dead-letters", topic=topic, after=cursor)
    return show(
        request, "dead_letters.html", letters=found[:PAGE], counts=counts, topic=topic, next=more, replayed=replayed,
        inputs=list(INPUTS), reasons=reasons, put_back=put_back,
    )  # fmt: skip


@router.get("/streams/dead-letters/{topic}/{partition}/{offset}")
def get_dead_letter(
    request: Request, store: Database, topic: Annotated[Name, Path()], partition: Place, offset: Place
) -> Response:
    """One of them, as it was."""
    with store.reading() as reader:
        found = reader.dead_letter(topic, partition, offset)
    if found is None:
        raise ProblemError(
            "unknown-dead-letter", f"There is no dead letter {offset} on partition {partition} of {topic}."
        )
    letter, value = found
    return show(request, "dead_letter.html", letter=letter, hexadecimal=_dump(value or b""))


def _dump(value: bytes, most: int = 2048) -> str:
    """As `hexdump -C` shows it."""
    lines = []
    for start in range(0, min(len(value), most), 16):
        row = value[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):<47}  {text}")
    return "\n".join(lines)


@router.post("/streams/replay", dependencies=[Depends(needs("operate"))])
async def replay(
    broker: Broker,
    store: Database,
    caller: Caller,
    topic: Annotated[str, Form(max_length=200)] = "",
    reason: Annotated[str | None, Form(max_length=10_000)] = None,
    partition: Annotated[int | None, Form()] = None,
    offset: Annotated[int | None, Form()] = None,
    by: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Put back dead letters of a topic that were not put back before: all, those of a reason, or one."""
    body = ReplayBody(topic=topic, reason=reason, partition=partition, offset=offset, by=by.strip() or None)
    done = await replay_dead_letters(body, store, broker, caller)
    return RedirectResponse(link("/streams/dead-letters", topic=topic, replayed=done.sent), 303)
