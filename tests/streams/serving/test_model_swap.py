"""Models change while events flow: swapped, rolled back, corrupt, badly signed. No event is lost, none is scored twice,
and every decision is the one that the version it names would have made."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.maintenance import AssetModel
from models.registry import ModelStore, records_of, sign_alias
from models.registry.folder import MANIFEST, publication_of_files
from schemas import (
    ALERTS,
    MAINTENANCE,
    MODELS,
    RECOMMENDATIONS,
    SCORES,
    TELEMETRY,
    TOPICS,
    AliasRecord,
    Click,
    InputEvent,
    Settings,
    Telemetry,
    WorkerStatus,
    topic_name,
)
from storage import Store
from streams.agent import empty_state
from streams.kafka import EventProducer
from streams.maintain import Maintain
from streams.serving.topic import publish
from tests.support.centre import Centre, Load
from tests.support.kafka import consume, create_topics, produce
from tests.support.versions import save_as
from tests.support.workers import Workers
from tests.support.world import plant_events, shop_events, topic_of

pytestmark = pytest.mark.kafka


@pytest.fixture
def told(settings: Settings) -> Iterator[Callable[[], WorkerStatus | None]]:
    """What the edge worker has told last, from the database."""
    store = Store(settings.database())

    def read() -> WorkerStatus | None:
        with store.reading() as reader:
            told = reader.workers(datetime.now(UTC) - timedelta(seconds=30))
        found = [status for status in told if status.runs_models]
        return found[-1] if found else None

    yield read
    store.close()


@pytest.fixture
async def load(settings: Settings) -> AsyncIterator[Load]:
    load = Load(settings)
    yield load
    load.ends.set()


def runs(told: Callable[[], WorkerStatus | None], version: str, alias: str = "champion") -> Callable[[], bool]:
    def holds() -> bool:
        status = told()
        running = status.running if status else []
        return any((r.name, r.alias, r.version) == ("pump", alias, version) for r in running)

    return holds


def refuses(told: Callable[[], WorkerStatus | None], version: str, words: str) -> Callable[[], bool]:
    def holds() -> bool:
        status = told()
        return any(r.version == version and words in r.reason for r in (status.refused if status else []))

    return holds


async def test_models_change_under_load(
    settings: Settings, centre: Centre, workers: Workers, told: Callable[[], WorkerStatus | None], load: Load
) -> None:
    await create_topics(settings)
    await centre.point("v1", centre.make("v1"))
    workers.start("edge")
    workers.start("sink")
    await workers.until(runs(told, "v1"), "v1 serves")
    flowing = asyncio.create_task(load.run())
    await seen(settings, "v1")

    await centre.point("v2", centre.make("v2", by=5.0))
    await seen(settings, "v2")
    await centre.point("v1")  # rolled back: it is there already
    await seen(settings, "v1", after="v2")
    await refuse_the_bad(settings, centre, workers, told)
    await refuse_what_nobody_signed(settings, centre, workers, told)
    assert runs(told, "v1")()
    await compare_in_the_shadow(settings, centre, workers, told)
    await centre.point("v6", centre.make("v6", by=1.0, learned=otherwise_prepared(centre)))
    await seen(settings, "v6")
    load.ends.set()
    await flowing

    inputs = await consume(settings, [TELEMETRY, MAINTENANCE], load.sent)
    readings = [record for record in inputs if record.topic.endswith(TELEMETRY)]
    scores = await consume(settings, SCORES, len(readings))
    versions = {place_of(value): value["model"]["version"] for value in map(value_of, scores)}
    assert len(scores) == len(versions) == len(readings)  # none twice, none lost
    assert set(versions.values()) == {"v1", "v2", "v6"}
    alerts = await consume(settings, ALERTS, 0)
    for number in range(settings.partitions):
        own = [record for record in inputs if record.partition == number]
        found = {id_of(record): record.value for record in (*scores, *alerts) if record.partition == number}
        assert len(found) > 100
        made = [as_the_named_versions_would(settings, centre, own, versions, is_early) for is_early in (True, False)]
        assert found in [{key: one.get(key) for key in found} for one in made]


async def refuse_the_bad(
    settings: Settings, centre: Centre, workers: Workers, told: Callable[[], WorkerStatus | None]
) -> None:
    """Each of them is told, with its reason, and v1 goes on."""
    corrupt = list(records_of(centre.make("v3", by=1.0)))
    key, chunk = corrupt[0]
    corrupt[0] = key, chunk[:1000] + bytes([chunk[1000] ^ 1]) + chunk[1001:]
    await produce(settings, MODELS, corrupt)
    await produce(settings, MODELS, list(records_of(centre.make("v3-short", by=1.0)))[1:])
    await produce(settings, MODELS, [("model/pump/v3-junk", b"{"), (b"\xff\x00", b"?"), ("alias/pump/champion", b"[]")])
    await centre.point("v3")
    await workers.until(refuses(told, "v3", "was changed or damaged"), "the corrupt pack")
    await workers.until(refuses(told, "v3", "is not a model"), "an alias to it")
    await workers.until(refuses(told, "v3-short", "chunk 0 of 1 of its pack"), "the missing chunk")
    await workers.until(refuses(told, "v3-junk", "cannot be read from the topic"), "junk")
    await centre.point("v4", centre.make("v4", by=1.0, key=Ed25519PrivateKey.generate()))
    await workers.until(refuses(told, "v4", "which is not a trusted key"), "a stranger's signature")
    forged = centre.make("v4-forged", by=1.0)
    manifest = orjson.dumps(orjson.loads(forged.files[MANIFEST]) | {"metrics": {"cv_rmse": 0.1}})
    files = {**forged.files, MANIFEST: manifest}
    await centre.point("v4-forged", replace(publication_of_files(files), signatures=forged.signatures))
    await workers.until(refuses(told, "v4-forged", "changed after signing"), "a forged manifest")
    await centre.point("v5", save_as(centre.store, centre.source, "v5", by=1.0))
    await workers.until(refuses(told, "v5", "is not signed"), "no signature")
    await centre.point("v5-other", centre.make("v5-other", golden=centre.store.verify("pump", "v2").manifest.golden))
    await workers.until(refuses(told, "v5-other", "scores golden row"), "other scores than where it was made")


async def refuse_what_nobody_signed(
    settings: Settings, centre: Centre, workers: Workers, told: Callable[[], WorkerStatus | None]
) -> None:
    """v2 served before, so the signed record that pointed to it can be played again."""
    found = await consume(settings, MODELS, lambda records: any(b'"version":"v2"' in (r.value or b"") for r in records))
    played = [(r.key, r.value) for r in found if r.key == b"alias/pump/champion" and b'"version":"v2"' in r.value]
    unsigned = AliasRecord(name="pump", alias="champion", version="v5", changed_at=datetime.now(UTC))
    await produce(settings, MODELS, [*played, ("alias/pump/champion", unsigned), ("alias/pump/champion", None)])
    await workers.until(refuses(told, "v2", "is played again"), "what is played again")
    await workers.until(refuses(told, "v5", "is not followed: it is not signed"), "an alias without a signature")
    await workers.until(refuses(told, "v1", "nobody has signed it"), "the null value")


async def compare_in_the_shadow(
    settings: Settings, centre: Centre, workers: Workers, told: Callable[[], WorkerStatus | None]
) -> None:
    """v2 beside v1: it says 5 cycles more of everything, and nothing of it is emitted."""

    def compared() -> bool:
        status = told()
        return any(c.decisions > 300 for c in (status.comparisons if status else []))

    await centre.point("v2", alias="challenger")
    await workers.until(compared, "a comparison")
    status = told()
    assert status is not None
    [comparison] = status.comparisons
    assert (comparison.champion, comparison.challenger) == ("v1", "v2")
    assert comparison.difference_mean == pytest.approx(5.0)
    assert comparison.difference_deviation == pytest.approx(0.0, abs=1e-6)
    assert sum(comparison.histogram) == sum(b.count for b in comparison.calibration) == comparison.decisions
    await produce(settings, MODELS, [("alias/pump/challenger", None)])  # which nobody has signed
    await workers.until(refuses(told, "v2", "nobody has signed it"), "the null value")
    assert runs(told, "v2", "challenger")()
    await centre.point(None, alias="challenger")

    def ended() -> bool:
        status = told()
        return status is not None and not status.comparisons

    await workers.until(ended, "the end of the challenge")


async def test_a_worker_without_the_topic_serves_its_last_good_models_and_follows_it_then(
    settings: Settings, centre: Centre, workers: Workers, told: Callable[[], WorkerStatus | None]
) -> None:
    await create_topics(settings, *(topic.name for topic in TOPICS if topic.name != MODELS))
    store = ModelStore(settings.home / "models")
    for version in ("v1", "v2"):
        store.receive(centre.make(version))
        store.promote("pump", version)
    damaged = store.folder / "pump" / "v2" / "score.pack"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    workers.start("edge")
    workers.start("sink")
    await workers.until(runs(told, "v1"), "the version before the damaged one")
    assert refuses(told, "v2", "was changed or damaged")()
    event = next(e for e in plant_events(cycles=2, pumps=1, seed=43, name="offline-") if isinstance(e, Telemetry))
    await produce(settings, topic_of(event), [(event.asset_id, event)])
    [score] = await consume(settings, SCORES, 1)
    assert value_of(score)["model"]["version"] == "v1"

    await workers.until(lambda: "a topic cannot be opened" in workers.log.read_text(), "another try")
    await create_topics(settings, MODELS)
    await centre.point("v3", centre.make("v3"))
    await workers.until(runs(told, "v3"), "what came when the topic was back")

    await centre.point("v4", centre.make("v4"), ahead_s=200)
    await workers.until(runs(told, "v4"), "what was pointed to by a clock that is ahead")
    await centre.point("v3")
    await workers.until(refuses(told, "v3", "decided by a clock that is behind"), "what was pointed to before that")
    await centre.point("v3", ahead_s=201)
    await workers.until(runs(told, "v3"), "what was pointed to after that")
    await centre.point("v2", ahead_s=400)
    await workers.until(refuses(told, "v2", "more than 5 minutes ahead"), "what is from the future")


async def test_a_ranker_of_another_profile_comes_with_its_own_view(
    settings: Settings, centre: Centre, workers: Workers
) -> None:
    await create_topics(settings)
    source = centre.store.verify("recommender")
    assert source.manifest.profile is not None
    other = source.manifest.profile.model_copy(update={"fresh_bonus": 0.25})
    save_as(centre.store, source, "2", profile=other)
    second = centre.store.sign("recommender", "2", centre.key)
    workers.start("edge")
    events = shop_events(700, seed=61)
    await push(settings, events[:500])
    clicks = sum(isinstance(event, Click) for event in events[:500])
    answers = await consume(settings, RECOMMENDATIONS, clicks, timeout_s=60)
    assert {value_of(answer)["model"]["version"] for answer in answers} == {"profile-shop"}

    record = AliasRecord(name="recommender", alias="champion", version="2", changed_at=datetime.now(UTC))
    await publish(settings, [second], sign_alias(record, centre.key, topic_name(settings, MODELS)))
    await workers.until(lambda: "a model serves" in workers.log.read_text(), "the ranker serves")
    await push(settings, events[500:])
    clicks = sum(isinstance(event, Click) for event in events)
    answers = await consume(settings, RECOMMENDATIONS, clicks, timeout_s=60)
    later = [value for value in map(value_of, answers) if value["model"]["version"] == "2"]
    assert len(answers) == clicks
    assert len(later) == sum(isinstance(event, Click) for event in events[500:])
    assert {value["strategy"] for value in later} == {"ranker"}
    assert min(len(value["items"]) for value in later) == 20  # of the view that the feed has built


async def push(settings: Settings, events: Sequence[InputEvent]) -> None:
    async with EventProducer(settings) as producer:
        for event in events:
            await producer.push(topic_of(event), event.model_dump(mode="json", exclude_none=True))
        await producer.flush()


def otherwise_prepared(centre: Centre) -> dict[str, Any]:
    """What was learned, with another preparation: rows of the assets mean something else and start anew."""
    learned = copy.deepcopy(centre.source.manifest.learned)
    learned["preparation"]["fall_limit"] *= 2
    return learned


def value_of(record: Any) -> dict[str, Any]:
    value: dict[str, Any] = orjson.loads(record.value)
    return value


def id_of(record: Any) -> bytes:
    found: bytes = dict(record.headers)["ce_id"]
    return found


def place_of(value: dict[str, Any]) -> tuple[int, int]:
    return value["caused_by"]["partition"], value["caused_by"]["offset"]


async def seen(settings: Settings, version: str, after: str = "") -> None:
    """Until a decision names the version, and 100 follow it; `after`: behind one that names that."""

    def holds(records: Sequence[Any]) -> bool:
        versions = [value_of(record)["model"]["version"] for record in records]
        start = len(versions) - versions[::-1].index(after) if after in versions else 0
        return versions[start:].count(version) > 100

    await consume(settings, SCORES, holds, timeout_s=60)


def as_the_named_versions_would(
    settings: Settings, centre: Centre, records: list[Any], versions: dict[tuple[int, int], str], is_early: bool
) -> dict[bytes, bytes]:
    """Scores and alerts by id, of one pass over the records of a partition, each by the version that its score names;
    rows are kept while their layout stays.

    Args:
        is_early: entries of the log between two versions belong to the earlier one; they name none themselves.
    """
    # streams.agent.merge; stable, so that each topic stays in its order where times are equal
    ordered = sorted(records, key=lambda record: (event_time_of(record), record.topic.endswith(TELEMETRY)))
    named = [versions.get((r.partition, r.offset)) if r.topic.endswith(TELEMETRY) else None for r in ordered]
    for places in (range(1, len(named)), range(len(named) - 2, -1, -1))[:: 1 if is_early else -1]:
        step = -places.step
        for place in places:
            named[place] = named[place] or named[place + step]
    pairs = groupby(zip(named, ordered, strict=True), key=lambda pair: pair[0])
    parts = [(version, [record for _, record in some]) for version, some in pairs]
    assert [version for version, _ in parts] == ["v1", "v2", "v1", "v6"]
    made: dict[bytes, bytes] = {}
    state = layouts = None
    for version, some in parts:
        handler = Maintain(settings, {"pump": AssetModel(centre.store.load("pump", str(version)))})
        if state is None or handler.layouts() != layouts:
            layouts, state = handler.layouts(), empty_state(ordered[0].partition, handler.layouts())
        made |= {id_of(output): output.value or b"" for output in handler.handle(state, some).outputs}
    return made


def event_time_of(record: Any) -> datetime:
    return datetime.fromisoformat(orjson.loads(record.value)["event_time"])
