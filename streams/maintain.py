"""The maintenance page: readings and the maintenance log become scores and alerts.

telemetry.v1, maintenance.v1 ─► decode ─► assets' rows ─► features ─► score ─► decide ─► scores.v1, alerts.v1

From the rows to the decisions it is array work, one call of `AssetModel.step` for all events of an asset class. The
page adds what Kafka needs: dead letters, ids that follow from the input, headers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import structlog

from models.maintenance import (
    CROWDED,
    DATA_TRANSITION,
    LATE,
    STATUSES,
    WATCH,
    WATCH_BOUNDS,
    WATCH_EARLIER,
    WATCH_LAYOUT,
    AssetChallenger,
    AssetEvent,
    AssetModel,
    Decisions,
    Patience,
    has_moments,
)
from models.stages import enter
from schemas import ALERTS, MAINTAIN_STATE, MAINTENANCE, SCORES, TELEMETRY, Settings
from streams.agent import (
    TAKEN,
    TAKEN_LAYOUT,
    Layout,
    Outcome,
    Outputs,
    PartitionState,
    Work,
    decode_topics,
    placed,
)
from streams.asset_events import AssetEvents, AssetReader
from streams.asset_outputs import alerts_of, undecided_of
from streams.kafka import ConsumerRecord
from streams.metrics import BESIDE, SKIPPED, begin_class, begin_reasons
from streams.no_model import REASON, NoModel
from streams.plans import NOT_KEPT, PLANS_LAYOUT, WINDOWS, in_their_time, plans_table
from streams.retired import GONE_LAYOUT, Retired, gone_table
from streams.scores import Scores

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
        self._settings = settings
        self.served = ServedAssets(models)
        self._patience = Patience(settings.silent_intervals, settings.silent_least_s)
        self._no_model = NoModel(self.name)
        begin_reasons(self.name, (*STATUSES[1:], REASON, NOT_KEPT))

    @property
    def served(self) -> ServedAssets:
        return self._served

    @served.setter
    def served(self, served: ServedAssets) -> None:
        self._served = served
        self._read = AssetReader(self._settings, {name: model.encode for name, model in served.models.items()})
        for name in served.models:
            begin_class(name)

    def layouts(self) -> Mapping[str, Layout]:
        tables = {name: Layout(m.dtype, m.layout, m.bounds, m.earlier) for name, m in self.served.models.items()}
        watched = [name for name, model in self.served.models.items() if not has_moments(model.asset_class)]
        tables |= {watch_table(name): Layout(WATCH, WATCH_LAYOUT, WATCH_BOUNDS, WATCH_EARLIER) for name in watched}
        tables |= {plans_table(name): PLANS_LAYOUT for name in self.served.models}
        tables |= {gone_table(name): GONE_LAYOUT for name in self.served.models}
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
        arrived = self._read(records, state.origins)
        outcome.dead = arrived.dead
        for asset_class, events in arrived.events.items():
            for some in self._in_time(asset_class, events, state, outcome.outputs):
                self._decide(asset_class, some, state, outcome.outputs)
        for asset_class, others in arrived.others.items():
            outcome.outputs += self._no_model.skip(asset_class, others, self.served.models)
        return outcome

    def handle_all(self, work: Sequence[Work]) -> list[Outcome]:
        return [self.handle(state, records) for state, records in work]  # their rows are in different arrays

    def _in_time(
        self, asset_class: str, events: AssetEvents, state: PartitionState, outputs: Outputs
    ) -> Iterable[AssetEvents]:
        """The events in the order in which they count: what was announced ahead, without what is decommissioned."""
        enter("state")
        waits = len(state.tables[plans_table(asset_class)]) + len(state.tables[gone_table(asset_class)])
        if not waits and not events.is_of_log.any():  # nearly always
            return [events]
        model, names = self.served.models[asset_class], (asset_class, challenger_table(asset_class))
        rows = [state.tables[name] for name in names if name in state.tables]
        retired = Retired(asset_class, state, rows, state.tables.get(watch_table(asset_class)), model.whole, self.name)
        return retired.stretches(in_their_time(events, state, model.whole, self.name), outputs)

    def _decide(self, asset_class: str, events: AssetEvents, state: PartitionState, outputs: Outputs) -> None:
        enter("state")
        model, assets, keys = self.served.models[asset_class], state.tables[asset_class], events.keys
        slots = assets.slots(keys)
        decisions = model.step(assets.array, slots, events.batch)
        assets.touch(slots)
        transitions = self._watch(events, decisions, state)
        if asset_class in self.served.challengers:
            self._compare(self.served.challengers[asset_class], decisions, events, state)
        self._count(asset_class, decisions)
        for place in decisions.is_set_back.nonzero()[0].tolist():
            _tell_clock(asset_class, events.event(place))
        for place in (decisions.status == CROWDED).nonzero()[0].tolist():
            _tell_window(asset_class, events.event(place))
        enter("emit")
        outputs.add_bulk(Scores(model, events, decisions, state.origins))
        outputs += alerts_of(model, events, decisions, transitions, state)
        outputs += undecided_of(model, events, decisions)

    def _watch(self, events: AssetEvents, decisions: Decisions, state: PartitionState) -> npt.NDArray[np.void]:
        """Transitions of the data alerts of the assets; none of a class that sends nothing that could be missed."""
        watched = state.tables.get(watch_table(events.asset_class))
        if watched is None:
            return np.zeros(0, DATA_TRANSITION)
        slots = watched.slots(events.keys)
        transitions = self.served.models[events.asset_class].watch(
            watched.array, slots, events.batch, decisions, self._patience
        )
        watched.touch(slots)
        return transitions

    def _count(self, asset_class: str, decisions: Decisions) -> None:
        """What has no score, by reason; what has one though it is late."""
        if not decisions.status.any():  # SCORED is 0: each has a score, and none is late
            return
        has_score = decisions.regime >= 0
        for status, count in Counter(decisions.status[~has_score].tolist()).items():
            SKIPPED.labels(self.name, STATUSES[status]).inc(count)
        if late := int(np.count_nonzero(decisions.status[has_score] == LATE)):
            BESIDE.labels(asset_class, "late").inc(late)

    def _compare(
        self, challenger: AssetChallenger, decisions: Decisions, events: AssetEvents, state: PartitionState
    ) -> None:
        """Nothing of the challenger is emitted. Rows of its own are saved like all others."""
        if not challenger.has_own_rows:
            challenger.compare(decisions)
            return
        assets = state.tables[challenger_table(challenger.model.reference.name)]
        slots = assets.slots(events.keys)
        each = [events.event(place) for place in range(len(events))]  # it may be of other sensors
        batch = challenger.model.encode(each, events.batch.arrived_s)._replace(event_id=events.batch.event_id)
        is_window = np.isin(events.batch.kind, WINDOWS)  # of one that was announced ahead the event has no code
        batch.code[is_window] = events.batch.code[is_window]
        challenger.follow(decisions, assets.array, slots, batch)
        assets.touch(slots)


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
        "too many maintenance windows of an asset are open at once: the one that begins last is not kept",
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
