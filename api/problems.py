"""Problems: every error that the API answers, RFC 9457, each type with a page that says what to do about it.

exception ─► ProblemType ─► application/problem+json, whose `type` is the page /problems/<slug>
"""

from __future__ import annotations

import difflib
import html
import re
import traceback
from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from api.problem_types import PROBLEM_TYPES, ProblemType
from schemas import Fault, FieldError, MillraceError, Problem, UnavailableError, faults_of

log = structlog.get_logger(__name__)
KEPT_SLASH = "\ufdd0"  # stands for %2F while routes are compared: a code that is no character, and so in no id
_LOST_PLUS = re.compile(r"\d \d\d:?\d\d$")
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
NOT_KEPT = " Nothing is kept of this request unless it is sent again; once it is kept, repeating it changes nothing."


def as_sent(path: str) -> str:
    """The path, or a part of it, with every slash a slash again; see `api.addresses`."""
    return path.replace(KEPT_SLASH, "/")


_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 401: "unauthorized", 403: "forbidden"}


class ProblemError(Exception):
    """Raised by routes: answered as the problem of this slug."""

    def __init__(
        self, slug: str, detail: str, errors: Sequence[FieldError] = (), headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors, self.headers = PROBLEM_TYPES[slug], detail, list(errors), headers or {}


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(MillraceError, _on_millrace)
    app.add_exception_handler(Exception, _on_bug)


def responses(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """What a route's OpenAPI says of its problems."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for slug in slugs:
        kind = PROBLEM_TYPES[slug]
        example = Problem(type=f"/problems/{slug}", title=kind.title, status=kind.status, detail=kind.meaning)
        content = {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": example.model_dump(mode="json", exclude_none=True),
        }
        by_status[kind.status] = {"description": kind.title, "content": {MEDIA_TYPE: content}}
    return by_status


def page(kind: ProblemType) -> str:
    """The page that `type` resolves to."""
    title, meaning, cure = (html.escape(text) for text in (kind.title, kind.meaning, kind.cure))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>{kind.status} · <code>{kind.slug}</code></p>"
        f"<p>{meaning}</p><h2>What to do</h2><p>{cure}</p><p><a href=/docs>All paths</a></p></html>"
    )


def markdown() -> str:
    """`docs/problems.md`."""
    head = (
        "# Problems\n\nEvery error of the API is `application/problem+json` (RFC 9457). Its `type` is the page "
        "`/problems/<name>` of the API, with the same text as here. This file is generated: `make generate`.\n"
    )
    kinds = PROBLEM_TYPES.values()
    return "\n".join([head, *(f"## {k.slug}\n\n**{k.status} {k.title}.** {k.meaning}\n\n{k.cure}\n" for k in kinds)])


def _answer(
    request: Request, kind: ProblemType, detail: str, errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    problem = Problem(
        type=f"/problems/{kind.slug}", title=kind.title, status=kind.status, detail=detail,
        instance=as_sent(request.url.path), errors=errors or None,
    )  # fmt: skip
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, kind.status, headers, media_type=MEDIA_TYPE)


async def answer_late(scope: Scope, receive: Receive, send: Send) -> None:
    """In place of an answer that does not come, as whoever extends the application tells what is away."""
    request = Request(scope, receive)
    kept = "" if request.method in {"GET", "HEAD"} else NOT_KEPT
    error = UnavailableError(f"The database does not answer.{kept}")
    answer: Response = await request.app.exception_handlers[MillraceError](request, error)
    await answer(scope, receive, send)


def not_kept(what: str, error: UnavailableError) -> ProblemError:
    """A change that somebody asked for and that the database did not take."""
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return ProblemError("unavailable", f"{what} was NOT kept: {error.detail}{NOT_KEPT}", (), headers)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return _answer(request, error.kind, error.detail, error.errors, error.headers)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    known = _body_fields(request)
    strangers = {".".join(map(str, one["loc"])): _of_a_stranger(one, known) for one in error.errors()}
    errors = [
        FieldError(field=fault.path, message=strangers.get(fault.path) or f"{fault.message}{_plus(fault)}")
        for fault in faults_of(error)
    ]
    return _answer(request, PROBLEM_TYPES["invalid-request"], told(errors), errors)


def told(errors: Sequence[FieldError]) -> str:
    """The first errors as a sentence."""
    text = "; ".join(f"{error.field}: {error.message}" for error in errors[:3])
    return text if text.endswith("?") else f"{text}."


def nearest(name: str, known: Sequence[str], of: str) -> str:
    """What is said of a name that is not one, of a parameter or field."""
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    if near:
        return f"is not a {of}; did you mean `{near[0]}`?"
    takes = f"it takes {', '.join(f'`{one}`' for one in known)}" if known else "it takes none"
    return f"is not a {of}; {takes}"


def _body_fields(request: Request) -> list[str]:
    """Of the body that the route takes."""
    body: Any = getattr(request.scope.get("route"), "body_field", None)
    kind = body.field_info.annotation if body is not None else None
    return list(getattr(kind, "model_fields", ()))


def _of_a_stranger(error: Any, known: Sequence[str]) -> str:
    """Of a field of the body that there is not; empty for any other error."""
    if error["type"] != "extra_forbidden" or len(error["loc"]) != 2 or not known:
        return ""
    return nearest(str(error["loc"][1]), known, "field of this body")


def _plus(fault: Fault) -> str:
    """A hint where a zone such as +02:00 has lost its sign: in a query `+` is a space."""
    is_lost = fault.path.startswith("query.") and isinstance(fault.value, str) and _LOST_PLUS.search(fault.value)
    return "; a `+` in a query is written `%2B`" if is_lost else ""


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # a body that FastAPI cannot even parse, such as one nested 10,000 deep
        errors = [FieldError(field="body", message=str(error.detail))]
        return _answer(request, PROBLEM_TYPES["invalid-request"], f"body: {error.detail}.", errors)
    kind = PROBLEM_TYPES[_BY_STATUS.get(error.status_code, "request-refused")]
    if kind.slug == "request-refused":
        kind = kind._replace(status=error.status_code)
    headers = dict(error.headers or {})
    if "GET" in headers.get("Allow", ""):
        headers["Allow"] += ", HEAD"  # which every GET answers too
    return _answer(request, kind, str(error.detail), headers=headers)


async def _on_millrace(request: Request, error: Exception) -> Response:
    assert isinstance(error, MillraceError)
    if isinstance(error, UnavailableError):
        log.warning("a request waits for the database", path=request.url.path, error=str(error))
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return _answer(request, PROBLEM_TYPES["unavailable"], str(error), headers=headers)
    return await _on_bug(request, error)


async def _on_bug(request: Request, error: Exception) -> Response:
    lines = traceback.format_exception(error)
    log.error("a request failed", path=request.url.path, traceback="".join(lines))
    return _answer(request, PROBLEM_TYPES["internal"], "The request failed inside the API; its log says more.")
