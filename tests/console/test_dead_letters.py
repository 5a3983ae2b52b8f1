"""Dead letters on the console: by reason, and put back from the page on a real Kafka, told with who it was."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import orjson
import pytest
from aiokafka import ConsumerRecord
from playwright.sync_api import Page, expect

from api import make_key
from console import install
from millrace.events import KafkaPublisher
from schemas import CLICKS, PUT_BACK, Settings, dead_letters_of
from storage import Quarantined, Store
from streams.agent import DeadLetter
from streams.agent.deadletters import dead_letter_output
from streams.kafka import EventProducer
from tests.api.conftest import serving
from tests.storage.test_kept import letter
from tests.support import consume, create_topics

REASONS = ["value 7 is odd", "value 8 is odd", "is missing - at user_id"]


def words_of(page: str) -> str:
    """The text of a page, a space between cells."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_reasons_are_told_with_an_example(console: httpx2.Client, store: Store) -> None:
    store.write([letter(n)._replace(reason=REASONS[n % 3], value=b"<b>%d" % n) for n in range(20, 29)], [])
    page = console.get("/streams/dead-letters")
    words = words_of(page.text)
    assert "value 8 is odd 6 6" in words
    assert "is missing - at user_id 3 3" in words
    assert "&lt;b&gt;27" in page.text, "the newest as an example"
    assert 'name="reason" value="is missing - at user_id"' in page.text
    note = orjson.dumps({"by": "jo", "what": "some", "count": 2, "offsets": [[20, 27]], "until": None})
    store.write([letter(90, value=note)._replace(exception=PUT_BACK)], [])
    words = words_of(console.get("/streams/dead-letters?topic=clicks.v1").text)
    assert "value 8 is odd 6 1" in words
    assert "jo clicks.v1 2 some" in words
    assert "Put this one back" not in console.get("/streams/dead-letters/clicks.v1/0/20").text
    assert "Put this one back" in console.get("/streams/dead-letters/clicks.v1/0/28").text


async def quarantined(settings: Settings, store: Store) -> None:
    """Three letters on Kafka and, as a sink keeps them, in the database."""
    await create_topics(settings, CLICKS, dead_letters_of(CLICKS))
    async with EventProducer(settings) as producer:
        for number, reason in enumerate(REASONS):
            record = ConsumerRecord(CLICKS, 0, number, 0, 0, b"k", b"%d" % number, None, 0, 0, ())
            sent = dead_letter_output(DeadLetter(record, reason), CLICKS)
            at = await (await producer.push_bytes(sent.topic, sent.key, sent.value, sent.headers))
            row = (CLICKS, at.partition, at.offset, datetime.now(UTC), 0, number, "E", reason, b"k", b"%d" % number, 1)
            store.write([Quarantined(*row)], [])


@pytest.mark.parametrize("scope", ["read", "operate"])
async def test_only_who_may_operate_puts_back(
    settings: Settings, sqlite_url: str, store: Store, tmp_path: Path, scope: str
) -> None:
    keys = tmp_path / "keys"
    key = make_key(keys, f"a-{scope}", scope)  # type: ignore[arg-type]
    own = settings.model_copy(
        update={"home": tmp_path, "database_url": sqlite_url, "api_port": 0, "api_keys_file": keys}
    )
    await quarantined(settings, store)
    with serving(own, KafkaPublisher(own), install) as client:
        origin = {"Origin": str(client.base_url).rstrip("/")}
        client.post("/sign-in", data={"key": key}, headers=origin)
        form = {"topic": CLICKS, "reason": "value 99 is odd", "by": "somebody else"}
        assert client.post("/streams/replay", data=form, headers={"Origin": "http://evil.example"}).status_code != 200
        sent = [client.post("/streams/replay", data=form, headers=origin) for _ in range(2)]
        page = client.get("/streams/dead-letters").text
        if scope == "read":
            assert {answer.status_code for answer in sent} == {403}
            assert "/streams/replay" not in page
            return
        assert [answer.headers["location"].rpartition("replayed=")[2] for answer in sent] == ["2", "0"]
        assert page.count("Put back 1") == 1, "the one that is missing"
    assert sorted([r.value or b"" for r in await consume(own, CLICKS, until=2)]) == [b"0", b"1"]
    notes = [r for r in await consume(own, dead_letters_of(CLICKS), until=4) if b'"by"' in (r.value or b"")]
    assert [orjson.loads(note.value or b"")["by"] for note in notes] == ["a-operate"], "the key's name, not the form's"


def test_putting_back_asks_who_it_is_and_says_what_came_of_it(page: Page) -> None:
    page.goto("/streams/dead-letters?topic=clicks.v1")
    page.get_by_label("Your name").first.fill("jo")
    page.get_by_role("button", name="Put back 1").click()
    expect(page.get_by_text("This API server was started without a broker")).to_be_visible()
    page.goto("/streams/dead-letters?topic=clicks.v1")
    expect(page.get_by_label("Your name").first).to_have_value("jo")
