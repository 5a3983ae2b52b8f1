"""Signing in: an API key in a cookie that scripts cannot read, for as long as a shift.

POST /sign-in (key) ─► cookie ─► KeyCookie ─► Authorization header, which the API's routes know
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from api import KeyFile, ProblemError, is_own_origin
from console.page import show

COOKIE, LIFE_S = "millrace_key", 8 * 3600
router = APIRouter(include_in_schema=False)


class KeyCookie:
    """Middleware: the key of the cookie, where a request has no other; a change only from a page of this server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            key = cookie_parser(headers.get("cookie", "")).get(COOKIE)
            if key and "authorization" not in headers and _may_use(scope["method"], headers):
                scope = {**scope, "headers": list(scope["headers"])}
                MutableHeaders(scope=scope)["authorization"] = f"Bearer {key}"
        await self.app(scope, receive, send)


def _may_use(method: str, headers: Headers) -> bool:
    """A change needs to say that it comes from a page of this server; SameSite says so too, but not to old browsers."""
    return method in {"GET", "HEAD"} or is_own_origin(headers.get("origin", ""), headers.get("host"))


def _check(request: Request) -> None:
    """Another page might sign a person in with a key of its own, whose name actions then bear.

    Raises:
        ProblemError: the form is of a page of another server.
    """
    origin = request.headers.get("origin")
    if origin is not None and not is_own_origin(origin, request.headers.get("host")):
        raise ProblemError("other-origin", "This form is not of a page of this server. Nothing was done.")


def _safe(target: str) -> str:
    """A path of this server."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/"


@router.get("/sign-in")
async def get_sign_in(request: Request, next: str = "/") -> Response:  # noqa: A002 - name of the parameter
    """The form."""
    return show(request, "sign_in.html", next=_safe(next), error=None)


@router.post("/sign-in")
async def sign_in(
    request: Request, key: Annotated[str, Form(max_length=200)] = "", next: Annotated[str, Form()] = "/"  # noqa: A002
) -> Response:  # fmt: skip
    """With a key that the API knows."""
    _check(request)
    keys: KeyFile | None = request.app.state.keys
    if keys is None:
        return RedirectResponse(_safe(next), 303)
    if keys.find(key.strip()) is None:
        return show(request, "sign_in.html", 401, next=_safe(next), error="The API does not know this key.")
    answer = RedirectResponse(_safe(next), 303)
    is_secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, key.strip(), LIFE_S, httponly=True, samesite="strict", secure=is_secure)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Forget the key."""
    _check(request)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer
