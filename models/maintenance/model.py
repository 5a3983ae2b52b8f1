"""The served model of an asset class: rows and events in, scores and alert transitions out. Knows no Kafka.

events ─► encode ─► observe (rows, feature rows) ─► one scorer call per forest ─► decide (rows) ─► Decisions

`step` is deterministic in (rows, events) and does not depend on how events are cut into batches, but for the shape of
its results. A reading that is repeated, without any known sensor, or of an asset out of service gets no score; one that
is late (older than the asset's newest) gets one that moves nothing. `observe` has the rules of time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from models.maintenance.alerts import CLEARED, DECIDED_BY_SCORE, REASONS, SEVERITIES, decide
from models.maintenance.events import AssetEvent, Encoder, components_of
from models.maintenance.intervals import Interval
from models.maintenance.observe import EventBatch, Observer, build_observer
from models.maintenance.policy import Policy, life_policy, probability_policy
from models.maintenance.preparation import DIRECTIONS, Preparation
from models.maintenance.recursions import FEATURES, STATIONARY
from models.maintenance.rows import RowShape, affordable_channels, row_bounds, row_dtype
from models.maintenance.rows_before import Earlier, earlier_rows
from models.maintenance.sensors import CHECKED, MODES
from models.maintenance.words import REGRESSIONS, Contribution, feature_names, feature_words
from models.registry import Model
from models.stages import enter
from schemas import AssetClass, ModelError, ModelRef, PolicyLevel, RulTarget

LIFE_FEATURES = FEATURES
WEAR = "wear"  # the failure mode of a class whose assets fail as a whole
CONTRIBUTIONS = 5


@dataclass(frozen=True)
class Target:
    """What one score of the model is about."""

    failure_mode: str
    component: str | None
    role: str  # of its forest


@dataclass(frozen=True)
class Learned:
    """What a manifest keeps in `learned` of an asset class: everything but the forests."""

    preparation: Preparation
    levels: list[list[PolicyLevel]]  # of each target
    pull: float
    steady_pull: float
    interval: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "preparation": self.preparation.to_json(),
            "levels": [[level.model_dump() for level in levels] for levels in self.levels],
            "pull": self.pull,
            "steady_pull": self.steady_pull,
            "interval": self.interval.to_json() if self.interval else None,
        }

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Learned:
        interval = given["interval"]
        return cls(
            Preparation.from_json(given["preparation"]),
            [[PolicyLevel.model_validate(level) for level in levels] for levels in given["levels"]],
            float(given["pull"]),
            float(given["steady_pull"]),
            Interval.from_json(interval) if interval else None,
        )


@dataclass(frozen=True)
class Decisions:
    """What a batch came to; n events, T targets, F features."""

    status: npt.NDArray[np.int8]  # (n,) place in models.maintenance.observe.STATUSES
    value: npt.NDArray[np.float64]  # (n, T) life left in units, or probability; NaN without a score
    low: npt.NDArray[np.float64]  # (n, T) ends of the 90 % interval; NaN where there is none
    high: npt.NDArray[np.float64]  # (n, T)
    regime: npt.NDArray[np.int16]  # (n,) -1 unless scored
    is_suppressed: npt.NDArray[np.bool_]  # (n,) a maintenance window held an alert back
    transitions: npt.NDArray[np.void]  # (m,) models.maintenance.alerts.TRANSITION, in the order of events
    features: npt.NDArray[np.float32]  # (n, F) 0 unless scored
    raw: npt.NDArray[np.float64]  # (n, T) what the forests said, before the policy smoothed it; NaN unless scored
    is_set_back: npt.NDArray[np.bool_]  # (n,) the asset's clock was set back, and is followed from here on
    quality: npt.NDArray[np.int8]  # (n,) place in QUALITIES: how good the input of the score was
    faults: npt.NDArray[np.int8]  # (n, sensors of the class) place in FAULTS


def targets_of(asset_class: AssetClass) -> list[Target]:
    if isinstance(asset_class.target, RulTarget):
        return [Target(WEAR, None, "score")]
    return [Target(component, component, f"score-{component}") for component in asset_class.target.components]


def likely_channels(asset_class: AssetClass) -> int:
    """Health indexes of a class that fails as a whole; otherwise as many sensors as a row has room for."""
    if isinstance(asset_class.target, RulTarget):
        return min(DIRECTIONS, len(asset_class.sensors)) + len(REGRESSIONS)
    return affordable_channels(_shape(asset_class, 0), len(asset_class.sensors))


def shape_of(asset_class: AssetClass, preparation: Preparation) -> RowShape:
    return _shape(asset_class, preparation.channels)


def _shape(asset_class: AssetClass, channels: int) -> RowShape:
    values = len(asset_class.sensors) + len(asset_class.regime) + len(asset_class.constants)
    checked = min(len(asset_class.sensors), CHECKED) if isinstance(asset_class.target, RulTarget) else 0
    return RowShape(
        channels=channels,
        errors=len(asset_class.errors),
        components=len(components_of(asset_class)),
        targets=len(targets_of(asset_class)),
        values=values,
        variables=len(asset_class.regime),
        checked=checked,
        modes=MODES if checked else 0,
    )


def observer_of(asset_class: AssetClass, preparation: Preparation) -> Observer:
    """The pass that serving and training share."""
    tells_life = isinstance(asset_class.target, RulTarget)
    chosen = LIFE_FEATURES if tells_life else STATIONARY
    shape = shape_of(asset_class, preparation)
    return build_observer(preparation, shape, asset_class.unit_seconds, chosen, tells_life, len(asset_class.constants))


def feature_names_of(asset_class: AssetClass, preparation: Preparation) -> list[str]:
    tells_life = isinstance(asset_class.target, RulTarget)
    chosen = LIFE_FEATURES if tells_life else STATIONARY
    return feature_names(asset_class, preparation, components_of(asset_class), chosen, tells_life)


def policy_of(asset_class: AssetClass, learned: Learned) -> Policy:
    pulls, errors = (learned.pull, learned.steady_pull), len(asset_class.errors)
    if isinstance(asset_class.target, RulTarget):
        return life_policy(learned.levels[0], asset_class.target.cap, pulls, errors)
    return probability_policy(learned.levels, pulls, errors)


class AssetModel:
    """One asset class, ready to serve."""

    def __init__(self, model: Model) -> None:
        manifest = model.manifest
        if manifest.asset_class is None or manifest.kind == "recommender":
            raise ModelError(
                f"{model.folder} is a {manifest.kind} model, not one of an asset class.", "Train it for an asset class."
            )
        self.asset_class = manifest.asset_class
        self.reference = ModelRef(name=manifest.name, version=manifest.version)
        self.kind = self.asset_class.target.kind
        self.targets = targets_of(self.asset_class)
        self.encode = Encoder(self.asset_class)
        self._learned = _learned_of(model)
        self._observe = observer_of(self.asset_class, self._learned.preparation)
        self._policy = policy_of(self.asset_class, self._learned)
        self._scorers = model.scorers
        self.dtype = row_dtype(self._observe.shape)
        self._check(model)

    @property
    def unit(self) -> str:
        """Of the scores."""
        return self.asset_class.unit if isinstance(self.asset_class.target, RulTarget) else "probability"

    def health(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What is left, 0 to 1, of the same shape: the share of the longest life, or what a probability lacks to 1."""
        share = np.clip(values / self._policy.high, 0.0, 1.0)
        return np.asarray(share if self.kind == "rul" else 1.0 - share)

    @cached_property
    def layout(self) -> int:
        """Changes when the meaning of a row changes: its fields, or what the class learned of its readings."""
        return self._layout_of(self.dtype)

    @cached_property
    def earlier(self) -> dict[int, Earlier]:
        """How rows of earlier layouts become rows of this one, by the number that `layout` had then."""
        return {self._layout_of(before.dtype): before for before in earlier_rows(self._observe.shape)}

    def _layout_of(self, dtype: np.dtype[np.void]) -> int:
        meaning = [repr(dtype.descr), self._learned.preparation.to_json(), self.asset_class.model_dump_json()]
        return crc32(json.dumps(meaning, sort_keys=True).encode())

    @cached_property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of each field of a sound row, see `models.maintenance.rows.row_bounds`."""
        return row_bounds(self._observe.shape, self._policy.high)

    def step(self, rows: npt.NDArray[np.void], slots: npt.NDArray[np.int64], batch: EventBatch) -> Decisions:
        """Apply events in their order.

        Args:
            rows: structured array of `dtype`; changed in place. Zeros are an asset that was never seen.
            slots: (n,) the row of each event; one row may occur several times.
            batch: n events, from `encode`.
        """
        enter("features")
        seen = self._observe(rows, slots, batch)
        enter("score")
        scored = np.flatnonzero(seen.regime >= 0)  # late ones too
        features = seen.features if len(scored) == len(slots) else seen.features[scored]
        raw = np.full((len(slots), len(self.targets)), np.nan)
        if len(scored):
            raw[scored] = self.raw_scores(features)
        enter("state")
        decided = decide(rows, slots, batch, seen, raw, self._policy)
        enter("score")
        low, high = np.full_like(raw, np.nan), np.full_like(raw, np.nan)
        if self._learned.interval and len(scored):
            bounds = self._learned.interval.of(features, decided.value[scored, 0], self._scorers)
            low[scored, 0], high[scored, 0] = bounds
        return Decisions(
            seen.status,
            decided.value,
            low,
            high,
            seen.regime,
            decided.is_suppressed,
            decided.transitions,
            seen.features,
            raw,
            seen.is_set_back,
            seen.quality,
            seen.faults,
        )

    def raw_scores(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """What the forests say of feature rows (n, F), for each target: (n, T)."""
        return np.column_stack([self._scorers[target.role].score(features) for target in self.targets])

    def explain(self, decisions: Decisions, transition: np.void) -> list[Contribution]:
        """What moved the score of a transition most, largest first, in words. Empty where no score decided.

        Takes milliseconds: for transitions, not for every event.
        """
        if transition["reason"] not in DECIDED_BY_SCORE:
            return []
        row = decisions.features[transition["event"]]
        parts = self._scorers[self.targets[transition["target"]].role].explain(row)[:-1]
        order = np.argsort(-np.abs(parts), kind="stable")[:CONTRIBUTIONS]
        return [self._words[place].told(float(row[place]), float(parts[place])) for place in order.tolist()]

    def reason(self, transition: np.void) -> str:
        """What happened, as a clause that continues the name of the failure mode."""
        text = REASONS[transition["reason"]]
        before = " while {severity}" if transition["state"] == CLEARED else ""
        return (text + before).format(severity=SEVERITIES[transition["severity"]])

    def warm(self) -> None:
        """Compile the kernels: call it before the first event is awaited."""
        rows, slots = np.zeros(1, self.dtype), np.zeros(1, np.int64)
        width = len(self.asset_class.sensors), len(self.asset_class.regime), len(self.asset_class.constants)
        columns = [np.zeros((1, size)) for size in width]
        self.step(
            rows,
            slots,
            EventBatch(np.ones(1), np.zeros(1, np.int8), np.zeros(1, np.int16), np.ones(1, np.uint64), *columns),
        )

    @cached_property
    def _words(self) -> list[Any]:
        names = feature_names_of(self.asset_class, self._learned.preparation)
        return feature_words(self.asset_class, self._learned.preparation, names)

    def _check(self, model: Model) -> None:
        expected = {target.role: self._observe.feature_count for target in self.targets}
        if self._learned.interval:
            expected |= dict.fromkeys(self._learned.interval.roles, self._observe.feature_count + 1)
        found = {role: scorer.features for role, scorer in self._scorers.items()}
        if found != expected:
            raise ModelError(
                f"{model.folder}: the forests take {found} features by role, the asset class needs {expected}.",
                "Train the model again.",
            )


def _learned_of(model: Model) -> Learned:
    try:
        return Learned.from_json(model.manifest.learned)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{model.folder}: `learned` of the manifest cannot be read: {error!r}.", "Train the model again."
        ) from error


__all__ = ["AssetEvent", "AssetModel", "Decisions", "EventBatch", "Learned", "Sequence", "Target"]
