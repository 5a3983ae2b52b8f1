"""The producer of input events, where it cannot start."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from schemas import Settings, UnavailableError
from streams.kafka.producer import EventProducer

SETTINGS = Settings(kafka="127.0.0.1:1")


@pytest.fixture
async def left_open() -> list[str]:
    """What the client library says of clients that nobody closed."""
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))
    return said


async def slow(_: Any) -> None:
    await asyncio.sleep(0.3)


async def failing(_: Any) -> None:
    raise KafkaError("of another kind")


async def enter(bootstrap: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a tenth of a second."""
    monkeypatch.setattr(AIOKafkaClient, "bootstrap", bootstrap)
    async with asyncio.timeout(0.1), EventProducer(SETTINGS):
        pass


@pytest.mark.long
@pytest.mark.parametrize(("bootstrap", "error"), [(slow, TimeoutError), (failing, UnavailableError)])
async def test_a_start_that_is_cancelled_or_fails_leaves_nothing_open(
    left_open: list[str], monkeypatch: pytest.MonkeyPatch, bootstrap: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await enter(bootstrap, monkeypatch)
    gc.collect()
    assert left_open == []
