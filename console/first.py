"""First minute: three things to do for whoever sees Millrace for the first time, with what is really there.

Moment ─► a user who has a list, an item of it, an asset and its sensors, an alert ─► suggestions of the page Live
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from api import read_models
from console.news import Moment
from schemas import AlertBody, AssetBody
from storage import AlertFilter, AssetFilter, Reader

OUTSIDE = 3  # times the width of what is normal
MOST_ASSETS = 5  # of the worst, of which one that speaks is shown


class Suggestions(NamedTuple):
    """What the forms of the page are filled with; empty or None where there is nothing yet."""

    user: str
    users: list[str]
    item: str
    items: dict[str, str]  # titles by id
    asset: AssetBody | None
    assets: list[str]
    sensors: dict[str, float]  # of the asset's last reading
    tried: tuple[str, float] | None  # a sensor, and a reading of it that is far from normal
    alert: AlertBody | None


def _life(asset: AssetBody) -> float:
    """The remaining life as far as it is scored."""
    return min((score.value for score in asset.latest_scores if score.kind == "rul"), default=float("inf"))


def _far(reader: Reader, asset: AssetBody, sensors: dict[str, float], home: Path) -> tuple[str, float] | None:
    """What moved the last alert of the class most, well outside of what is normal of it. As long as there is none, a
    sensor that does not say how the asset is run, with half as much again."""
    last = reader.alerts(AlertFilter(asset_class=asset.asset_class, kind="machine"), None, 1)
    alert = reader.alert(last[0].alert_id) if last else None
    for part in [part for one in alert.transitions for part in one.evidence.contributions] if alert else []:
        if part.get("feature") in sensors and {"value", "normal_low", "normal_high"} <= part.keys():
            low, high = float(part["normal_low"]), float(part["normal_high"])
            is_above = float(part["value"]) > (low + high) / 2
            value = high + OUTSIDE * (high - low) if is_above else low - OUTSIDE * (high - low)
            return str(part["feature"]), _short(value)
    models = [model for model in read_models(home / "models") if model.name == asset.asset_class]
    versions = [version for model in models for version in model.versions]
    how_run = {name for version in versions for regime in version.regimes for name in regime}
    return next(((name, _short(1.5 * value)) for name, value in sensors.items() if name not in how_run), None)


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def suggest(reader: Reader, moment: Moment, home: Path) -> Suggestions:
    """Of the newest decisions, the worst asset that still speaks, and the last alert, open or not.

    Where no asset has an open alert, the worst is the one with the least life left.
    """
    lists = [one for one in moment.recommendations if one.items]
    items = {
        item.item_id: (known.title or item.item_id) if (known := moment.items.get(item.item_id)) else item.item_id
        for one in lists
        for item in one.items[:3]
    }
    scored = [one for one in moment.assets if one.latest_scores]
    speaking = {(one.asset_class, one.asset_id) for one in scored}
    worst = reader.assets(AssetFilter(), None, MOST_ASSETS, "worst")
    asset = next((one for one in worst if one.severity and (one.asset_class, one.asset_id) in speaking), None)
    asset = asset or min(scored, key=_life, default=None)
    sensors = reader.last_reading((asset.asset_class, asset.asset_id)) if asset else {}
    alerts = moment.alerts[:1] or reader.alerts(AlertFilter(), None, 1)
    return Suggestions(
        user=lists[0].user_id if lists else "me",
        users=[one.user_id for one in lists],
        item=next(iter(items), ""),
        items=items,
        asset=asset,
        assets=[one.asset_id for one in scored],
        sensors=sensors,
        tried=_far(reader, asset, sensors, home) if asset else None,
        alert=next(iter(alerts), None),
    )
