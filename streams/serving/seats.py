"""Seats: how a verified model is put to use in an agent, as champion or in the shadow.

Model ─► prepare (load, warm, in a thread) ─► Change ─► between two batches: handler.served
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from models.maintenance import AssetModel
from models.recommender import CatalogueView, Recommender
from models.registry import Model
from schemas import RECOMMENDER, Alias, Comparison, ModelError, ModelRef, RecommenderProfile, Settings
from streams.agent import PartitionState, adopt
from streams.catalogue import FeedReader
from streams.maintain import Maintain, challenger_table
from streams.recommend import Recommend, ServedRanker
from streams.serving.swap import Change

StartService = Callable[[FeedReader], Awaitable[None]]


class AssetSeat:
    """Models of asset classes, in the agent `maintain`."""

    def __init__(self, settings: Settings) -> None:
        self.handler = Maintain(settings, {})
        self._challengers: dict[str, tuple[AssetModel, int]] = {}

    def place(self, model: Model, alias: Alias, since: datetime) -> None:
        self._change(load_asset_model(model), alias, since)([])

    async def prepare(self, model: Model, alias: Alias, since: datetime) -> Change:
        return self._change(await asyncio.to_thread(load_asset_model, model), alias, since)

    def _change(self, served: AssetModel, alias: Alias, since: datetime) -> Change:
        name = served.reference.name

        def become_challenger(states: list[PartitionState]) -> None:  # noqa: ARG001
            self._challengers[name] = served, int(since.timestamp())
            self.handler.served = self.handler.served.against(name, *self._challengers[name])

        def become_champion(states: list[PartitionState]) -> None:
            before = self.handler.served.challengers.get(name)
            served_now = self.handler.served.with_champion(served)
            if name in self._challengers:
                served_now = served_now.against(name, *self._challengers[name])
            self.handler.served = served_now
            if before is not None and before.has_own_rows and before.model.reference == served.reference:
                for state in states:
                    self._take_over(name, state)

        return become_champion if alias == "champion" else become_challenger

    def _take_over(self, name: str, state: PartitionState) -> None:
        """The challenger has followed the assets for a while: its rows go on, instead of rows of zeros."""
        rows = state.tables.pop(challenger_table(name), None)
        if rows is not None and name in state.tables:
            state.tables[name] = adopt(self.handler.layouts()[name], state.tables[name], rows)

    def remove(self, name: str, alias: Alias) -> Change:  # noqa: ARG002 - only challengers are removed
        def end_challenge(states: list[PartitionState]) -> None:  # noqa: ARG001
            self._challengers.pop(name, None)
            self.handler.served = self.handler.served.without_challenger(name)

        return end_challenge

    def comparisons(self) -> list[Comparison]:
        return [challenger.tally.comparison() for challenger in self.handler.served.challengers.values()]


def load_asset_model(model: Model) -> AssetModel:
    """Ready to serve, and tried once.

    Raises:
        ModelError: it is not a model of an asset class, or its parts do not fit together.
    """
    served = AssetModel(model)
    served.warm()
    return served


class RankerSeat:
    """The recommender, in the agent `recommend`. A champion of another profile comes with a view of its own.

    Args:
        profile: until a champion comes with its own.
        start: starts a service that ends with the worker.
    """

    def __init__(self, settings: Settings, profile: RecommenderProfile, start: StartService) -> None:
        self._settings, self._default, self._start = settings, profile, start
        self._reader: FeedReader | None = None
        self._handler: Recommend | None = None
        self._challenger: tuple[Recommender, ModelRef] | None = None
        self._ending: asyncio.Future[None] | None = None

    @property
    def handler(self) -> Recommend:
        """With the hand-weighted list while no champion was placed."""
        if self._handler is None:
            recommender = Recommender(None, self._default)
            recommender.warm()
            reference = ModelRef(name=RECOMMENDER, version=f"profile-{self._default.name}")
            return self._serve(*self._with_a_view(recommender, reference))
        return self._handler

    @property
    def reader(self) -> FeedReader:
        """Keeps the view that serves."""
        assert self._reader is not None
        return self._reader

    def _serve(self, reader: FeedReader, served: ServedRanker) -> Recommend:
        self._reader = reader
        if self._handler is None:
            self._handler = Recommend(self._settings, served)
        self._handler.served = served
        return self._handler

    def now(self) -> tuple[Recommender, CatalogueView]:
        """What serves at this moment."""
        served = self.handler.served
        return served.recommender, served.view

    def _with_a_view(self, recommender: Recommender, reference: ModelRef) -> tuple[FeedReader, ServedRanker]:
        reader = FeedReader(self._settings, recommender.profile)
        return reader, ServedRanker(recommender, reader.view, reference)

    def place(self, model: Model, alias: Alias, since: datetime) -> None:  # noqa: ARG002 - keeps no rows
        recommender, reference = self._load(model), _reference(model)
        if alias == "champion":
            self._serve(*self._with_a_view(recommender, reference))
        else:
            self._check_challenger(recommender, reference)
            self._become_challenger(recommender, reference)

    async def prepare(self, model: Model, alias: Alias, since: datetime) -> Change:  # noqa: ARG002 - keeps no rows
        recommender, reference = await asyncio.to_thread(self._load, model), _reference(model)
        if alias == "challenger":
            self._check_challenger(recommender, reference)
            return lambda _: self._become_challenger(recommender, reference)
        reader, served = self.reader, ServedRanker(recommender, self.reader.view, reference)
        if recommender.profile != self.handler.served.recommender.profile:
            reader, served = self._with_a_view(recommender, reference)
            await self._start(reader)
            await reader.caught_up()
        return lambda _: self._become_champion(reader, served)

    def _check_challenger(self, recommender: Recommender, reference: ModelRef) -> None:
        served = self.handler.served.recommender.profile
        if recommender.profile != served:
            raise ModelError(
                f"{reference.name} {reference.version} cannot be the challenger: its profile is "
                f"{recommender.profile.name}, the champion's {served.name}, so the two have different candidates.",
                "Train it with the champion's profile, or promote it.",
            )

    def _load(self, model: Model) -> Recommender:
        if model.manifest.kind != "recommender":
            raise ModelError(
                f"{model.folder} is a {model.manifest.kind} model, not a recommender.",
                f"No asset class may be named {RECOMMENDER}: rename it and train again.",
            )
        recommender = Recommender(model, model.manifest.profile or self._default)
        recommender.warm()
        return recommender

    def _become_challenger(self, recommender: Recommender, reference: ModelRef) -> None:
        self._challenger = recommender, reference
        self.handler.served = self.handler.served.against(recommender, reference)

    def _become_champion(self, reader: FeedReader, served: ServedRanker) -> None:
        if reader is not self.reader:
            self._ending = asyncio.ensure_future(self.reader.stop())
        if self._challenger is not None and self._challenger[0].profile == served.recommender.profile:
            served = served.against(*self._challenger)
        self._serve(reader, served)

    def remove(self, name: str, alias: Alias) -> Change:  # noqa: ARG002 - only challengers are removed
        def end_challenge(states: list[PartitionState]) -> None:  # noqa: ARG001
            self._challenger, self.handler.served = None, replace(self.handler.served, challenger=None)

        return end_challenge

    def comparisons(self) -> list[Comparison]:
        challenger = self.handler.served.challenger
        return [] if challenger is None else [challenger.tally.comparison()]


def _reference(model: Model) -> ModelRef:
    return ModelRef(name=model.manifest.name, version=model.manifest.version)
