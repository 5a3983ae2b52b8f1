"""Addresses: what may stand in the path and the query of a request.

raw path ─► KeptSlashes ─► route with {name:id} ─► an id that may hold slashes;  query ─► only_known ─► or 422

An id that holds a slash is found as it is (`/v1/assets/plant/pump/scores`) and percent-encoded
(`/v1/assets/plant%2Fpump/scores`). Only encoded is it clear that `/v1/assets/a%2Fscores` asks for the asset `a/scores`,
and not for the scores of `a`: servers hand over a decoded path, in which the two are the same.

Browsers and other clients take the ids `.` and `..` for steps in the path, encoded or not, and `trending` is a list
of its own. An id may have %1F before it, a control character that no id has: `/v1/items/%1F.`, `/v1/items/%1Ftrending`.
"""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin
from urllib.parse import quote, unquote, unquote_to_bytes

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import KEPT_SLASH, ProblemError, as_sent, nearest, told
from schemas import FieldError

AS_ID = "\x1f"
STEPS = (".", "..")  # in a path
_ENCODED = re.compile(rb"%2f", re.IGNORECASE)


class _Id(Convertor[str]):
    regex = r"[\s\S]+"  # `.` is no line end: /v1/users/a%0Ab would be no address at all, instead of a bad id

    def convert(self, value: str) -> str:
        return as_sent(value).removeprefix(AS_ID)

    def to_string(self, value: str) -> str:
        return value


def id_part(value: str) -> str:
    """An id as one part of a path, whatever it holds."""
    return quote(f"{AS_ID}{value}" if value in STEPS else value, safe="")


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
    """A dependency of every route: a query parameter that it does not know is refused, and the nearest one named; so is
    one that comes twice and takes one value, and an address that is no UTF-8.

    Raises:
        ProblemError: it would else be an answer to another question.
    """
    route: Any = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    parameters = get_flat_params(route.dependant)
    takes = {
        p.alias: _takes_many(p.field_info.annotation)
        for p in parameters
        if getattr(p.field_info, "in_", None) is ParamTypes.query
    }
    errors = [
        FieldError(field=field, message="is no UTF-8, percent-encoded")
        for field, raw in (("path", request.scope.get("raw_path")), ("query", request.scope.get("query_string")))
        if not _is_utf8(raw or b"")
    ]
    for name in dict.fromkeys(request.query_params):
        count = len(request.query_params.getlist(name))
        if name not in takes:
            errors.append(
                FieldError(field=f"query.{name[:100]}", message=nearest(name, list(takes), "parameter of this address"))
            )
        elif count > 1 and not takes[name]:
            errors.append(FieldError(field=f"query.{name}", message=f"comes {count} times, and takes one value"))
    if not errors:
        return
    errors = errors[:10]
    raise ProblemError("invalid-request", told(errors), errors)


def _takes_many(annotation: Any) -> bool:
    """Whether a parameter may come several times: a list, or none."""
    return get_origin(annotation) is list or any(map(_takes_many, get_args(annotation)))


def _is_utf8(raw: bytes) -> bool:
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return False
    return True
