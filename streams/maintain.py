"""The maintenance page: readings and the maintenance log become scores and alerts.

telemetry.v1, maintenance.v1 ─► decode ─► assets' rows ─► features ─► score ─► decide ─► scores.v1, alerts.v1

From the rows to the decisions it is array work, one call of `AssetModel.step` for all events of an asset class. The
page adds what Kafka needs: dead letters, ids that follow from the input, headers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog

from models.maintenance import (
    CROWDED,
    LATE,
    STATUSES,
    WATCH,
    WATCH_BOUNDS,
    WATCH_LAYOUT,
    AssetChallenger,
    AssetEvent,
    AssetModel,
    Decisions,
    EventBatch,
    Patience,
    has_moments,
    moment_after,
)
from models.stages import enter
from schemas import ALERTS, MAINTAIN_STATE, MAINTENANCE, SCORES, TELEMETRY, Settings
from streams.agent import (
    TAKEN,
    TAKEN_LAYOUT,
    DeadLetter,
    Layout,
    Outcome,
    Output,
    PartitionState,
    decode_topics,
    placed,
    record_time_s,
)
from streams.asset_outputs import Decoded, alerts_of, data_alerts_of, scores_of, undecided_of
from streams.kafka import ConsumerRecord
from streams.metrics import BESIDE, SKIPPED, begin_class, begin_reasons
from streams.no_model import REASON, NoModel

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ServedAssets:
    """What scores readings, by asset class, from one batch to the next: a change is another value."""

    models: Mapping[str, AssetModel]
    challengers: Mapping[str, AssetChallenger] = field(default_factory=dict)

    def with_champion(self, model: AssetModel) -> ServedAssets:
        """Another version of its asset class; whoever challenged the one before does not challenge it."""
        name = model.reference.name
        return ServedAssets({**self.models, name: model}, _without(self.challengers, name))

    def against(self, name: str, challenger: AssetModel, salt: int) -> ServedAssets:
        """With a challenger beside the champion of its asset class, unless it is the same version.

        Args:
            salt: of this challenge: rows of an earlier one are not its own.
        """
        champion, others = self.models.get(name), _without(self.challengers, name)
        if champion is None or champion.reference == challenger.reference:
            return replace(self, challengers=others)
        return replace(self, challengers={**others, name: AssetChallenger(champion, challenger, salt)})

    def without_challenger(self, name: str) -> ServedAssets:
        return replace(self, challengers=_without(self.challengers, name))


def _without(challengers: Mapping[str, AssetChallenger], name: str) -> dict[str, AssetChallenger]:
    return {other: challenger for other, challenger in challengers.items() if other != name}


class Maintain:
    """Handler of the agent `maintain`: for each asset class with a model one table, in it one row an asset."""

    name = "maintain"
    topics = (TELEMETRY, MAINTENANCE)
    log_topic = MAINTENANCE
    outputs = (SCORES, ALERTS)
    changelog = MAINTAIN_STATE

    def __init__(self, settings: Settings, models: Mapping[str, AssetModel]) -> None:
        self._settings, self.served = settings, ServedAssets(models)
        self._patience = Patience(settings.silent_intervals, settings.silent_least_s)
        self._no_model = NoModel(self.name)
        begin_reasons(self.name, (*STATUSES[1:], REASON))

    @property
    def served(self) -> ServedAssets:
        return self._served

    @served.setter
    def served(self, served: ServedAssets) -> None:
        self._served = served
        for name in served.models:
            begin_class(name)

    def layouts(self) -> Mapping[str, Layout]:
        tables = {name: Layout(m.dtype, m.layout, m.bounds, m.earlier) for name, m in self.served.models.items()}
        tables |= {watch_table(name): Layout(WATCH, WATCH_LAYOUT, WATCH_BOUNDS) for name in self.served.models}
        for name, challenger in self.served.challengers.items():
            if challenger.has_own_rows:
                own = challenger.model
                tables[challenger_table(name)] = Layout(own.dtype, challenger.layout, own.bounds)
        return {**tables, TAKEN: TAKEN_LAYOUT}

    def event_time(self, record: ConsumerRecord) -> float | None:
        (event,), _ = decode_topics([record], self.topics, self._settings)
        return None if event is None else float(event.event_time.timestamp())

    def handle(self, state: PartitionState, records: Sequence[ConsumerRecord]) -> Outcome:
        records, outcome = placed(state, records, self.name, self._settings)
        events, outcome.dead = decode_topics(records, self.topics, self._settings, state.origins)
        by_class: dict[str, list[Decoded]] = defaultdict(list)
        for record, event in zip(records, events, strict=True):
            if event is not None:
                by_class[event.asset_class].append((record, event))
        for asset_class, decoded in by_class.items():
            if asset_class in self.served.models:
                outcome.outputs += self._decide(asset_class, decoded, state, outcome.dead)
            else:
                outcome.outputs += self._no_model.skip(asset_class, decoded, self.served.models)
        return outcome

    def _decide(
        self, asset_class: str, decoded: Sequence[Decoded], state: PartitionState, dead: list[DeadLetter]
    ) -> Iterator[Output]:
        enter("state")
        model, assets = self.served.models[asset_class], state.tables[asset_class]
        if has_moments(model.asset_class):
            decoded = list(_with_moments(decoded))
        decoded, batch = _encoded(model, decoded, dead)
        keys = [record.key for record, _ in decoded]
        slots = assets.slots(keys)
        decisions = model.step(assets.array, slots, batch)
        assets.touch(slots)
        watched = state.tables[watch_table(asset_class)]
        slots = watched.slots(keys)
        transitions = model.watch(watched.array, slots, batch, decisions, self._patience)
        watched.touch(slots)
        if asset_class in self.served.challengers:
            self._compare(self.served.challengers[asset_class], decisions, decoded, state)
        self._count(asset_class, decisions)
        for place in np.flatnonzero(decisions.is_set_back).tolist():
            _tell_clock(asset_class, decoded[place][1])
        for place in np.flatnonzero(decisions.status == CROWDED).tolist():
            _tell_window(asset_class, decoded[place][1])
        enter("emit")
        yield from scores_of(model, decoded, decisions, state)
        yield from alerts_of(model, decoded, decisions, state)
        yield from data_alerts_of(model, decoded, decisions, transitions, state)
        yield from undecided_of(model, decoded, decisions)

    def _count(self, asset_class: str, decisions: Decisions) -> None:
        """What has no score, by reason; what has one though it is late."""
        has_score = decisions.regime >= 0
        statuses, counts = np.unique(decisions.status[~has_score], return_counts=True)
        for status, count in zip(statuses.tolist(), counts.tolist(), strict=True):
            SKIPPED.labels(self.name, STATUSES[status]).inc(count)
        if late := int((has_score & (decisions.status == LATE)).sum()):
            BESIDE.labels(asset_class, "late").inc(late)

    def _compare(
        self, challenger: AssetChallenger, decisions: Decisions, decoded: Sequence[Decoded], state: PartitionState
    ) -> None:
        """Nothing of the challenger is emitted. Rows of its own are saved like all others."""
        if not challenger.has_own_rows:
            challenger.compare(decisions)
            return
        assets = state.tables[challenger_table(challenger.model.reference.name)]
        slots = assets.slots([record.key for record, _ in decoded])
        times = [record_time_s(record) for record, _ in decoded]
        batch = challenger.model.encode([event for _, event in decoded], times)
        challenger.follow(decisions, assets.array, slots, batch)
        assets.touch(slots)


def _encoded(
    model: AssetModel, decoded: Sequence[Decoded], dead: list[DeadLetter]
) -> tuple[Sequence[Decoded], EventBatch]:
    """The columns of the events, without those that have no number to use, which are dead letters."""
    batch = model.encode([event for _, event in decoded], [record_time_s(record) for record, _ in decoded])
    beside = model.encode.beside
    for what, count in (("unknown", beside.unknown), ("not_a_number", beside.not_numbers)):
        if count:
            BESIDE.labels(model.asset_class.name, what).inc(count)
    if not beside.unusable:
        return decoded, batch
    dead += [DeadLetter(decoded[place][0], f"no reading can be used: {why}") for place, why in beside.unusable.items()]
    kept = [place for place in range(len(decoded)) if place not in beside.unusable]
    columns = (None if column is None else column[kept] for column in batch)
    return [decoded[place] for place in kept], EventBatch(*columns)


def _with_moments(decoded: Sequence[Decoded]) -> Iterator[Decoded]:
    """The events of a class without sensors, whose log entries lead to scores."""
    for record, event in decoded:
        yield record, event
        if moment := moment_after(event, record_time_s(record)):
            yield record, moment


def _tell_clock(asset_class: str, event: AssetEvent) -> None:
    BESIDE.labels(asset_class, "clock_set_back").inc()
    log.warning(
        "the clock of an asset was set back, and is followed from here on: its newest reading lay ahead of these",
        asset_id=event.asset_id,
        asset_class=asset_class,
        event_time=event.event_time.isoformat(),
        event_id=event.event_id,
    )


def _tell_window(asset_class: str, event: AssetEvent) -> None:
    log.warning(
        "too many maintenance windows of an asset lie ahead: the one furthest ahead is not kept",
        asset_id=event.asset_id,
        asset_class=asset_class,
        event_time=event.event_time.isoformat(),
        event_id=event.event_id,
        advice="Announce it again when one of those before it is over.",
    )


def watch_table(name: str) -> str:
    """Table of the watch over what the assets of a class send; no asset class has such a name."""
    return f"{name}~watch"


def challenger_table(name: str) -> str:
    """Table of a challenger that has rows of its own; no asset class has such a name."""
    return f"{name}~challenger"
