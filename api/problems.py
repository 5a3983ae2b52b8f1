"""Problems: every error that the API answers, RFC 9457, each type with a page that says what to do about it.

exception ─► ProblemType ─► application/problem+json, whose `type` is the page /problems/<slug>
"""

from __future__ import annotations

import html
import re
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

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


class ProblemType(NamedTuple):
    """One type of problem. `meaning` and `cure` are for the page."""

    slug: str
    status: int
    title: str
    meaning: str
    cure: str


PROBLEM_TYPES: dict[str, ProblemType] = {
    kind.slug: kind
    for kind in (
        ProblemType(
            "invalid-request", 422, "The request has fields that cannot be used",
            "A path, query, header or body field is missing, of the wrong type or out of its limits; also a cursor "
            "(`after`) that this list did not hand out. `errors` names each field and what is wrong with it.",
            "Correct the fields named in `errors`. Cursors are only good for the list that returned them as `next`.",
        ),
        ProblemType(
            "unauthorized", 401, "An API key is needed",
            "This API has keys, and the request has none, or one that is not in its file (any more).",
            "Send `Authorization: Bearer <key>`. Keys are made with `millrace api-key`.",
        ),
        ProblemType(
            "forbidden", 403, "The API key does not allow this",
            "The key is known but lacks the scope: `read` looks, `write` sends events, `operate` looks, "
            "acknowledges and replays, `admin` may do all.",
            "Use a key with the scope that `detail` names, or make one with `millrace api-key`.",
        ),
        ProblemType(
            "unknown-asset", 404, "There is no such asset",
            "No score, alert, reading or log entry of this asset is in the database.",
            "Check the asset_id; `GET /v1/assets` lists all that were ever scored.",
        ),
        ProblemType(
            "ambiguous-asset", 409, "The id is of several assets",
            "Each asset class numbers its own assets, and more than one has this id. `detail` names the classes.",
            "Say which one is meant: add `?asset_class=` with one of the classes that `detail` names.",
        ),
        ProblemType(
            "unknown-item", 404, "There is no such item",
            "Nothing was ever said of this item on `items.v1`, or it was removed long ago.",
            "Check the item_id; `GET /v1/items` lists all. Items can be clicked without ever being described.",
        ),
        ProblemType(
            "unknown-alert", 404, "There is no such alert",
            "No alert has this id.",
            "Check the alert_id; `GET /v1/alerts` lists all.",
        ),
        ProblemType(
            "unknown-dead-letter", 404, "There is no such dead letter",
            "The database has no quarantined record of this place, or not any more.",
            "`GET /v1/dead-letters` lists those that it has; `millrace deadletters list TOPIC` asks Kafka itself.",
        ),
        ProblemType(
            "not-found", 404, "There is nothing at this address",
            "The path is not one of the API's.",
            "See `/docs` for all paths.",
        ),
        ProblemType(
            "method-not-allowed", 405, "This address does not take this method",
            "The path exists, but not for this HTTP method; the header `Allow` names those that it takes.",
            "See `/docs` for all paths and their methods.",
        ),
        ProblemType(
            "too-large", 413, "The body is too large",
            "The body of the request is larger than the API reads.",
            "Send less: `POST /v1/events` takes 4 MiB and 1,000 events, everything else 64 KiB.",
        ),
        ProblemType(
            "wrong-host", 421, "The API does not answer for this host name",
            "Without keys the API only answers to requests for this machine's own loopback names, so that no web page "
            "can reach it through a browser under a name of its own.",
            "Use http://127.0.0.1 or http://localhost, or set MILLRACE_API_KEYS_FILE.",
        ),
        ProblemType(
            "too-many-streams", 503, "Too many live streams are open",
            "Each live stream holds a connection, and this API server has as many as it allows.",
            "Close streams that nobody reads, try again later, or run more API servers.",
        ),
        ProblemType(
            "unavailable", 503, "The database is not available",
            "The database does not answer, or its tables are not those of this version. `detail` says which.",
            "Try again after `Retry-After` seconds. If it stays: start the database, or run `millrace db upgrade`.",
        ),
        ProblemType(
            "broker-unavailable", 503, "Kafka is not available",
            "This needs Kafka, and the broker does not answer, or the API server was started without one.",
            "Try again after `Retry-After` seconds. If it stays: start Kafka, or correct MILLRACE_KAFKA.",
        ),
        ProblemType(
            "no-worker", 503, "No edge worker ranks items at the moment",
            "Items are ranked by the edge worker that has the user, over a port of its own, and none answers: it is "
            "starting, its partitions are on their way to another one, or MILLRACE_RANK_HOST cannot be reached.",
            "Try again after `Retry-After` seconds. If it stays: see `GET /v1/workers`, and whether MILLRACE_RANK_HOST "
            "and MILLRACE_RANK_TOKEN of the workers are right for this server.",
        ),
        ProblemType(
            "not-ready", 503, "The service is not ready",
            "The database, the broker or the sink is not as it should be. `checks` has what was looked at.",
            "See `checks`: start what does not answer; a sink that is behind catches up by itself.",
        ),
        ProblemType(
            "request-refused", 400, "The request was refused",
            "The request is not one that an HTTP server can answer.",
            "See `detail`.",
        ),
        ProblemType(
            "internal", 500, "The API failed",
            "A bug: the log of the API has the details, under the time of the request.",
            "Please report it with the lines of the log. Repeating a request that only reads is harmless.",
        ),
    )
}  # fmt: skip
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
    """In place of an answer that does not come."""
    request = Request(scope, receive)
    kept = "" if request.method in {"GET", "HEAD"} else NOT_KEPT
    detail = f"The database does not answer.{kept}"
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    await _answer(request, PROBLEM_TYPES["unavailable"], detail, headers=headers)(scope, receive, send)


def not_kept(what: str, error: UnavailableError) -> ProblemError:
    """A change that somebody asked for and that the database did not take."""
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return ProblemError("unavailable", f"{what} was NOT kept: {error.detail}{NOT_KEPT}", (), headers)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return _answer(request, error.kind, error.detail, error.errors, error.headers)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [FieldError(field=fault.path, message=f"{fault.message}{_plus(fault)}") for fault in faults_of(error)]
    detail = "; ".join(f"{e.field}: {e.message}" for e in errors[:3]) + "."
    return _answer(request, PROBLEM_TYPES["invalid-request"], detail, errors)


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
