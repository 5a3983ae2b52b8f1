"""Few lives: a model that says so, an interval that a new life keeps to, and refusals that say what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.maintenance import AssetModel
from models.maintenance.training import train
from models.maintenance.training.fleet import widening
from models.maintenance.training.interval import of_few_lives
from models.maintenance.training.preparation import TrainingError
from models.registry import ModelStore
from schemas import Telemetry
from tests.support.fleets import batches, pump_class, pump_history


def test_three_lives_train_and_serve_and_the_card_says_what_it_rests_on(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    [manifest] = train([(pump_class(), batches(pump_history(3, assets=3)))], store)
    assert manifest.metrics["cv_lives"] == 3
    card = (tmp_path / manifest.name / manifest.version / "card.md").read_text()
    assert "rests on 3 lives only" in card
    assert "With 7 more (10 in all)" in card
    model = AssetModel(store.load(manifest.name, manifest.version))
    events = [event for event in pump_history(4, assets=12) if isinstance(event, Telemetry)]
    names = sorted({event.asset_id for event in events})
    slots = np.array([names.index(event.asset_id) for event in events])
    made = model.step(np.zeros(len(names), model.dtype), slots, model.encode(events))
    is_scored = np.isfinite(made.value[:, 0])
    assert is_scored.mean() > 0.9
    last = {event.asset_id: event.event_time for event in events}
    unit_s = model.asset_class.unit_seconds
    left = np.array([(last[event.asset_id] - event.event_time).total_seconds() / unit_s for event in events])
    left = np.minimum(left, model.asset_class.target.cap)  # type: ignore[union-attr]
    is_inside = (made.low[:, 0] - 1e-6 <= left) & (left <= made.high[:, 0] + 1e-6)
    assert is_inside[is_scored].mean() >= 0.9


def test_lives_too_short_to_judge_are_refused_with_their_number(tmp_path: Path) -> None:
    events = [
        event
        for place, event in enumerate(pump_history(3, assets=4))
        if not isinstance(event, Telemetry) or place % 9 == 0
    ]
    with pytest.raises(TrainingError, match="have more than 20 readings") as caught:
        train([(pump_class(), batches(events))], ModelStore(tmp_path))
    assert "at least 3 lives are needed" in str(caught.value)


@pytest.mark.parametrize("lives", [3, 5, 9])
def test_the_interval_of_few_lives_covers_new_ones_that_err_alike(lives: int) -> None:
    """Errors of a life are alike: an interval of all readings together covers a new life far less often."""
    random, covered, pooled = np.random.default_rng(lives), [], []
    for _ in range(200):
        life = np.repeat(np.arange(lives + 1), 50)
        residual = 10 * random.normal(size=lives + 1)[life] + 2 * random.normal(size=len(life))
        value, known = np.tile(np.linspace(30, 100, 50), lives + 1), life < lives
        found = of_few_lives(value[known], residual[known], life[known], 125.0, widening(lives))
        half = found.high[np.digitize(value[~known], found.edges)]
        covered.append((np.abs(residual[~known]) <= half).mean())
        pooled.append((np.abs(residual[~known]) <= np.quantile(np.abs(residual[known]), 0.9)).mean())
    assert np.mean(covered) >= 0.9
    assert np.mean(covered) > np.mean(pooled)


def test_the_interval_narrows_with_the_number_of_lives() -> None:
    assert [round(widening(lives), 2) for lives in (3, 5, 8)] == [2.05, 1.42, 1.22]
