"""Operation: what the service itself is about: models, workers.

Store.reading, MILLRACE_HOME ─► bodies
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import Request

from api.model_list import read_models
from api.shared import Database, build_router, shown
from schemas import ModelBody, Page

WORKER_SILENCE = timedelta(seconds=30)
router = build_router("operation")


@router.get("/models", responses=shown("Page[ModelBody]"))
def list_models(request: Request, store: Database) -> Page[ModelBody]:
    """The models in MILLRACE_HOME with their versions, aliases and cards, and what the edge workers run and refuse.

    All of them: there are few. A worker that has been silent for half a minute is left out.
    """
    with store.reading() as reader:
        workers = reader.workers(datetime.now(UTC) - WORKER_SILENCE)
    return Page(items=read_models(request.app.state.settings.home / "models", workers))
