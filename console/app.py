"""The console on an API: its pages, assets and way to sign in.

FastAPI application of the API ─► install ─► the same one, with pages
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from api import PROBLEM_TYPES
from console import (
    alert_actions,
    alerts,
    assets,
    documents,
    event,
    files,
    live,
    models,
    notifications,
    performance,
    search,
    shop,
    sign_in,
    streams,
)  # fmt: skip
from console.health import Health
from console.news import News
from console.page import explain
from schemas import MillraceError, UnavailableError

_SLUGS = {404: "not-found", 405: "method-not-allowed"}


def install(app: FastAPI) -> None:
    """Add the console to an application that `build_api` made."""
    app.state.health = Health(app)
    app.state.news = News(app.state.store, app.state.settings, app.state.health.wrong)
    app.state.streams += [app.state.news, app.state.health]
    app.add_middleware(sign_in.KeyCookie)
    for pages in (
        files, sign_in, documents, live, performance, alerts, alert_actions, notifications, assets, shop, models,
        streams, event, search,
    ):  # fmt: skip
        app.include_router(pages.router)
    _explain_to_people(app)
    app.add_api_route("/favicon.ico", _icon, include_in_schema=False)


async def _icon() -> Response:
    return RedirectResponse(files.address("icon.svg"), 301)


def _explain_to_people(app: FastAPI) -> None:
    """An address that is none, what is away, and a failure are a page for browsers; programs, and all under /v1, get a
    problem."""
    to_programs = {kind: app.exception_handlers[kind] for kind in (HTTPException, MillraceError, Exception)}

    async def on_http(request: Request, error: Exception) -> Response:
        slug = _SLUGS.get(getattr(error, "status_code", 0))
        if slug is None or not _is_person(request):
            return await to_programs[HTTPException](request, error)  # type: ignore[no-any-return, misc]
        kind = PROBLEM_TYPES[slug]
        return explain(request, kind, "Nothing is at this address; the pages are above.")

    async def on_millrace(request: Request, error: Exception) -> Response:
        if not isinstance(error, UnavailableError):
            return await on_bug(request, error)
        answer: Response = await to_programs[MillraceError](request, error)  # type: ignore[misc]  # logs it
        return explain(request, PROBLEM_TYPES["unavailable"], str(error)) if _is_person(request) else answer

    async def on_bug(request: Request, error: Exception) -> Response:
        answer: Response = await to_programs[Exception](request, error)  # type: ignore[misc]  # logs it
        if not _is_person(request):
            return answer
        return explain(request, PROBLEM_TYPES["internal"], "The page could not be made; the log of the API says why.")

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(MillraceError, on_millrace)
    app.add_exception_handler(Exception, on_bug)


def _is_person(request: Request) -> bool:
    is_browser = "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers
    return is_browser and not request.url.path.startswith("/v1/")
