"""Readings that are read natively are what pydantic reads, to the bit, whatever bytes come; it reads the others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
import pytest
from aiokafka import ConsumerRecord
from hypothesis import assume, given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from models.maintenance import Ahead, Encoder, EventBatch
from schemas import MAINTENANCE, TELEMETRY, Settings, Telemetry, parse_asset_class
from streams.agent import EPOCH, MICROSECOND, DeadLetter, decode_topics, given_id, record_times_s
from streams.asset_events import Arrived, AssetReader
from streams.metrics import BESIDE
from tests.streams.reading_corners import CHANGED, GOOD
from tests.support.fleets import PRESS, PUMP

SETTINGS = Settings(topic_prefix="pre.", max_event_bytes=3000)
NOW_MS = 1_790_000_000_000
ODD = PUMP.replace('"pump"', '"odd-1"').replace('"shake"', '"Temp \\"A\\" [°C]"').replace('"room"', '"x\\\\y"')
CLASSES = {one.name: one for one in map(parse_asset_class, (PUMP, PRESS, ODD))}
ORIGINS = {TELEMETRY: "telemetry.v1@2"}


def reader() -> AssetReader:
    return AssetReader(SETTINGS, {name: Encoder(one) for name, one in CLASSES.items()})


def record(value: bytes | None, key: bytes | None = b"a", offset: int = 0, topic: str = TELEMETRY) -> Any:
    return ConsumerRecord(f"pre.{topic}", 3, offset, NOW_MS + offset, 0, key, value, None, 1, 0, ())


def by_pydantic(records: Sequence[Any]) -> tuple[dict[str, tuple[list[Any], list[Any], EventBatch]], list[Any], Any]:
    """Records, events and columns of each class; dead letters; events of other classes by class."""
    events, dead = decode_topics(records, (TELEMETRY, MAINTENANCE), SETTINGS, ORIGINS)
    for letter in dead:  # what is refused for its time alone tells the watch of a wrong clock
        record, event = letter.record, letter.event
        if isinstance(event, Telemetry) and event.asset_class in CLASSES and record.key == event.asset_id.encode():
            named = {"event_id": event.event_id or given_id(record, SETTINGS, ORIGINS)}
            events[records.index(record)] = Ahead.model_construct(**dict(event) | named)
    found: dict[str, Any] = {}
    for name, asset_class in CLASSES.items():
        pairs = [(r, e) for r, e in zip(records, events, strict=True) if e is not None and e.asset_class == name]
        if not pairs:
            continue
        encode = Encoder(asset_class)
        of = [one for one, _ in pairs]
        batch = encode([event for _, event in pairs], record_times_s(of))
        unusable = encode.beside.unusable
        for what, count in (("unknown", encode.beside.unknown), ("not_a_number", encode.beside.not_numbers)):
            BESIDE.labels(name, what).inc(count)
        dead += [DeadLetter(of[place], f"no reading can be used: {why}") for place, why in unusable.items()]
        kept = [place for place in range(len(pairs)) if place not in unusable]
        columns = EventBatch(*(column[kept] for column in batch))
        found[name] = [of[place] for place in kept], [pairs[place][1] for place in kept], columns
    others = [(r, e) for r, e in zip(records, events, strict=True) if e is not None and e.asset_class not in CLASSES]
    return found, dead, others


def counts(of: Callable[[], Any]) -> tuple[Any, Counter[Any]]:
    """What is returned, and by how much it moved the counters of what events had beside what is used."""

    def now() -> Counter[Any]:
        names = ("millrace_unknown_fields", "millrace_left_out", "millrace_readings_beside")
        families = [family for family in REGISTRY.collect() if family.name.startswith(names)]
        samples = [one for family in families for one in family.samples if one.name.endswith("_total")]
        return Counter({(one.name, *sorted(one.labels.items())): int(one.value) for one in samples})

    before = now()
    found = of()
    return found, now() - before  # of those that moved


def check_equal(records: Sequence[Any]) -> Arrived:
    """Both ways; and what the native one returned."""
    (expected, dead, others), told = counts(lambda: by_pydantic(records))
    arrived, told_natively = counts(lambda: reader()(records, ORIGINS))
    assert told_natively == told
    assert arrived.dead == dead
    assert sorted(pair[0].offset for pairs in arrived.others.values() for pair in pairs) == [
        r.offset for r, _ in others
    ]
    assert arrived.events.keys() == expected.keys()
    for name, events in arrived.events.items():
        of, made, columns = expected[name]
        assert list(events.records) == of
        for field, mine, theirs in zip(EventBatch._fields, events.batch, columns, strict=True):
            assert (mine.dtype, mine.shape, mine.flags.c_contiguous) == (theirs.dtype, theirs.shape, True), field
            assert mine.tobytes() == theirs.tobytes(), field
        assert events.ids == [event.event_id.encode() for event in made]
        assert events.time_us.tolist() == [(event.event_time - EPOCH) // MICROSECOND for event in made]
        for place, event in enumerate(made):
            assert repr(events.event(place)) == repr(event)  # NaN, which pydantic takes too, is not equal to itself
            assert events.time(place) == event.event_time
            assert events.topic(place) == (TELEMETRY if isinstance(event, Telemetry) else MAINTENANCE)
    return arrived


# Texts of JSON values, canonical and not: what they mean is for pydantic to say
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e6, 1e6).map(lambda number: repr(round(number, 4))),
    st.integers(-(2**70), 2**70).map(str),
    st.from_regex(r"-?(0|[1-9]\d{0,24})(\.\d{1,24})?([eE][+-]?\d{1,4})?", fullmatch=True),
    st.sampled_from(["-0", "-0.0", "0e0", "-0e-5", "9007199254740993", "1e22", "1e23", "123456789012345678e-19"]),
)
WRONG = st.sampled_from(
    [
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "-Infinity",
        "nul",
        "tru",
        '"',
        "'a'",
        "",
        "1 2",
    ]
)
OTHERS = st.sampled_from(
    ["null", "true", "false", '"1.5"', '"x"', '""', "[]", "{}", "[1,[2]]", '{"a":{"b":1}}', '"\\u00e9\\n"', '"é"']
)
VALUES = NUMBERS | OTHERS | WRONG
SENSORS = ['"heat"', '"shake"', '"flow"', '"room"', '"serial"', '"speed"', '"force"', '"error"', '"age"', '"extra"']
SPELLED = [  # names that need an escape, or have one
    '"Temp \\"A\\" [°C]"',
    '"Temp \\"A\\" [\\u00b0C]"',
    '"Temp \\"A\\" [\\u00B0C]"',
    '"x\\\\y"',
    '"h\\u0065at"',
    '""',
]
READINGS = st.lists(st.tuples(st.sampled_from([*SENSORS, *SPELLED]), NUMBERS | NUMBERS | VALUES), max_size=9)
TIMES = st.one_of(
    st.sampled_from([str(NOW_MS + 400_000), "315532800000", "7258118399999", "7258118400000"]),
    st.builds(
        '"{}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}"'.format,
        st.integers(1970, 2210), st.integers(0, 13), st.integers(0, 32), st.sampled_from("TTTTTt _"),
        st.integers(0, 25), st.integers(0, 60), st.integers(0, 60), st.from_regex(r"(\.\d{0,9})?", fullmatch=True),
        st.sampled_from(["Z", "Z", "Z", "z", "", "+00:00", "-23:59", "+05:30", "+24:00", "+0530", "+05"]),
    ),
    st.integers(-1, 8 * 10**12).map(str),
    VALUES,
)  # fmt: skip
IDS = st.sampled_from(
    [
        '"a"',
        '"a"',
        '"a"',
        '"é\u2028"',
        '"a b"',
        "17",
        "-17",
        "-0",
        "007",
        "1.5",
        '""',
        "null",
        '"a\\"b"',
        '"\x7f"',
        '"\x01"',
    ]
) | st.integers(0, 230).map(lambda length: f'"{"é" * length}"')
EXTRAS = st.lists(st.tuples(st.sampled_from(['"site"', '"unit"', '"x"', '"EXAMPLE"', '"\\u0061"']), VALUES), max_size=3)


GOOD_NUMBERS = st.floats(-1e9, 1e9).map(repr) | st.integers(-(10**6), 10**6).map(str) | st.just("null")
GOOD_READINGS = st.dictionaries(st.sampled_from(SENSORS), GOOD_NUMBERS, min_size=1).map(lambda found: [*found.items()])
GOOD_TIMES = st.sampled_from(
    ['"2026-09-21T12:00:00Z"', '"2026-09-21T14:00:00.25+02:00"', '"2000-02-29T23:59:59.123456-12:34"', str(NOW_MS)]
)
PARTS = ("event_id", "event_time", "asset_id", "asset_class", "readings", "blank", "fields", "order", "key")


@st.composite
def values(draw: st.DrawFn) -> tuple[bytes, bytes | None]:
    """The bytes of a record and its key: a reading of which two parts at most may be odd."""
    odd = draw(st.sets(st.sampled_from(PARTS), max_size=2))

    def part(name: str, good: st.SearchStrategy[Any], any_other: st.SearchStrategy[Any]) -> Any:
        return draw(any_other if name in odd else good)

    blank = part("blank", st.sampled_from(["", " ", "\n\t "]), st.just("\xa0"))
    asset_id = part("asset_id", st.sampled_from(['"a"', '"é\u2028"', "17", "-17"]), IDS)
    classes = st.sampled_from(['"pump"', '"press"', '"odd-1"'])
    pairs = part("readings", GOOD_READINGS, READINGS)
    readings = f",{blank}".join(f"{name}{blank}:{blank}{value}" for name, value in pairs)
    fields = [
        ('"event_id"', part("event_id", st.sampled_from(['"e"', '"e-é"', "5"]), IDS)),
        ('"event_time"', part("event_time", GOOD_TIMES, TIMES)),
        ('"asset_id"', asset_id),
        ('"asset_class"', part("asset_class", classes, st.sampled_from(['"unknown"', '"a b"', "7"]))),
        ('"readings"', f"{{{blank}{readings}{blank}}}"),
        *part("fields", st.just([]), EXTRAS),
    ]
    fields = part("order", st.just(fields), st.permutations(fields))
    if "order" in odd:
        fields += draw(st.lists(st.sampled_from(fields), max_size=1))
    if "fields" in odd:
        fields = [one for one in fields if draw(st.integers(0, 7))]
    text = f",{blank}".join(f"{name}{blank}:{blank}{value}" for name, value in fields)
    plain = asset_id.strip('"').encode()
    return f"{blank}{{{text}}}{blank}".encode(), part("key", st.just(plain), st.sampled_from([plain, b"b", b"", None]))


@given(st.lists(values(), min_size=1, max_size=8))
def test_whatever_is_sent_both_ways_are_one(made: list[tuple[bytes, bytes | None]]) -> None:
    check_equal([record(value, key, offset) for offset, (value, key) in enumerate(made)])


@given(st.data())
def test_bytes_that_were_changed_on_the_way_are_read_as_pydantic_does(data: st.DataObject) -> None:
    records = []
    for offset in range(8):
        value = bytearray(GOOD)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(value) - 1))
            to = data.draw(st.integers(at, min(at + 9, len(value))))
            byte = data.draw(st.sampled_from(b'"\\{}[],:.-+eE0123 \n\x00\x7f\x80\xc3\xff') | st.integers(0, 255))
            value[at:to] = bytes([byte]) * data.draw(st.integers(0, 2))
            assume(value)
        records.append(record(bytes(value), offset=offset))
    check_equal(records)


@pytest.mark.parametrize("value", CHANGED)
def test_at_every_corner_both_ways_are_one(value: bytes) -> None:
    check_equal([record(value), record(GOOD, offset=1), record(value, b"b", 2)])


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        json.dumps(orjson.loads(GOOD), indent=2).encode(),
        json.dumps(orjson.loads(GOOD), sort_keys=True).encode(),
        orjson.dumps(dict(reversed(orjson.loads(GOOD).items()))),  # its class after its readings
        GOOD.replace(b'"event_id":"e-1",', b""),
        GOOD.replace(b'"2026-09-21T12:00:00.5Z"', b"1790000000000"),
        GOOD.replace(b"12:00:00.5Z", b"14:00:00.000001+02:00"),
        json.dumps(orjson.loads(GOOD) | {"asset_class": "odd-1", "readings": {'Temp "A" [°C]': 4, "x\\y": 5}}).encode(),
    ],
)
def test_what_producers_send_is_read_natively(value: bytes) -> None:
    arrived = check_equal([record(value), record(value, offset=1)])
    [events] = arrived.events.values()
    fresh = reader()([record(value)], ORIGINS).events
    assert (len(events), [len(of.made) for of in fresh.values()]) == (2, [0])


def test_what_differs_stands_in_its_place_among_what_does_not() -> None:
    """Read by pydantic: an escape in an id. Not at all: another key. Of the log: an entry."""
    odd = GOOD.replace(b"e-1", b"e\\u002d2")
    entry = orjson.dumps({**orjson.loads(GOOD), "event_id": "m", "kind": "error", "code": "leak", "readings": None})
    records = [record(GOOD), record(odd, offset=1), record(GOOD, b"b", 2), record(entry, offset=3, topic=MAINTENANCE)]
    arrived = check_equal([*records, record(GOOD, offset=4)])
    events = arrived.events["pump"]
    assert [one.offset for one in events.records] == [0, 1, 3, 4]
    assert events.ids == [b"e-1", b"e-2", b"m", b"e-1"]
    assert [letter.record.offset for letter in arrived.dead] == [2]


@given(st.integers(0, 2**32))
def test_numbers_are_the_doubles_that_are_nearest(seed: int) -> None:
    """Of every length, and next to the middle between two doubles; a thousand a seed."""
    random = np.random.default_rng(seed)
    digits = random.integers(0, 2**63, 1000, dtype=np.uint64) >> random.integers(0, 63, 1000, dtype=np.uint64)
    near = (random.integers(2**52, 2**53, 500, dtype=np.uint64) << np.uint64(10)) + np.uint64(512)
    digits[:500] = near + random.integers(0, 3, 500).astype(np.uint64) - np.uint64(1)
    points = [str(number) for number in digits.tolist()]
    cuts = random.integers(1, 20, 1000).tolist()
    texts = [f"{one[:-cut] or '0'}.{one[-cut:].zfill(cut)}" for one, cut in zip(points, cuts, strict=True)]
    texts[::3] = [f"{one}e{cut - 10}" for one, cut in zip(points, cuts, strict=True)][::3]
    start = GOOD.index(b"20.25")
    records = [record(GOOD[:start] + text.encode() + GOOD[start + 5 :], offset=at) for at, text in enumerate(texts)]
    events = reader()(records, ORIGINS).events["pump"]
    assert events.batch.readings[:, 0].tobytes() == np.array(list(map(float, texts))).tobytes()
    assert len(events.made) < 10  # pydantic was asked for none but those of 20 digits, which the zeros make
