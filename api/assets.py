"""Assets: which there are, how they stand, and their scores.

Store.reading ─► bodies
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, NamedTuple

from fastapi import Depends, Query

from api.cursors import from_asset_cursor, from_cursor, page_of, to_asset_cursor, to_cursor
from api.problems import ProblemError
from api.shared import After, AssetClass, AssetId, Database, From, Limit, To, build_router, shown
from schemas import (
    AssetBody,
    AssetDetail,
    EventTime,
    Name,
    Page,
    Score,
)
from storage import Reader

router = build_router("assets")


class Period(NamedTuple):
    """`start <= event_time < end`; none: open."""

    start: datetime | None
    end: datetime | None


async def _period(
    start: From = None,
    end: To = None,
    since: Annotated[EventTime | None, Query(deprecated=True, description="as `from`")] = None,
    until: Annotated[EventTime | None, Query(deprecated=True, description="as `to`")] = None,
) -> Period:
    return Period(start or since, end or until)


@router.get("/assets", responses=shown("Page[AssetBody]"))
def list_assets(
    store: Database,
    asset_class: Annotated[Name | None, Query()] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[AssetBody]:
    """Assets in the order of their classes, and of their ids within a class."""
    key = from_asset_cursor(after)
    with store.reading() as reader:
        assets = reader.assets(asset_class, key, limit + 1)
    return page_of(assets, limit, lambda asset: to_asset_cursor(asset.asset_class, asset.asset_id))


def _the_class(reader: Reader, asset_id: str, asked: str | None) -> str:
    """The class of the asset that is asked for.

    Raises:
        ProblemError: there is none of this id and class, or there are several of this id and no class is asked for.
    """
    classes = reader.classes_of(asset_id)
    if asked is None and len(classes) > 1:
        raise ProblemError(
            "ambiguous-asset",
            f"Several asset classes have an asset {asset_id}: {', '.join(classes)}. Ask again with one of them, as in "
            f"`?asset_class={classes[0]}`.",
        )
    if asked is None and classes:
        return classes[0]
    if asked is None or asked not in classes:
        of_class = "" if asked is None else f" of the class {asked}"
        elsewhere = f" There is one of {', '.join(classes)}." if classes else ""
        raise ProblemError(
            "unknown-asset", f"No score or alert of asset {asset_id}{of_class} was ever seen.{elsewhere}"
        )
    return asked


# `:id`: ids may hold slashes, as in site/line/pump; so the longer route comes first
@router.get(
    "/assets/{asset_id:id}/scores",
    responses=shown("Page[Score]", "unknown-asset", "ambiguous-asset"),
)
def list_scores(
    asset_id: AssetId,
    store: Database,
    period: Annotated[Period, Depends(_period)],
    asset_class: AssetClass = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[Score]:
    """The scores of an asset, newest first, as far back as MILLRACE_RETENTION_SCORES_DAYS."""
    key = from_cursor("scores", after)
    with store.reading() as reader:
        of_class = _the_class(reader, asset_id, asset_class)
        scores = reader.scores(asset_id, period.start, period.end, key, limit + 1, of_class)
    return page_of(scores, limit, lambda score: to_cursor("scores", score.event_time, score.score_id))


@router.get("/assets/{asset_id:id}", responses=shown("AssetDetail", "unknown-asset", "ambiguous-asset"))
def get_asset(asset_id: AssetId, store: Database, asset_class: AssetClass = None) -> AssetDetail:
    """An asset with the newest score of each of its targets and its open alerts."""
    with store.reading() as reader:
        asset = reader.asset(asset_id, _the_class(reader, asset_id, asset_class))
    assert asset is not None, "its class was read in the same transaction"
    return asset
