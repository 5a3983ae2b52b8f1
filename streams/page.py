"""What the two pages share: how records become events, and decisions records.

records of several topics ─► decode, topic by topic ─► check keys ─► events in the order of the records
decision ─► JSON and CloudEvents headers ─► output record
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from schemas import InputEvent, Settings, topic_name
from streams.decode import decode
from streams.handler import ConsumerRecord, DeadLetter, Output
from streams.outbox import cloud_event_headers
from streams.producer import KEYS


def decode_topics(
    records: Sequence[ConsumerRecord], event_types: Mapping[str, type[InputEvent]], settings: Settings
) -> tuple[list[Any], list[DeadLetter]]:
    """Events of the records, none where a record is dead or removes its key, and the dead letters.

    Args:
        event_types: by the topic's name in the contract.
    """
    events: list[Any] = [None] * len(records)
    dead: list[DeadLetter] = []
    for topic, event_type in event_types.items():
        name = topic_name(settings, topic)
        places = [place for place, record in enumerate(records) if record.topic == name]
        decoded, letters = decode([records[place] for place in places], event_type, settings)
        dead += letters
        for place, event in zip(places, decoded, strict=True):
            if event is None:
                continue
            key = getattr(event, KEYS[topic])
            if records[place].key == key.encode():
                events[place] = event
            else:
                dead.append(DeadLetter(records[place], _wrong_key(records[place].key, KEYS[topic], key)))
    return events, dead


def _wrong_key(key: bytes | None, field: str, value: str) -> str:
    found = "none" if key is None else repr(key[:60].decode(errors="replace"))
    return (
        f"the record's key is {found} but {field} is {value!r}: "
        "keys choose the partition, and the state of one key must not be in two"
    )


def caused_by(record: ConsumerRecord, topic: str, event_id: str) -> dict[str, Any]:
    """The field `caused_by` of an output; `topic` is the name in the contract."""
    return {"topic": topic, "partition": record.partition, "offset": record.offset, "event_id": event_id}


def decision(topic: str, ce_type: str, ce_id: str, value: dict[str, Any], record: ConsumerRecord) -> Output:
    """The output record of what an input record led to: JSON, CloudEvents headers, the trace context passed on.

    Args:
        value: with `event_time` as datetime in UTC, as input events have it.
    """
    traceparent = dict(record.headers).get("traceparent") if record.headers else None
    headers = cloud_event_headers(ce_id, ce_type, "millrace", value["event_time"], traceparent)
    return Output(topic, record.key, orjson.dumps(value, option=orjson.OPT_UTC_Z), headers)
