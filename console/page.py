"""Page: what all pages share: templates, words for times and numbers, the policy of what a browser may load.

values ─► template (autoescape) ─► HTML;  a problem ─► a page of it, or the way to sign in
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from pydantic import ValidationError

from api import ProblemError, ProblemType, Scope, id_part, needs
from console.files import address
from console.health import see
from console.words import word, word_of
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
_SPANS = ((86_400, "days", "day"), (3600, "hours", "hour"), (60, "minutes", "minute"), (1, "s", "second"))
# controls, and characters that turn, join or hide others; those that names of some languages need are left
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_READ = re.compile(r'(?:^|>)[^<]+| (?:title|aria-label)="[^"]*"')  # what people read of a page; values of forms stay
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
    if isinstance(value, int):
        return f"{value:,}"
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


def exact(time: datetime) -> str:
    """As in `2026-05-01 12:30` UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def local(time: datetime) -> str:
    """For a field of a form, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M}"


def span(seconds: float) -> str:
    """As in `15 min`; `minute` for one."""
    size, unit, one = next(part for part in _SPANS if seconds >= part[0] or part[0] == 1)
    return one if seconds == size else f"{seconds / size:.0f} {unit}"


def coded(text: str) -> Markup:
    """A message in which what is to be typed stands between backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - it is escaped


def last_line(text: str) -> str:
    """Of a traceback what happened; of a line itself."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


def part(value: str) -> str:
    """An id as a part of a path."""
    return id_part(value)


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
_templates.filters |= {
    "ago": ago,
    "when": when,
    "number": number,
    "size": size,
    "scored": scored,
    "part": part,
    "last_line": last_line,
    "exact": exact,
    "coded": coded,
    "word": word,
    "hint": lambda name: word_of(name).hint,
    "local": local,
    "zoned": rfc3339,
    "span": span,
}
_templates.globals |= {"file": address, "link": link, "rooms": ROOMS}


def fragment(name: str, **values: Any) -> str:
    """A part of a page."""
    return seen(_templates.get_template(name).render(values))


def seen(html: str) -> str:
    """With characters that nobody sees, as in an id that is made to look like another, told by their number."""
    if not _UNSEEN.search(html):
        return html
    return _READ.sub(lambda read: _UNSEEN.sub(lambda one: f"⟨U+{ord(one[0]):04X}⟩", read[0]), html)


def show(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page."""
    shared = {
        "path": request.url.path,
        "has_keys": request.app.state.keys is not None,
        "caller": getattr(request.state, "key_name", None),
        "wrong": getattr(request.state, "wrong", None),
        "may": getattr(request.state, "key_allows", lambda _: True),
    }
    html = fragment(name, **shared | values)
    headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
    if request.app.state.keys is not None:
        headers["Cache-Control"] = "no-store"  # after signing out, Back shows nothing
    return HTMLResponse(html, status, headers)


class _PageRoute(APIRoute):
    """Problems of a page are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except ProblemError as error:
                return _to_sign_in(request) if error.kind.slug == "unauthorized" else _explain(request, error)
            except (RequestValidationError, ValidationError) as error:
                detail = "; ".join(f"{fault.path}: {fault.message}" for fault in faults_of(error)[:3])
                return _explain(request, ProblemError("invalid-request", detail))

        return handle_or_explain


def _to_sign_in(request: Request) -> Response:
    """And back to the page that the person was on; a form is not sent again. A stream is no page: it ends."""
    if "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401)
    url = urlsplit(request.headers.get("hx-current-url") or str(request.url))
    back = f"{url.path}?{url.query}" if url.query else url.path
    target = link(
        "/sign-in", next=back if request.method == "GET" or is_part(request) else _page_before(request) or "/"
    )
    return Response(headers={"HX-Redirect": target}) if is_part(request) else RedirectResponse(target, 303)


def is_part(request: Request) -> bool:
    """Whether htmx asks, to show the answer inside the page."""
    return "hx-request" in request.headers


def explain(request: Request, kind: ProblemType, detail: str) -> Response:
    """A problem as a page; inside a page as a line above its content."""
    if not is_part(request):
        return show(
            request,
            "problem.html",
            kind.status,
            kind=kind,
            detail=detail,
            back=_page_before(request),
            is_asking=request.method == "GET",
        )
    headers = {"HX-Retarget": "#notice", "HX-Reswap": "innerHTML"}
    return HTMLResponse(fragment("parts/notice.html", kind=kind, detail=detail), kind.status, headers)


def _page_before(request: Request) -> str | None:
    """The page of this server that the person came from."""
    before = urlsplit(request.headers.get("referer", ""))
    if before.netloc != request.headers.get("host") or not before.path.startswith("/"):
        return None
    return f"{before.path}?{before.query}" if before.query else before.path


def _explain(request: Request, error: ProblemError) -> Response:
    return explain(request, error.kind, error.detail)


def build_pages(scope: Scope = "read") -> APIRouter:
    """Pages that a key with this scope may see."""
    return APIRouter(
        include_in_schema=False, route_class=_PageRoute, dependencies=[Depends(needs(scope)), Depends(see)]
    )
