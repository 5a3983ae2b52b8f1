"""CSV: scores and readings of an asset as rows, for a spreadsheet or a notebook, streamed so many at a time.

`?format=csv` or Accept: text/csv ─► are there too many? ─► header ─► pages of rows, the oldest first
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from api.problems import ProblemError
from schemas import rfc3339
from storage import Store

MOST_ROWS = 500_000  # some 50 MB, and twenty seconds of a thread
AT_ONCE = 2000
SCORE_COLUMNS = (
    "event_time", "kind", "component", "value", "unit", "low", "high", "model", "version", "regime", "quality",
)  # fmt: skip
Asset = tuple[str, str]  # asset_class, asset_id
Period = tuple[datetime | None, datetime | None]
Pages = Iterator[Iterable[Iterable[Any]]]


def with_csv(answers: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """These, and CSV beside JSON."""
    content = {**answers[200]["content"], "text/csv": {"schema": {"type": "string"}}}
    return {**answers, 200: {**answers[200], "content": content}}


async def wants_csv(
    request: Request,
    format: Annotated[  # noqa: A002 - name of the parameter
        Literal["json", "csv"] | None, Query(description="`csv`: rows, the oldest first; or send Accept: text/csv")
    ] = None,
) -> bool:
    """Whether the answer is to be CSV. A client that takes both and prefers none gets JSON."""
    if format is not None:
        return format == "csv"
    accepted = request.headers.get("accept", "*/*")
    return quality_of("text/csv", accepted) > quality_of("application/json", accepted)


def quality_of(media_type: str, accepted: str) -> float:
    """How much a client wants it, 0 to 1: by the most exact range of `Accept` (RFC 9110, 12.5.1). A weight that is no
    number counts as 0."""
    found: dict[int, float] = {}
    for part in accepted.split(","):
        span, *parameters = (piece.strip().lower() for piece in part.split(";"))
        exactness = (span == media_type) * 3 or (span == f"{media_type.partition('/')[0]}/*") * 2 or (span == "*/*") * 1
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        value = float(weight) if re.fullmatch(r"[01](\.\d{0,3})?", weight) else 0.0
        if exactness:
            found[exactness] = max(found.get(exactness, 0.0), min(value, 1.0))
    return found[max(found)] if found else 0.0


def score_csv(store: Store, asset: Asset, period: Period) -> StreamingResponse:
    """The scores of a time.

    Raises:
        ProblemError: there are more than MOST_ROWS.
    """
    with store.reading() as reader:
        _check(reader.count_scores(asset, *period, MOST_ROWS + 1))

    def pages() -> Pages:
        yield [SCORE_COLUMNS]
        after = None
        while True:
            with store.reading() as reader:
                rows = reader.score_rows(asset, *period, after, AT_ONCE)
            yield (row for _, row in rows)
            if len(rows) < AT_ONCE:
                return
            after = rows[-1][0]

    return _answer(asset, "scores", pages)


def reading_csv(store: Store, asset: Asset, period: Period, sensors: list[str]) -> StreamingResponse:
    """The readings that are kept of a time, a column for each sensor.

    Raises:
        ProblemError: there are more than MOST_ROWS.
    """
    with store.reading() as reader:
        _check(reader.count_readings(asset, *period, MOST_ROWS + 1))
        names = sensors or reader.sensors_of(asset, *period)

    def pages() -> Pages:
        yield [("event_time", *names)]
        after = None
        while True:
            with store.reading() as reader:
                rows = reader.reading_rows(asset, *period, after, AT_ONCE)
            yield ((time, *map(values.get, names)) for _, time, values in rows)
            if len(rows) < AT_ONCE:
                return
            after = rows[-1][0]

    return _answer(asset, "readings", pages)


def _check(count: int) -> None:
    if count > MOST_ROWS:
        raise ProblemError(
            "invalid-request",
            f"There are more than {MOST_ROWS:,} rows. Ask for shorter times, by `from` and `to`.",
        )


def _answer(asset: Asset, what: str, pages: Callable[[], Pages]) -> StreamingResponse:
    def chunks() -> Iterator[str]:
        for rows in pages():
            text = io.StringIO()
            csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
            yield text.getvalue()

    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{asset[0]}-{asset[1]}-{what}")[:150]
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(chunks(), media_type="text/csv; charset=utf-8", headers=headers)


def _cell(value: Any) -> Any:
    """Times as everywhere; a text that a spreadsheet would take for a formula is shown as text."""
    if isinstance(value, datetime):
        return rfc3339(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
