"""Access: which requests may use a route.

request ─► keys? bearer key with the scope : name of this machine ─► route, or a problem
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.keys import SCOPES, KeyFile, KeysError, Scope, is_loopback
from api.problems import ProblemError
from schemas import Settings

READING = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_CHARS = 200  # of an origin, in the answer
_bearer = HTTPBearer(auto_error=False, description="A key made with `millrace api-key`, where the API has keys.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def allowed_origins(settings: Settings) -> list[str]:
    """Origins whose pages may use the API from a browser; `*`: all."""
    return [origin.strip() for origin in settings.api_cors_origins.split(",") if origin.strip()]


def is_own_origin(origin: str, host: str | None) -> bool:
    """Whether a page of this origin comes from the server that is asked under this name. Not by the scheme: a proxy in
    front may speak HTTPS."""
    return urlsplit(origin).netloc.lower() == (host or "").lower() != ""


def check_origin(request: Request) -> None:
    """A browser sends a form, or plain text, of any page to any server without asking first, and says only whose page
    it is. Programs that are no browser send no Origin.

    Raises:
        ProblemError: the request changes something and comes from a page of another server.
    """
    origin = request.headers.get("origin")
    if request.method in READING or origin is None or is_own_origin(origin, request.headers.get("host")):
        return
    if not {origin, "*"}.intersection(allowed_origins(request.app.state.settings)):
        raise ProblemError(
            "other-origin",
            f"The request comes from a page of {origin[:MOST_CHARS]}, which is not this server's. Nothing was done. "
            "MILLRACE_API_CORS_ORIGINS names origins that are allowed.",
        )


def needs(scope: Scope) -> Callable[..., Coroutine[Any, Any, None]]:
    """A dependency: the request has a key with this scope, or the API has no keys and it is for this machine; and it
    comes from no page of another server."""

    async def check(request: Request, credentials: Credentials) -> None:
        check_origin(request)
        keys: KeyFile | None = request.app.state.keys
        if keys is None:
            if not is_loopback(request.url.hostname or ""):
                raise ProblemError(
                    "wrong-host", f"This API has no keys and does not answer for {request.url.hostname}."
                )
            return
        challenge = {"WWW-Authenticate": "Bearer"}
        if credentials is None:
            raise ProblemError("unauthorized", "The header `Authorization: Bearer <key>` is missing.", (), challenge)
        try:
            key = keys.find(credentials.credentials)
        except KeysError as error:
            raise ProblemError("internal", error.detail) from error
        if key is None:
            raise ProblemError("unauthorized", "The API does not know this key.", (), challenge)
        if not key.allows(scope):
            wanted = _scope_of(request.scope.get("route"), scope)
            raise ProblemError("forbidden", f"The key {key.name} has the scope {key.scope}; this needs {wanted}.")
        request.state.key_name, request.state.key_allows = key.name, key.allows
        request.state.is_allowed = lambda: _is_allowed(keys, credentials.credentials, scope)

    check.scope = scope  # type: ignore[attr-defined]  # read by `_scope_of`
    return check


def _is_allowed(keys: KeyFile, token: str, scope: Scope) -> bool:
    try:
        key = keys.find(token)
    except KeysError:
        return False
    return key is not None and key.allows(scope)


async def _still_allowed(request: Request) -> Callable[[], bool]:
    def holds() -> bool:  # looked up when it is asked: this may be resolved before `needs`
        is_allowed: Callable[[], bool] | None = getattr(request.state, "is_allowed", None)
        return request.app.state.keys is None if is_allowed is None else is_allowed()

    return holds


StillAllowed = Annotated[Callable[[], bool], Depends(_still_allowed)]
"""Whether the key that the request came with still has its scope: a stream outlives the look at its beginning."""


def _scope_of(route: Any, checked: Scope) -> Scope:
    """The strongest that the route asks for: one of a router that reads is checked before that of the route itself."""
    asked = [getattr(one.call, "scope", checked) for one in route.dependant.dependencies] if route else []
    return max([checked, *asked], key=SCOPES.index)


async def _caller(request: Request) -> str | None:
    name: str | None = getattr(request.state, "key_name", None)
    return name


Caller = Annotated[str | None, Depends(_caller)]
"""Name of the key that the request came with; none: the API has no keys."""
