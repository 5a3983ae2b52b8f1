"""What a worker tells of itself is what its metrics say of the time since it told last."""

from __future__ import annotations

import math
import time

from hypothesis import given
from hypothesis import strategies as st

from schemas import WorkerStatus
from streams.metrics import _DECIDED, DEAD_LETTERS, HANDLING, LAG, OUTPUTS, RECORDS, SINK_RECORDS, STAGE_CPU
from streams.status import Meter, _quantile, _quantiles


def test_figures_are_of_the_time_since_the_last_ones() -> None:
    meter = Meter("edge")
    RECORDS.labels("tried", "a").inc(500)
    started = time.monotonic()
    meter.figures()
    RECORDS.labels("tried", "a").inc(100)
    RECORDS.labels("tried", "b").inc(20)
    OUTPUTS.labels("tried", "c").inc(60)
    DEAD_LETTERS.labels("tried", "a").inc(2)
    LAG.labels("tried", "a", 0).set(7)
    LAG.labels("tried", "a", 1).set(5)
    SINK_RECORDS.labels("tried_sink", "a").inc(3)
    for seconds in (0.002, 0.004):
        HANDLING.labels("tried").observe(seconds)
    STAGE_CPU.labels("tried", "decode").inc(0.0012)
    figures = meter.figures()
    passed_s = time.monotonic() - started
    agent = figures.agents["tried"]
    assert (agent.lag, agent.dead_letters, agent.handling_ms, agent.cpu_us) == (12, 2, 3.0, {"decode": 10.0})
    assert agent.events_per_s >= 120 / passed_s * 0.99  # the time between the two is a part of it; it is rounded
    assert 0.45 < agent.outputs_per_s / agent.events_per_s < 0.55
    assert figures.agents["tried_sink"].events_per_s > 0
    assert {name: one.lag for name, one in agent.topics.items()} == {"a": {0: 7, 1: 5}, "b": {}}
    assert agent.topics["a"].events_per_s > 4 * agent.topics["b"].events_per_s > 0
    assert figures.memory_bytes > 10_000_000
    assert figures.cpu_share >= 0
    later = meter.figures().agents["tried"]
    assert (later.events_per_s, later.handling_ms, later.cpu_us, later.dead_letters) == (0.0, None, {}, 2)


def test_a_status_of_before_can_be_read() -> None:
    """Workers of the version before have no figures, and are those that run models."""
    old = {key: value for key, value in WorkerStatus.EXAMPLE.items() if key != "figures"}
    assert WorkerStatus.model_validate(old).runs_models


@given(st.lists(st.floats(0.0001, 59), min_size=1, max_size=50), st.sampled_from([0.5, 0.99]))
def test_a_quantile_lies_between_the_bounds_of_the_true_one(values: list[float], share: float) -> None:
    bounds = [*_DECIDED, float("inf")]
    counts = [(bound, float(sum(value <= bound for value in values))) for bound in bounds]
    true = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    at = next(place for place, bound in enumerate(bounds) if true <= bound)
    assert (bounds[at - 1] if at else 0.0) <= _quantile(counts, share) <= bounds[at]


def test_quantiles_are_of_what_came_since() -> None:
    before = {1.0: 5.0, float("inf"): 100.0}
    assert _quantiles({1.0: 7.0, float("inf"): 102.0}, before) == {"decision_p50_ms": 500.0, "decision_p99_ms": 990.0}
    assert set(_quantiles(before, before).values()) == {None}
