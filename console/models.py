"""Models: versions, aliases, cards, who runs what, refusals, challengers beside champions.

folder of models, workers' status ─► pages
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from fastapi import Depends, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from markdown_it import MarkdownIt
from markupsafe import Markup

from api import WORKER_SILENCE, Caller, Database, Keeper, ProblemError, moved, needs, read_models
from console.page import build_pages, show
from console.words import BEFORE
from schemas import Alias, Comparison, ModelBody, Name, PromoteBody, VersionBody
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


@router.get("/models/{name}/change")
def ask(
    request: Request,
    store: Database,
    name: Annotated[Name, Path()],
    version: Annotated[Name, Query(description="that is to serve, or to be tried")],
    alias: Annotated[Alias, Query()] = "champion",
    back: Annotated[bool, Query(description="whether to go back to it, as it served before")] = False,
) -> Response:
    """What would change: the measures of both versions side by side, and how they differed on the same events."""
    found = next((model for model in _models(request, store) if model.name == name), None)
    versions = {one.version: one for one in found.versions} if found else {}
    if found is None or version not in versions:
        raise ProblemError("not-found", f"There is no version {version} of {name}.")
    present = versions.get(found.aliases.get("champion", ""))
    compared = [c for c in found.comparisons if c.challenger == version]
    return show(
        request, "change.html", model=found, alias=alias, wanted=versions[version], present=present, compared=compared,
        measures=measures_of(present, versions[version]),
        is_back=back and found.previous.get("champion") == version,
    )  # fmt: skip


class Measures(NamedTuple):
    """Of two versions. What was measured of one of them only says nothing beside the other."""

    compared: list[tuple[str, float, float]]  # name, of the one that serves, of the one that is to serve
    of_present: dict[str, float]
    of_wanted: dict[str, float]
    are_of_same_rows: bool  # one was made of the other, and both were measured on rows held out from that


def measures_of(present: VersionBody | None, wanted: VersionBody) -> Measures:
    """Measures of the same name; of a smaller version and the one that it was made of, those of the same rows."""
    if present is None:
        return Measures([], {}, wanted.metrics, False)
    small = next((a for a, b in ((wanted, present), (present, wanted)) if a.made_from == b.version), None)
    if small is None:
        both = [name for name in present.metrics if name in wanted.metrics and not name.endswith(BEFORE)]
        compared = [(name, present.metrics[name], wanted.metrics[name]) for name in both]
    else:
        both = [name for name in small.metrics if name + BEFORE in small.metrics]
        pairs = [(name, small.metrics[name + BEFORE], small.metrics[name]) for name in both]
        compared = pairs if small is wanted else [(name, now, before) for name, before, now in pairs]
    shown = {*both, *(name + BEFORE for name in both)}
    of_present, of_wanted = (
        {name: value for name, value in one.metrics.items() if name not in shown} for one in (present, wanted)
    )
    return Measures(compared, of_present, of_wanted, small is not None)


@router.post("/models/{name}/change", dependencies=[Depends(needs("admin"))])
async def change(
    keeper: Keeper,
    caller: Caller,
    name: Annotated[Name, Path()],
    version: Annotated[str, Form(max_length=100)] = "",
    alias: Annotated[Alias, Form()] = "champion",
) -> Response:
    """Let a version serve or be tried; without one the version before serves again."""
    await moved(keeper, caller, name, PromoteBody(version=version, alias=alias) if version else None)
    return RedirectResponse(f"/models/{name}", 303)


def _models(request: Request, store: Store) -> list[ModelBody]:
    with store.reading() as reader:
        workers = reader.workers(datetime.now(UTC) - WORKER_SILENCE)
    return read_models(request.app.state.settings.home / "models", workers)


def _bars(comparison: Comparison) -> list[tuple[str, float]]:
    """The histogram of differences: between which edges, and which share of the decisions."""
    if not comparison.edges:
        return []  # nothing was compared yet
    edges = [f"{edge:.3g}" for edge in comparison.edges]
    names = [
        f"below {edges[0]}",
        *(f"{a} to {b}" for a, b in itertools.pairwise(edges)),
        f"{edges[-1]} and more",
    ]
    total = sum(comparison.histogram) or 1
    return [(name, count / total) for name, count in zip(names, comparison.histogram, strict=True)]
