"""Evidence: what moved a score, told by sensors with their readings and what is normal for them.

contributions of the features, raw readings, regime ─► one line a sensor, error or part ─► Evidence, which sums

A health index is a weighted sum of sensors, so what it moved is shared among them as they moved it: by weight times
distance from what is normal. The lines, what all others moved and the base sum to what the forest said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import numpy as np

from models.arrays import Floats
from models.maintenance.codes import NEVER
from models.maintenance.events import sensors_of
from models.maintenance.preparation import Preparation
from models.maintenance.recursions import FEATURES
from models.maintenance.words import Origin
from schemas import AssetClass, RulTarget

LINES = 5
FAR = 1e100  # a wilder reading is as far away
LEAST_SHARE = 0.1  # of the strongest line, from which one is worth a place in the sentence
_SINCE = FEATURES.index("since_change")
ALL_ELSE = "all else"


class Line(TypedDict, total=False):
    """One line of evidence: what it is about, and by how much it moved the score."""

    feature: str
    words: str
    contribution: float
    label: str
    value: float  # of a sensor: its reading, in `unit`
    unit: str
    normal_low: float  # 5th and 95th percentile at this load, while the assets of the history were well
    normal_high: float


class Evidence(NamedTuple):
    """What moved a score; `base` and all contributions sum to what the forest said."""

    lines: list[Line]  # the strongest first; the last one is of all else
    base: float
    worse_for: float | None  # units of the class since the index that moved the score most began to rise
    has_loads: bool  # what is normal depends on how the asset is run


@dataclass(frozen=True)
class Explainer:
    """For one asset class."""

    asset_class: AssetClass
    preparation: Preparation
    origins: Sequence[Origin]

    def __call__(self, parts: Floats, row: Floats, readings: Mapping[str, Any], regime: int) -> Evidence:
        """
        Args:
            parts: (F + 1,) contributions of the features, then the base.
            row: (F,) the feature row.
            readings: of the record, by sensor; what is missing or no number is not told.
        """
        sensors, others, since = self._shared(parts, row, readings, regime)
        found = [self._sensor(place, moved, readings, regime) for place, moved in sensors.items()]
        found = found if self.asset_class.sensors else []  # that it is there moves nothing
        found += [self._other(origin, moved, row) for origin, moved in others.items()]
        found.sort(key=lambda line: -abs(line["contribution"]))
        rest = float(sum(line["contribution"] for line in found[LINES:]))
        lines = found[:LINES]
        if len(found) > LINES:
            lines.append({"feature": ALL_ELSE, "words": ALL_ELSE, "contribution": rest})
        return Evidence(lines, float(parts[-1]), since, len(self.preparation.centroids) > 1)

    def _shared(
        self, parts: Floats, row: Floats, readings: Mapping[str, Any], regime: int
    ) -> tuple[dict[int, float], dict[tuple[str, str], float], float | None]:
        """What each sensor (its place among the kept ones) moved, what all other things moved, and since when."""
        channels: dict[int, float] = defaultdict(float)
        others: dict[tuple[str, str], float] = defaultdict(float)
        since: dict[int, float] = {}
        for origin, moved, value in zip(self.origins, parts.tolist(), row.tolist(), strict=False):
            if origin.kind != "channel":
                others[origin.kind, origin.name] += moved
                continue
            channels[origin.place] += moved
            if origin.what == FEATURES[_SINCE]:
                since[origin.place] = value
        sensors: dict[int, float] = defaultdict(float)
        for channel, moved in channels.items():
            for place, share in enumerate(self._shares(channel, readings, regime).tolist()):
                sensors[place] += moved * share
        strongest = max(channels, key=lambda place: abs(channels[place]), default=None)
        return dict(sensors), dict(others), since.get(strongest) if strongest is not None else None

    def _shares(self, channel: int, readings: Mapping[str, Any], regime: int) -> Floats:
        """(S,) parts of 1 that the sensors have in what a channel moved."""
        if not isinstance(self.asset_class.target, RulTarget):
            return np.asarray(np.arange(len(self.preparation.sensors)) == channel, np.float64)
        weights = np.abs(self.preparation.weights[regime, channel])
        low, high = self.preparation.normal_range(regime)
        sd = np.maximum(self.preparation.sd[regime], 1e-9)
        said = np.array([_number(readings.get(name)) for name in self._names], np.float64)
        away = np.abs(np.clip(said, -FAR, FAR) - (low + high) / 2) / sd
        strength = weights * np.where(np.isnan(away), 0.0, np.minimum(away, 1e3))
        strength = strength if strength.sum() > 0 else weights
        total = strength.sum()
        return np.asarray(strength / total if total > 0 else np.full(len(weights), 1 / len(weights)))

    @property
    def _names(self) -> list[str]:
        return [sensors_of(self.asset_class)[place] for place in self.preparation.sensors]

    def _sensor(self, place: int, moved: float, readings: Mapping[str, Any], regime: int) -> Line:
        name = self._names[place]
        label, unit = self.asset_class.words_of(name)
        value = _number(readings.get(name))
        low, high = (float(bound[place]) for bound in self.preparation.normal_range(regime))
        line: Line = {"feature": name, "words": label, "contribution": moved}
        if np.isnan(value):
            return line
        line |= {"label": label, "value": value, "unit": unit, "normal_low": low, "normal_high": high}
        line["words"] = f"{label} {amount(value, unit)} (normally {figure(low)} to {figure(high)})"
        return line

    def said(self, sensor: str, readings: Mapping[str, Any], regime: int) -> str:
        """What a sensor says, and what is normal, to follow its name; empty where it said nothing that can be told."""
        value = _number(readings.get(sensor))
        if np.isnan(value) or regime < 0 or sensor not in self._names:
            return ""
        low, high = (float(bound[self._names.index(sensor)]) for bound in self.preparation.normal_range(regime))
        _, unit = self.asset_class.words_of(sensor)
        return f" at {amount(value, unit)} (normally {figure(low)} to {figure(high)})"

    def run_anew(self, readings: Mapping[str, Any]) -> str:
        """How an asset is run, in words, where no reading of the training was run so; empty where one was, or where the
        reading does not tell."""
        names = self.asset_class.regime
        values = np.array([_number(readings.get(name)) for name in names])
        if not names or np.isnan(values).any() or self.preparation.regimes.reaches(values):
            return ""
        words = [self.asset_class.words_of(name) for name in names]
        return ", ".join(f"{label} {amount(v, unit)}" for (label, unit), v in zip(words, values.tolist(), strict=True))

    def _other(self, origin: tuple[str, str], moved: float, row: Floats) -> Line:
        kind, name = origin
        values = {one.what: float(row[n]) for n, one in enumerate(self.origins) if (one.kind, one.name) == origin}
        unit = self.asset_class.unit
        return {"feature": name, "words": _words(kind, name, values, unit, self.asset_class), "contribution": moved}


def _words(kind: str, name: str, values: Mapping[str, float], unit: str, asset_class: AssetClass) -> str:
    if kind == "age":
        return f"in use for {figure(values[''])} {unit}s"
    if kind == "error":
        window = next((what for what in values if what.startswith("count_") and values[what] > 0), None)
        if window is None:
            return f"error {name} not lately"
        count = values[window]
        return f"error {name} {count:.0f} time{'s' if count > 1 else ''} within {window.removeprefix('count_')} {unit}s"
    if kind == "renewal":
        since = values["since_renewal"]
        return (
            f"{name} in use for longer than is known"
            if since >= NEVER
            else f"{name} in use for {figure(since)} {unit}s"
        )
    label, of = asset_class.words_of(name)
    return f"{label} {amount(values[''], of)}"


def figure(value: float) -> str:
    """Three digits that tell; no exponent where people write none."""
    if not np.isfinite(value):
        return str(value)
    if abs(value - round(value)) < 1e-9 and abs(value) < 1e7:
        return f"{value:,.0f}"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.3g}" if abs(value) >= 1e7 or digits > 6 else f"{value:,.{digits}f}"


def amount(value: float, unit: str) -> str:
    return f"{figure(value)} {unit}".strip()


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
