"""Performance: how the alarm system does, on one page: is it too much to follow, is somebody looking, was it right?

from, to, class ─► Store.reading ─► PerformanceBody ─► tiles and tables
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Query, Request
from fastapi.responses import Response

from api import Database
from console.page import build_pages, show
from schemas import Name

router = build_pages()
SPANS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30), "year": timedelta(days=365)}


@router.get("/alerts/performance")
def get_performance(
    request: Request,
    store: Database,
    span: Annotated[Literal["day", "week", "month", "year"], Query(description="the last")] = "week",
    asset_class: Annotated[Name | None, Query()] = None,
) -> Response:
    """Of the alerts raised within the last so long."""
    now = datetime.now(UTC)
    with store.reading() as reader:
        found = reader.performance(now - SPANS[span], now, asset_class)
        classes = reader.class_names()
    chosen = {"span": span, "asset_class": asset_class}
    return show(request, "performance.html", found=found, chosen=chosen, classes=classes, spans=list(SPANS))
