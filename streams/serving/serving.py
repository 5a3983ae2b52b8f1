"""Serving: which models this worker runs, and how they change while events flow.

MILLRACE_HOME/models ─► restore ─► seats
models.v1 ─► receive (verify, keep);  admit ─► point (load, once) ─► prepare ─► swap ─► report

A model that cannot be trusted or used is refused, with a reason that the log, a metric and `/v1/models` tell; what
served before goes on serving.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog

from models.registry import CLOCK_TOLERANCE, Model, ModelStore, Publication, Trust, described, is_older, remember
from schemas import Alias, AliasRecord, Comparison, ModelError, Refusal, Running, rfc3339
from streams.agent import Runtime
from streams.metrics import MODEL, REFUSED, begin_models
from streams.serving.swap import Change, between_batches

log = structlog.get_logger(__name__)
KEPT_REFUSALS = 50
CHAMPION: Alias = "champion"
LONG_AGO = datetime(1980, 1, 1, tzinfo=UTC)


class Seat(Protocol):
    """Where the models of a kind are put to use."""

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


Agents = Mapping[Seat, Runtime]  # the agent that each seat's handler is run by


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
        begin_models(["champion", "challenger", "none"])

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
                model = self._load(name, version)
                self._seat_of(name).place(model, alias, since)
            except ModelError as error:
                self.refuse(name, version, alias, error)
                if alias == CHAMPION:
                    self.unserved.setdefault(name, error)
            else:
                self._runs(alias, model)
                self.unserved.pop(name, None)
                return

    async def receive(self, publication: Publication) -> None:
        """Keep a version that came over the topic, so that an alias may point to it later, also offline. It is verified
        and not built: that is done once, for the alias that lets it serve.

        Raises:
            ModelError: it is not trusted, or not whole.
        """
        publication.check_signature(self._trust)
        await asyncio.to_thread(self.store.receive, publication)

    def admit(self, record: AliasRecord) -> bool:
        """Whether an alias record may count: signed where that is needed, and not from the future, as it would stand
        above all that people decide until then. What may not is told."""
        try:
            self._trust.check_alias(record)
            if record.changed_at > datetime.now(UTC) + CLOCK_TOLERANCE:
                raise _from_the_future(record)
        except ModelError as error:
            self.refuse_change(record.name, record.alias, record.version, error)
            return False
        return True

    def admit_null(self, name: str, alias: Alias) -> bool:
        """Whether an alias may be withdrawn by a null value, which nobody can sign."""
        if self._trust.needs_signatures:
            self.refuse_change(name, alias, None, _nobody_s(name, alias))
        return not self._trust.needs_signatures

    async def point(self, record: AliasRecord, agents: Agents) -> None:
        """Serve what an admitted record points to from now on; never raises for what the model is. An older change than
        the one that is known is passed over.

        Args:
            agents: of the seats.
        """
        name, alias, version = record.name, record.alias, record.version
        known = self.store.aliases().changed_at.get(name, {}).get(alias)
        if known is not None and is_older(record, known):
            self._pass_over(record, known)
            return
        if version is None:
            await self._withdraw(record, agents)
            return
        running = self.running.get((name, alias))
        if running is not None and running.version == version:
            await asyncio.to_thread(self.store.move, record)
            self.changed.set()  # whoever promoted it waits for a word told after that
            return
        try:
            model = await asyncio.to_thread(self._load, name, version)
            seat = self._seat_of(name)
            change = await seat.prepare(model, alias, record.changed_at)
            await asyncio.to_thread(self.store.move, record)
            await between_batches(agents[seat], change)
        except ModelError as error:
            self.refuse(name, version, alias, error)
            await asyncio.to_thread(remember, self.store.folder, record)
            return
        self._runs(alias, model)
        if alias == CHAMPION:
            self.unserved.pop(name, None)
        log.info("a model serves", model=name, alias=alias, version=version, signed=model.is_signed)

    def _pass_over(self, record: AliasRecord, known: datetime) -> None:
        """Refuses what was decided just now by a clock that is behind: someone waits for it. Otherwise it is an old
        record that is read again."""
        if record.changed_at > datetime.now(UTC) - CLOCK_TOLERANCE:
            self.refuse_change(record.name, record.alias, record.version, _from_the_past(record, known))
        else:
            log.warning("an older change of an alias is passed over", change=described(record), newest=rfc3339(known))

    async def _withdraw(self, record: AliasRecord, agents: Agents) -> None:
        """Takes a challenger out of use; a champion stays until another one is named."""
        name, alias = record.name, record.alias
        if alias == CHAMPION:
            log.warning("a champion is not withdrawn: its events would wait", model=name)
            return
        if (name, alias) in self.running:
            seat = self._seat_of(name)
            await between_batches(agents[seat], seat.remove(name, alias))
            MODEL.remove(name, alias, self.running.pop((name, alias)).version)
        await asyncio.to_thread(self.store.move, record)
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

    def refuse_change(self, name: str, alias: Alias, version: str | None, error: ModelError) -> None:
        """Tell of a change of an alias that does not count; of a withdrawal by the version that goes on."""
        running = self.running.get((name, alias))
        self.refuse(name, version or (running.version if running else "none"), alias, error)

    def check_served(self) -> None:
        """Raises:
        ModelError: a name with a champion has none that can be used, and the topic brought none: its events wait.
        """
        for error in self.unserved.values():
            raise error

    def _seat_of(self, name: str) -> Seat:
        return self._others.get(name, self._assets)

    def _load(self, name: str, version: str) -> Model:
        model = self.store.load(name, version, self._trust)
        self.evaluator = str(next(iter(model.scorers.values())).evaluation()["evaluator"])
        return model

    def _runs(self, alias: Alias, model: Model) -> None:
        name, version = model.manifest.name, model.manifest.version
        before = self.running.get((name, alias))
        if before is not None:
            MODEL.remove(name, alias, before.version)
        MODEL.labels(name, alias, version).set(1)
        for key in [key for key in self.refused if key[:2] == (name, version)]:
            del self.refused[key]  # it is served after all
        self.running[name, alias] = Running(
            name=name, alias=alias, version=version, since=datetime.now(UTC), is_signed=model.is_signed
        )
        self.changed.set()


def _from_the_future(record: AliasRecord) -> ModelError:
    return ModelError(
        f"{described(record)} is not followed: more than {CLOCK_TOLERANCE.seconds // 60} minutes ahead of the clock "
        "here.",
        "Set the clock of the machine that promoted it, or of this one, and promote the version again.",
    )


def _from_the_past(record: AliasRecord, known: datetime) -> ModelError:
    return ModelError(
        f"{described(record)} is not followed: a change of {rfc3339(known)} is known, so it was decided by a clock "
        "that is behind, or is played again.",
        "Promote the version again after that time, and set the clocks of the machines that promote.",
    )


def _nobody_s(name: str, alias: Alias) -> ModelError:
    return ModelError(
        f"A null value for the {alias} of {name} is not followed: nobody has signed it, and it wipes the signed record "
        "off models.v1, so that workers without a home do not find it any more.",
        "Look at who can write to models.v1, and promote the version again. Withdraw with `millrace models withdraw`, "
        "of this version, and with MILLRACE_MODEL_PRIVATE_KEY.",
    )
