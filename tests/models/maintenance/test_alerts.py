"""The alert policy on scores that are given: delays, deadbands, severities, filters, windows, renewals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.maintenance.alerts import (
    CHANGED,
    CLEARED,
    CLOSED,
    ESCALATED,
    RAISED,
    RECOVERED,
    RENEWED,
    SEVERITIES,
    STEPPED_DOWN,
    STOPPED,
    decide,
)
from models.maintenance.codes import (
    ALERT_CLOSED,
    DOUBTFUL,
    LOGGED,
    OUT_OF_SERVICE,
    READING,
    REPLACEMENT,
    SCORED,
)
from models.maintenance.observe import EventBatch, Seen
from models.maintenance.policy import Policy, life_levels, life_policy, probability_policy
from models.maintenance.rows import RowShape, row_dtype
from schemas import PolicyLevel

SHAPE = RowShape(channels=5, errors=0, components=0, targets=1)  # that of a pump


def level(severity: str, on: float, clear: float, on_delay: int = 1, off_delay: int = 1) -> PolicyLevel:
    given = {"severity": severity, "on": on, "clear": clear, "on_delay": on_delay, "off_delay": off_delay}
    return PolicyLevel.model_validate(given)


def unfiltered(*levels: PolicyLevel) -> Policy:
    """A policy of a remaining life up to 125 that takes every score at its word."""
    return life_policy(list(levels), 125.0, (1.0, 1.0, 1.0), 0)


class Asset:
    """One row, and the events that it has seen so far."""

    def __init__(self, policy: Policy, shape: RowShape = SHAPE) -> None:
        self.policy, self.shape = policy, shape
        self.rows = np.zeros(1, row_dtype(shape))
        self.time = 1e9

    hold = 0

    def score(self, *raw: float, step: float = 1.0, renewed: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray]:
        """Transitions and filtered values of scores that come one unit after the other, under `hold`."""
        count = len(raw)
        is_renewed = np.zeros((count, self.shape.targets), np.uint8)
        is_renewed[list(renewed)] = 1
        scores = np.repeat(np.array(raw, np.float64)[:, None], self.shape.targets, 1)
        return self._take([READING] * count, [0] * count, SCORED, scores, is_renewed, step)

    def log(self, kind: int, code: int) -> np.ndarray:
        none = np.full((1, self.shape.targets), np.nan)
        return self._take([kind], [code], LOGGED, none, np.zeros((1, self.shape.targets), np.uint8), 1.0)[0]

    def _take(
        self, kinds: list[int], codes: list[int], status: int, raw: np.ndarray, is_renewed: np.ndarray, step: float
    ) -> tuple[np.ndarray, np.ndarray]:
        count = len(kinds)
        times = self.time + step * np.arange(1, count + 1)
        self.time = float(times[-1])
        empty = np.zeros((count, 0))
        identities = np.arange(1, count + 1, dtype=np.uint64)
        batch = EventBatch(times, np.array(kinds, np.int8), np.array(codes, np.int16), identities, empty, empty, empty)
        seen = Seen(
            np.full(count, status, np.int8), np.zeros(count, np.int16), np.full(count, float(step)), is_renewed,
            np.zeros((count, 1), np.float32), np.zeros(count, np.int8),
            np.full((count, self.shape.targets), self.hold, np.uint8), *[None] * 5,
        )  # fmt: skip
        made = decide(self.rows, np.zeros(count, np.int64), batch, seen, raw, self.policy)
        return made.transitions, made.value


def told(transitions: np.ndarray) -> list[tuple[int, int, str]]:
    return [(int(t["event"]), int(t["state"]), SEVERITIES[t["severity"]]) for t in transitions]


def test_an_alert_waits_for_its_on_delay_and_one_better_score_starts_it_anew() -> None:
    asset = Asset(unfiltered(level("warning", 30, 50, on_delay=3)))
    assert told(asset.score(30, 30, 31, 30, 30)[0]) == []
    assert told(asset.score(30, 30)[0]) == [(0, RAISED, "warning")]


def test_within_the_deadband_an_alert_stays_and_beyond_it_waits_for_its_off_delay() -> None:
    asset = Asset(unfiltered(level("warning", 30, 50, off_delay=2)))
    assert told(asset.score(20, 45, 50, 51, 49, 51)[0]) == [(0, RAISED, "warning")]
    cleared, _ = asset.score(51, 51, 51)
    assert told(cleared) == [(0, CLEARED, "warning")]
    assert cleared["reason"].tolist() == [RECOVERED]
    assert cleared["threshold"].tolist() == [50.0]


def test_severities_escalate_and_step_down_within_one_alert() -> None:
    levels = (level("advisory", 45, 70), level("warning", 31, 55), level("critical", 12, 25))
    made, _ = Asset(unfiltered(*levels)).score(40, 30, 10, 30, 60, 80)
    assert told(made) == [
        (0, RAISED, "advisory"), (1, CHANGED, "warning"), (2, CHANGED, "critical"), (3, CHANGED, "warning"),
        (4, CHANGED, "advisory"), (5, CLEARED, "advisory"),
    ]  # fmt: skip
    assert made["sequence"].tolist() == [0, 1, 2, 3, 4, 5]
    assert set(made["alert"].tolist()) == {1}
    assert made["reason"].tolist()[1:5] == [ESCALATED, ESCALATED, STEPPED_DOWN, STEPPED_DOWN]
    assert made["threshold"].tolist() == [45, 31, 12, 25, 55, 70]


def test_a_score_that_falls_at_once_raises_the_highest_severity_first() -> None:
    levels = (level("advisory", 45, 70), level("critical", 12, 25))
    assert told(Asset(unfiltered(*levels)).score(100, 5)[0]) == [(1, RAISED, "critical")]


def test_the_next_alert_has_the_next_number_and_begins_its_own_sequence() -> None:
    made, _ = Asset(unfiltered(level("warning", 30, 50))).score(20, 60, 20, 60)
    assert made["alert"].tolist() == [1, 1, 2, 2]
    assert made["sequence"].tolist() == [0, 1, 0, 1]
    assert made["raised_at"][0] == made["raised_at"][1] < made["raised_at"][2]


def test_the_filter_follows_event_time() -> None:
    policy = life_policy([], 125.0, (0.5, 0.25, 1.0), 0)
    _, value = Asset(policy).score(100, 60)
    assert value[:, 0].tolist() == [100, 0.5 * 99 + 0.5 * 60]
    _, slow = Asset(policy).score(100, 60, step=0.5)
    assert slow[1, 0] == np.float32(0.5**0.5 * 99.5 + (1 - 0.5**0.5) * 60)
    _, after_silence = Asset(policy).score(100, 60, step=50)
    assert abs(after_silence[1, 0] - 60) < 1e-3
    _, capped = Asset(policy).score(500, -3)
    assert capped[:, 0].tolist() == [125, 62.5]


def test_default_levels_scale_with_the_cap() -> None:
    assert [level.on for level in life_levels(125.0)] == [45, 31, 12]
    assert [level.clear for level in life_levels(250.0)] == [140, 110, 50]


def test_what_is_told_does_not_depend_on_the_unit_of_the_class() -> None:
    """A cap of 125 cycles, and the same class in units 125 times as long."""
    _, cycles = Asset(life_policy([], 125.0, (0.5, 0.25, 1.0), 0)).score(125, 60, 40)
    _, long = Asset(life_policy([], 1.0, (0.5, 0.25, 1 / 125), 0)).score(1, 60 / 125, 40 / 125, step=1 / 125)
    np.testing.assert_allclose(long * 125, cycles, rtol=1e-5)


def test_a_new_life_clears_the_alert_and_starts_the_delays_anew() -> None:
    asset = Asset(unfiltered(level("warning", 30, 50, on_delay=2)))
    made, _ = asset.score(20, 20, 20, 20, renewed=[2])
    assert told(made) == [(1, RAISED, "warning"), (2, CLEARED, "warning"), (3, RAISED, "warning")]
    assert made["reason"][1] == RENEWED


def test_a_replaced_component_clears_its_own_alert_only() -> None:
    shape = RowShape(channels=2, errors=2, components=2, targets=2)
    policy = probability_policy([[level("warning", 0.5, 0.25)]] * 2, (1.0, 1.0, 1.0), errors=2)
    asset = Asset(policy, shape)
    assert len(asset.score(0.4)[0]) == 0
    assert asset.score(0.6)[0]["target"].tolist() == [0, 1]
    assert asset.log(REPLACEMENT, 3)["target"].tolist() == [1]
    assert len(asset.log(REPLACEMENT, 3)) == 0
    assert len(asset.log(REPLACEMENT, -1)) == 0
    assert asset.log(REPLACEMENT, 4)["target"].tolist() == [0]


def test_a_person_closes_the_alert_of_one_component_and_its_delay_begins_anew() -> None:
    shape = RowShape(channels=2, errors=2, components=2, targets=2)
    policy = probability_policy([[level("warning", 0.5, 0.25, on_delay=2)]] * 2, (1.0, 1.0, 1.0), errors=2)
    asset = Asset(policy, shape)
    assert asset.score(0.6, 0.6)[0]["target"].tolist() == [0, 1]
    closed = asset.log(ALERT_CLOSED, 3)
    assert closed["target"].tolist() == [1]
    assert closed["reason"].tolist() == [CLOSED]
    assert len(asset.log(ALERT_CLOSED, -1)) == 0, "of a component that the class does not have"
    again, _ = asset.score(0.6, 0.6)
    assert (again["target"].tolist(), again["event"].tolist(), again["alert"].tolist()) == ([1], [1], [2])
    assert asset.log(ALERT_CLOSED, 4)["target"].tolist() == [0, 1], "without a component: all of the asset"


def test_while_a_sensor_is_in_doubt_nothing_is_raised_or_escalated_and_what_holds_is_afterwards() -> None:
    asset = Asset(unfiltered(level("warning", 30, 50), level("critical", 12, 25)))
    asset.hold = DOUBTFUL
    assert told(asset.score(5, 5)[0]) == []
    asset.hold = 0
    assert told(asset.score(20)[0]) == [(0, RAISED, "critical")], "levels were counted all the while"
    assert told(asset.score(60, 28)[0]) == [(0, CLEARED, "critical"), (1, RAISED, "warning")]
    asset.hold = DOUBTFUL
    assert told(asset.score(5, 60)[0]) == [(1, CLEARED, "warning")], "what is over is told"


def test_a_replacement_of_long_ago_does_not_clear_a_newer_alert() -> None:
    asset = Asset(unfiltered(level("warning", 30, 50)))
    asset.score(20)
    asset.time -= 1000
    assert len(asset.log(REPLACEMENT, 0)) == 0
    asset.time += 2000
    assert len(asset.log(REPLACEMENT, 0)) == 1


def test_out_of_service_ends_an_alert_and_what_holds_after_it_raises_another_one() -> None:
    asset = Asset(unfiltered(level("warning", 30, 50)))
    assert told(asset.score(20)[0]) == [(0, RAISED, "warning")]
    cleared = asset.log(OUT_OF_SERVICE, 0)
    assert told(cleared) == [(0, CLEARED, "warning")]
    assert cleared["reason"][0] == STOPPED
    assert told(asset.log(OUT_OF_SERVICE, 0)) == []
    assert told(asset.score(20)[0]) == [(0, RAISED, "warning")]
