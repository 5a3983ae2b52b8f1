"""What every test may ask for: `kafka`, one real broker a run, and `settings`, its own corner of it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from millrace.kernels import use_kernel_cache
from schemas import Settings

use_kernel_cache()  # before any test imports numba
hypothesis.settings.register_profile("shared machines", deadline=None)
hypothesis.settings.load_profile("shared machines")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of Kafka: the one of MILLRACE_KAFKA, or an embedded one for this run."""
    if existing := os.environ.get("MILLRACE_KAFKA"):
        yield existing
        return
    from millrace.kafka.broker import Broker

    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap
        broker.check()  # a broker that died during the run is told, even if the tests passed


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MILLRACE_HOME with the champions `pump` and `recommender`, trained once a run. Not to be changed."""
    from tests.support.world import train_world

    home = tmp_path_factory.mktemp("trained")
    train_world(home)
    return home


@pytest.fixture
def settings(kafka: str, tmp_path: Path) -> Settings:
    """Settings of a new installation: topics and groups of its own, an empty home."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    return Settings(kafka=kafka, home=tmp_path, topic_prefix=prefix, partitions=2, allow_unsigned_models=True)
