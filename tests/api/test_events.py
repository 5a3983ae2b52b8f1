"""Events that are pushed over HTTP are on their topics, each told with its place, or with why it was refused."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from api import Outgoing, make_key
from millrace.events import KafkaPublisher
from schemas import (
    ACTIONS,
    CLICKS,
    FORGET_HEADER,
    ITEMS,
    MAINTENANCE,
    RECOMMENDATIONS,
    TELEMETRY,
    Action,
    Cause,
    Maintenance,
    Settings,
    dead_letters_of,
    rfc3339,
)
from storage import ActionRequest, Quarantined, Store
from streams.agent import DeadLetter
from streams.agent.deadletters import dead_letter_output
from streams.kafka import EventProducer, reading
from streams.undecided import asks_why, undecided
from tests.api.conftest import serving
from tests.support.decisions import alert, recommendation
from tests.support.kafka import consume, create_topics

NOW = rfc3339(datetime.now(UTC))
CLICK: dict[str, Any] = {"event_id": "c1", "event_time": NOW, "user_id": "ann", "item_id": "i"}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def pushing(settings: Settings, sqlite_url: str) -> Iterator[httpx2.Client]:
    """An API with a broker, whose topics are there."""
    asyncio.run(create_topics(settings))
    own = settings.model_copy(update={"database_url": sqlite_url, "api_port": 0})
    with serving(own, KafkaPublisher(own)) as client:
        yield client


async def test_each_event_is_told_with_its_place(settings: Settings, pushing: httpx2.Client) -> None:
    events = [
        {"topic": CLICKS, "value": CLICK},
        {"topic": CLICKS, "value": CLICK | {"user_id": "bob", "event_id": "c2"}},
        {"topic": ITEMS, "value": {"item_id": "i", "event_time": NOW, "title": "Shoe"}},
        {"topic": ITEMS, "key": "gone", "value": None},
    ]
    answer = pushing.post("/v1/events", json=events)
    assert (answer.status_code, answer.json()["sent"]) == (200, 4)
    told = {(e["topic"], e["partition"], e["offset"]): events[e["index"]] for e in answer.json()["events"]}
    records = await consume(settings, [CLICKS, ITEMS], until=4)
    for record in records:
        event = told[record.topic.removeprefix(settings.topic_prefix), record.partition, record.offset]
        assert (record.value and orjson.loads(record.value)) == event["value"]
        named = event.get("key") or event["value"]["user_id" if event["topic"] == CLICKS else "item_id"]
        assert record.key == named.encode()


async def test_what_is_bad_is_told_and_the_rest_is_sent(settings: Settings, pushing: httpx2.Client) -> None:
    lines = [
        json.dumps(CLICK), "{", "[]", json.dumps({"user_id": "ann"}), "", json.dumps({"topic": "nix.v1", "value": {}}),
        json.dumps({"topic": CLICKS, "value": None}), json.dumps({"topic": CLICKS, "key": "x", "value": None}),
        json.dumps({"topic": CLICKS, "key": "x", "value": CLICK}), json.dumps(CLICK | {"event_time": "9999"}),
        json.dumps({"topic": TELEMETRY, "value": {"readings": "x" * 300}}), json.dumps(CLICK | {"event_id": "c9"}),
        json.dumps({"topic": TELEMETRY}),
    ]  # fmt: skip
    answer = pushing.post(f"/v1/events?topic={CLICKS}", content="\n".join(lines).encode(), headers=NDJSON)
    body = answer.json()
    assert (answer.status_code, body["sent"], body["refused"]) == (207, 2, 10)
    assert [event["index"] for event in body["events"]] == list(range(12)), "empty lines are none"
    assert [event["index"] for event in body["events"] if "error" not in event] == [0, 10]
    for event in body["events"]:
        assert "pydantic" not in event.get("error", "")
    assert "has no `value`" in body["events"][11]["error"]
    assert "nix.v1" in body["events"][4]["error"]
    assert "user_id is 'ann'" in body["events"][7]["error"]
    records = await consume(settings, CLICKS, until=2)
    assert [orjson.loads(record.value or b"")["event_id"] for record in records] == ["c1", "c9"]
    refused = pushing.post("/v1/events", json=[{"topic": CLICKS, "value": {}}])
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "body.0"
    mistaken = pushing.post("/v1/events", json={"topic": CLICKS, "event": CLICK})
    assert "has `event` beside `topic`: send `{topic, value}`" in mistaken.json()["detail"]
    table = pushing.post(f"/v1/events?topic={CLICKS}", content=b"user,item\nann,a\n", headers=NDJSON).json()
    assert table["errors"][0]["message"] == "is no JSON object: expecting value at character 1 of 'user,item'"


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1), st.booleans()))
def test_an_id_that_is_a_number_is_its_own_key_whatever_number_it_is(number: float) -> None:
    """Nobody is told of a key that was not sent."""
    publisher = KafkaPublisher(Settings())
    usable, refused = publisher._checked([Outgoing(0, CLICKS, None, orjson.dumps(CLICK | {"user_id": number}))])
    assert not any("key" in (event.error or "") for event in refused)
    assert isinstance(number, bool) != bool(usable)


async def test_what_has_no_decision_is_told_why_or_not_waited_for(settings: Settings, pushing: httpx2.Client) -> None:
    """Somebody says that clicks are known already, as an edge worker would."""

    async def answer_clicks() -> None:
        names = [settings.topic_prefix + CLICKS]
        async with EventProducer(settings) as producer, reading(settings, names) as reader:
            async for record in reader:
                assert asks_why(record)
                if orjson.loads(record.value)["user_id"] == "ann":
                    answer = undecided(record, CLICKS, "duplicate")
                    await producer.push_bytes(answer.topic, answer.key, answer.value)

    async def posted(wait: str, event: dict[str, Any]) -> tuple[dict[str, Any], float]:
        began = time.monotonic()
        answer = await asyncio.to_thread(lambda: pushing.post("/v1/events", json=event, params={"wait": wait}))
        assert answer.status_code == 200, answer.text
        return answer.json()["events"][0], time.monotonic() - began

    answering = asyncio.create_task(answer_clicks())
    try:
        known, _ = await posted("4s", {"topic": CLICKS, "value": CLICK})
        silent, _ = await posted("200ms", {"topic": CLICKS, "value": CLICK | {"user_id": "bob"}})
        item, item_s = await posted("4s", {"topic": ITEMS, "value": {"item_id": "i", "event_time": NOW}})
        entry = {"event_id": "m", "event_time": NOW, "asset_id": "p", "asset_class": "pump", "kind": "replacement"}
        logged, logged_s = await posted("4s", {"topic": MAINTENANCE, "value": entry})
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
    assert (known["decisions"], known["undecided"]) == (
        [], "duplicate: its event_id is known: it was sent before, and is taken once",
    )  # fmt: skip
    assert silent["undecided"].startswith("nothing came of it within 0.2 s. No edge worker has told of itself")
    assert "undecided" not in item | logged
    assert item_s < 1
    assert logged_s < 3


async def test_a_wait_brings_the_decision(settings: Settings, pushing: httpx2.Client) -> None:
    """Somebody answers the clicks, as an edge worker would."""

    async def answer_clicks() -> None:
        names = [settings.topic_prefix + CLICKS]
        async with EventProducer(settings) as producer, reading(settings, names) as reader:
            async for record in reader:
                click = orjson.loads(record.value)
                if click["user_id"] == "bad":
                    letter = dead_letter_output(DeadLetter(record, "it is bad"), CLICKS)
                    await producer.push_bytes(letter.topic, letter.key, letter.value, letter.headers)
                    continue
                cause = Cause(topic=CLICKS, partition=record.partition, offset=record.offset, event_id="c")
                event = recommendation(click["user_id"], record.offset, caused_by=cause)
                await producer.push_bytes(RECOMMENDATIONS, record.key, event.model_dump_json().encode())

    answering = asyncio.create_task(answer_clicks())
    try:
        events = [{"topic": CLICKS, "value": CLICK | {"user_id": user}} for user in ("ann", "bad", "cy")]
        post = {"json": events, "params": {"wait": "4s"}}
        answer = await asyncio.to_thread(lambda: pushing.post("/v1/events", **post))
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
    assert answer.status_code == 200
    ann, bad, cy = (event["decisions"] for event in answer.json()["events"])
    assert [d["topic"] for d in ann + bad + cy] == [RECOMMENDATIONS, dead_letters_of(CLICKS), RECOMMENDATIONS]
    assert (ann[0]["event"]["user_id"], bad[0]["reason"], cy[0]["event"]["user_id"]) == ("ann", "it is bad", "cy")
    alone = await asyncio.to_thread(
        lambda: pushing.post("/v1/events?wait=300ms", json={"topic": CLICKS, "value": CLICK})
    )
    assert (alone.status_code, alone.json()["events"][0]["decisions"]) == (200, [])


async def test_an_acknowledgement_is_told_on_kafka_and_on_the_stream_by_whose_key_it_was(
    settings: Settings, sqlite_url: str, tmp_path: Path
) -> None:
    await create_topics(settings)
    keys = tmp_path / "keys"
    token = make_key(keys, "jo-tablet", "operate")
    own = settings.model_copy(update={"database_url": sqlite_url, "api_port": 0, "api_keys_file": keys})
    store = Store(sqlite_url)
    store.write([alert("a", 0), alert("b", 0)], [])
    store.act("b", ActionRequest("acknowledged", "al", None))  # while no API with a broker ran
    headers = {"Authorization": f"Bearer {token}"}

    def acknowledge() -> None:
        with serving(own, KafkaPublisher(own)) as client:
            client.headers.update(headers)
            with client.stream("GET", "/v1/alerts/stream") as stream:
                lines = stream.iter_lines()
                next(lines)
                shown = client.post("/v1/alerts/a/acknowledge", json={"by": "the boss", "comment": "seen"}).json()
                assert shown["acknowledgement"]["by"] == "jo-tablet", "the key says who it is"
                client.post("/v1/alerts/a/acknowledge", json={})
                event = next(line for line in lines if line.startswith("event:"))
                data = json.loads(next(line for line in lines if line.startswith("data:"))[5:])
            assert (event.split()[-1], data["kind"], data["by"]) == ("action", "acknowledged", "jo-tablet")
            assert len(client.get("/v1/alerts/a").json()["transitions"]) == 1
            records = asyncio.run(consume(settings, ACTIONS, until=2))
            actions = {record.key: Action.model_validate_json(record.value or b"") for record in records}
            assert {key: action.by for key, action in actions.items()} == {b"a": "jo-tablet", b"b": "al"}
            assert dict(records[0].headers)["ce_id"].decode() == actions[records[0].key or b""].action_id

    await asyncio.to_thread(acknowledge)
    with store.reading() as reader:
        assert reader.untold_actions(9) == []
    store.close()


async def test_dead_letters_are_put_back_once(settings: Settings, pushing: httpx2.Client, sqlite_url: str) -> None:
    record = ConsumerRecord(CLICKS, 0, 7, 0, 0, b"ann", orjson.dumps(CLICK), None, 0, 0, ())
    letter = dead_letter_output(DeadLetter(record, "it was bad"), CLICKS)
    async with EventProducer(settings) as producer:
        placed = await (await producer.push_bytes(letter.topic, letter.key, letter.value, letter.headers))
    store = Store(sqlite_url)
    row = Quarantined(
        CLICKS, placed.partition, placed.offset, datetime.now(UTC), 0, 7, "E", "it was bad", b"ann", b"", 0
    )
    store.write([row], [])
    post = {"json": {"topic": CLICKS}}
    reasons = await asyncio.to_thread(lambda: pushing.get("/v1/dead-letters/reasons"))
    other = {"topic": CLICKS, "reason": "it was good"}
    none = await asyncio.to_thread(lambda: pushing.post("/v1/dead-letters/replay", json=other))
    of_reason = {"json": {"topic": CLICKS, "reason": reasons.json()["items"][0]["reason"], "by": "jo"}}
    one = {"json": {"topic": CLICKS, "partition": placed.partition, "offset": placed.offset}}
    at_once = [asyncio.to_thread(lambda: pushing.post("/v1/dead-letters/replay", **of_reason)) for _ in range(3)]
    first, *others = sorted(await asyncio.gather(*at_once), key=lambda answer: -answer.json()["sent"])
    assert [answer.json()["sent"] for answer in others] == [0, 0], "a double click does nothing more"
    assert (await asyncio.to_thread(lambda: pushing.post("/v1/dead-letters/replay", **one))).json()["sent"] == 0
    again = await asyncio.to_thread(lambda: pushing.post("/v1/dead-letters/replay", **post))
    assert first.json() == {"topic": CLICKS, "sent": 1, "truncated": 0, "deleted": 0}
    assert none.json()["sent"] == 0
    assert reasons.json()["items"][0]["not_replayed"] == 1
    assert again.json()["sent"] == 0
    [back] = await consume(settings, CLICKS, until=1)
    assert (back.key, orjson.loads(back.value or b"")) == (b"ann", CLICK)
    [shown] = pushing.get("/v1/dead-letters").json()["items"]
    assert shown["replayed_at"] is not None
    unknown = pushing.post("/v1/dead-letters/replay", json={"topic": "scores.v1"})
    assert unknown.json()["errors"][0]["field"] == "body.topic"
    half = pushing.post("/v1/dead-letters/replay", json={"topic": CLICKS, "offset": 3})
    assert (half.status_code, "which letter is meant" in half.text) == (422, True)
    store.close()


def test_a_write_key_sends_and_does_nothing_else(sqlite_url: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    tokens = {scope: make_key(keys, scope, scope) for scope in ("read", "write", "operate", "admin")}  # type: ignore[arg-type]
    with serving(Settings(home=tmp_path, database_url=sqlite_url, api_port=0, api_keys_file=keys)) as client:
        for scope, token in tokens.items():
            headers = {"Authorization": f"Bearer {token}"}
            sent = client.post("/v1/events", json={"topic": CLICKS, "value": CLICK}, headers=headers)
            assert sent.status_code == (503 if scope in ("write", "admin") else 403), scope
            assert client.get("/v1/assets", headers=headers).status_code == (403 if scope == "write" else 200)


@pytest.mark.parametrize(
    ("query", "content", "content_type", "field"),
    [
        ("", b"{", "application/json", "body"),
        ("", b"[]", "application/json", "body"),
        ("", b"\n\n", "application/x-ndjson", "body"),
        ("?topic=nix", b"{}", "application/json", "query.topic"),
        ("?wait=1h", b"{}", "application/json", "query.wait"),
        ("?wait=4.1s", b"{}", "application/json", "query.wait"),
        ("?weit=1s", b"{}", "application/json", "query.weit"),
        ("", b"[" + b"{}," * 1000 + b"{}]", "application/json", "body"),
    ],
)
def test_a_request_that_is_none_is_refused_before_anything_is_sent(
    nobody: httpx2.Client, query: str, content: bytes, content_type: str, field: str
) -> None:
    answer = nobody.post(f"/v1/events{query}", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.fixture
def nobody(sqlite_url: str, tmp_path: Path) -> Iterator[httpx2.Client]:
    """An API whose broker is away."""
    own = Settings(home=tmp_path, database_url=sqlite_url, api_port=0, kafka="127.0.0.1:1")
    with serving(own, KafkaPublisher(own)) as client:
        yield client


@pytest.mark.parametrize(
    ("user", "taken"),
    [
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1.0", "1"),
        ("1.5", "1.5"),
        (str(2**64), str(2**64)),
        ('"\\u00fc"', "ü"),
    ],
)
async def test_numbers_over_http_are_what_they_are_over_kafka(
    settings: Settings, pushing: httpx2.Client, user: str, taken: str
) -> None:
    raw = orjson.dumps(CLICK | {"user_id": "USER"}).replace(b'"USER"', user.encode())
    for body in (raw, b' [ {"topic" : "clicks.v1", "value": ' + raw + b' , "key":null} ]'):
        assert pushing.post(f"/v1/events?topic={CLICKS}", content=body).status_code == 200
    for record in await consume(settings, [CLICKS], until=2):
        assert (record.key, record.value) == (taken.encode(), raw)


@pytest.mark.parametrize(
    "value", ["[1]", '"text"', "7", "true", "[" * 400 + "]" * 400, '{"a":' * 300 + "1" + "}" * 300]
)
async def test_a_value_that_is_no_event_is_refused_alone(
    settings: Settings, pushing: httpx2.Client, value: str
) -> None:
    good = json.dumps({"topic": CLICKS, "value": CLICK})
    bad = f'{{"topic": "{CLICKS}", "value": {value}}}'
    for headers, body in (({}, f"[{bad}, {good}]"), (NDJSON, f"{bad}\n{good}\n")):
        answer = pushing.post("/v1/events", content=body.encode(), headers=headers)
        assert (answer.status_code, answer.json()["sent"]) == (207, 1), answer.text
        [refused] = [event for event in answer.json()["events"] if event.get("error")]
        assert (refused["index"], refused["topic"]) == (0, CLICKS)
        assert "key" not in refused["error"]


@pytest.mark.parametrize("depth", [900, 1000, 5000, 100_000])
def test_json_of_any_depth_is_a_problem_of_the_request(nobody: httpx2.Client, depth: int) -> None:
    body = f'{{"topic": "{CLICKS}", "value": {"[" * depth}{"]" * depth}}}'.encode()
    for headers in ({}, NDJSON):
        answer = nobody.post("/v1/events", content=body, headers=headers)
        assert answer.status_code == 422, answer.text


def test_a_broker_that_is_away_is_told(nobody: httpx2.Client) -> None:
    answer = nobody.post("/v1/events", json={"topic": CLICKS, "value": CLICK})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/broker-unavailable")
    assert int(answer.headers["retry-after"]) > 0
    ready = nobody.get("/readyz")
    assert (ready.status_code, ready.json()["type"]) == (503, "/problems/not-ready")
    assert "127.0.0.1:1" in ready.json()["detail"]
    assert nobody.get("/v1/assets").status_code == 200


def test_events_are_larger_than_other_bodies(nobody: httpx2.Client) -> None:
    large = CLICK | {"context": {"text": "x" * 150}}
    answer = nobody.post(f"/v1/events?topic={CLICKS}", json=[large] * 900)
    assert answer.status_code == 503
    answer = nobody.post(f"/v1/events?topic={CLICKS}", content=b" " * (5 << 20))
    assert answer.status_code == 413


async def test_who_asks_to_forget_a_person_is_told_where_that_was_written(
    settings: Settings, pushing: httpx2.Client
) -> None:
    answer = pushing.delete("/v1/users/ann%2F1")
    assert answer.status_code == 202
    (record,) = await consume(settings, [CLICKS], until=1)
    assert (record.key, record.value, dict(record.headers)) == (b"ann/1", None, {FORGET_HEADER: b"user"})
    assert (answer.json()["partition"], answer.json()["offset"]) == (record.partition, record.offset)


async def test_a_closed_alert_reaches_the_worker_of_its_asset_once_however_often_it_is_told(
    settings: Settings, sqlite_url: str
) -> None:
    await create_topics(settings)
    own = settings.model_copy(update={"database_url": sqlite_url, "api_port": 0})
    store = Store(sqlite_url)
    ahead = datetime.now(UTC) + timedelta(hours=5)  # the asset's clock, which its worker goes by
    store.write([alert("a", 0).model_copy(update={"event_time": ahead}), alert("b", 0)], [])

    def act() -> None:
        with serving(own, KafkaPublisher(own)) as client:
            closed = client.post("/v1/alerts/a/close", json={"by": "jo", "reason": "scrapped"})
            assert (closed.status_code, closed.json()["state"]) == (200, "cleared")
            assert client.post("/v1/alerts/a/close", json={"by": "jo", "reason": "scrapped"}).json() == closed.json()
            client.post("/v1/alerts/b/comment", json={"by": "jo", "comment": "hot"})
            asyncio.run(consume(settings, ACTIONS, until=2))

    await asyncio.to_thread(act)
    [entry] = [Maintenance.model_validate_json(one.value) for one in await consume(settings, MAINTENANCE, until=1)]
    with store.reading() as reader:
        found = reader.alert("a")
    assert found is not None
    assert (entry.kind, entry.component, entry.event_id) == ("alert_closed", "wear", found.actions[0].action_id)
    assert (entry.asset_id, entry.asset_class, entry.event_time) == ("pump-1", "pump", ahead)
    store.close()
