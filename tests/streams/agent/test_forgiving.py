"""What the world sends: used where nothing is lost by it, left out and counted, or a reason that names the cure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import CLICKS, INPUTS, ITEMS, KEY_FIELDS, MAINTENANCE, TELEMETRY, Click, Item, Settings
from schemas.forgiving import MENDERS
from streams.agent.decode import decode_topics
from streams.agent.placing import TAKEN_FROM
from streams.metrics import LEFT_OUT, begin_agent

SETTINGS = Settings(topic_prefix="p.")
AT_MS = 1_790_000_000_000
EVENTS: Mapping[str, dict[str, Any]] = {topic: dict(kind.EXAMPLE) for topic, kind in INPUTS.items()}
# words of the library that validates, which nobody who produces events has heard of
JARGON = re.compile(
    r"pydantic|validation error|Input should|Field required|String should|after validation|constrained", re.I
)


def record(topic: str, value: Any, key: Any = None, headers: Any = ()) -> Any:
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    if key is None and isinstance(value, dict):
        key = value.get(KEY_FIELDS[topic])
    key = key if isinstance(key, bytes) or key is None else str(key).encode()
    return SimpleNamespace(
        topic=f"p.{topic}", partition=2, offset=41, key=key, value=raw, headers=headers, timestamp=AT_MS
    )


def event_of(topic: str, key: Any = None, headers: Any = (), **changes: Any) -> Any:
    """The event of the example with these changes; `...` takes a field away."""
    value = {name: one for name, one in {**EVENTS[topic], **changes}.items() if one is not ...}
    (event,), dead = decode_topics([record(topic, value, key, headers)], [topic], SETTINGS)
    assert dead == [], dead[0].reason
    return event


def reason_of(topic: str, value: Any, key: Any = None) -> str:
    events, (letter,) = decode_topics([record(topic, value, key)], [topic], SETTINGS)
    assert events == [None]
    assert not JARGON.search(letter.reason), letter.reason
    return letter.reason


def left_out(topic: str, field: str) -> float:
    return float(LEFT_OUT.labels(f"p.{topic}", field)._value.get())


@pytest.mark.parametrize(
    ("topic", "field"),
    [(CLICKS, "user_id"), (CLICKS, "item_id"), (CLICKS, "session_id"), (CLICKS, "event_id"), (ITEMS, "item_id"),
     (ITEMS, "category"), (ITEMS, "title"), (TELEMETRY, "asset_id"), (MAINTENANCE, "asset_id"), (MAINTENANCE, "code")],
)  # fmt: skip
@pytest.mark.parametrize("number", [0, 7, -3, 2**53 + 1, 2**70])
def test_integers_are_taken_as_their_decimal_text(topic: str, field: str, number: int) -> None:
    text = orjson.dumps(EVENTS[topic] | {field: "NUMBER"}).replace(b'"NUMBER"', str(number).encode())
    key = number if field == KEY_FIELDS[topic] else EVENTS[topic][KEY_FIELDS[topic]]
    (event,), dead = decode_topics([record(topic, text, key)], [topic], SETTINGS)
    assert dead == []
    assert getattr(event, field) == str(number)


@pytest.mark.parametrize("topic", [CLICKS, TELEMETRY, MAINTENANCE])
@pytest.mark.parametrize("missing", [..., None, ""])
def test_an_event_without_an_id_is_known_by_its_place(topic: str, missing: Any) -> None:
    assert event_of(topic, event_id=missing).event_id == f"{topic}/2/41"
    brought = [(TAKEN_FROM, f"{topic}/0/9/0".encode())]  # the producer knows where it put the record
    assert event_of(topic, event_id=missing, headers=brought).event_id == f"{topic}/0/9"


def test_a_topic_made_anew_has_ids_of_its_own() -> None:
    (event,), _ = decode_topics(
        [record(CLICKS, EVENTS[CLICKS] | {"event_id": None})], [CLICKS], SETTINGS, {CLICKS: "c@2"}
    )
    assert event.event_id == "c@2/2/41"


@pytest.mark.parametrize(
    ("context", "used", "count"),
    [
        (None, {}, 0),
        ({"a": None, "b": 1}, {"b": 1.0}, 1),
        ({"a": "x" * 201, "b": "x" * 200}, {"b": "x" * 200}, 1),
        ({"a": {"deep": [1]}, "b": [1], "c": "y"}, {"c": "y"}, 2),
        ({"screen size": 3, "größe": 1, "": 2, "ok": True}, {"ok": 1.0}, 3),
        ({"a\n": 1, "x" * 101: 1, "b": 1}, {"b": 1.0}, 2),
        ({f"n{number}": number for number in range(40)}, {f"n{number}": float(number) for number in range(32)}, 8),
        ("phone", {}, 1),
        ([], {}, 1),
    ],
)
def test_a_click_counts_without_what_cannot_be_used_of_its_context(context: Any, used: Any, count: int) -> None:
    before = left_out(CLICKS, "context")
    assert event_of(CLICKS, context=context).context == used
    assert left_out(CLICKS, "context") == before + count


@pytest.mark.parametrize(
    ("action", "taken", "count"),
    [("cart", "cart", 0), ("Purchase", "purchase", 0), (" like ", "like", 0), ("dislike", "dislike", 0),
     ("remove", "remove", 0), ("share", "share", 0), ("add_to_wishlist", "view", 1), (None, "view", 0), ("", "view", 0),
     (3, "view", 1), ({"a": 1}, "view", 1)],
)  # fmt: skip
def test_actions(action: Any, taken: str, count: int) -> None:
    before = left_out(CLICKS, "action")
    assert event_of(CLICKS, action=action).action == taken
    assert left_out(CLICKS, "action") == before + count


@pytest.mark.parametrize("odd", ["x" * 201, "a\nb", {"a": 1}, [1], True])
@pytest.mark.parametrize("field", ["session_id", "recommendation_id"])
def test_an_id_that_is_not_needed_is_left_out(field: str, odd: Any) -> None:
    before = left_out(CLICKS, field)
    assert getattr(event_of(CLICKS, **{field: odd}), field) is None
    assert left_out(CLICKS, field) == before + 1
    assert getattr(event_of(CLICKS, **{field: ""}), field) is None


FORGIVEN = [(CLICKS, name) for name in MENDERS[Click]] + [(ITEMS, name) for name in MENDERS[Item]]
JSON = st.recursive(
    st.sampled_from(["null", "true", "1e999", "-0.0", '"\\ud83d"', '"\\u0000"', "9" * 310, "9" * 400, "9" * 5000,
                     "-" + "9" * 20, '"' + "x" * 2000 + '"', "NaN", "Infinity"])
    | st.integers().map(str) | st.text(max_size=5).map(json.dumps),
    lambda inner: st.lists(inner, max_size=3).map(lambda them: f"[{','.join(them)}]")
    | st.dictionaries(st.text(max_size=5).map(json.dumps), inner, max_size=3).map(
        lambda them: "{" + ",".join(f"{name}:{one}" for name, one in them.items()) + "}"
    ),
    max_leaves=6,
)  # fmt: skip


@given(st.sampled_from(FORGIVEN), JSON)
def test_no_json_value_of_a_forgiven_field_loses_the_event(which: tuple[str, str], value: str) -> None:
    topic, field = which
    raw = orjson.dumps(EVENTS[topic] | {field: "VALUE"}).replace(b'"VALUE"', value.encode())
    one = record(topic, raw, EVENTS[topic][KEY_FIELDS[topic]])
    (event,), dead = decode_topics([one], [topic], SETTINGS)
    assert dead == []
    orjson.dumps(getattr(event, field))  # and the databases take it


def test_what_is_left_out_for_its_size_is_counted_and_its_neighbours_stay() -> None:
    before = left_out(ITEMS, "attributes")
    raw = orjson.dumps(EVENTS[ITEMS] | {"attributes": {"far": "VALUE", "wide": 2**64 - 1, "brand": "Alto"}})
    one = record(ITEMS, raw.replace(b'"VALUE"', b"1" + b"0" * 20), EVENTS[ITEMS]["item_id"])
    (event,), _ = decode_topics([one], [ITEMS], SETTINGS)
    assert event.attributes == {"wide": 2**64 - 1, "brand": "Alto"}
    assert left_out(ITEMS, "attributes") == before + 1


def test_an_item_names_what_it_says() -> None:
    assert event_of(ITEMS, available=None, title=..., attributes=None, category=None).model_fields_set == {
        "item_id", "event_time", "published_at", "category",
    }  # fmt: skip
    found = event_of(ITEMS, title="x" * 1001, attributes={"brand": "Alto", "screen size": 5, "deep": {"a": [1]}})
    assert "title" not in found.model_fields_set
    assert found.attributes == {"brand": "Alto", "deep": {"a": [1]}}
    assert "available" in reason_of(
        ITEMS, EVENTS[ITEMS] | {"available": "sold out"}
    )  # to guess would sell what is gone


@pytest.mark.parametrize("name", ["Motor Temp °C", "P1/Druck [bar]", "温度", 'a"b', "x" * 100, "50 %", "a.b-c"])
def test_codes_may_hold_any_printable_characters(name: str) -> None:
    assert event_of(MAINTENANCE, kind="error", code=name).code == name
    assert event_of(MAINTENANCE, component=name).component == name
    assert "control characters" in reason_of(MAINTENANCE, EVENTS[MAINTENANCE] | {"code": "a\tb"})


CHANGE = {"before": None, "after": EVENTS[CLICKS], "source": {}, "op": "c", "ts_ms": 1}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"schema": {"type": "struct"}, "payload": EVENTS[CLICKS]}, "value.converter.schemas.enable=false"),
        (CHANGE, "io.debezium.transforms.ExtractNewRecordState"),
        ({"schema": {}, "payload": CHANGE}, "io.debezium.transforms.ExtractNewRecordState"),
        (b"\x00\x00\x00\x00\x07" + orjson.dumps(EVENTS[CLICKS]), "Schema Registry"),
        (b"\x00\x00\x00\x00\x07\x06ann", "value.converter=org.apache.kafka.connect.json.JsonConverter"),
        (orjson.dumps(orjson.dumps(EVENTS[CLICKS]).decode()), "serialized twice"),
        ([EVENTS[CLICKS]], "record of its own"),
        (b"\x1f\x8b\x08" + b"x" * 20, "compression.type"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"{'user_id': 'ann'}", "no JSON"),
        (b"user_id=ann", "no JSON"),
        ({"specversion": "1.0", "type": "t", "source": "s", "data": EVENTS[CLICKS]}, "CloudEvent"),
    ],
)
def test_what_other_tools_write_is_named_with_the_setting_that_avoids_it(value: Any, says: str) -> None:
    assert says in reason_of(CLICKS, value, b"ann")


@pytest.mark.parametrize(
    ("key", "user", "says"),
    [
        (b'"ann"', "ann", "key.converter=org.apache.kafka.connect.storage.StringConverter"),
        (b'{"user_id":"ann"}', "ann", "ExtractField$Key"),
        (b"\x00\x00\x00\x00\x01ann", "ann", "Schema Registry"),
        ((7).to_bytes(8, "big"), 7, "StringSerializer"),
        ((7).to_bytes(4, "big"), "7", "StringSerializer"),
        (b"bob", "ann", "'bob' but user_id is 'ann'"),
        (None, "ann", "key is none"),
    ],
)
def test_a_key_that_is_not_the_id_is_named(key: Any, user: Any, says: str) -> None:
    one = record(CLICKS, EVENTS[CLICKS] | {"user_id": user}, key)
    one.key = key
    (letter,) = decode_topics([one], [CLICKS], SETTINGS)[1]
    assert says in letter.reason


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(INPUTS)), st.data())
def test_whatever_a_field_holds_the_event_counts_or_the_reason_is_plain(topic: str, data: st.DataObject) -> None:
    names = sorted(INPUTS[topic].model_fields)
    changes = data.draw(st.dictionaries(st.sampled_from(names) | st.text(max_size=8), VALUES, max_size=4))
    try:
        value = orjson.dumps({**EVENTS[topic], **changes})
    except (TypeError, orjson.JSONEncodeError):
        return
    events, dead = decode_topics([record(topic, value, EVENTS[topic][KEY_FIELDS[topic]])], [topic], SETTINGS)
    assert (events == [None]) == (len(dead) == 1)
    for letter in dead:
        assert not JARGON.search(letter.reason.split(" - at ")[0]), letter.reason
        assert len(letter.reason) < 1500
    needed = {"event_time", "kind", "readings", "available", "published_at", *[n for n in names if n.endswith("_id")],
              "asset_class", "component", "code", "context", "attributes", "site", "line", "labels",
              "commissioned_at"}  # fmt: skip
    if not needed & changes.keys():
        assert dead == []


def test_what_may_be_left_out_is_counted_from_0_on() -> None:
    """Or the first burst would be seen by no alert: a series that begins with 5 has not increased."""
    begin_agent("anybody", list(INPUTS), [], "begun.")
    found = {
        (sample.labels["topic"], sample.labels["field"]): sample.value
        for family in LEFT_OUT.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["topic"].startswith("begun.")
    }
    assert set(found.values()) == {0.0}
    assert {("begun.clicks.v1", "action"), ("begun.clicks.v1", "context"), ("begun.items.v1", "title")} <= set(found)
