"""What every test may ask for: `kafka`, one real broker a run, `settings`, its own corner of it, and trained worlds."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from schemas import Settings

if TYPE_CHECKING:
    from models.registry import ModelStore

hypothesis.settings.register_profile("shared machines", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=20)  # what `make quick` asks for
hypothesis.settings.load_profile("shared machines")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "kafka" in fixtures:
            item.add_marker(pytest.mark.kafka)
        if "postgres" in fixtures:  # a server of seconds
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of Kafka: the one of MILLRACE_KAFKA, or an embedded one for this run."""
    if existing := os.environ.get("MILLRACE_KAFKA"):
        yield existing
        return
    from millrace.kafka import Broker

    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap
        broker.check()  # a broker that died during the run is told, even if the tests passed


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MILLRACE_HOME with the champions `pump` and `recommender` of the simulator. Not to be changed."""
    from millrace.demo import simulate
    from tests.support.cached import cached
    from tests.support.world import train_world

    return cached(train_world, tmp_path_factory.mktemp("trained"), [Path(simulate.__file__)])


@pytest.fixture(scope="session")
def trained_fleets(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """The champions `pump` and `press` of `tests.support.fleets`. Not to be changed."""
    from models.registry import ModelStore
    from tests.support.cached import cached
    from tests.support.fleets import train_fleets

    return ModelStore(cached(train_fleets, tmp_path_factory.mktemp("fleets")))


@pytest.fixture
def settings(kafka: str, tmp_path: Path) -> Settings:
    """Settings of a new installation: topics and groups of its own, an empty home."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    return Settings(kafka=kafka, home=tmp_path, topic_prefix=prefix, partitions=2, allow_unsigned_models=True)
