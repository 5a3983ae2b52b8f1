"""Access: which requests may use a route.

request ─► keys? bearer key with the scope : name of this machine ─► route, or a problem
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.keys import KeyFile, KeysError, Scope, is_loopback
from api.problems import ProblemError

_bearer = HTTPBearer(auto_error=False, description="A key made with `millrace api-key`, where the API has keys.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def needs(scope: Scope) -> Callable[..., Coroutine[Any, Any, None]]:
    """A dependency: the request has a key with this scope, or the API has no keys and it is for this machine."""

    async def check(request: Request, credentials: Credentials) -> None:
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
            raise ProblemError("forbidden", f"The key {key.name} has the scope {key.scope}; this needs {scope}.")
        request.state.key_name = key.name

    return check


async def _caller(request: Request) -> str | None:
    name: str | None = getattr(request.state, "key_name", None)
    return name


Caller = Annotated[str | None, Depends(_caller)]
"""Name of the key that the request came with; none: the API has no keys."""
