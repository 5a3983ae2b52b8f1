"""Assets: which there are, how they stand, their scores, readings and logs.

Store.reading ─► bodies
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from api.csv_rows import reading_csv, score_csv, wants_csv, with_csv
from api.cursors import List, from_cursor, page_of, to_cursor
from api.problems import ProblemError
from api.shared import After, AssetClass, AssetId, Database, From, InPlace, Limit, SearchText, To, build_router, shown
from schemas import (
    AssetDetail,
    AssetPage,
    EventTime,
    FieldError,
    InService,
    LogEntryBody,
    Name,
    Page,
    Score,
    SeriesBody,
    Severity,
)
from storage import AssetFilter, Reader, parse_words, place_of

router = build_router("assets")
OF_AN_ASSET = ("unknown-asset", "ambiguous-asset")
Points = Annotated[int, Query(ge=1, le=2000, description="most points of each series")]


class Period(NamedTuple):
    """`start <= event_time < end`; none: open."""

    start: datetime | None
    end: datetime | None


async def _period(start: From = None, end: To = None) -> Period:
    return Period(start, end)


async def _period_of_scores(
    period: Annotated[Period, Depends(_period)],
    since: Annotated[EventTime | None, Query(deprecated=True, description="as `from`")] = None,
    until: Annotated[EventTime | None, Query(deprecated=True, description="as `to`")] = None,
) -> Period:
    return Period(period.start or since, period.end or until)


class ScoreForm(NamedTuple):
    """Page by page, or all as a series of so many points, or as CSV."""

    points: int | None
    is_csv: bool


async def _form_of_scores(is_csv: Annotated[bool, Depends(wants_csv)], points: Points | None = None) -> ScoreForm:
    return ScoreForm(points, is_csv)


InPeriod = Annotated[Period, Depends(_period)]


async def _which(
    place: InPlace,
    asset_class: Annotated[Name | None, Query()] = None,
    severity: Annotated[Severity | None, Query(description="of the worst open alert")] = None,
    query: SearchText = None,
    service: Annotated[InService | None, Query(description="what they are now, by their log")] = None,
) -> AssetFilter | None:
    """None: the text has no word, so nothing is found."""
    words = parse_words(query)
    services = () if service is None else (service,)
    return None if query is not None and not words else AssetFilter(asset_class, severity, words, place, services)


@router.get("/assets", responses=shown("AssetPage"))
def list_assets(
    store: Database,
    which: Annotated[AssetFilter | None, Depends(_which)],
    sort: Annotated[
        Literal["id", "worst", "last_seen"],
        Query(
            description="by class and id; the worst open alert first, and of those alike the one with the least "
            "`health`; or the last seen first"
        ),
    ] = "id",
    after: After = None,
    limit: Limit = 50,
    counts: Annotated[
        bool,
        Query(
            description="how many there are by severity and by class, whatever `query`, "
            "without those that are decommissioned"
        ),
    ] = False,
) -> AssetPage:
    """Assets with their latest scores and the severity of their worst open alert.

    One of which there are only readings or a log, as no model serves its class yet, has no scores and no health;
    `counts.without_model` has the classes without a model.
    """
    name: List = "assets" if sort == "id" else f"assets/{sort}"  # type: ignore[assignment]  # mypy knows no such sum
    key = from_cursor(name, after)
    if which is None:
        return AssetPage(items=[])
    with store.reading() as reader:
        assets = reader.assets(which, key, limit + 1, sort)
        counted = reader.count_assets(which) if counts else None

    page = page_of(assets, limit, lambda asset: to_cursor(name, *place_of(asset, sort)))
    return AssetPage(items=page.items, next=page.next, counts=counted)


def _the_class(reader: Reader, asset_id: str, asked: str | None) -> str:
    """The class of the asset that is asked for.

    Raises:
        ProblemError: there is none of this id and class, or there are several of this id and no class is asked for.
    """
    classes = reader.classes_of(asset_id)
    if not classes or (asked is not None and asked not in classes):
        classes = [*classes, *reader.unscored_classes_of(asset_id)]
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
        elsewhere = f" There is one of {', '.join(dict.fromkeys(classes))}." if classes else ""
        raise ProblemError(
            "unknown-asset", f"No score, alert, reading or log entry of asset {asset_id}{of_class} is kept.{elsewhere}"
        )
    return asked


# `:id`: ids may hold slashes, as in site/line/pump; so the longer routes come first
@router.get(
    "/assets/{asset_id:id}/scores",
    response_model=Page[Score] | SeriesBody,
    responses=with_csv(shown("Page[Score]", *OF_AN_ASSET)),
)
def list_scores(
    request: Request,
    asset_id: AssetId,
    store: Database,
    period: Annotated[Period, Depends(_period_of_scores)],
    form: Annotated[ScoreForm, Depends(_form_of_scores)],
    asset_class: AssetClass = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[Score] | SeriesBody | Response:
    """The scores of an asset, newest first, as far back as MILLRACE_RETENTION_SCORES_DAYS.

    With `points` all of them as a series for each target: the time is cut into so many buckets, and of each there are
    the least, the mean and the greatest value. A series has no pages: `limit` and `after` do not go with it. As CSV
    they come one by one, the oldest first, up to 500,000; neither goes with that.
    """
    if form.is_csv:
        _refuse(request, ("limit", "after", "points"), "CSV: it has all of the time")
    elif form.points is not None:
        _refuse(request, ("limit", "after"), "`points`: a series has no pages")
    key = from_cursor("scores", after)
    with store.reading() as reader:
        of_class = _the_class(reader, asset_id, asset_class)
        if form.is_csv:
            return score_csv(store, (of_class, asset_id), period)
        if form.points is not None:
            return reader.score_series((of_class, asset_id), *period, form.points)
        scores = reader.scores(asset_id, *period, key, limit + 1, of_class)
    return page_of(scores, limit, lambda score: to_cursor("scores", score.event_time, score.score_id))


def _refuse(request: Request, names: tuple[str, ...], what: str) -> None:
    errors = [
        FieldError(field=f"query.{name}", message=f"does not go with {what}")
        for name in names
        if name in request.query_params
    ]
    if errors:
        raise ProblemError("invalid-request", f"{errors[0].field}: {errors[0].message}.", errors)


@router.get(
    "/assets/{asset_id:id}/readings",
    response_model=SeriesBody,
    responses=with_csv(shown("SeriesBody", *OF_AN_ASSET)),
)
def list_readings(
    request: Request,
    asset_id: AssetId,
    store: Database,
    period: InPeriod,
    asset_class: AssetClass = None,
    points: Points = 300,
    sensor: Annotated[
        list[Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]] | None,
        Query(max_length=64, description="name of a sensor, several times for several; none: all, up to 64"),
    ] = None,
    is_csv: Annotated[bool, Depends(wants_csv)] = False,
) -> SeriesBody | Response:
    """The readings of an asset as a series for each sensor: of each bucket of time the least, mean and greatest value.

    The database keeps one reading in MILLRACE_READINGS_EVERY_S, for MILLRACE_RETENTION_READINGS_DAYS.
    As CSV they come one by one, the oldest first, up to 500,000, with a column for each sensor.
    """
    if is_csv:
        _refuse(request, ("points",), "CSV: it has all of the time")
    with store.reading() as reader:
        of_class = _the_class(reader, asset_id, asset_class)
        if is_csv:
            return reading_csv(store, (of_class, asset_id), period, sensor or [])
        return reader.reading_series((of_class, asset_id), *period, points, sensor or [])


@router.get("/assets/{asset_id:id}/log", responses=shown("Page[LogEntryBody]", *OF_AN_ASSET))
def list_log(
    asset_id: AssetId,
    store: Database,
    period: InPeriod,
    asset_class: AssetClass = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[LogEntryBody]:
    """The maintenance log of an asset, the last entry first."""
    key = from_cursor("log", after)
    with store.reading() as reader:
        of_class = _the_class(reader, asset_id, asset_class)
        entries = reader.log((of_class, asset_id), *period, key, limit + 1)
    page = page_of(entries, limit, lambda entry: to_cursor("log", *entry[0]))
    return Page(items=[entry for _, entry in page.items], next=page.next)


@router.get("/assets/{asset_id:id}", responses=shown("AssetDetail", *OF_AN_ASSET))
def get_asset(asset_id: AssetId, store: Database, asset_class: AssetClass = None) -> AssetDetail:
    """An asset with the newest score of each of its targets and its open alerts; none, where only readings or entries
    of its log are kept.
    """
    with store.reading() as reader:
        of_class = _the_class(reader, asset_id, asset_class)
        asset = reader.asset(asset_id, of_class) or reader.unscored_asset((of_class, asset_id))
    assert asset is not None, "its class was read in the same transaction"
    return asset
