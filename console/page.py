"""Page: what all pages share: templates, words for times and numbers, the policy of what a browser may load.

values ─► template (autoescape) ─► HTML;  a problem ─► a page of it, or the way to sign in
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import ValidationError

from api import ProblemError, Scope, needs
from console.files import address
from schemas import Score, faults_of, rfc3339

POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
ROOMS = (
    ("/", "Live"),
    ("/alerts", "Alerts"),
    ("/assets", "Assets"),
    ("/shop", "Shop"),
    ("/models", "Models"),
    ("/streams", "Streams"),
)
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def ago(time: datetime, now: datetime | None = None) -> str:
    """As in `3 min ago`; `in 2 h` for what is to come."""
    passed = ((now or datetime.now(UTC)) - time).total_seconds()
    if abs(passed) < 1:
        return "now"
    size, unit = next((size, unit) for size, unit in _UNITS if abs(passed) >= size)
    text = f"{abs(passed) / size:.0f} {unit}"
    return f"{text} ago" if passed > 0 else f"in {text}"


def when(time: datetime) -> Markup:
    """A time that scripts keep up to date; the exact one on hovering."""
    exact = rfc3339(time)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, ago(time))


def number(value: float | None, digits: int = 3) -> str:
    """With so many significant digits; thousands apart."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    text = f"{value:.{digits}g}"
    return f"{float(text):,}" if "e" in text else text


def scored(score: Score) -> str:
    """The value of a score with its unit, or as a share with its component."""
    if score.kind == "rul":
        return f"{number(score.value)} {score.unit}"
    share = f"{score.value:.1%}" if score.value >= 0.001 else "< 0.1%"
    return f"{share} {score.component or ''}".rstrip()


def size(value: float) -> str:
    """Of bytes, in MB."""
    return f"{value / 1e6:,.0f} MB"


def part(value: str) -> str:
    """An id as a part of a path."""
    return quote(value, safe="")


def link(path: str, **parameters: Any) -> str:
    """An address with those parameters that have a value."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", [], ())}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"ago": ago, "when": when, "number": number, "size": size, "scored": scored, "part": part}
_templates.globals |= {"file": address, "link": link, "rooms": ROOMS}


def fragment(name: str, **values: Any) -> str:
    """A part of a page."""
    return _templates.get_template(name).render(values)


def show(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page."""
    shared = {
        "path": request.url.path,
        "has_keys": request.app.state.keys is not None,
        "caller": getattr(request.state, "key_name", None),
        "may_operate": getattr(request.state, "may_operate", True),
    }
    html = _templates.get_template(name).render(shared | values)
    return HTMLResponse(html, status, {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"})


class _PageRoute(APIRoute):
    """Problems of a page are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except ProblemError as error:
                if error.kind.slug == "unauthorized":
                    return RedirectResponse(link("/sign-in", next=request.url.path), 303)
                return _explain(request, error)
            except (RequestValidationError, ValidationError) as error:
                detail = "; ".join(f"{fault.path}: {fault.message}" for fault in faults_of(error)[:3])
                return _explain(request, ProblemError("invalid-request", detail))

        return handle_or_explain


def _explain(request: Request, error: ProblemError) -> Response:
    return show(request, "problem.html", error.kind.status, kind=error.kind, detail=error.detail)


def build_pages(scope: Scope = "read") -> APIRouter:
    """Pages that a key with this scope may see."""
    return APIRouter(include_in_schema=False, route_class=_PageRoute, dependencies=[Depends(needs(scope))])
