"""What the faults need: a broker of their own, which they may stop, and a site on it.

Starting a site takes seconds, so that faults that leave it whole share one, on PostgreSQL, and are judged one by one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from millrace.kafka import Broker
from tests.faults.fault import Fault
from tests.faults.site import Site
from tests.faults.sites import Sites
from tests.support.databases import database_url, migrated_sqlite, postgres, postgres_url, sqlite_url
from tests.support.postgres import Postgres

__all__ = ["database_url", "migrated_sqlite", "postgres", "postgres_url", "sqlite_url"]


def cases(faults: Iterable[Fault]) -> list[Any]:
    """As parameters of a test: the long ones are marked, and those that are known to fail."""
    return [
        pytest.param(
            fault,
            marks=[
                *([pytest.mark.faults] if fault.is_long else []),
                *([pytest.mark.xfail(strict=False, reason=fault.known)] if fault.known else []),
            ],
        )
        for fault in faults
    ]


@pytest.fixture(scope="session")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Never the one of MILLRACE_KAFKA: this one is killed and stopped. Who does it starts it again."""
    with Broker(tmp_path_factory.mktemp("own-kafka")) as broker:
        yield broker


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def sites(
    own_broker: Broker, tmp_path_factory: pytest.TempPathFactory, trained_home: Path, postgres: Postgres
) -> AsyncIterator[Sites]:
    sites = Sites(own_broker, lambda: tmp_path_factory.mktemp("site"), trained_home / "models", postgres)
    yield sites
    await sites.close()


@pytest.fixture
def site_of(own_broker: Broker, tmp_path: Path, trained_home: Path, sqlite_url: str) -> Callable[..., Site]:
    """A site of a test's own."""

    def make(url: str = sqlite_url, **more: Any) -> Site:
        return Site(own_broker, tmp_path / "home", trained_home / "models", url, **more)

    return make
