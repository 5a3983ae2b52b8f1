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

from schemas import ModelRef, Settings, SettingsError
from streams.metrics import READY
from streams.runtime import Runtime
from streams.worker import build_agent, build_app, run_worker

log = structlog.get_logger(__name__)
Role = Literal["edge", "sink"]
RECOMMENDER = "recommender"  # name of the model
# Ranking takes about .4 ms a click: small batches keep the catalogue view close behind the clicks and the
# heartbeats in time.
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
    """The app of an edge worker: agents `maintain` and `recommend`, the catalogue view and its teller."""
    from models.maintenance import AssetModel
    from models.recommender import Recommender
    from models.store import ModelStore
    from streams.feed import CatalogueTeller, FeedReader
    from streams.maintain import Maintain
    from streams.recommend import Recommend

    champions = ModelStore(settings.home / "models").champions()
    ranker = champions.pop(RECOMMENDER, None)
    assets = {name: AssetModel.load(model) for name, model in champions.items()}
    log.info("champions", recommender=ranker and ranker.manifest.version, assets=sorted(assets))
    app = build_app("edge", settings)
    profile = (ranker and ranker.manifest.profile) or read_profile(settings.profile)
    reader, recommender = FeedReader(settings, profile), Recommender(ranker, profile)
    version = ranker.manifest.version if ranker else f"profile-{profile.name}"
    handler = Recommend(settings, reader, recommender, ModelRef(name=RECOMMENDER, version=version))

    recommender.warm()  # before any agent has heartbeats to send: compiling blocks the event loop for seconds
    for model in assets.values():
        model.warm()
    ranking = settings.model_copy(update={"max_batch_records": min(RANKED_AT_ONCE, settings.max_batch_records)})
    runtimes = [
        build_agent(app, settings, Maintain(settings, assets)),
        build_agent(app, ranking, handler, reader.caught_up),
    ]
    for service in (reader, CatalogueTeller(settings, reader, recommender, runtimes[1]), Readiness(runtimes)):
        app.service(service)
    return app


def build_sink_app(settings: Settings) -> faust.App:
    """The app of a sink worker."""
    from streams.sink import build_sink

    app = build_app("sink", settings)
    build_sink(app, settings)
    return app


def read_profile(name: str) -> Any:
    """A built-in profile by its name, or the one in a TOML file.

    Raises:
        SettingsError: there is neither.
    """
    from schemas.profile import PROFILES, parse_profile

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
