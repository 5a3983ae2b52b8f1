"""Bad bytes become dead letters that say where they are wrong; everything else becomes events."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from schemas import FORGET_HEADER, Click, Item, Maintenance, Settings, Telemetry
from streams.agent.decode import decode_records, forgets_user
from streams.metrics import UNKNOWN_FIELDS

SETTINGS = Settings(topic_prefix="pre.", max_event_bytes=2000)
NOW_MS = 1_790_000_000_000


def record(value: bytes | None, topic: str = "telemetry.v1", offset: int = 0) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(f"pre.{topic}", 0, offset, NOW_MS, 0, b"key", value, None, 3, 0, ())


def reading(**changes: Any) -> bytes:
    event = {"event_id": "e", "event_time": NOW_MS, "asset_id": "a", "asset_class": "c", "readings": {"s3": 1.5}}
    return orjson.dumps(event | changes)


def reason_of(value: bytes | None) -> str:
    events, dead = decode_records([record(value)], Telemetry, SETTINGS)
    assert events == [None]
    (letter,) = dead
    assert letter.record.value == value
    return letter.reason


def test_events_keep_their_places_among_dead_letters() -> None:
    records = [record(reading(), offset=0), record(b"{", offset=1), record(reading(asset_id="b"), offset=2)]
    events, dead = decode_records(records, Telemetry, SETTINGS)
    assert [event and event.asset_id for event in events] == ["a", None, "b"]
    assert [letter.record.offset for letter in dead] == [1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "the value is no JSON: EOF"),
        (b"\xff\xfe", "the value is UTF-16: send UTF-8"),
        (b"[1]", "the value is a list: send each event as a record of its own"),
        (reading().replace(b"1.5", b"nothing"), "the value is no JSON: expected"),
        (reading(readings={}), "must not be empty - at readings"),
        (reading(event_time="2026-01-01T00:00:00"), "has no timezone: RFC 3339 with a zone"),
        (reading(event_time=1_700_000_000), "epoch milliseconds (not seconds) - at event_time"),
        (
            reading(event_time=NOW_MS + 301_000),
            "301 s ahead of the clock, more than MILLRACE_MAX_FUTURE_TELEMETRY_S = 300",
        ),
        (reading(event_time="9999-12-31T23:59:59-23:59"), "is after 2200-01-01: send RFC 3339 with a zone"),
        (reading(event_time="0001-01-01T00:00:00+23:59"), "is before 1980-01-01"),
        (reading(event_time=NOW_MS * 1000), "at event_time"),
        (reading(event_time="1" + "0" * 300), "at event_time"),
        (reading(event_time="2026-06-30T23:59:60Z"), "at event_time"),
        (reading(event_time=-1), "is before 1980-01-01"),
        (reading(filler="." * 2000), "bytes, more than MILLRACE_MAX_EVENT_BYTES = 2,000"),
        (reading(more=None).replace(b"null", b"[" * 500 + b"]" * 500), "recursion limit exceeded"),
        (b"{}", "is missing - at event_time; is missing - at asset_id; is missing - at asset_class; and 1"),
        (None, "no value"),
    ],
)
def test_the_reason_says_what_is_wrong_and_where(value: bytes | None, reason: str) -> None:
    assert reason in reason_of(value)
    assert len(reason_of(value)) < 500


@pytest.mark.parametrize("timestamp", [0, -1, NOW_MS // 1000, NOW_MS * 1000, None])
def test_a_record_time_that_is_none_is_not_held_against_the_event(timestamp: int | None) -> None:
    odd = record(reading(event_time="2026-01-01T00:00:00Z"))
    odd.timestamp = timestamp  # type: ignore[assignment]
    assert decode_records([odd], Telemetry, SETTINGS)[1] == []
    odd = record(reading(event_time="2190-01-01T00:00:00Z"))
    odd.timestamp = timestamp  # type: ignore[assignment]
    assert "ahead of the clock" in decode_records([odd], Telemetry, SETTINGS)[1][0].reason


def test_plans_may_lie_weeks_ahead() -> None:
    plan = {"event_id": "e", "asset_id": "a", "asset_class": "c", "kind": "window_start"}
    for days, dead in ((80, 0), (100, 1)):
        value = orjson.dumps(plan | {"event_time": NOW_MS + days * 86_400_000})
        assert len(decode_records([record(value, "maintenance.v1")], Maintenance, SETTINGS)[1]) == dead


EVENTS = {
    "clicks": (Click, {"event_id": "e", "user_id": "u", "item_id": "i"}),
    "items": (Item, {"item_id": "i", "title": "t", "category": "c"}),
    "telemetry": (Telemetry, {"event_id": "e", "asset_id": "a", "asset_class": "c", "readings": {"s3": 1.5}}),
    "maintenance": (Maintenance, {"event_id": "e", "asset_id": "a", "asset_class": "c", "kind": "failure"}),
}


@pytest.mark.parametrize("topic", EVENTS)
def test_each_topic_has_a_limit_of_its_own(topic: str) -> None:
    kind, event = EVENTS[topic]
    settings = SETTINGS.model_copy(update={f"max_future_{topic}_s": 50.0})
    for ahead_s, reasons in ((49, []), (51, [f"more than MILLRACE_MAX_FUTURE_{topic.upper()}_S = 50"])):
        value = orjson.dumps(event | {"event_time": NOW_MS + ahead_s * 1000})
        dead = decode_records([record(value, f"{topic}.v1")], kind, settings)[1]
        assert [reason in letter.reason for reason, letter in zip(reasons, dead, strict=True)] == [True] * len(reasons)


@given(st.one_of(st.integers(), st.floats(), st.datetimes(timezones=st.timezones()).map(str), st.text()))
def test_no_time_whatever_raises(time: Any) -> None:
    for value in (json.dumps(time), json.dumps(str(time))):
        found = reading(event_time=0).replace(b'"event_time":0', b'"event_time":' + value.encode())
        events, dead = decode_records([record(found)], Telemetry, SETTINGS)
        assert (events == [None]) == (len(dead) == 1)


def test_a_long_path_does_not_make_a_long_reason() -> None:
    assert len(reason_of(reading(event_time={"s" * 1000: 1.0}))) < 500


def test_a_null_value_removes_an_item_and_is_dead_among_clicks() -> None:
    assert decode_records([record(None, "items.v1")], Item, SETTINGS) == ([None], [])
    assert len(decode_records([record(None, "clicks.v1")], Click, SETTINGS)[1]) == 1


@pytest.mark.parametrize(("topic", "kind"), [("clicks.v1", Click), ("items.v1", Item)])
def test_a_key_that_is_no_text_removes_nothing(topic: str, kind: Any) -> None:
    odd = record(None, topic)
    odd.key, odd.headers = b"\xff", [(FORGET_HEADER, None)]  # type: ignore[assignment]
    (letter,) = decode_records([odd], kind, SETTINGS)[1]
    assert "the key is not UTF-8" in letter.reason
    assert not forgets_user(odd, SETTINGS)
    odd.key = b"ann"
    assert decode_records([odd], kind, SETTINGS) == ([None], [])


def test_unknown_fields_are_counted_and_tolerated() -> None:
    counter = UNKNOWN_FIELDS.labels("pre.telemetry.v1")
    before = counter._value.get()
    events, dead = decode_records([record(reading(colour="red", weight=2))], Telemetry, SETTINGS)
    assert events[0] is not None
    assert dead == []
    assert counter._value.get() == before + 2


def test_a_clock_can_be_given() -> None:
    late = [record(reading(event_time=NOW_MS + 90_000_000))]
    assert decode_records(late, Telemetry, SETTINGS, now=NOW_MS / 1000 + 90_000)[1] == []
    assert len(decode_records(late, Telemetry, SETTINGS, now=NOW_MS / 1000)[1]) == 1
