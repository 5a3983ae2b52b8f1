"""Serving: which models this worker runs, and how they change while events flow.

MILLRACE_HOME/models ─► restore ─► seats;  models.v1 ─► receive, point ─► verify ─► prepare ─► swap ─► report

A model that cannot be trusted or used is refused, with a reason that the log, a metric and `/v1/models` tell; what
served before goes on serving.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from models.registry import Model, ModelStore, Publication, Trust
from schemas import Alias, AliasRecord, Comparison, ModelError, Refusal, Running, rfc3339
from streams.agent import Runtime
from streams.metrics import MODEL, REFUSED
from streams.serving.swap import Change, between_batches

log = structlog.get_logger(__name__)
KEPT_REFUSALS = 50
CHAMPION: Alias = "champion"
LONG_AGO = datetime(1980, 1, 1, tzinfo=UTC)
FUTURE = timedelta(minutes=5)  # clocks of the machines that promote and serve may differ by this


class Seat(Protocol):
    """Where the models of a kind are put to use."""

    runtime: Runtime

    def place(self, model: Model, alias: Alias, since: datetime) -> None:
        """Put a model to use at once, before the agent runs; blocks.

        Raises:
            ModelError: it cannot serve here.
        """

    async def prepare(self, model: Model, alias: Alias, since: datetime) -> Change:
        """Load and warm a model beside the running ones; long work in a thread. Returns what puts it to use.

        Args:
            since: when the alias was pointed to it.

        Raises:
            ModelError: it cannot serve here.
        """

    def remove(self, name: str, alias: Alias) -> Change:
        """What takes a model out of use."""

    def comparisons(self) -> list[Comparison]:
        """Challengers beside their champions."""


@dataclass(frozen=True)
class Loaded:
    """A verified model and whether a trusted key has signed it."""

    model: Model
    is_signed: bool


class Serving:
    """The models of one worker.

    Args:
        store: the models on this machine; they serve while models.v1 cannot be read.
        assets: the seat of asset classes.
        others: seats of models with names of their own.
    """

    def __init__(self, store: ModelStore, trust: Trust, assets: Seat, others: Mapping[str, Seat]) -> None:
        self.store, self._trust, self._assets, self._others = store, trust, assets, others
        self.running: dict[tuple[str, Alias], Running] = {}
        self.refused: dict[tuple[str, str, Alias | None], Refusal] = {}
        self.changed = asyncio.Event()
        self.evaluator = ""  # of the kernel on this CPU
        self.unserved: dict[str, ModelError] = {}  # names without any champion that can be used

    def restore(self) -> None:
        """Put to use what the aliases in the store point to; for a champion that is refused the one before it.

        Blocks; before the agents run.
        """
        aliases = self.store.aliases()
        for name, of in aliases.models.items():
            for alias in sorted(of):  # the champion first: a challenger is compared with it
                earlier = aliases.history.get(name, {}).get(alias, []) if alias == CHAMPION else []
                since = aliases.changed_at.get(name, {}).get(alias, LONG_AGO)
                self._restore(name, alias, [of[alias], *earlier], since)

    def _restore(self, name: str, alias: Alias, versions: Sequence[str], since: datetime) -> None:
        for version in versions:
            try:
                loaded = self._load(name, version)
                self._seat_of(name).place(loaded.model, alias, since)
            except ModelError as error:
                self.refuse(name, version, alias, error)
                if alias == CHAMPION:
                    self.unserved.setdefault(name, error)
            else:
                self._runs(name, alias, loaded)
                self.unserved.pop(name, None)
                return

    async def receive(self, publication: Publication) -> None:
        """Keep a version that came over the topic, so that an alias may point to it later, also offline.

        Raises:
            ModelError: it is not trusted, not whole, or the kernel here scores otherwise.
        """
        await asyncio.to_thread(self._receive, publication)

    async def point(self, record: AliasRecord) -> None:
        """Serve what the alias points to from now on; never raises for what the model is.

        An older change than the one that is known is passed over. A change from the future is refused: it would stand
        above all that people decide until then. So one that is known counts only from its time on: whose clock is a
        little ahead, or was before this was checked, holds nobody up.
        """
        name, alias, version = record.name, record.alias, record.version
        now = datetime.now(UTC)
        if record.changed_at > now + FUTURE:
            self.refuse(name, version, alias, _from_the_future(record))
            return
        known = self.store.aliases().changed_at.get(name, {}).get(alias)
        if known is not None and record.changed_at < known <= now:
            log.info("an older change of an alias is passed over", model=name, alias=alias, version=version)
            return
        running = self.running.get((name, alias))
        if running is not None and running.version == version:
            await asyncio.to_thread(self.store.move, record)
            self.changed.set()  # whoever promoted it waits for a word told after that
            return
        try:
            loaded = await asyncio.to_thread(self._load, name, version)
            seat = self._seat_of(name)
            change = await seat.prepare(loaded.model, alias, record.changed_at)
            await asyncio.to_thread(self.store.move, record)
            await between_batches(seat.runtime, change)
        except ModelError as error:
            self.refuse(name, version, alias, error)
            return
        self._runs(name, alias, loaded)
        if alias == CHAMPION:
            self.unserved.pop(name, None)
        log.info("a model serves", model=name, alias=alias, version=version, signed=loaded.is_signed)

    async def withdraw(self, name: str, alias: Alias) -> None:
        """The alias is gone."""
        if (name, alias) not in self.running:
            return
        seat = self._seat_of(name)
        await between_batches(seat.runtime, seat.remove(name, alias))
        MODEL.remove(name, alias, self.running.pop((name, alias)).version)
        try:
            await asyncio.to_thread(self.store.withdraw, name, alias)
        except ModelError:
            log.info("the alias was withdrawn here already", model=name, alias=alias)
        self.changed.set()

    def refuse(self, name: str, version: str, alias: Alias | None, error: ModelError) -> None:
        """Tell of a model that is not taken."""
        refusal = Refusal(name=name, version=version, alias=alias, reason=str(error), refused_at=datetime.now(UTC))
        self.refused.pop((name, version, alias), None)
        self.refused[name, version, alias] = refusal
        while len(self.refused) > KEPT_REFUSALS:
            self.refused.pop(next(iter(self.refused)))
        REFUSED.labels(alias or "none").inc()
        served = {a: r.version for (n, a), r in self.running.items() if n == name}
        log.error("a model is refused", model=name, version=version, alias=alias, reason=str(error), serving=served)
        self.changed.set()

    def check_served(self) -> None:
        """Raises:
        ModelError: a name with a champion has none that can be used, and the topic brought none: its events wait.
        """
        for error in self.unserved.values():
            raise error

    def _seat_of(self, name: str) -> Seat:
        return self._others.get(name, self._assets)

    def _receive(self, publication: Publication) -> None:
        manifest = publication.manifest
        self._trust.check(publication.document, f"Model {manifest.name} {manifest.version}")
        self.store.receive(publication)
        self._load(manifest.name, manifest.version)

    def _load(self, name: str, version: str) -> Loaded:
        model = self.store.load(name, version)
        self.evaluator = str(next(iter(model.scorers.values())).evaluation()["evaluator"])
        return Loaded(model, model.check(self._trust))

    def _runs(self, name: str, alias: Alias, loaded: Loaded) -> None:
        version = loaded.model.manifest.version
        before = self.running.get((name, alias))
        if before is not None:
            MODEL.remove(name, alias, before.version)
        MODEL.labels(name, alias, version).set(1)
        for key in [key for key in self.refused if key[:2] == (name, version)]:
            del self.refused[key]  # it is served after all
        self.running[name, alias] = Running(
            name=name, alias=alias, version=version, since=datetime.now(UTC), is_signed=loaded.is_signed
        )
        self.changed.set()


def _from_the_future(record: AliasRecord) -> ModelError:
    return ModelError(
        f"{record.alias} of {record.name} was pointed to {record.version} at {rfc3339(record.changed_at)}, which is "
        f"more than {FUTURE.seconds // 60} minutes ahead of the clock here; it was not followed.",
        "Set the clock of the machine that promoted it, or of this one, and promote the version again.",
    )
