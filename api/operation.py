"""Operation: what the service itself is about: how things are, workers, topics, models.

Store.reading, MILLRACE_HOME ─► bodies
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Path, Query, Request

from api.model_list import read_models
from api.problems import ProblemError
from api.shared import Database, build_router, shown
from schemas import (
    INPUTS,
    OUTPUTS,
    TOPICS,
    FiguresBody,
    ModelBody,
    Overview,
    OverviewAgent,
    OverviewAssets,
    Page,
    Settings,
    Topic,
    TopicBody,
    WorkerStatus,
    partition_count,
    topic_name,
)
from storage import Reader

WORKER_SILENCE = timedelta(seconds=30)
DAY, EPOCH = timedelta(days=1), datetime(1970, 1, 1, tzinfo=UTC)
router = build_router("operation")


@router.get("/overview", responses=shown("Overview"))
def get_overview(store: Database) -> Overview:
    """How things are: assets and open alerts by severity, workers, rates and lags of the agents, dead letters."""
    now = datetime.now(UTC)
    with store.reading() as reader:
        return overview_of(reader, reader.workers(now - WORKER_SILENCE), now)


def overview_of(reader: Reader, workers: Sequence[WorkerStatus], now: datetime) -> Overview:
    """How things are, as these workers told and the database has it."""
    return Overview(
        time=now,
        assets=OverviewAssets.model_validate(reader.count_assets(), from_attributes=True),
        alerts=reader.count_open_alerts(),
        workers={
            role: sum(1 for status in workers if status.figures and status.figures.role == role)
            for role in ("edge", "sink")
        },
        agents=_agents(workers),
        dead_letters_24h=reader.count_dead_letters(now - DAY),
    )


def _agents(workers: Iterable[WorkerStatus]) -> dict[str, OverviewAgent]:
    """Each agent over all of its workers: of a partition only its owner tells a lag."""
    found: dict[str, OverviewAgent] = {}
    for status in workers:
        for name, own in status.figures.agents.items() if status.figures else ():
            sofar = found.get(name, OverviewAgent(lag=0, events_per_s=0.0, outputs_per_s=0.0))
            found[name] = OverviewAgent(
                lag=sofar.lag + own.lag,
                events_per_s=sofar.events_per_s + own.events_per_s,
                outputs_per_s=sofar.outputs_per_s + own.outputs_per_s,
            )
    return dict(sorted(found.items()))


@router.get("/workers", responses=shown("Page[WorkerStatus]"))
def list_workers(store: Database) -> Page[WorkerStatus]:
    """The workers that told of themselves within half a minute: lag, rates, latency, memory, cost by stage, models.

    All of them: there are few.
    """
    with store.reading() as reader:
        return Page(items=reader.workers(datetime.now(UTC) - WORKER_SILENCE))


@router.get("/workers/{worker:id}/figures", responses=shown("Page[FiguresBody]", "unknown-worker"))
def list_figures(
    worker: Annotated[str, Path(max_length=400, pattern=r"^[^\x00]*$")],
    store: Database,
    limit: Annotated[int, Query(ge=1, le=1440, description="most minutes")] = 60,
) -> Page[FiguresBody]:
    """What a worker measured, minute by minute, the last first, as far back as MILLRACE_RETENTION_FIGURES_DAYS."""
    with store.reading() as reader:
        found = reader.figures(worker, datetime.now(UTC) - timedelta(days=366), limit)
        if not found and worker not in {status.worker for status in reader.workers(EPOCH)}:
            raise ProblemError("unknown-worker", f"No worker named {worker} has told of itself.")
    return Page(items=found)


@router.get("/topics", responses=shown("Page[TopicBody]"))
def list_topics(request: Request, store: Database) -> Page[TopicBody]:
    """The topics of the contract: how far the database has read those that it keeps, and, as the workers tell, how many
    records a second are read and how far each agent is behind on each partition."""
    settings: Settings = request.app.state.settings
    names = {topic_name(settings, topic.name): topic for topic in TOPICS}
    with store.reading() as reader:
        positions = reader.positions(list(names))
        dead = reader.count_dead_letters(datetime.now(UTC) - DAY)
        workers = reader.workers(datetime.now(UTC) - WORKER_SILENCE)
    offsets: dict[str, dict[int, int]] = {}
    for (name, partition), offset in sorted(positions.items()):
        offsets.setdefault(names[name].name, {})[partition] = offset
    bodies = [_topic(settings, topic, offsets.get(topic.name, {}), dead) for topic in TOPICS]
    return Page(items=[body.model_copy(update=_flow(body.name, workers)) for body in bodies])


def _flow(name: str, workers: Iterable[WorkerStatus]) -> dict[str, Any]:
    """Of a topic, over all workers: of a partition only its owner tells a lag, each agent reads each record."""
    rates, lag = dict[str, float](), dict[str, dict[int, int]]()
    for status in workers:
        for agent, own in status.figures.agents.items() if status.figures else ():
            if (told := own.topics.get(name)) is not None:
                rates[agent] = rates.get(agent, 0.0) + told.events_per_s
                sofar = lag.setdefault(agent, {})
                sofar |= {number: max(behind, sofar.get(number, 0)) for number, behind in told.lag.items()}
    return {"events_per_s": round(max(rates.values()), 2) if rates else None, "lag": lag}


def _topic(settings: Settings, topic: Topic, offsets: dict[int, int], dead: dict[str, int]) -> TopicBody:
    is_input, is_output = topic.name in INPUTS, topic.name in OUTPUTS
    return TopicBody(
        name=topic_name(settings, topic.name),
        key=topic.key,
        purpose=topic.purpose,
        direction="input" if is_input else "output" if is_output else "quarantine" if _is_dlq(topic) else "internal",
        partitions=partition_count(settings, topic),
        config=topic.config,
        kept_offsets=offsets,
        dead_letters_24h=dead.get(topic.name, 0) if is_input else None,
    )


def _is_dlq(topic: Topic) -> bool:
    return topic.name.endswith(".dlq")


@router.get("/models", responses=shown("Page[ModelBody]"))
def list_models(request: Request, store: Database) -> Page[ModelBody]:
    """The models in MILLRACE_HOME with their versions, aliases and cards, and what the edge workers run and refuse.

    All of them: there are few. A worker that has been silent for half a minute is left out.
    """
    with store.reading() as reader:
        workers = reader.workers(datetime.now(UTC) - WORKER_SILENCE)
    return Page(items=read_models(request.app.state.settings.home / "models", workers))
