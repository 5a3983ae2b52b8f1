"""Each transition of an alert has a sentence, whatever its reason."""

from __future__ import annotations

import numpy as np
import pytest

from models.maintenance.evidence import Evidence
from models.maintenance.sentences import sentence_of
from models.maintenance.transitions import (
    CHANGED,
    CLEARED,
    ESCALATED,
    RAISED,
    REACHED,
    REASONS,
    STEPPED_DOWN,
    TRANSITION,
)
from tests.support.fleets import press_class, pump_class

STATES = {REACHED: RAISED, ESCALATED: CHANGED, STEPPED_DOWN: CHANGED}
NO_EVIDENCE = Evidence([], 0.0, None, False)


def sentence(reason: int, component: str | None, value: float, interval: tuple[float, float]) -> str:
    one = np.zeros(1, TRANSITION)
    one["reason"], one["state"], one["severity"] = reason, STATES.get(reason, CLEARED), 2
    one["value"], one["threshold"] = value, 0.5 if component else 30.0
    asset_class = press_class() if component else pump_class()
    return sentence_of(asset_class, "a-7", component, one[0], interval, NO_EVIDENCE)


@pytest.mark.parametrize("reason", range(len(REASONS)))
@pytest.mark.parametrize("component", [None, "seal"])
def test_every_reason_has_one(reason: int, component: str | None) -> None:
    said = sentence(reason, component, 0.7 if component else 20.0, (np.nan, np.nan))
    assert said.endswith(".")
    assert "a-7" in said
    assert ("is over: it " in said) == (reason not in STATES)


def test_an_interval_is_told_only_of_a_value_within_it() -> None:
    assert "about 20 cycles (15 to 30)" in sentence(REACHED, None, 20.0, (15.0, 30.0))
    assert "about 35 cycles, " in sentence(REACHED, None, 35.0, (15.0, 30.0))
    assert "about 20 cycles, " in sentence(REACHED, None, 20.0, (np.nan, np.nan))
