"""The roles of a worker: `edge` answers events with decisions, `sink` writes decisions to the database.

champions of the model store ─► handlers (maintain, recommend) ─► agents on one Faust app ─► run_role
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import faust
import structlog
from mode import Service

from schemas import RECOMMENDER, Settings, SettingsError
from streams.agent import Runtime
from streams.metrics import READY
from streams.worker import build_agent, build_app, run_worker

log = structlog.get_logger(__name__)
Role = Literal["edge", "sink"]
# Ranking takes about a tenth of a millisecond a click: small turns keep the catalogue view close behind the clicks, and
# the heartbeats in time.
RANKED_AT_ONCE = 64


def run_role(role: Role, settings: Settings) -> None:
    """Run a worker of this role until SIGTERM or SIGINT.

    Raises:
        ModelError: a champion cannot be used; nothing was started.
        MillraceError: the worker could not start or go on.
    """
    log.info("worker starts", role=role, kafka=settings.kafka, home=str(settings.home))
    run_worker(lambda: build_edge(settings) if role == "edge" else build_sink_app(settings), settings)


def build_edge(settings: Settings) -> faust.App:
    """The app of an edge worker: agents `maintain` and `recommend`, the catalogue view and its teller, the reader of
    models.v1, which changes what the agents serve, and the port that ranks given items."""
    from models.registry import ModelStore, Trust
    from streams.catalogue import CatalogueTeller
    from streams.rank_port import RankPort
    from streams.serving import AssetSeat, ModelReader, RankerSeat, Serving, ServingTeller
    from streams.silence import Silence

    app = build_app("edge", settings)
    assets = AssetSeat(settings)
    ranker = RankerSeat(settings, read_profile(settings.profile), app.add_runtime_dependency)
    store, trust = ModelStore(settings.home / "models"), Trust.from_settings(settings)
    serving = Serving(store, trust, assets, {RECOMMENDER: ranker})
    serving.restore()  # before any agent has heartbeats to send: loading models takes a while
    log.info("models", running=[f"{r.name} {r.alias} {r.version}" for r in serving.running.values()])

    async def models_are_known() -> None:
        await models.caught_up()

    async def ready_to_rank() -> None:
        await models_are_known()
        await ranker.reader.caught_up()

    ranking = settings.model_copy(update={"max_batch_records": min(RANKED_AT_ONCE, settings.max_batch_records)})
    maintain = build_agent(app, settings, assets.handler, models_are_known)
    recommend = build_agent(app, ranking, ranker.handler, ready_to_rank)
    models = ModelReader(settings, serving, {assets: maintain, ranker: recommend})
    teller = CatalogueTeller(settings, ranker.now, ranker.reader.caught_up, recommend)
    port = RankPort(settings, ranker.handler, recommend, ranker.reader.caught_up)
    status = ServingTeller(settings, serving, [assets, ranker], port.place)
    silence = Silence(settings, assets.handler, maintain)
    for service in (ranker.reader, models, teller, port, silence, status, Readiness([maintain, recommend])):
        app.service(service)
    return app


def build_sink_app(settings: Settings) -> faust.App:
    """The app of a sink worker."""
    from streams.sink import build_sink
    from streams.status import StatusTeller

    app = build_app("sink", settings)
    build_sink(app, settings)
    app.service(StatusTeller(settings, "sink"))
    return app


def read_profile(name: str) -> Any:
    """A built-in profile by its name, or the one in a TOML file.

    Raises:
        SettingsError: there is neither.
    """
    from schemas import PROFILES, parse_profile

    if name in PROFILES:
        return PROFILES[name]
    try:
        text = Path(name).read_text()
    except OSError as error:
        raise SettingsError(
            f"Recommender profile {name!r} is neither one of {', '.join(PROFILES)} nor a file: {error.strerror}.",
            "Correct MILLRACE_PROFILE (or --profile).",
        ) from error
    return parse_profile(text, Path(name))


class Readiness(Service):
    """Tells, as a metric, when all agents have open partitions."""

    def __init__(self, runtimes: Sequence[Runtime]) -> None:
        super().__init__()
        self._runtimes = runtimes

    @Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            owned = [list(runtime.parts.values()) for runtime in self._runtimes]
            READY.set(all(parts and all(part.is_ready for part in parts) for parts in owned))
            await asyncio.sleep(0.2)
