"""Cost of inference: CPU microseconds a decision by stage, by the handlers of the workers over real bytes.

simulated history ─► train ─► champions ─► Maintain, Recommend ◄─ records ─► Outbox.pack ─► StageClock ─► Cost

All in this process. Not in it: fetching, sending unless there is a Kafka, checkpoints, the catalogue view's reading of
the feed, the event loop; `benchmarks/pipeline.py` measures a whole worker.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson

from millrace.demo import PUMP, Event, Plant, Shop
from millrace.kafka import Broker
from models.maintenance import AssetModel
from models.maintenance.training import train as train_assets
from models.progress import ShareProgress
from models.recommender import CatalogueView, Recommender
from models.recommender.training import Sampling
from models.recommender.training import train as train_recommender
from models.registry import ModelStore
from models.stages import STAGES, Stage, StageClock
from schemas import (
    CLICKS,
    FEED,
    INPUTS,
    PROFILES,
    RECOMMENDATIONS,
    SCORES,
    TELEMETRY,
    ModelRef,
    Settings,
    parse_asset_class,
)
from streams.agent import Handler, Outbox, Outcome, empty_state
from streams.kafka import apply_topics
from streams.maintain import Maintain
from streams.recommend import Recommend, ServedRanker
from streams.worker import calm_collector

START = 1_700_000_000.0
PROFILE = PROFILES["shop"]
PARTITION = 1
PARTS = 10  # of a run: the figure of a stage is the median of what it took in each
WARM_UP = 0.2  # of a run, not counted


@dataclass(frozen=True)
class Effort:
    """How much is simulated, learned and measured."""

    cycles: int = 450
    pumps: int = 12
    clicks: int = 8000  # to learn from
    trees: int = 140  # of the ranker
    batches: int = 200  # of a run, within the bounds below
    least_events: int = 2000
    most_events: int = 20_000


NORMAL = Effort()
QUICK = Effort(pumps=9, clicks=4000, trees=20, batches=20, least_events=100, most_events=1000)


@dataclass(frozen=True)
class Cost:
    """What decisions of a kind cost in batches of a size."""

    kind: str
    batch: int
    decisions: int  # that were measured
    all_decisions: int  # with those of the warm-up
    us: dict[Stage, float]  # CPU microseconds a decision
    client_us: float = 0.0  # of Kafka's client that sends it; 0: nothing was sent

    @property
    def total_us(self) -> float:
        return sum(self.us.values()) + self.client_us

    def money(self, core_hour_price: float) -> float:
        """Of a million decisions, in the currency of the price."""
        return self.total_us / 3600 * core_hour_price


@dataclass
class Subject:
    """One agent's handler and what it is given."""

    kind: str
    decisions: str  # their topic
    sizes: Sequence[int]
    handler: Handler
    records: list[Any]
    settle: Callable[[Outcome], None] = lambda _: None  # what other parts of a worker do after a batch


def measure(
    effort: Effort = NORMAL, progress: ShareProgress = lambda *_: None, kafka: bool = False, jars: Path | None = None
) -> list[Cost]:
    """Train small models on simulated events and measure what their decisions cost.

    Args:
        kafka: send the decisions to an embedded Kafka too, for `client_us`.
        jars: of that Kafka, where the machine cannot fetch them (MILLRACE_KAFKA_JARS).

    Raises:
        MillraceError: Kafka did not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = ModelStore(Path(folder))
        settings = Settings(home=Path(folder), kafka="127.0.0.1:9092")  # to which nobody connects
        subjects = [_readings(settings, store, effort, progress), _clicks(settings, store, effort, progress)]
        if not kafka:
            return asyncio.run(_measure(settings, subjects, effort, progress, sends=False))
        progress("starting Kafka", 0.0)
        with Broker(Path(folder) / "kafka", jars=jars) as broker:
            settings = settings.model_copy(update={"kafka": broker.bootstrap})
            return asyncio.run(_measure(settings, subjects, effort, progress, sends=True))


async def _measure(
    settings: Settings, subjects: Sequence[Subject], effort: Effort, progress: ShareProgress, *, sends: bool
) -> list[Cost]:
    clock, costs = StageClock(), []
    outbox = Outbox(settings, "bench", clock)
    if sends:
        await apply_topics(settings)
        await outbox.start()
    else:
        outbox.prepare()
    runs = [(subject, size) for subject in subjects for size in subject.sizes]
    try:
        with _calm():
            for number, (subject, size) in enumerate(runs):
                progress("measuring the stages", number / len(runs))
                cost, outcomes = _run(subject, size, effort, outbox, clock)
                costs.append(
                    replace(cost, client_us=await _client_us(cost, outcomes, outbox, clock)) if sends else cost
                )
    finally:
        await outbox.stop()
    progress("measuring the stages", 1.0)
    return costs


def _run(subject: Subject, size: int, effort: Effort, outbox: Outbox, clock: StageClock) -> tuple[Cost, list[Outcome]]:
    state = empty_state(PARTITION, subject.handler.layouts())
    records = subject.records[: max(effort.least_events, size * effort.batches)]
    spent, outcomes = [], []
    for start in range(0, len(records), size):
        with clock.running("decode"):
            outcome = subject.handler.handle(state, records[start : start + size])
        outbox.pack(outcome.outputs, outcome.dead, PARTITION)
        spent.append(clock.take())
        outcomes.append(outcome)
        subject.settle(outcome)
    return _cost(subject, size, spent, outcomes), outcomes


def _cost(subject: Subject, size: int, spent: Sequence[dict[Stage, float]], outcomes: Sequence[Outcome]) -> Cost:
    """Medians over the parts of a run, after its warm-up."""
    made = [outcome.outputs.number(subject.decisions) for outcome in outcomes]
    first = int(WARM_UP * len(spent))
    cuts = [first + (len(spent) - first) * part // PARTS for part in range(PARTS + 1)]
    parts = [slice(begin, end) for begin, end in itertools.pairwise(cuts) if sum(made[begin:end])]
    us = {
        stage: statistics.median(1e6 * sum(each[stage] for each in spent[part]) / sum(made[part]) for part in parts)
        for stage in STAGES
    }
    return Cost(subject.kind, size, sum(made[first:]), sum(made), us)


async def _client_us(cost: Cost, outcomes: Sequence[Outcome], outbox: Outbox, clock: StageClock) -> float:
    """CPU of Kafka's client for a decision: all that this thread does until the broker has them, but for packing."""
    pending: list[Any] = []
    begin = time.thread_time()
    for outcome in outcomes:
        pending += await outbox.send(outcome.outputs, outcome.dead, PARTITION)
    await asyncio.gather(*(delivery.future for delivery in pending))
    spent = time.thread_time() - begin - clock.take()["emit"]
    return 1e6 * spent / cost.all_decisions


