"""App: the FastAPI application from its parts. Reads only, but for acknowledgements, events that are pushed, and
aliases of models.

Settings, Publisher ─► build_api ─► routes under /v1, probes, metrics, documents
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware.cors import CORSMiddleware

from api import (
    alert_actions,
    alerts,
    assets,
    dead_letters,
    events,
    items,
    notifications,
    operation,
    problems,
    promotion,
    ranking,
    trace,
)
from api.access import Credentials, allowed_origins, needs
from api.addresses import KeptSlashes, only_known
from api.keys import load_keys
from api.live import Live
from api.metrics import OWN
from api.middleware import LimitedBody, Measured, Timely
from api.problem_types import PROBLEM_TYPES
from api.problems import ProblemError, responses
from api.publisher import ActionTeller, ModelKeeper, Publisher
from api.readiness import look
from api.representation import Compressed, Conditional, Headed
from schemas import BODY_EXAMPLES, Health, Problem, Settings, asyncapi_document
from storage import Store

MOST_BODY_BYTES = 65_536  # the largest body but those below, an acknowledgement with its comment, has 9 kB
MOST_RANK_BYTES = 1 << 20  # 500 ids of 200 characters, each of which JSON may write with 6 bytes
MOST_EVENT_BYTES = 4 << 20  # of POST /v1/events
TAGS = [
    {"name": "recommendations", "description": "Users and items"},
    {"name": "assets", "description": "Machines, their scores, readings and logs"},
    {"name": "alerts", "description": "What needs somebody"},
    {"name": "events", "description": "Events that are pushed over HTTP"},
    {"name": "operation", "description": "The service itself"},
]
DESCRIPTION = """Recommendations and predictive maintenance, as decided by the edge workers from the events on Kafka.

Lists are pages: send `next` of a page as `after` to get the one that follows. Errors are problems (RFC 9457).
Where the API has keys, send one as `Authorization: Bearer <key>`. The topics are described in `/asyncapi.json`."""


def build_api(settings: Settings, publisher: Publisher | None = None, keeper: ModelKeeper | None = None) -> FastAPI:
    """The application; it connects to the database with the first request, and to the broker when it is first needed.

    Args:
        publisher: how Kafka is reached; it is closed with the application. None: no events, nothing on actions.v1.
        keeper: how models are let to serve; None: over this API nothing changes them.

    Raises:
        SettingsError: an address that others can reach, but no keys; or a database that Millrace does not speak.
        KeysError: the file of keys cannot be used.
    """
    app = FastAPI(
        title="Millrace",
        version=_version(),
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,  # FastAPI's loads it from the internet; the console has a page of its own
        redoc_url=None,
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        openapi_tags=TAGS,
        generate_unique_id_function=lambda route: route.name,
        servers=[{"url": "/"}],
    )
    app.state.settings = settings
    app.state.keys = load_keys(settings.api_keys_file, settings.api_host)
    app.state.store = Store(settings.database())
    app.state.live = Live(app.state.store)
    app.state.streams = [app.state.live]  # what ends before the server waits for open connections
    app.state.publisher, app.state.keeper = publisher, keeper
    app.state.rankers = ranking.Rankers(settings, app.state.store, publisher)
    app.state.teller = None if publisher is None else ActionTeller(app.state.store, publisher)
    problems.install(app)
    _add_middleware(app, settings)
    for resource in (
        items, ranking, assets, alerts, alert_actions, notifications, events, operation, dead_letters, promotion, trace,
    ):  # fmt: skip
        app.include_router(resource.router)
    _add_probes(app)
    _add_documents(app)
    _complete_openapi(app)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """From the innermost to the outermost."""
    app.add_middleware(KeptSlashes)
    app.add_middleware(
        LimitedBody, most_bytes=MOST_BODY_BYTES, more={"/v1/events": MOST_EVENT_BYTES, "/v1/rank": MOST_RANK_BYTES}
    )
    app.add_middleware(Timely, late=problems.answer_late)
    for wrapper in (Conditional, Compressed, Headed):
        app.add_middleware(wrapper)
    if origins := allowed_origins(settings):
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Retry-After"],
        )
    app.add_middleware(Measured)


def _version() -> str:
    try:
        return version("millrace")
    except PackageNotFoundError:  # run from a folder that is not installed
        return "0"


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    telling = app.state.teller and asyncio.create_task(app.state.teller.run())
    yield
    if telling is not None:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await app.state.publisher.close()
    await app.state.live.close()
    await app.state.rankers.close()
    app.state.store.close()


def _add_probes(app: FastAPI) -> None:
    known = [Depends(only_known)]
    open_to_all: dict[str, Any] = {"security": []}
    refused = responses("invalid-request")

    @app.get("/livez", tags=["operation"], dependencies=known, openapi_extra=open_to_all, responses=refused)
    async def get_livez() -> Health:
        """The process answers."""
        return Health(status="alive")

    @app.get("/readyz", tags=["operation"], dependencies=known, openapi_extra=open_to_all, responses={
        **refused,
        200: {"content": {"application/json": {"example": BODY_EXAMPLES["Health"]}}}, **responses("not-ready"),
    })  # fmt: skip
    async def get_readyz() -> Health:
        """The database answers, has the tables of this version, and could be written: not locked, not read-only; the
        broker answers, where this server has one; the sinks are not silent, nor behind by more than
        MILLRACE_READY_MOST_LAG records."""
        return Health(status="ready", checks=await look(app))

    text: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **refused,
    }

    async def may_see_metrics(request: Request, credentials: Credentials) -> None:
        if app.state.keys is not None and not app.state.settings.api_open_metrics:
            await needs("read")(request, credentials)

    @app.get(
        "/metrics", tags=["operation"], dependencies=[*known, Depends(may_see_metrics)], response_class=Response,
        responses=text | responses("unauthorized", "forbidden"),
    )  # fmt: skip
    def get_metrics() -> Response:
        """For Prometheus. Where the API has keys, one is needed, but for MILLRACE_API_OPEN_METRICS."""
        return Response(generate_latest(OWN), media_type=CONTENT_TYPE_LATEST)


def _add_documents(app: FastAPI) -> None:
    asyncapi = asyncapi_document(app.version)

    @app.get("/asyncapi.json", include_in_schema=False)
    async def get_asyncapi() -> JSONResponse:
        return JSONResponse(asyncapi)

    @app.get("/problems/{slug}", include_in_schema=False)
    async def get_problem(slug: str) -> HTMLResponse:
        if slug not in PROBLEM_TYPES:
            raise ProblemError("not-found", f"There is no type of problem named {slug}.")
        return HTMLResponse(problems.page(PROBLEM_TYPES[slug]))


def _complete_openapi(app: FastAPI) -> None:
    """Put the schema of problems, which routes refer to, among the components."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            components = document.setdefault("components", {}).setdefault("schemas", {})
            components |= schema.pop("$defs", {}) | {"Problem": schema}
            document["components"]["schemas"] = dict(sorted(components.items()))
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
