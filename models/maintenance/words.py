"""Names of the features of an asset class, and the words in which a decision is explained to a person.

place in the feature row ─► name (`wear_1.trend`) ─► words ("trend over about 8 cycles of health index 1 (mainly s11)")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from models.maintenance.log_memory import WINDOWS
from models.maintenance.preparation import Preparation
from models.maintenance.recursions import WORDS
from schemas import AssetClass, RulTarget

REGRESSIONS = ("life", "life_end")
MAIN_SENSORS = 3


class Contribution(TypedDict):
    """One line of evidence: what a feature was, and by how much it moved the score."""

    feature: str
    words: str
    value: float
    contribution: float


@dataclass(frozen=True)
class FeatureWords:
    name: str
    words: str

    def told(self, value: float, contribution: float) -> Contribution:
        effect = "raised" if contribution > 0 else "lowered"
        words = f"{self.words} ({value:.3g}) {effect} the score by {abs(contribution):.3g}"
        return {"feature": self.name, "words": words, "value": value, "contribution": contribution}


def channel_names(asset_class: AssetClass, preparation: Preparation) -> list[str]:
    if not isinstance(asset_class.target, RulTarget):
        return [asset_class.sensors[place] for place in preparation.sensors]
    directions = preparation.channels - len(REGRESSIONS)
    return [*(f"wear_{place + 1}" for place in range(directions)), *REGRESSIONS]


def feature_names(
    asset_class: AssetClass, preparation: Preparation, components: Sequence[str], chosen: Sequence[str], has_age: bool
) -> list[str]:
    """In the order in which `models.maintenance.observe` writes a feature row."""
    names = [f"{channel}.{name}" for channel in channel_names(asset_class, preparation) for name in chosen]
    names += ["age"] if has_age else []
    names += [f"{code}.count_{window:.0f}" for code in asset_class.errors for window in WINDOWS]
    names += [f"{code}.since" for code in asset_class.errors]
    names += [f"{component}.since_renewal" for component in components]
    return names + list(asset_class.constants)


def feature_words(asset_class: AssetClass, preparation: Preparation, names: Sequence[str]) -> list[FeatureWords]:
    """For each feature name its words."""
    channels = {
        name: _channel_words(asset_class, preparation, place)
        for place, name in enumerate(channel_names(asset_class, preparation))
    }
    return [FeatureWords(name, _words(name, asset_class.unit, channels)) for name in names]


def _channel_words(asset_class: AssetClass, preparation: Preparation, place: int) -> str:
    if not isinstance(asset_class.target, RulTarget):
        return str(asset_class.sensors[preparation.sensors[place]])
    weight = np.abs(preparation.weights[:, place, :]).mean(0)
    main = np.argsort(-weight, kind="stable")[:MAIN_SENSORS]
    return f"health index {place + 1} (mainly {', '.join(asset_class.sensors[preparation.sensors[s]] for s in main)})"


def _words(name: str, unit: str, channels: dict[str, str]) -> str:
    subject, _, what = name.rpartition(".")
    if what in WORDS and subject in channels:
        return f"{WORDS[what].format(unit=unit)} of {channels[subject]}"
    if name == "age":
        return f"{unit}s since the life began"
    if what.startswith("count_"):
        return f"number of {subject} within {what.removeprefix('count_')} {unit}s"
    if what == "since" and subject:
        return f"{unit}s since {subject}"
    if what == "since_renewal":
        return f"{unit}s since {subject} was renewed"
    return name
