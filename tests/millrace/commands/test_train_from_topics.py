"""`millrace train --from-topics`: what was pushed to Kafka is learned as from files, and serves when it is promoted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from millrace.cli import run
from millrace.demo import PUMP
from models.registry import ModelStore
from schemas import CLICKS, ITEMS, MAINTENANCE, MODELS, TELEMETRY, AliasRecord, Click, Manifest, Settings
from streams.history import read_topics
from streams.kafka import EventProducer
from tests.support.kafka import consume, create_topics
from tests.support.world import START, plant_events, shop_events, topic_of

pytestmark = [pytest.mark.kafka, pytest.mark.long]


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MILLRACE_HOME, as the command line finds it together with Kafka."""
    for name in ("home", "kafka", "topic_prefix"):
        monkeypatch.setenv(f"MILLRACE_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("MILLRACE_ALLOW_UNSIGNED_MODELS", "true")
    return settings.home


def push(settings: Settings, events: Sequence[Any]) -> None:
    async def pushed() -> None:
        await create_topics(settings)
        async with EventProducer(settings) as producer:
            for event in events:
                await producer.push(topic_of(event), event.model_dump(mode="json", exclude_none=True))
            await producer.flush()

    asyncio.run(pushed())


def file_of(folder: Path, events: Sequence[Any]) -> str:
    file = folder / "events.jsonl"
    file.write_text("".join(f"{event.model_dump_json(exclude_none=True)}\n" for event in events))
    return str(file)


def in_order(settings: Settings, *topics: str) -> list[Any]:
    """Events of one time have an order too, that of the topics; files have that of their lines."""
    return [event for batch in read_topics(settings, topics) for event in batch]


def newest(home: Path, name: str) -> Manifest:
    return ModelStore(home / "models").versions(name)[-1]


def learned(manifest: Manifest) -> dict[str, Any]:
    """What two trainings from the same events have in common."""
    found = manifest.model_dump(mode="json")
    return {name: found[name] for name in ("packs", "learned", "metrics", "features", "profile", "asset_class")}


def champions(settings: Settings) -> list[AliasRecord]:
    """What was pointed to on models.v1."""
    records = asyncio.run(consume(settings, MODELS, lambda found: any(b"alias" in (r.key or b"") for r in found)))
    return [AliasRecord.model_validate_json(record.value) for record in records if b"alias" in (record.key or b"")]


def test_an_asset_class(settings: Settings, home: Path, tmp_path: Path) -> None:
    events = plant_events(cycles=450, pumps=9)
    push(settings, events)
    toml = tmp_path / "pump.toml"
    toml.write_text(PUMP)
    assert run(["train", "maintenance", str(toml), "--from-topics", "--promote"]) == 0
    from_topics = newest(home, "pump")
    assert from_topics.training.events == sum(event.asset_class == "pump" for event in events)
    (pointed,) = champions(settings)
    assert (pointed.name, pointed.alias, pointed.version) == ("pump", "champion", from_topics.version)
    assert ModelStore(home / "models").load("pump").manifest.version == from_topics.version

    file = file_of(tmp_path, in_order(settings, TELEMETRY, MAINTENANCE))
    assert run(["train", "maintenance", str(toml), "--events", file]) == 0
    from_file = newest(home, "pump")
    assert from_file.version != from_topics.version
    assert learned(from_file) == learned(from_topics)
    assert ModelStore(home / "models").load("pump").manifest.version == from_topics.version  # not promoted

    until = datetime.fromtimestamp(START + 400, UTC).isoformat()
    assert run(["train", "maintenance", str(toml), "--from-topics", "--until", until[:19]]) == 0
    early = [event for event in events if event.asset_class == "pump" and event.event_time.timestamp() < START + 400]
    assert newest(home, "pump").training.events == len(early)


def test_the_recommender(settings: Settings, home: Path, tmp_path: Path) -> None:
    events = shop_events(3000)
    push(settings, events)
    assert run(["train", "recommender", "--from-topics", "--profile", "shop"]) == 0
    from_topics = newest(home, "recommender")
    assert from_topics.training.events == sum(isinstance(event, Click) for event in events)
    assert run(["train", "recommender", file_of(tmp_path, in_order(settings, CLICKS, ITEMS)), "--profile", "shop"]) == 0
    assert learned(newest(home, "recommender")) == learned(from_topics)


def test_what_cannot_be_learned_from_is_told(
    settings: Settings, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(tmp_path, shop_events(10))
    assert run(["train", "recommender", file, "--from-topics"]) == 1
    assert "both given" in capsys.readouterr().err
    push(settings, [])
    assert run(["train", "recommender", "--from-topics"]) == 1
    assert "no click" in capsys.readouterr().err
    monkeypatch.setenv("MILLRACE_KAFKA", "127.0.0.1:1")
    assert run(["train", "recommender", "--from-topics"]) == 1
    assert "does not answer" in capsys.readouterr().err
    assert not (home / "models" / "recommender").exists()