# ---- the two kinds of decisions


def _readings(settings: Settings, store: ModelStore, effort: Effort, progress: ShareProgress) -> Subject:
    """Readings of new pumps, scored by a model that was trained on others."""
    pump = parse_asset_class(PUMP)
    plant = Plant(3, pumps=effort.pumps, presses=0).events(START)
    history = _parsed(itertools.takewhile(lambda event: event.time < START + effort.cycles, plant))
    (manifest,) = train_assets([(pump, [history])], store, lambda _, share: progress("training on readings", share))
    model = AssetModel(store.load(pump.name, manifest.version))
    model.warm()
    new = Plant(5, pumps=500, presses=0, name="new-").events(START)
    records = _records(itertools.islice((event for event in new if event.topic == TELEMETRY), effort.most_events))
    return Subject("readings", SCORES, (1, 64, 1000), Maintain(settings, {pump.name: model}), records)


def _clicks(settings: Settings, store: ModelStore, effort: Effort, progress: ShareProgress) -> Subject:
    """Clicks of a shop that has seen a history, ranked by a model that was trained on it."""
    past = _parsed(itertools.islice(Shop(7).events(START), effort.clicks))
    manifest = train_recommender(
        [past],
        PROFILE,
        store,
        sampling=Sampling(queries=effort.clicks // 2, share=0.6, least_clicks=1000, trees=effort.trees),
        progress=lambda _, done, total: progress("training on clicks", done / total if total else 0.0),
    )
    recommender = Recommender(store.load("recommender", manifest.version), PROFILE)
    recommender.warm()
    view = CatalogueView(PROFILE)
    reference = ModelRef(name="recommender", version=manifest.version)
    handler = Recommend(settings, ServedRanker(recommender, view, reference))
    offsets = itertools.count()

    def settle(outcome: Outcome) -> None:
        """As the reader of the feed does in a worker."""
        for output in outcome.outputs:
            if output.topic == FEED and output.value is not None:
                view.apply(output.value, next(offsets))

    old = _records(itertools.islice(Shop(7).events(START), effort.clicks))
    settle(handler.handle(empty_state(1, handler.layouts()), old))
    new = (event for event in Shop(9).events(START + effort.clicks) if event.topic == CLICKS)
    records = _records(itertools.islice(new, effort.most_events), first=len(old))
    return Subject("clicks", RECOMMENDATIONS, (1, 16, 64), handler, records, settle)


def _parsed(events: Iterable[Event]) -> list[Any]:
    return [INPUTS[event.topic].model_validate(event.value) for event in events]


def _records(events: Iterable[Event], first: int = 0) -> list[Any]:
    """As the source hands them over."""
    return [
        SimpleNamespace(
            topic=event.topic, partition=PARTITION, offset=offset, timestamp=int(event.time * 1000),
            key=event.key.encode(), value=orjson.dumps(event.value), headers=(),
        )
        for offset, event in enumerate(events, first)
    ]  # fmt: skip


@contextmanager
def _calm() -> Iterator[None]:
    """The garbage collector as in a worker."""
    thresholds = gc.get_threshold()
    calm_collector()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
