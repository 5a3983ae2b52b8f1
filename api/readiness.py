"""Readiness: whether the service can do what it is for, looked at when it is asked for.

database, broker, what the sinks told ─► checks ─► or a problem that says why not
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI
from pydantic import JsonValue

from api.problems import RETRY_AFTER_S, ProblemError
from api.publisher import Publisher
from schemas import Settings, UnavailableError, WorkerStatus
from storage import Store, in_thread

SINK_SILENCE_S = 30.0  # it tells every 5 s
BROKER_TIMEOUT_S = 3.0
SINK = "sink"


async def look(app: FastAPI) -> dict[str, JsonValue]:
    """What was looked at, and how it is.

    Raises:
        ProblemError: something is not as it should be; `detail` says what.
        UnavailableError: the database does not answer, or is of another version.
    """
    store, settings, publisher = app.state.store, app.state.settings, app.state.publisher
    checks: dict[str, JsonValue] = {"database": await in_thread(store.probe)}
    why: list[str] = []
    if publisher is not None:
        checks["broker"] = await _broker(publisher, why)
    checks["sink"] = _sinks(await in_thread(lambda: _told(store)), settings, why)
    if why:
        raise ProblemError("not-ready", " ".join(why), (), {"Retry-After": str(RETRY_AFTER_S)})
    return checks


async def _broker(publisher: Publisher, why: list[str]) -> str:
    try:
        async with asyncio.timeout(BROKER_TIMEOUT_S):
            await publisher.check()
    except UnavailableError as error:
        why.append(f"{error.detail} {error.advice}".strip())
    except TimeoutError:
        why.append(f"Kafka does not answer within {BROKER_TIMEOUT_S:.0f} s. See that it runs: `millrace doctor`.")
    return "answers"


def _told(store: Store) -> list[WorkerStatus]:
    with store.reading() as reader:
        told = reader.workers(datetime.now(UTC) - timedelta(days=1))
    return [status for status in told if status.figures is not None and status.figures.role == SINK]


def _sinks(sinks: Iterable[WorkerStatus], settings: Settings, why: list[str]) -> dict[str, Any]:
    """The lag of decisions over all sinks. A database that no sink ever wrote to has none to wait for."""
    now, told = datetime.now(UTC), list(sinks)
    if not told:
        return {"workers": 0}
    silent_s = min((now - status.event_time).total_seconds() for status in told)
    living = [status for status in told if (now - status.event_time).total_seconds() <= SINK_SILENCE_S]
    lag = sum(s.figures.agents[SINK].lag for s in living if s.figures is not None and SINK in s.figures.agents)
    if not living:
        why.append(
            f"No sink has told of itself for {silent_s:.0f} s, so new decisions may be missing. "
            "See its log, or start one: `millrace worker --role sink`."
        )
    if lag > settings.ready_most_lag:
        why.append(
            f"The sink is {lag:,} decisions behind, more than MILLRACE_READY_MOST_LAG. It catches up by "
            "itself where the database is quick enough; lists and alerts are old until then."
        )
    return {"workers": len(living), "lag": lag, "told_s_ago": round(silent_s, 1)}
