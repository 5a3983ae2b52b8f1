"""What others wrote on the topics of our outputs does not keep a partition closed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from aiokafka import ConsumerRecord

from streams.agent.recall import Sent

OURS = orjson.dumps({"caused_by": {"topic": "clicks.v1", "offset": 6}})


def record(value: bytes | None, headers: Any, topic: str = "recommendations.v1") -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(topic, 0, 0, 0, 0, b"key", value, None, 3, 0, headers)


@pytest.mark.parametrize(
    "odd",
    [
        record(b"text", [("ce_id", None)]),
        record(b"[1]", [("ce_id", b"\xff")]),
        record(b'{"caused_by": 7}', []),
        record(b'{"caused_by": {"topic": "clicks.v1", "offset": "6"}}', [("ce_id", b"a")]),
        record(b"x", [], "clicks.v1.dlq"),
        record(b"x", [("__streams.errors.topic", None), ("__streams.errors.offset", None)], "clicks.v1.dlq"),
    ],
)
def test_what_is_not_ours_is_passed_over(odd: ConsumerRecord[bytes, bytes]) -> None:
    sent = Sent("clicks.v1")
    dead = record(None, [("__streams.errors.topic", b"clicks.v1"), ("__streams.errors.offset", b"9")], "clicks.v1.dlq")
    sent.take([odd, record(OURS, [("ce_id", b"ours"), ("other", None)]), dead])
    assert {"ours", "dead/clicks.v1/9"} <= sent.ids.keys()
    assert sent.decided_until == 7
