"""Evidence in words that a technician uses: whatever was read, its lines and the base sum to what the forest said."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.maintenance import AssetModel, Learned
from models.maintenance.evidence import Explainer, amount, figure
from models.maintenance.learned import origins_of
from models.maintenance.preparation import Preparation
from models.registry import ModelStore
from schemas import SettingsError, parse_asset_class
from tests.support.fleets import PUMP

LABELS = """
[labels]
heat = { label = "heat of the bearing", unit = "°C" }
speed = { unit = "1/min" }
"""
VALUES = st.one_of(st.none(), st.floats(), st.just("12.5"), st.just("off"), st.lists(st.integers(), max_size=2))


def explainer(store: ModelStore, name: str) -> Explainer:
    model = store.load(name)
    asset_class, learned = AssetModel(model).asset_class, Learned.from_json(model.manifest.learned)
    return Explainer(asset_class, learned.preparation, origins_of(asset_class, learned.preparation))


@pytest.mark.parametrize("name", ["pump", "press"])
@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), said=st.lists(VALUES, min_size=5, max_size=5))
def test_lines_and_base_sum_whatever_was_read(
    trained_fleets: ModelStore, name: str, seed: int, said: list[object]
) -> None:
    explain, random = explainer(trained_fleets, name), np.random.default_rng(seed)
    parts = random.normal(0, 5, len(explain.origins) + 1)
    row = random.normal(0, 50, len(explain.origins))
    readings = dict(zip(explain.asset_class.sensors, said, strict=False))
    found = explain(parts, row, readings, 0)
    assert found.base + sum(line["contribution"] for line in found.lines) == pytest.approx(parts.sum())
    sizes = [abs(line["contribution"]) for line in found.lines if line["feature"] != "all else"]
    assert all(a >= b for a, b in pairwise(sizes))
    assert len({line["feature"] for line in found.lines}) == len(found.lines)
    for line in found.lines:
        assert ("normal_low" in line) == ("value" in line)


def test_labels_and_units_are_told_and_change_no_row(trained_fleets: ModelStore) -> None:
    labelled = parse_asset_class(PUMP + LABELS)
    plain = explainer(trained_fleets, "pump")
    told = replace(plain, asset_class=labelled)
    parts, row = np.ones(len(plain.origins) + 1), np.ones(len(plain.origins))
    lines = {line["feature"]: line for line in told(parts, row, {"heat": 41.26}, 0).lines}
    assert lines["heat"]["words"].startswith("heat of the bearing 41.3 °C (normally ")
    model = AssetModel(trained_fleets.load("pump"))
    before = model.layout
    del model.__dict__["layout"]
    model.asset_class = labelled
    assert model.layout == before, "or all assets would start anew with a label"


def test_a_label_of_what_is_no_reading_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"labels\.heart: no such reading; there are heat, shake"):
        parse_asset_class(PUMP + "[labels]\nheart = { unit = 'K' }\n")


def test_what_is_normal_is_learned_of_assets_that_are_well(trained_fleets: ModelStore) -> None:
    learned = explainer(trained_fleets, "pump").preparation
    assert learned.normal is not None
    names = [explainer(trained_fleets, "pump").asset_class.sensors[place] for place in learned.sensors]
    speed = learned.centroids[:, 0] * learned.scale[0] + learned.centre[0]
    for regime, at in enumerate(speed.tolist()):
        low, high = learned.normal_range(regime)
        heat = names.index("heat")
        assert 20 + at / 10 - 3 < low[heat] < 20 + at / 10 < high[heat] < 20 + at / 10 + 6


def test_a_model_of_before_says_what_is_normal_by_mean_and_sd(trained_fleets: ModelStore) -> None:
    learned = explainer(trained_fleets, "pump").preparation
    stored = learned.to_json()
    del stored["normal"]
    before = Preparation.from_json(stored)
    assert before.normal is None
    assert before.to_json() == stored, "rows are known by what was learned"
    low, high = before.normal_range(0)
    assert (low < before.mean[0]).all()
    assert (high > before.mean[0]).all()


def test_figures_read_as_people_write_them() -> None:
    assert [figure(v) for v in (0.0, 55.0, 41.27, 7.1, 0.3264, 1450.4, 123456.7, 2e9, -0.02)] == [
        "0", "55", "41.3", "7.10", "0.326", "1,450", "123,457", "2e+09", "-0.0200",
    ]  # fmt: skip
    assert amount(3.0, "") == "3"
