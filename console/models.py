"""Models: versions, aliases, cards, who runs what, refusals, challengers beside champions.

folder of models, workers' status ─► pages
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path, Query, Request
from fastapi.responses import Response
from markdown_it import MarkdownIt
from markupsafe import Markup

from api import WORKER_SILENCE, Database, ProblemError, read_models
from console.page import build_pages, show
from schemas import Comparison, ModelBody, Name
from storage import Store

router = build_pages()
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


@router.get("/models")
def list_models(request: Request, store: Database) -> Response:
    """What serves, what is tried, what was refused."""
    return show(request, "models.html", models=_models(request, store))


@router.get("/models/{name}")
def get_model(
    request: Request,
    store: Database,
    name: Annotated[Name, Path()],
    version: Annotated[Name | None, Query(description="whose card is shown; none: the champion's")] = None,
) -> Response:
    """A model with its versions; the card of one of them."""
    found = next((model for model in _models(request, store) if model.name == name), None)
    if found is None:
        raise ProblemError("not-found", f"There is no model {name}.")
    wanted = version or found.aliases.get("champion")
    chosen = next(
        (one for one in found.versions if one.version == wanted), found.versions[0] if found.versions else None
    )
    card = Markup(_markdown.render(chosen.card)) if chosen and chosen.card else None  # noqa: S704 - html is off
    return show(
        request, "model.html", model=found, chosen=chosen, card=card, bars=[_bars(c) for c in found.comparisons]
    )


def _models(request: Request, store: Store) -> list[ModelBody]:
    with store.reading() as reader:
        workers = reader.workers(datetime.now(UTC) - WORKER_SILENCE)
    return read_models(request.app.state.settings.home / "models", workers)


def _bars(comparison: Comparison) -> list[tuple[str, float]]:
    """The histogram of differences: between which edges, and which share of the decisions."""
    edges = [f"{edge:.3g}" for edge in comparison.edges]
    names = [
        f"below {edges[0]}",
        *(f"{a} to {b}" for a, b in itertools.pairwise(edges)),
        f"{edges[-1]} and more",
    ]
    total = sum(comparison.histogram) or 1
    return [(name, count / total) for name, count in zip(names, comparison.histogram, strict=True)]
