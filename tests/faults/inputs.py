"""Inputs: garbage, repetitions, shuffled readings, the ends of time; and topics that are made anew or lose records."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import islice

import orjson
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas import ITEMS, MAINTENANCE, TELEMETRY, TOPICS, topic_name
from streams.kafka import apply_topics, client_options, topic_ids
from tests.faults.fault import Fault, judged
from tests.faults.ledger import Raw
from tests.faults.site import Site
from tests.support.kafka import delete_topics

EVENTS = 4_000
PLANT_TOPICS = (TELEMETRY, MAINTENANCE)


def garbage(stream: Iterable[Raw], seed: int, share: float = 0.01) -> Iterator[Raw]:
    """The stream, and among it records that are no events."""
    chance = random.Random(seed)
    for one in stream:
        yield one
        if chance.random() < share:
            yield spoilt(one, chance)


FORGIVEN = ("event_id", "session_id", "action", "context", "title", "category", "attributes")


def spoilt(one: Raw, chance: random.Random) -> Raw:
    """The record, with one thing wrong."""
    assert one.value is not None
    value = orjson.loads(one.value)
    field = chance.choice([name for name in value if name not in FORGIVEN])
    wrong = [
        one._replace(value=chance.randbytes(chance.randrange(1, 200))),
        one._replace(value=one.value[: chance.randrange(1, len(one.value) - 1)]),
        one._replace(value=None if one.topic != ITEMS else b""),
        one._replace(value=b"[" * 5000),
        one._replace(key=b"another"),
        one._replace(value=orjson.dumps({**value, field: {"no": ["such", "thing"]}})),
        one._replace(value=orjson.dumps({**value, "event_time": "yesterday"})),
        one._replace(value=orjson.dumps({**value, "event_time": 1e300})),
        one._replace(value=orjson.dumps({**value, "event_time": "2199-01-01T00:00:00Z"})),
    ]
    return chance.choice(wrong)._replace(is_good=False)


def end_of_time(stream: Iterable[Raw], seed: int) -> Iterator[Raw]:
    """Some readings and entries are of the last minute that there is, in a zone where it is later."""
    chance = random.Random(seed)
    for one in stream:
        yield one
        if chance.random() < 0.01 and one.value is not None:
            value = orjson.loads(one.value) | {"event_time": "9999-12-31T23:59:59-23:59"}
            yield one._replace(value=orjson.dumps(value), is_good=False)


def doubled(stream: Iterable[Raw], seed: int) -> Iterator[Raw]:
    """One in ten comes again, at once or up to ten events of all assets later, with its id."""
    chance, again = random.Random(seed), list[tuple[int, Raw]]()
    for number, one in enumerate(stream):
        yield one
        while again and again[0][0] <= number:
            yield again.pop(0)[1]
        if chance.random() < 0.1:
            again.append((number + chance.randrange(10), one))
            again.sort(key=lambda entry: entry[0])


def shuffled(stream: Iterable[Raw], seed: int, reach: int = 60) -> Iterator[Raw]:
    """Readings out of order by up to two readings of their asset; the log is in order."""
    chance = random.Random(seed)
    placed = [(n + chance.random() * reach * (one.topic == TELEMETRY), n, one) for n, one in enumerate(stream)]
    return iter([one for *_, one in sorted(placed, key=lambda entry: entry[:2])])


def sent(spoil: object, *, is_live: bool, of: str = "plant") -> Fault.act:
    """Events that are spoilt so, while the edge works or before it starts."""

    async def act(site: Site) -> None:
        await site.stop_flow()
        (edge,) = site.running("edge")
        if not is_live:
            await site.end(edge)
        events = islice(site.streams[of], EVENTS)
        await site.ledger.produce(spoil(events, site.seed))  # type: ignore[operator]
        if not is_live:
            await site.start("edge")
        site.flow()

    return act


def made_anew(*, is_running: bool, beyond: bool = False) -> Fault.act:
    """The input topics of the plant are deleted and made again; `beyond`: and filled beyond the old positions."""

    async def act(site: Site) -> None:
        await site.settle()
        verdict = await judged(site)
        assert verdict.is_clean, verdict
        if not is_running:
            await site.end(site.running("edge")[0])
        topics = [topic for topic in TOPICS if topic.name in PLANT_TOPICS]
        length = sum(end for (topic, _), end in site.ledger.ends().items() if topic in PLANT_TOPICS)
        await delete_topics(site.settings, *(topic.name for topic in topics))
        await apply_topics(site.settings)
        site.forget(*PLANT_TOPICS)
        ids = await topic_ids(site.settings, [topic_name(site.settings, name) for name in PLANT_TOPICS])
        site.oracle.made_anew({name: ids[topic_name(site.settings, name)] for name in PLANT_TOPICS})
        if beyond:
            await site.ledger.produce(islice(site.streams["plant"], length + EVENTS))
        if not is_running:
            await site.start("edge")
        site.flow()

    return act


async def retention_overtakes(site: Site) -> None:
    """Records beyond the positions are deleted while no edge runs: they are lost, it is told, and the rest goes on."""
    await site.settle()
    verdict = await judged(site)
    assert verdict.is_clean, verdict
    await site.end(site.running("edge")[0])
    await site.ledger.produce(islice(site.streams["plant"], EVENTS))
    admin = AIOKafkaAdminClient(**client_options(site.settings))
    await admin.start()
    tps = {(topic, n): end - 500 for (topic, n), end in site.ledger.ends().items() if topic == TELEMETRY}
    try:
        await admin.delete_records(
            {TopicPartition(topic_name(site.settings, t), n): RecordsToDelete(at) for (t, n), at in tps.items()}
        )
    finally:
        await admin.close()
    edge = await site.start("edge")
    site.flow()
    await site.until(lambda: "not on the broker any more" in edge.log.read_text(), "it is told")


INPUTS = (
    Fault("1 % garbage among readings and log", sent(garbage, is_live=True)),
    Fault("1 % garbage among clicks and items", sent(garbage, is_live=True, of="shop")),
    Fault("1 % of records at the end of the calendar", sent(end_of_time, is_live=True)),
    Fault("one in ten readings and entries doubled", sent(doubled, is_live=False)),
    Fault("one in ten clicks doubled", sent(doubled, is_live=True, of="shop")),
    Fault("readings shuffled by two of an asset", sent(shuffled, is_live=False)),
    Fault("topics made anew while the edge runs", made_anew(is_running=True), fresh="postgres"),
    Fault("topics made anew while it is stopped", made_anew(is_running=False), fresh="postgres"),
    Fault(
        "topics made anew and filled beyond the old",
        made_anew(is_running=False, beyond=True),
        fresh="postgres",
    ),
    Fault("retention overtakes a stopped edge", retention_overtakes, fresh="postgres"),
)
