"""The served model of an asset class: rows and events in, scores and alert transitions out. Knows no Kafka.

events ─► encode ─► observe (rows, feature rows) ─► one scorer call per forest ─► decide (rows) ─► Decisions

`step` is deterministic in (rows, events) and does not depend on how events are cut into batches, but for the shape of
its results. A reading that is repeated, without any known sensor, or of an asset out of service gets no score; one that
is late (older than the asset's newest) gets one that moves nothing. `observe` has the rules of time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from models.maintenance.alerts import CLEARED, DECIDED_BY_SCORE, REASONS, SEVERITIES, Decider
from models.maintenance.codes import HELD
from models.maintenance.events import AssetEvent, Encoder, sensors_of
from models.maintenance.evidence import Evidence, Explainer
from models.maintenance.learned import Learned, Target, learned_of, observer_of, origins_of, policy_of, targets_of
from models.maintenance.observe import EventBatch
from models.maintenance.rows import row_bounds
from models.maintenance.rows_before import Earlier, earlier_rows
from models.maintenance.watch import Input, watch
from models.maintenance.watch_rows import WATCH, Patience
from models.maintenance.watch_words import BrokenSensor, broken_sensors, data_reason
from models.registry import Model
from models.stages import enter
from schemas import ModelError, ModelRef, RulTarget


class Decisions(NamedTuple):
    """What a batch came to; n events, T targets, F features."""

    status: npt.NDArray[np.int8]  # (n,) place in models.maintenance.codes.STATUSES
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
    role: npt.NDArray[np.int8]  # (n,) WHOLE, PART, ANOTHER or LAST of models.maintenance.codes
    hold: npt.NDArray[np.uint8]  # (n, T) what kept alerts from moving: HELD and so on of models.maintenance.codes
    is_bridged: npt.NDArray[np.bool_]  # (n,) what tells the regime was not there
    is_excused: npt.NDArray[np.bool_]  # (n,) a maintenance window was open since the reading before

    @property
    def is_held(self) -> npt.NDArray[np.bool_]:
        """(n,) within a maintenance window."""
        return np.asarray(self.hold[:, 0] == HELD)


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
        self._learned = learned_of(model)
        self._observe = observer_of(self.asset_class, self._learned.preparation)
        self._policy = policy_of(self.asset_class, self._learned)
        self._decide = Decider(self._observe.dtype, self._policy)
        self._scorers = model.scorers
        has_forest = [target.component not in self._learned.without for target in self.targets]
        self.told, self._untold = np.flatnonzero(has_forest).tolist(), np.flatnonzero(~np.array(has_forest)).tolist()
        self.dtype = self._observe.dtype
        self._check(model)

    @property
    def unit(self) -> str:
        """Of the scores."""
        return self.asset_class.unit if isinstance(self.asset_class.target, RulTarget) else "probability"

    @property
    def whole(self) -> int:
        """Code of the asset as a whole in entries of its log."""
        return self._observe.shape.codes - 1

    @property
    def has_regimes(self) -> bool:
        """Whether the assets are run in more ways than one."""
        return len(self._learned.preparation.regimes) > 1

    def health(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What is left, 0 to 1, of the same shape: the share of the longest life, or what a probability lacks to 1."""
        share = (values / self._policy.high).clip(0.0, 1.0)
        return share if self.kind == "rul" else 1.0 - share

    @cached_property
    def layout(self) -> int:
        """Changes when the meaning of a row changes: its fields, or what the class learned of its readings."""
        return self._layout_of(self.dtype)

    @cached_property
    def earlier(self) -> dict[int, Earlier]:
        """How rows of earlier layouts become rows of this one, by the number that `layout` had then."""
        return {self._layout_of(before.dtype): before for before in earlier_rows(self._observe.shape)}

    def _layout_of(self, dtype: np.dtype[np.void]) -> int:
        asset_class = self.asset_class.model_dump_json(exclude={"costs", "labels"})  # those change no row
        meaning = [repr(dtype.descr), self._learned.preparation.to_json(), asset_class]
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
        (scored,) = (seen.regime >= 0).nonzero()  # late ones too
        is_all = len(scored) == len(slots)
        features = seen.features if is_all else seen.features[scored]
        raw = self._of_all(self.raw_scores(features), None if is_all else scored, len(slots))
        enter("state")
        decided = self._decide(rows, slots, batch, seen, raw)
        if self._untold:
            decided.value[:, self._untold] = raw[:, self._untold] = np.nan
        enter("score")
        low, high = self._interval(features, decided.value, seen.quality, None if is_all else scored)
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
            seen.role,
            seen.hold,
            seen.is_bridged,
            seen.is_excused,
        )

    def watch(
        self,
        rows: npt.NDArray[np.void],
        slots: npt.NDArray[np.int64],
        batch: EventBatch,
        decisions: Decisions,
        patience: Patience,
    ) -> npt.NDArray[np.void]:
        """Watch what the assets send: transitions of their data alerts, DATA_TRANSITION, in the order of events.

        Args:
            rows: WATCH; changed in place. Zeros are an asset that was never seen.
            slots: (n,) the row of each event.
            decisions: of the same batch.
        """
        enter("state")
        given = Input(
            batch.time_s, batch.arrived_s, batch.kind, batch.code, decisions.status, decisions.role, decisions.quality,
            decisions.hold, decisions.is_bridged, decisions.is_set_back, decisions.is_excused, decisions.faults,
        )  # fmt: skip
        return watch(rows, slots, given, self.whole, patience)

    def _interval(
        self,
        features: npt.NDArray[np.float32],
        value: npt.NDArray[np.float64],
        quality: npt.NDArray[np.int8],
        scored: npt.NDArray[np.int64] | None,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Ends of the interval (n, T) of the values (n, T); `scored`: places of the feature rows, None: of all."""
        interval = self._learned.interval
        if interval is None:
            low, high = np.full((2, *value.shape), np.nan)
            return low, high
        of, graded = (value[:, 0], quality) if scored is None else (value[scored, 0], quality[scored])
        low, high = interval.of(features, of, graded, self._scorers)
        return self._of_all(low[:, None], scored, len(value)), self._of_all(high[:, None], scored, len(value))

    @staticmethod
    def _of_all(
        found: npt.NDArray[np.float64], scored: npt.NDArray[np.int64] | None, count: int
    ) -> npt.NDArray[np.float64]:
        """Rows of all events (n, ...) from those of the scored ones, NaN elsewhere; None: all have a score."""
        if scored is None:
            return found
        whole = np.full((count, *found.shape[1:]), np.nan)
        whole[scored] = found
        return whole

    def raw_scores(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """What the forests say of feature rows (n, F), for each target: (n, T); 0 for a target without a forest."""
        raw = np.zeros((len(features), len(self.targets)))
        for place in self.told:
            raw[:, place] = self._scorers[self.targets[place].role].score(features)
        return raw

    def explain(self, decisions: Decisions, transition: np.void, readings: Mapping[str, Any]) -> Evidence:
        """What moved the score of a transition most, strongest first, in words. No lines where no score decided.

        Takes milliseconds: for transitions, not for every event.

        Args:
            readings: of the record, by sensor.
        """
        if transition["reason"] not in DECIDED_BY_SCORE:
            return Evidence([], 0.0, None, False)
        place = transition["event"]
        parts = self._scorers[self.targets[transition["target"]].role].explain(decisions.features[place])
        return self._explainer(parts, decisions.features[place], readings, int(decisions.regime[place]))

    def reason(self, transition: np.void) -> str:
        """What happened, as a clause that continues the name of the failure mode."""
        text = REASONS[transition["reason"]]
        before = " while {severity}" if transition["state"] == CLEARED else ""
        return (text + before).format(severity=SEVERITIES[transition["severity"]])

    def data_words(
        self, transition: np.void, decisions: Decisions, readings: Mapping[str, Any]
    ) -> tuple[list[BrokenSensor], str]:
        """Of a transition of a data alert (DATA_TRANSITION): the broken sensors, and what happened.

        Args:
            readings: of the record, by sensor; none where it was no reading.
        """
        place, asset_class = transition["event"], self.asset_class
        broken = broken_sensors(asset_class.sensors, transition, decisions.faults[place])
        regime = int(decisions.regime[place])
        said = {one["sensor"]: self._explainer.said(one["sensor"], readings, regime) for one in broken}
        return broken, data_reason(asset_class, transition, broken, said, self.run_anew(readings))

    def run_anew(self, readings: Mapping[str, Any]) -> str:
        """See `Explainer.run_anew`."""
        return self._explainer.run_anew(readings)

    def warm(self) -> None:
        """Step one event of its own: what cannot serve fails here, before the first event is awaited."""
        rows, slots = np.zeros(1, self.dtype), np.zeros(1, np.int64)
        width = len(sensors_of(self.asset_class)), len(self.asset_class.regime), len(self.asset_class.constants)
        columns = [np.zeros((1, size)) for size in width]
        batch = EventBatch(np.ones(1), np.zeros(1, np.int8), np.zeros(1, np.int16), np.ones(1, np.uint64), *columns)
        batch = batch._replace(arrived_s=np.full(1, np.nan))
        self.watch(np.zeros(1, WATCH), slots, batch, self.step(rows, slots, batch), Patience(1.0, 1.0))

    @cached_property
    def _explainer(self) -> Explainer:
        preparation = self._learned.preparation
        return Explainer(self.asset_class, preparation, origins_of(self.asset_class, preparation))

    def _check(self, model: Model) -> None:
        expected = {self.targets[place].role: self._observe.feature_count for place in self.told}
        if self._learned.interval:
            expected |= dict.fromkeys(self._learned.interval.roles, self._observe.feature_count + 1)
        found = {role: scorer.features for role, scorer in self._scorers.items()}
        if found != expected:
            raise ModelError(
                f"{model.folder}: the forests take {found} features by role, the asset class needs {expected}.",
                "Train the model again.",
            )


__all__ = ["AssetEvent", "AssetModel", "Decisions", "EventBatch", "Learned", "Sequence", "Target"]
