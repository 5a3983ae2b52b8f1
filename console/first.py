"""First minute: three things to do for whoever sees Millrace for the first time, with what is really there.

Moment ─► a user who has a list, an item of it, an asset and its sensors, an alert ─► suggestions of the page Live
"""

from __future__ import annotations

from typing import NamedTuple

from console.news import Moment
from schemas import AlertBody, AssetBody
from storage import AlertFilter, AssetFilter, Reader

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
    alert: AlertBody | None


def _life(asset: AssetBody) -> float:
    """The remaining life as far as it is scored."""
    return min((score.value for score in asset.latest_scores if score.kind == "rul"), default=float("inf"))


def suggest(reader: Reader, moment: Moment) -> Suggestions:
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
    alerts = moment.alerts[:1] or reader.alerts(AlertFilter(), None, 1)
    return Suggestions(
        user=lists[0].user_id if lists else "me",
        users=[one.user_id for one in lists],
        item=next(iter(items), ""),
        items=items,
        asset=asset,
        assets=[one.asset_id for one in scored],
        sensors=reader.last_reading((asset.asset_class, asset.asset_id)) if asset else {},
        alert=next(iter(alerts), None),
    )
