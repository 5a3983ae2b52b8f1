"""Names of the features of an asset class, and where each comes from: a channel, the age, the log, a constant.

asset class, preparation ─► names in the order of the feature row (`wear_1.trend`), Origin of each
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.maintenance.codes import WINDOWS
from models.maintenance.events import sensors_of
from models.maintenance.preparation import Preparation
from schemas import AssetClass, RulTarget

REGRESSIONS = ("life", "life_end")


@dataclass(frozen=True)
class Origin:
    """What a feature is about: `name` of a sensor's channel, an error, a component, a constant, or the age."""

    kind: Literal["channel", "age", "error", "renewal", "constant"]
    name: str
    what: str = ""  # of a channel: place in `recursions.FEATURES`; of an error: `count_24`, ..., `since`
    place: int = 0  # of the channel


def channel_names(asset_class: AssetClass, preparation: Preparation) -> list[str]:
    if not isinstance(asset_class.target, RulTarget):
        return [sensors_of(asset_class)[place] for place in preparation.sensors]
    directions = preparation.channels - len(REGRESSIONS)
    return [*(f"wear_{place + 1}" for place in range(directions)), *REGRESSIONS]


def feature_origins(
    asset_class: AssetClass, preparation: Preparation, components: Sequence[str], chosen: Sequence[str], has_age: bool
) -> list[Origin]:
    """In the order in which `models.maintenance.observe` writes a feature row."""
    channels = list(enumerate(channel_names(asset_class, preparation)))
    found = [Origin("channel", channel, name, place) for place, channel in channels for name in chosen]
    found += [Origin("age", "age")] if has_age else []
    found += [Origin("error", code, f"count_{window:.0f}") for code in asset_class.errors for window in WINDOWS]
    found += [Origin("error", code, "since") for code in asset_class.errors]
    found += [Origin("renewal", component, "since_renewal") for component in components]
    return found + [Origin("constant", name) for name in asset_class.constants]


def feature_names(origins: Sequence[Origin]) -> list[str]:
    return [f"{origin.name}.{origin.what}" if origin.what else origin.name for origin in origins]
