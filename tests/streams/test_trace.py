"""A record of a real topic is followed to what it caused, and to nothing else."""

from __future__ import annotations

import asyncio

import pytest

from millrace.cli import run
from schemas import CLICKS, RECOMMENDATIONS, Settings, dead_letters_of
from streams.agent import HEADER
from streams.kafka import EventProducer
from streams.trace import trace_record
from tests.support.decisions import recommendation
from tests.support.kafka import create_topics, produce

pytestmark = pytest.mark.kafka


async def place_of(settings: Settings, key: str, value: bytes) -> tuple[int, int]:
    async with EventProducer(settings) as producer:
        sent = await (await producer.push_bytes(CLICKS, key.encode(), value))
    return sent.partition, sent.offset


async def test_what_a_record_caused_is_found_among_others(settings: Settings) -> None:
    await create_topics(settings)
    partition, offset = await place_of(settings, "ann", b'{"user_id": "ann"}')
    told = recommendation("ann", 1)
    causes = [told.caused_by.model_copy(update={"topic": CLICKS, "partition": partition, "offset": at})
              for at in (offset + 7, offset)]  # fmt: skip
    lists = [told.model_copy(update={"caused_by": cause}).model_dump_json().encode() for cause in causes]
    await produce(settings, RECOMMENDATIONS, [("ann", lists[0]), ("ann", lists[1]), ("ann", b"no JSON")])
    found = await trace_record(settings, CLICKS, partition, offset)
    assert found is not None
    assert (found.key, found.value, found.size) == ("ann", '{"user_id": "ann"}', 18)
    [hop] = found.hops
    assert (hop.topic, hop.offset, hop.event and hop.event["user_id"]) == (RECOMMENDATIONS, 1, "ann")
    assert hop.after_ms >= 0


async def test_a_dead_letter_is_what_came_of_it(settings: Settings) -> None:
    await create_topics(settings)
    partition, offset = await place_of(settings, "ann", b"bad")
    facts = {"exception": "E", "message": "it is bad", "topic": CLICKS, "partition": partition, "offset": offset}
    headers = [("odd", None), *((HEADER + name, str(value).encode()) for name, value in facts.items())]
    async with EventProducer(settings) as producer:
        letters = dead_letters_of(CLICKS)
        await (await producer.push_bytes(letters, b"ann", b"bad", headers))
    found = await trace_record(settings, CLICKS, partition, offset)
    assert found is not None
    assert [hop.reason for hop in found.hops] == ["it is bad"]


def test_the_command_says_what_came_of_it_or_that_it_is_not_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(create_topics(settings))
    partition, offset = asyncio.run(place_of(settings, "ann", b"bad"))
    for name in ("kafka", "home", "topic_prefix", "partitions"):
        monkeypatch.setenv(f"MILLRACE_{name.upper()}", str(getattr(settings, name)))
    assert run(["trace", CLICKS, str(partition), str(offset)]) == 0
    assert "Nothing came of it, or not yet." in capsys.readouterr().out
    for place in ((partition, offset + 5), (99, 0)):
        assert run(["trace", CLICKS, *map(str, place)]) == 1
    assert "no record" in capsys.readouterr().err
    assert run(["trace", "scores.v1", "0", "0"]) == 2
