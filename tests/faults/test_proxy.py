"""The proxy by itself: what it does to the requests of real clients of the real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas import Settings, Topic
from streams.kafka import apply_topics, topic_ids
from tests.faults.proxy import FETCH, PRODUCE, Proxy, Request

pytestmark = pytest.mark.kafka


@pytest.fixture
async def proxy(kafka: str, settings: Settings) -> AsyncIterator[Proxy]:
    topics = [Topic(f"{name}.v1", "key", "any", partitions=1) for name in ("first", "second")]
    await apply_topics(settings, topics)
    async with Proxy(int(kafka.rpartition(":")[2])) as proxy:
        yield proxy


async def test_clients_stay_behind_it_and_single_requests_can_be_held(proxy: Proxy, settings: Settings) -> None:
    seen: list[Request] = []
    may_go = asyncio.Event()

    async def hold(request: Request) -> None:
        seen.append(request)
        if request.key == PRODUCE:
            await may_go.wait()

    proxy.before.append(hold)
    topic = settings.topic_prefix + "first.v1"
    async with AIOKafkaProducer(bootstrap_servers=proxy.address, enable_idempotence=True) as producer:
        sent = await producer.send(topic, b"one")
        done, _ = await asyncio.wait({sent}, timeout=0.3)
        assert not done
        may_go.set()
        assert (await sent).offset == 0
        proxy.cut()
        assert (await producer.send_and_wait(topic, b"two")).offset == 1
    assert any(request.key == PRODUCE and request.names(topic) for request in seen)
    through = settings.model_copy(update={"kafka": proxy.address})
    assert await topic_ids(through, [topic]) == await topic_ids(settings, [topic])


async def test_a_held_request_reaches_the_broker_after_its_client_left(proxy: Proxy, settings: Settings) -> None:
    may_go, held = asyncio.Event(), asyncio.Event()

    async def hold_the_first(request: Request) -> None:
        if request.key == PRODUCE and not held.is_set():
            held.set()
            await may_go.wait()

    proxy.before.append(hold_the_first)
    topic = settings.topic_prefix + "first.v1"
    async with AIOKafkaProducer(bootstrap_servers=proxy.address) as producer:
        sent = await producer.send(topic, b"again")
        await held.wait()
        proxy.cut_clients()
        await sent  # sent again by a connection of its own
        may_go.set()
    async with AIOKafkaConsumer(bootstrap_servers=proxy.behind_address) as consumer:
        tp = TopicPartition(topic, 0)
        deadline = asyncio.get_running_loop().time() + 10
        while (await consumer.end_offsets([tp]))[tp] < 2:
            assert asyncio.get_running_loop().time() < deadline, "the held request never came"
            await asyncio.sleep(0.02)


async def test_a_hidden_topic_brings_nothing_while_others_flow(proxy: Proxy, settings: Settings) -> None:
    names = [settings.topic_prefix + name for name in ("first.v1", "second.v1")]
    async with AIOKafkaProducer(bootstrap_servers=proxy.address) as producer:
        for name in names:
            await producer.send_and_wait(name, b"value")
    proxy.hidden.add(names[0])
    fetches: list[int] = []

    async def count(request: Request) -> None:
        if request.key == FETCH:
            fetches.append(request.version)

    proxy.before.append(count)
    async with AIOKafkaConsumer(bootstrap_servers=proxy.address, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(name, 0) for name in names])
        assert (await consumer.getone()).topic == names[1]
        seen = len(fetches)
        while len(fetches) < seen + 3:
            assert not await consumer.getmany(timeout_ms=50)
        proxy.hidden.clear()
        assert (await consumer.getone()).topic == names[0]
