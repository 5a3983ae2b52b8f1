"""What was pushed comes into the database beside the decisions, thinned before it is decoded; nothing waits for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from schemas import ASSETS, CLICKS, ITEMS, MAINTENANCE, TELEMETRY, Settings, dead_letters_of, rfc3339
from storage import Store
from streams.agent import HEADER
from streams.sink.decoding import Decoding
from streams.sink.thinning import Thinning
from tests.streams.sink.test_sink import Sinks
from tests.support.databases import database_url, migrated_sqlite, postgres, postgres_url, sqlite_url, store
from tests.support.kafka import create_topics, produce

__all__ = ["database_url", "migrated_sqlite", "postgres", "postgres_url", "sqlite_url", "store"]
NOW = datetime.now(UTC).replace(microsecond=0)


def record(
    topic: str, offset: int, key: bytes | None, value: Any, timestamp: int | None = None, headers: Any = ()
) -> Any:
    body = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
    at_ms = int(NOW.timestamp() * 1000) if timestamp is None else timestamp
    return ConsumerRecord(topic, 0, offset, at_ms, 0, key, body, None, 0, 0, headers)


def reading(seconds: float, asset: str = "p", of_class: str = "pump", value: float = 1.0) -> dict[str, Any]:
    time_ = rfc3339(NOW + timedelta(seconds=seconds))
    return {
        "event_id": f"{seconds}",
        "event_time": time_,
        "asset_id": asset,
        "asset_class": of_class,
        "readings": {"a": value},
    }


def test_the_first_of_each_slot_goes_on_and_its_parts() -> None:
    thinning = Thinning(10)
    base = int(NOW.timestamp()) // 10 * 10 - int(NOW.timestamp())
    seconds = [base + s for s in (0, 0, 1, 9.9, 10, 10, 15, 3, 20)]
    records = [record(TELEMETRY, n, b"p", reading(s)) for n, s in enumerate(seconds)]
    kept, new = thinning.choose(records)
    assert [r.offset for r in kept] == [0, 1, 4, 5, 7, 8]
    again, _ = thinning.choose(records)
    assert [r.offset for r in again] == [0, 1, 4, 5, 7, 8], "what is not written comes again"
    thinning.remember(new)
    assert [r.offset for r in thinning.choose(records[-1:])[0]] == [8], "a part of the last one"
    assert thinning.choose([record(TELEMETRY, 9, b"p", reading(base + 21))])[0] == []


@pytest.mark.parametrize(
    "value",
    [b"", None, b"{", b'{"event_time": "x"}', b'{"event_time": "9999-99-99"}', b'{"event_time": 1}', b"\xff" * 50,
     b'{"event_time":"0001-01-01T00:00:00+23:59"}'],
)  # fmt: skip
def test_no_bytes_end_the_thinning(value: bytes | None) -> None:
    kept, _ = Thinning(10).choose([record(TELEMETRY, n, key, value) for n, key in enumerate((b"p", b"q", None))])
    assert len(kept) == 3


def test_assets_of_one_id_in_two_classes_are_two() -> None:
    records = [record(TELEMETRY, n, b"1", reading(0, "1", of_class)) for n, of_class in enumerate(["pump", "fan"])]
    assert len(Thinning(10).choose(records)[0]) == 2


def test_thinning_costs_microseconds() -> None:
    """A topic carries 30,000 a second; measured 1.5 us a record. Never compared with a clock: only told."""
    records = [record(TELEMETRY, n, b"p%d" % (n % 50), reading(n / 1000)) for n in range(20_000)]
    started = time.perf_counter()
    kept, _ = Thinning(10).choose(records)
    print(f"{(time.perf_counter() - started) / len(records) * 1e6:.2f} us a record, {len(kept)} kept")
    assert len(kept) <= 50 * 4


def test_what_an_input_cannot_be_used_for_is_left_to_the_edge() -> None:
    decoding = Decoding(Settings())
    click = {"event_id": "c", "event_time": rfc3339(NOW), "user_id": "ann", "item_id": "i"}
    decoded, bad = decoding.decode(
        TopicPartition(CLICKS, 0),
        [record(CLICKS, 0, b"ann", click), record(CLICKS, 1, b"bob", click), record(CLICKS, 2, None, b"{")],
    )
    assert [found.offset for found, _ in decoded] == [0]
    assert bad == []
    items, _ = decoding.decode(TopicPartition(ITEMS, 0), [record(ITEMS, 0, b"i", None), record(ITEMS, 1, None, None)])
    assert [one.key for _, one in items if one] == ["i"]  # type: ignore[union-attr]
    letters, _ = decoding.decode(
        TopicPartition(dead_letters_of(CLICKS), 0),
        [
            record("x", 0, b"\xff", b"bad", headers=[(HEADER + "message", b"why"), (HEADER + "offset", b"7")]),
            record("x", 1, None, None, -1, [(HEADER + "offset", b"many"), (HEADER + "truncated", b"900")]),
        ],
    )
    assert [(one.reason, one.source_offset, one.size) for _, one in letters if one] == [  # type: ignore[union-attr]
        ("why", 7, 3), ("", -1, 900),
    ]  # fmt: skip


@pytest.fixture
def sinks(settings: Settings, sqlite_url: str) -> Iterator[Sinks]:
    sinks = Sinks(settings, sqlite_url)
    yield sinks
    sinks.end()


async def push_one_of_each(settings: Settings, click: dict[str, Any]) -> None:
    """And 3,000 readings of one asset."""
    await produce(settings, CLICKS, [("ann", click)])
    await produce(settings, ITEMS, [("i1", {"item_id": "i1", "event_time": rfc3339(NOW), "title": "Shoe"})])
    await produce(settings, TELEMETRY, [("p", reading(-n / 100, value=n)) for n in range(3000)])
    entry = {"event_id": "m", "event_time": rfc3339(NOW), "asset_id": "p", "asset_class": "pump", "kind": "failure"}
    await produce(settings, MAINTENANCE, [("p", entry)])
    await produce(settings, dead_letters_of(CLICKS), [("ann", b"bad")])


@pytest.mark.kafka
async def test_a_home_of_the_version_before_gets_what_was_pushed(
    settings: Settings, sqlite_url: str, sinks: Sinks
) -> None:
    """The topics have events already when the sink first looks at them; then it is killed, and more comes."""
    await create_topics(settings)
    click = {"event_time": rfc3339(NOW), "user_id": "ann", "item_id": "i1", "event_id": "c"}
    await push_one_of_each(settings, click)
    store = Store(sqlite_url)

    def counts() -> tuple[int, ...]:
        with store.reading() as reader:
            points = reader.reading_series(("pump", "p"), None, None, 2000, []).series
            return (
                len(reader.clicks("ann", 9)), len(reader.items_of(["i1"])), sum(len(s.points) for s in points),
                len(reader.log(("pump", "p"), None, None, None, 9)), len(reader.dead_letters("clicks.v1", None, 9)),
            )  # fmt: skip

    slots = len({int((NOW - timedelta(seconds=n / 100)).timestamp()) // 10 for n in range(3000)})
    sink = sinks.start()
    await sinks.until(lambda: counts() == (1, 1, slots, 1, 1), "what was there")
    sink.kill()
    sink.wait()
    await produce(settings, CLICKS, [("ann", click | {"event_id": "c2"})])
    await produce(settings, ITEMS, [("i1", {"item_id": "i1", "event_time": rfc3339(NOW), "available": False})])
    sinks.start()
    await sinks.until(lambda: counts() == (2, 1, slots, 1, 1), "what came later")
    await sinks.until(lambda: _is_hidden(store))
    await sinks.until(lambda: _tells_of_itself(store))
    store.close()


def _is_hidden(store: Store) -> bool:
    with store.reading() as reader:
        found = reader.items_of(["i1"])["i1"]
    return (found.title, found.available) == ("Shoe", False)


def _tells_of_itself(store: Store) -> bool:
    with store.reading() as reader:
        told = reader.workers(NOW - timedelta(minutes=1))
    agents = [set(status.figures.agents) for status in told if status.figures]
    return any({"sink", "history"} <= names for names in agents)


def place(asset_id: str, seconds: float, **fields: Any) -> dict[str, Any]:
    time_ = rfc3339(NOW + timedelta(seconds=seconds))
    return {"asset_id": asset_id, "event_time": time_, "asset_class": "pump", **fields}


@pytest.mark.kafka
async def test_where_assets_stand_is_read_by_the_sink_which_quarantines_what_is_bad(
    settings: Settings, database_url: str
) -> None:
    """Bad records of each kind between good ones, a sink that is killed, and none is read by an edge worker."""
    sinks, store = Sinks(settings, database_url), Store(database_url)
    await create_topics(settings)
    bad: list[tuple[str | bytes | None, Any]] = [
        ("p1", b"{"), ("p1", place("p1", 1, site=[])), ("p1", place("p2", 1)),
        ("p1", place("p1", 1, labels={"a b": "x"})), ("p1", place("p1", 9000)), (b"\xff", None),
    ]  # fmt: skip

    def known() -> tuple[dict[str, str | None], int]:
        with store.reading() as reader:
            found = reader.places_of([("pump", f"p{n}") for n in range(9)])
            letters = reader.dead_letters(ASSETS, None, 50)
        return {asset_id: where.site for (_, asset_id), where in found.items()}, len(letters)

    try:
        good = [("p0", place("p0", 0, site="north")), ("p3", place("p3", 0, site="n", line="", labels=None))]
        await produce(settings, ASSETS, [good[0], *bad[:3], good[1]])
        first = sinks.start()
        await sinks.until(lambda: known() == ({"p0": "north", "p3": "n"}, 3), "what was there")
        first.kill()
        first.wait()
        newer = [*bad[3:], ("p3", None), ("p0", place("p0", -5, site="old")), ("p4", place("p4", 0, site="south"))]
        await produce(settings, ASSETS, newer)
        sinks.start()
        await sinks.until(lambda: known() == ({"p0": "north", "p4": "south"}, 6), "what came later")
    finally:
        sinks.end()
        store.close()
