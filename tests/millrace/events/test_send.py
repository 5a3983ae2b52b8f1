"""Sending one event and seeing what it caused; somebody on Kafka answers, as an edge worker would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from aiokafka import AIOKafkaConsumer

from millrace.cli import run
from millrace.commands.send import _lines
from millrace.events.send import Decision, EventError, NoDecisionError, send_bytes, send_event
from schemas import (
    ASSETS,
    CLICKS,
    ITEMS,
    RECOMMENDATIONS,
    SCORES,
    Cause,
    Click,
    MaintenanceKind,
    ModelRef,
    Recommendation,
    ScoredItem,
    Settings,
    UnavailableError,
    dead_letters_of,
    topic_name,
)
from streams.agent import DeadLetter
from streams.agent.deadletters import dead_letter_output
from streams.kafka import EventProducer, client_options
from tests.support import create_topics
from tests.support.decisions import score
from tests.support.kafka import consume

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLICK = Click(event_id="c", event_time=NOW, user_id="me", item_id="i")


@asynccontextmanager
async def answering(settings: Settings, answer: Callable[[Any, EventProducer], Any]) -> AsyncIterator[None]:
    """Calls `answer` for every click."""
    consumer = AIOKafkaConsumer(topic_name(settings, CLICKS), **client_options(settings), auto_offset_reset="earliest")
    await consumer.start()

    async def work() -> None:
        async with EventProducer(settings) as producer:
            async for record in consumer:
                await answer(record, producer)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await consumer.stop()


def recommendation(record: Any, topic: str, offset: int) -> bytes:
    cause = Cause(topic=topic, partition=record.partition, offset=offset, event_id="c")
    return (
        Recommendation(
            recommendation_id=f"r{offset}", event_time=NOW, user_id="me", caused_by=cause, strategy="ranker",
            model=ModelRef(name="m", version="1"), feed_offset=0, items=[ScoredItem(item_id="x", score=0.5)],
        ).model_dump_json().encode()
    )  # fmt: skip


async def test_the_decision_that_names_the_event_comes_back(settings: Settings) -> None:
    await create_topics(settings)

    async def answer(record: Any, producer: EventProducer) -> None:
        for topic, offset in ((CLICKS, record.offset + 100), (ITEMS, record.offset), (CLICKS, record.offset)):
            await producer.push_bytes(RECOMMENDATIONS, b"me", recommendation(record, topic, offset))

    async with answering(settings, answer):
        got = await send_event(settings, CLICKS, CLICK, wait_s=20)
    [decision] = got.decisions
    assert decision.topic == RECOMMENDATIONS
    assert decision.event["recommendation_id"] == f"r{got.offset}"
    assert decision.event["items"] == [{"item_id": "x", "score": 0.5}]
    assert got.acknowledged_ms > 0
    assert 0 < decision.delay_ms < 20_000


async def test_a_quarantined_event_is_told_with_its_reason(settings: Settings) -> None:
    await create_topics(settings)

    async def answer(record: Any, producer: EventProducer) -> None:
        letter = dead_letter_output(DeadLetter(record, "is not JSON"), CLICKS)
        await producer.push_bytes(letter.topic, letter.key, letter.value, list(letter.headers))

    async with answering(settings, answer):
        with pytest.raises(EventError, match="is quarantined: is not JSON") as caught:
            await send_bytes(settings, CLICKS, b"me", b"{", wait_s=20)
    assert f"millrace deadletters list {CLICKS}" in caught.value.advice


async def test_silence_is_told_where_a_decision_is_due(settings: Settings) -> None:
    await create_topics(settings)
    with pytest.raises(NoDecisionError, match=r"nothing came out within 0\.3 s") as caught:
        await send_event(settings, CLICKS, CLICK, wait_s=0.3)
    assert "No edge worker has told of itself" in caught.value.detail
    assert (await send_bytes(settings, ITEMS, b"i", None, wait_s=0.2)).decisions == []


async def test_what_is_not_there_is_told(settings: Settings) -> None:
    with pytest.raises(UnavailableError, match=dead_letters_of(CLICKS)):
        await send_event(settings, CLICKS, CLICK, wait_s=1)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        await send_event(settings.model_copy(update={"kafka": "127.0.0.1:1"}), CLICKS, CLICK, wait_s=1)


@pytest.mark.parametrize(("late", "end"), [(True, "moved neither the asset's state nor alerts)"), (False, "hour")])
def test_a_score_that_is_late_says_so(late: bool, end: str) -> None:
    [line] = _lines(Decision(SCORES, 3.0, score(1, late=late).model_dump()))
    assert line.endswith(end)
    assert ("late: true" in line) == late


def test_help_names_every_kind_of_entry_and_what_has_a_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert run(["send", "maintenance", "--help"]) == 0
    said = capsys.readouterr().out
    assert [kind for kind in get_args(MaintenanceKind) if kind not in said] == []
    assert "of a maintenance window" in said


async def test_where_an_asset_stands_is_sent_and_taken_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await create_topics(settings)
    for name in settings.model_fields_set:
        monkeypatch.setenv(f"MILLRACE_{name.upper()}", str(getattr(settings, name)))
    command = ["send", "asset", "--asset", "p1", "--class", "pump", "--wait", "0.1"]
    told = [*command, "--site", "north", "--line", "2", "--label", "floor=1", "--label", "team=a=b"]
    assert await asyncio.to_thread(run, told) == 0
    assert await asyncio.to_thread(run, [*command, "--remove"]) == 0
    assert await asyncio.to_thread(run, [*command, "--label", "floor"]) == 2
    assert "'floor' is not NAME=VALUE" in capsys.readouterr().err
    first, second = await consume(settings, ASSETS, until=2)
    event = json.loads(first.value or b"")
    assert (event["site"], event["line"], event["labels"]) == ("north", "2", {"floor": "1", "team": "a=b"})
    assert (second.key, second.value) == (b"p1", None)
