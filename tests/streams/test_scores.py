"""Scores that are written in bulk are the records of scores one by one, byte for byte, header for header."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.maintenance import FAULTS, LATE, LOGGED, QUALITIES, READING, SCORED, AssetModel, Decisions, EventBatch
from models.registry import ModelStore
from models.stages import StageClock
from schemas import SCORES, Settings
from streams.agent import EPOCH, MICROSECOND, Outbox, Outcome, Outputs
from streams.asset_events import AssetEvents
from streams.scores import Scores
from tests.streams.batches import FLOATS, PARTITION, TEXTS, TIMES, TRACES, packed

ORIGINS = {"telemetry.v1": "telemetry.v1@3"}
READINGS = st.tuples(
    st.integers(0, 2**62), TEXTS, TEXTS, TIMES, TRACES, st.integers(-1, 3), st.sampled_from(range(len(QUALITIES))),
    st.sampled_from([SCORED, LATE, LOGGED]), st.sampled_from([0, 0, 1, 5]), st.integers(0, 2**32),
)  # fmt: skip


@pytest.fixture(scope="module", params=["pump", "press"])
def model(request: pytest.FixtureRequest, trained_fleets: ModelStore) -> AssetModel:
    """One regards regimes and a life, the other components that fail."""
    return AssetModel(trained_fleets.load(request.param))


def scores_of_batch(model: AssetModel, readings: list[Any], numbers: list[float]) -> Scores:
    """As if the model had decided it."""
    offsets, assets, ids, times, traces, regimes, qualities, statuses, kinds, seeds = zip(*readings, strict=True)
    count, targets, sensors = len(readings), len(model.targets), len(model.asset_class.sensors)
    records = [
        SimpleNamespace(partition=PARTITION, offset=offset, key=asset.encode(), headers=headers)
        for offset, asset, headers in zip(offsets, assets, traces, strict=True)
    ]
    time_us = np.array([(time - EPOCH) // MICROSECOND for time in times], np.int64)
    kind = np.array(kinds, np.int8)
    batch = EventBatch(time_us / 1e6, kind, *[None] * 6)
    events = AssetEvents(
        model.asset_class.name, records, batch, time_us, [one.encode() for one in ids], {}, kind != READING
    )
    value = np.resize(np.array(numbers), (count, targets))
    low, high = np.where(np.arange(count * targets).reshape(value.shape) % 3 == 0, np.nan, value[::-1]), value * 0.7
    drawn = [np.random.default_rng(seed) for seed in seeds]
    faults = np.array([one.integers(0, len(FAULTS), sensors) * one.integers(0, 2, sensors) for one in drawn], np.int8)
    empty = dict.fromkeys(Decisions._fields)
    found = {"status": np.array(statuses, np.int8), "value": value, "low": low, "high": high, "faults": faults}
    found |= {"regime": np.array(regimes, np.int16), "quality": np.array(qualities, np.int8)}
    return Scores(model, events, Decisions(**{**empty, **found}), ORIGINS)  # type: ignore[arg-type]  # not all is read


@given(st.lists(READINGS, min_size=1, max_size=12), st.lists(FLOATS, min_size=1, max_size=12), st.integers(1, 5000))
def test_in_bulk_they_are_what_they_are_one_by_one(
    model: AssetModel, readings: list[Any], numbers: list[float], most: int
) -> None:
    scores = scores_of_batch(model, readings, numbers)
    each = list(scores)
    assert len(scores) == len(each)
    if not each:
        return
    assert len(each) == len(model.targets) * sum(one[5] >= 0 for one in readings)
    outputs = Outputs()
    outputs.add_bulk(scores)
    assert asyncio.run(packed(outputs, SCORES, most)) == asyncio.run(packed(each, SCORES, most))


def test_what_producers_put_into_headers_cannot_make_a_batch_too_large(model: AssetModel) -> None:
    trace = [("traceparent", b"t" * 300_000)]
    reading = (7, "a", "e", datetime(2026, 1, 1, tzinfo=UTC), trace, 0, 0, SCORED, 0, 1)
    scores = scores_of_batch(model, [reading] * 5, [1.5])
    outputs = Outputs()
    outputs.add_bulk(scores)
    bulk = asyncio.run(packed(outputs, SCORES, 900_000))
    assert bulk == asyncio.run(packed(list(scores), SCORES, 900_000))
    assert len(bulk) > 1
    assert max(size for _, size, _ in bulk) < 1_000_000


def test_what_is_in_bulk_is_written_while_a_record_that_fails_can_be_undone(model: AssetModel) -> None:
    """An item of the batch that no writer takes: the trial of the batch fails, not the sending of it."""
    reading = (7, "a", "e", datetime(2026, 1, 1, tzinfo=UTC), [], 0, 0, SCORED, 0, 1)
    outbox, outcome = Outbox(Settings(kafka="127.0.0.1:1"), "agent", StageClock()), Outcome()
    scores = scores_of_batch(model, [reading] * 3, [1.5])
    outcome.outputs.add_bulk(scores)
    outbox.check(outcome)
    assert asyncio.run(packed(outcome.outputs, SCORES, 900_000)) == asyncio.run(packed(list(scores), SCORES, 900_000))
    assert outcome.outputs == list(scores)
    scores._events.ids[1] = None  # type: ignore[call-overload]
    failing = Outcome()
    failing.outputs.add_bulk(scores)
    with pytest.raises(TypeError, match="expected bytes"):
        outbox.check(failing)


def test_outputs_are_a_sequence_whatever_they_are_made_of(model: AssetModel) -> None:
    reading = (7, "a", "e", datetime(2026, 1, 1, tzinfo=UTC), [], 0, 0, SCORED, 0, 1)
    scores = scores_of_batch(model, [reading] * 2, [1.5])
    first, second = Outputs(scores), Outputs()
    second.add_bulk(scores)
    second.append(first[0])
    first += second
    each = list(scores)
    assert first == [*each, *each, each[0]]
    assert len(first) == first.number(SCORES) == 2 * len(each) + 1
    assert first.number("alerts.v1") == 0
    assert first[-1] == each[0]
    assert first[:2] == each[:2]
    assert first != each
