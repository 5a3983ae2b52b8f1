"""Ids of topics, asked of the real broker."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from millrace.kafka import free_port
from schemas import Settings
from streams.kafka import ids as module
from streams.kafka.clients import client_options
from streams.kafka.ids import topic_ids


async def _admin(settings: Settings) -> AIOKafkaAdminClient:
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    return admin


async def _until_there(settings: Settings, *names: str) -> dict[str, str]:
    deadline = time.monotonic() + 20
    while set(ids := await topic_ids(settings, names)) != set(names):
        assert time.monotonic() < deadline, ids
        await asyncio.sleep(0.02)
    return ids


async def test_a_topic_made_anew_has_another_id_and_a_missing_one_none(settings: Settings) -> None:
    first, second = settings.topic_prefix + "first", settings.topic_prefix + "second"
    assert await topic_ids(settings, [first, second]) == {}
    admin = await _admin(settings)
    try:
        await admin.create_topics([NewTopic(first, 3, 1), NewTopic(second, 1, 1)])
        before = await _until_there(settings, first, second)
        assert len(set(before.values())) == 2
        assert await topic_ids(settings, [first, second, second, settings.topic_prefix + "third"]) == before
        await admin.delete_topics([first])
        deadline = time.monotonic() + 20
        while first in await topic_ids(settings, [first]):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        await admin.create_topics([NewTopic(first, 3, 1)])
        after = await _until_there(settings, first, second)
    finally:
        await admin.close()
    assert after[first] != before[first]
    assert after[second] == before[second]


async def test_looking_does_not_create(settings: Settings) -> None:
    name = settings.topic_prefix + "not-there"
    assert await topic_ids(settings, [name]) == {}
    admin = await _admin(settings)
    try:
        assert name not in await admin.list_topics()
    finally:
        await admin.close()


async def test_nothing_is_asked_about_nothing(settings: Settings) -> None:
    assert await topic_ids(settings, []) == {}


async def test_a_broker_that_is_away_or_silent_is_an_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    away = settings.model_copy(update={"kafka": f"127.0.0.1:{free_port()}"})
    with pytest.raises(KafkaError):
        await topic_ids(away, ["any"])
    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    has_left = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        has_left.set()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(KafkaError):
            await topic_ids(settings.model_copy(update={"kafka": f"127.0.0.1:{port}"}), ["any"])
        async with asyncio.timeout(5):
            await has_left.wait()  # no connection is left open
