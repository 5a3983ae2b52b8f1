"""What an asset class and what was learned of it come to: its targets, the shape of its rows, the pass, the policy.

AssetClass, `learned` of the manifest ─► Learned ─► targets_of, shape_of, observer_of, policy_of
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from models.maintenance.events import components_of, sensors_of
from models.maintenance.intervals import Interval
from models.maintenance.observe import Observer
from models.maintenance.policy import Policy, life_policy, probability_policy
from models.maintenance.preparation import DIRECTIONS, Preparation
from models.maintenance.recursions import FEATURES, STATIONARY
from models.maintenance.rows import RowShape, affordable_channels
from models.maintenance.sensors import CHECKED, MODES
from models.maintenance.words import REGRESSIONS, Origin, feature_names, feature_origins
from models.registry import Model
from schemas import AssetClass, ModelError, PolicyLevel, RulTarget

LIFE_FEATURES = FEATURES
WEAR = "wear"  # the failure mode of a class whose assets fail as a whole


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
    pull_units: float = 1.0  # units of time within which a reading pulls as much as that; models of before: one
    without: dict[str, int] = field(default_factory=dict)  # components too seldom failed to have a forest; how often

    def to_json(self) -> dict[str, Any]:
        return {
            "preparation": self.preparation.to_json(),
            "levels": [[level.model_dump() for level in levels] for levels in self.levels],
            "pull": self.pull,
            "steady_pull": self.steady_pull,
            "pull_units": self.pull_units,
            "interval": self.interval.to_json() if self.interval else None,
            "without": self.without,
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
            float(given.get("pull_units", 1.0)),
            {str(name): int(count) for name, count in given.get("without", {}).items()},
        )


def targets_of(asset_class: AssetClass) -> list[Target]:
    if isinstance(asset_class.target, RulTarget):
        return [Target(WEAR, None, "score")]
    return [Target(component, component, f"score-{component}") for component in asset_class.target.components]


def likely_channels(asset_class: AssetClass) -> int:
    """Health indexes of a class that fails as a whole; otherwise as many sensors as a row has room for."""
    if isinstance(asset_class.target, RulTarget):
        return min(DIRECTIONS, len(asset_class.sensors)) + len(REGRESSIONS)
    return affordable_channels(_shape(asset_class, 0), len(sensors_of(asset_class)))


def shape_of(asset_class: AssetClass, preparation: Preparation) -> RowShape:
    return _shape(asset_class, preparation.channels)


def _shape(asset_class: AssetClass, channels: int) -> RowShape:
    values = len(sensors_of(asset_class)) + len(asset_class.regime) + len(asset_class.constants)
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
    widths = len(sensors_of(asset_class)), len(asset_class.regime), len(asset_class.constants)
    shape = shape_of(asset_class, preparation)
    return Observer(preparation, shape, asset_class.unit_seconds, chosen, tells_life, widths)


def origins_of(asset_class: AssetClass, preparation: Preparation) -> list[Origin]:
    """Of each feature."""
    tells_life = isinstance(asset_class.target, RulTarget)
    chosen = LIFE_FEATURES if tells_life else STATIONARY
    return feature_origins(asset_class, preparation, components_of(asset_class), chosen, tells_life)


def feature_names_of(asset_class: AssetClass, preparation: Preparation) -> list[str]:
    return feature_names(origins_of(asset_class, preparation))


def policy_of(asset_class: AssetClass, learned: Learned) -> Policy:
    pulls, errors = (learned.pull, learned.steady_pull, learned.pull_units), len(asset_class.errors)
    if isinstance(asset_class.target, RulTarget):
        return life_policy(learned.levels[0], asset_class.target.cap, pulls, errors)
    return probability_policy(learned.levels, pulls, errors)


def learned_of(model: Model) -> Learned:
    try:
        return Learned.from_json(model.manifest.learned)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{model.folder}: `learned` of the manifest cannot be read: {error!r}.", "Train the model again."
        ) from error
