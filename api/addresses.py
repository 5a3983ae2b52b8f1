"""Addresses: what may stand in the path and the query of a request.

raw path ─► KeptSlashes ─► route with {name:id} ─► an id that may hold slashes;  query ─► only_known ─► or 422

An id that holds a slash is found as it is (`/v1/assets/plant/pump/scores`) and percent-encoded
(`/v1/assets/plant%2Fpump/scores`). Only encoded is it clear that `/v1/assets/a%2Fscores` asks for the asset `a/scores`,
and not for the scores of `a`: servers hand over a decoded path, in which the two are the same.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import KEPT_SLASH, ProblemError, as_sent, nearest, told
from schemas import FieldError

_ENCODED = re.compile(rb"%2f", re.IGNORECASE)


class _Id(Convertor[str]):
    regex = ".+"

    def convert(self, value: str) -> str:
        return as_sent(value)

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", _Id())


class KeptSlashes:
    """Middleware: keeps slashes that were sent as %2F apart from those between the parts of a path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") or b""
        if scope["type"] == "http" and _ENCODED.search(raw):
            kept = _ENCODED.sub(KEPT_SLASH.encode(), raw)
            scope["path"] = unquote(kept.decode("utf-8", "replace"))
        await self.app(scope, receive, send)


async def only_known(request: Request) -> None:
    """A dependency of every route: a query parameter that it does not know is refused, and the nearest one named.

    Raises:
        ProblemError: there is one; a filter that was misspelt would else be an answer to another question.
    """
    route: Any = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = [
        p.alias for p in get_flat_params(route.dependant) if getattr(p.field_info, "in_", None) is ParamTypes.query
    ]
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if not unknown:
        return
    errors = [
        FieldError(field=f"query.{name[:100]}", message=nearest(name, known, "parameter of this address"))
        for name in unknown[:10]
    ]
    raise ProblemError("invalid-request", told(errors), errors)
