"""Record batches as the outbox packs them, and what decisions of any kind may be made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiokafka.record.memory_records import MemoryRecords
from hypothesis import strategies as st

from models.stages import StageClock
from schemas import Settings
from streams.agent import Outbox

PARTITION = 11
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1e16, 1e-5, 5e-324, 120.0])
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20) | st.sampled_from(
    ['"', "\\", 'a"\\b', "é", "\U0001f600", "\u2028", "x" * 200]
)
TIMES = st.datetimes(datetime(1980, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))
TRACES = st.sampled_from(
    [[], [], [("traceparent", b"00-abc-def-01")], [("x", None), ("traceparent", None)], [("traceparent", b"")]]
) | st.just([("traceparent", b"1"), ("other", b"\xff"), ("traceparent", b"2" * 300)])


async def packed(outputs: Any, topic: str, most: int) -> list[tuple[bytes, int, int]]:
    """Bytes of the batches but for their times, how many records they have, and what the outbox notes of their size."""
    outbox = Outbox(Settings(kafka="127.0.0.1:1"), "agent", StageClock())
    outbox.prepare()
    outbox._batch[topic] = most
    batches = outbox.pack(outputs, [], PARTITION)[topic, PARTITION]
    await outbox.stop()
    found = []
    for batch, size in batches:
        batch._set_producer_state(1234567, 8, 90)
        raw = bytes(batch._build())
        whole = MemoryRecords(raw).next_batch()
        assert whole.validate_crc()
        assert (batch.record_count(), batch.size(), batch.closed()) == (len(list(whole)), len(raw), True)
        assert abs(whole.first_timestamp / 1000 - datetime.now(UTC).timestamp()) < 3600
        assert whole.first_timestamp == whole.max_timestamp
        found.append((raw[:17] + raw[21:27] + raw[43:], len(raw), size))  # but CRC and times
    return found
