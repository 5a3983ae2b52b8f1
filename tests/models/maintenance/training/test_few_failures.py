"""A component that hardly ever failed is not learned; the others are, and the model says which one it does not know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from millrace.commands.fitness import said_of
from models.maintenance import RAISED, AssetModel
from models.maintenance.training import train
from models.registry import ModelStore
from schemas import Manifest
from tests.support.fleets import AssetEvent, batches, press_class, press_history

pytestmark = pytest.mark.long


def rarely(component: str, count: int) -> list[AssetEvent]:
    """A history in which only so many failures of a component are known."""
    kept: list[AssetEvent] = []
    for event in press_history(1):
        if getattr(event, "kind", "") == "failure" and getattr(event, "component", None) == component:
            count -= 1
            if count < 0:
                continue
        kept.append(event)
    return kept


def trained(folder: Path, events: list[AssetEvent]) -> tuple[Manifest, AssetModel]:
    store = ModelStore(folder)
    [manifest] = train([(press_class(), batches(events))], store)
    return manifest, AssetModel(store.load(manifest.name, manifest.version))


@pytest.mark.parametrize(("component", "count"), [("seal", 2), ("bearing", 0)])
def test_the_others_are_served(tmp_path: Path, component: str, count: int) -> None:
    manifest, model = trained(tmp_path, rarely(component, count))
    assert list(manifest.packs) == [f"score-{other}" for other in ("bearing", "seal") if other != component]
    told = f"`{component}` ({count}, {3 - count} more)"
    assert told in (tmp_path / manifest.name / manifest.version / "card.md").read_text()
    assert f"No score of {component} ({count} failures)" in said_of(manifest)
    place = press_class().target.components.index(component)  # type: ignore[union-attr]
    events = press_history(2, assets=4)
    assets = sorted({event.asset_id for event in events})
    slots = np.array([assets.index(event.asset_id) for event in events])
    made = model.step(np.zeros(len(assets), model.dtype), slots, model.encode(events))
    is_scored = made.regime >= 0
    assert is_scored.sum() > 900
    assert np.isnan(made.value[:, place]).all()
    assert np.isnan(made.raw[:, place]).all()
    assert not np.isnan(made.value[is_scored, 1 - place]).any()
    raised = made.transitions[made.transitions["state"] == RAISED]
    assert set(raised["target"].tolist()) == {1 - place}


def test_a_model_that_has_all_says_nothing_of_it(tmp_path: Path) -> None:
    manifest, model = trained(tmp_path, press_history(1))
    assert model.told == [0, 1]
    assert "No score" not in said_of(manifest)
    assert "Without a score" not in (tmp_path / manifest.name / manifest.version / "card.md").read_text()
