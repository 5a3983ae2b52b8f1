"""The centre where models are made and published, and a load on the edge that runs them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.registry import ModelStore, Publication, sign_alias
from schemas import MODELS, Alias, AliasRecord, Settings, topic_name
from streams.kafka import EventProducer
from streams.serving import publish
from tests.support.versions import save_as
from tests.support.world import plant_events, topic_of


class Centre:
    """Where models are made: a store, a key, and the way to the topic."""

    def __init__(self, settings: Settings, home: Path) -> None:
        self.settings, self.store, self.key = settings, ModelStore(home / "models"), Ed25519PrivateKey.generate()
        self.source = self.store.verify("pump")

    def make(self, version: str, by: float = 0.0, key: Ed25519PrivateKey | None = None, **changes: Any) -> Publication:
        """Another version of the trained pump, its scores moved, signed."""
        save_as(self.store, self.source, version, by, **changes)
        return self.store.sign("pump", version, key or self.key)

    async def point(
        self, version: str | None, *publications: Publication, alias: Alias = "champion", ahead_s: float = 0.0
    ) -> AliasRecord:
        """Put versions on the topic and point an alias, signed, by a clock that is so far ahead."""
        record = self.record(version, alias, datetime.now(UTC) + timedelta(seconds=ahead_s))
        await publish(self.settings, publications, record)
        return record

    def record(self, version: str | None, alias: Alias, at: datetime) -> AliasRecord:
        record = AliasRecord(name="pump", alias=alias, version=version, changed_at=at)
        return sign_alias(record, self.key, topic_name(self.settings, MODELS))


class Load:
    """Readings and maintenance of pumps, without a pause, until told to end."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.ends, self.sent = settings, asyncio.Event(), 0

    async def run(self) -> None:
        events = plant_events(cycles=4000, pumps=6, seed=41, name="swap-")
        async with EventProducer(self.settings) as producer:
            for some in (events[start : start + 24] for start in range(0, len(events), 24)):
                for event in some:
                    await producer.push(topic_of(event), event.model_dump(mode="json", exclude_none=True))
                await producer.flush()  # an entry of the log is there before the readings that follow it
                self.sent += len(some)
                if self.ends.is_set():
                    return
                await asyncio.sleep(0.05)
        raise AssertionError("the events were not enough for the test")
