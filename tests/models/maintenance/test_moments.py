"""A class without sensors: failures are told from errors, replacements and the time between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from models.maintenance import (
    RAISED,
    SCORED,
    AssetModel,
    Decisions,
    Moment,
    due_now,
    every_s,
    moment_after,
    with_moments,
)
from models.registry import ModelStore
from schemas import SettingsError, Telemetry, parse_asset_class
from tests.support.fleets import (
    LOGGED_PRESS,
    PRESS,
    AssetEvent,
    entry,
    log_history,
    logged_class,
    reading,
    train_logged,
)

HORIZON_S = 12 * 60.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> AssetModel:
    store = ModelStore(tmp_path_factory.mktemp("models"))
    manifest = train_logged(store)
    assert manifest.metrics["cv_failures_found"] > 0.8
    return AssetModel(store.load("logged", manifest.version))


def step(model: AssetModel, events: Sequence[AssetEvent], size: int) -> Decisions:
    """In batches; what they came to, together."""
    assets = sorted({event.asset_id for event in events})
    slots = np.array([assets.index(event.asset_id) for event in events])
    rows = np.zeros(len(assets), model.dtype)
    made = [
        model.step(rows, slots[start : start + size], model.encode(events[start : start + size]))
        for start in range(0, len(events), size)
    ]
    for number, one in enumerate(made):
        one.transitions["event"] += number * size
    columns = {
        name: np.concatenate([getattr(one, name) for one in made]) for name in ("status", "value", "transitions")
    }
    return made[0]._replace(**columns)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (LOGGED_PRESS.replace("errors =", 'regime = ["speed"]\nerrors ='), "regime, constants"),
        (LOGGED_PRESS.replace("errors =", 'constants = ["age"]\nerrors ='), "regime, constants"),
        (
            LOGGED_PRESS.split("[target]")[0] + '[target]\nkind = "rul"\ncap = 60',
            "a remaining life is told from sensors",
        ),
    ],
)
def test_what_only_sensors_tell_is_refused(wrong: str, words: str) -> None:
    assert "sensors = []" in wrong
    with pytest.raises(SettingsError, match=words):
        parse_asset_class(wrong)


def test_a_moment_follows_what_tells_something_of_now() -> None:
    def follows(kind: str, arrived_s: float = math.nan) -> bool:
        return moment_after(entry("a", 5, kind, "logged"), arrived_s) is not None

    assert all(map(follows, ("error", "maintenance", "replacement", "in_service", "silent")))
    assert not any(map(follows, ("failure", "window_start", "window_end", "out_of_service", "decommissioned")))
    assert moment_after(reading("a", 5, {"alive": 1}, "logged"), math.nan) is None, "it is one itself"
    at = entry("a", 5, "replacement").event_time.timestamp()
    assert follows("replacement", at - 60)
    assert not follows("replacement", at - 7 * 86_400), "a plan"


def test_no_asset_is_left_alone_for_longer_than_a_quarter_of_the_horizon() -> None:
    events = [entry("a", 1, "error", "logged", code="jam"), entry("b", 30, "failure", "logged", component="seal")]
    events += [entry("a", 40, "error", "logged", code="jam"), reading("b", 41, {"alive": 1}, "logged")]
    found = with_moments(logged_class(), [*events, entry("c", 80, "window_end", "logged")])
    assert [event for event in found if not isinstance(event, Moment)] == [*events, found[-1]]
    for asset, first in (("a", events[0]), ("b", events[3])):
        mine = [event.event_time for event in found if event.asset_id == asset and isinstance(event, Telemetry)]
        assert mine[0] - first.event_time <= timedelta(milliseconds=1), "nothing is known before"
        gaps = {after - before for before, after in pairwise(mine)}
        assert max(gaps) <= timedelta(seconds=every_s(logged_class())) == timedelta(seconds=HORIZON_S / 4)
    assert len({event.event_id for event in found if isinstance(event, Moment)}) > 20
    assert with_moments(logged_class(), []) == []


@pytest.mark.long
def test_failures_are_told_and_batches_make_no_difference(model: AssetModel) -> None:
    events = with_moments(logged_class(), log_history(2, assets=8))
    whole, parts = step(model, events, len(events)), step(model, events, 7)
    assert np.array_equal(whole.value, parts.value, equal_nan=True)
    assert whole.transitions.tolist() == parts.transitions.tolist()
    raised = whole.transitions[whole.transitions["state"] == RAISED]
    failures = [event for event in events if getattr(event, "kind", "") == "failure"]
    told = 0
    for failure in failures:
        times = [
            events[one["event"]].event_time
            for one in raised
            if events[one["event"]].asset_id == failure.asset_id
            and model.targets[one["target"]].component == failure.component  # type: ignore[union-attr]
        ]
        told += any(timedelta(0) < failure.event_time - time < timedelta(seconds=2 * HORIZON_S) for time in times)
    assert told > 0.6 * len(failures) > 30


@pytest.mark.long
def test_the_worker_asks_anew_when_an_asset_has_had_no_moment(model: AssetModel) -> None:
    error = entry("a", 10, "error", "logged", code="jam")
    at = error.event_time.timestamp()
    moment = moment_after(error, at)
    assert moment is not None
    rows, slots = np.zeros(2, model.dtype), np.zeros(2, np.int64)
    made = model.step(rows, slots, model.encode([error, moment], [at + 1, at + 1]))
    assert made.status[1] == SCORED
    assert not np.isnan(made.value[1]).any()
    assert due_now(rows, at + 100, 180.0) == []
    [(place, when, newest)] = due_now(rows, at + 182, 180.0)
    assert (place, when, newest) == pytest.approx((0, at + 181, at), abs=0.01)
    replayed = np.zeros(1, model.dtype)
    model.step(replayed, slots, model.encode([error, moment], [at + 86_400, at + 86_400]))
    assert due_now(replayed, at + 90_000, 180.0) == [], "history that is replayed has no now"
    gone = entry("a", 11, "decommissioned", "logged")
    model.step(rows, slots[:1], model.encode([gone], [at + 61]))
    assert due_now(rows, at + 1000, 180.0) == []


def test_a_reading_says_that_the_asset_is_there(model: AssetModel) -> None:
    rows = np.zeros(1, model.dtype)
    made = model.step(rows, np.zeros(1, np.int64), model.encode([reading("a", 1, {"anything": None}, "logged")]))
    assert made.status.tolist() == [SCORED]
    assert model.encode.beside.unknown == 0


def test_it_is_the_class_of_the_other_tests_without_its_sensors() -> None:
    assert logged_class().target == parse_asset_class(PRESS).target


def test_the_card_says_what_it_was_learned_from(tmp_path: Path) -> None:
    manifest = train_logged(ModelStore(tmp_path))
    card = (tmp_path / "logged" / manifest.version / "card.md").read_text()
    assert "from the log alone: 24 assets" in card
