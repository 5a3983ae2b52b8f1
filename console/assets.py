"""Assets: the fleet, the worst first, and one asset: scores with their band, alerts and maintenance, sensors below.

filters ─► Store.reading ─► list with small lines;  asset, range ─► charts on one axis of time
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response

from api import Database, InPlace, ProblemError, from_cursor, read_models, to_cursor
from console.charts import UNSAID, chart_of, marks_of, spark_of
from console.page import build_pages, link, show
from console.strips import quality_strip_of, strip_of
from schemas import (
    EARLIEST,
    LATEST,
    AssetBody,
    Id,
    InService,
    LogEntryBody,
    ModelBody,
    Name,
    SensorLabel,
    Settings,
    Severity,
)
from storage import AlertFilter, AssetFilter, Reader, parse_words, place_of

router = build_pages()
PAGE = 25
DAY = timedelta(days=1)
RANGES = {"15min": timedelta(minutes=15), "1h": timedelta(hours=1), "6h": timedelta(hours=6), "1d": DAY,
          "7d": 7 * DAY, "30d": 30 * DAY, "all": None}  # fmt: skip
MOST_SENSORS, MOST_MARKED, MOST_ENTRIES = 24, 30, 200
SHOWN: tuple[InService, ...] = ("in_service", "out_of_service")  # what is decommissioned is shown to whoever asks
Sort = Literal["worst", "last_seen", "id"]
AssetId = Annotated[Id, Path()]


class Asked(NamedTuple):
    """What of the fleet is shown; none: all."""

    severity: Severity | None
    asset_class: Name | None
    query: str
    service: InService | None


async def _asked(
    severity: Annotated[Severity | None, Query()] = None,
    asset_class: Annotated[Name | None, Query()] = None,
    query: Annotated[str, Query(max_length=100)] = "",
    service: Annotated[InService | None, Query()] = None,
) -> Asked:
    return Asked(severity, asset_class, query, service)


@router.get("/assets")
def list_assets(
    request: Request,
    store: Database,
    place: InPlace,
    asked: Annotated[Asked, Depends(_asked)],
    sort: Annotated[Sort, Query()] = "worst",
    after: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Each with its latest scores, a line of the last day, and whether it still speaks."""
    words = parse_words(asked.query)
    kind: Any = "assets" if sort == "id" else f"assets/{sort}"
    with store.reading() as reader:
        services = SHOWN if asked.service is None else (asked.service,)
        which = AssetFilter(asked.asset_class, asked.severity, words, place, services)
        key = from_cursor(kind, after)
        found = reader.assets(which, key, PAGE + 1, sort) if words or not asked.query.strip() else []
        counts, sites = reader.count_assets(which), reader.site_names()
        sparks = {(one.asset_class, one.asset_id): _spark(reader, one) for one in found[:PAGE]}
    chosen: dict[str, Any] = {"sort": sort, **asked._asdict()}
    chosen |= {"site": place.site, "line": place.line, "label": list(place.labels)}
    more = (
        link("/assets", **chosen, after=to_cursor(kind, *place_of(found[PAGE - 1], sort)))
        if len(found) > PAGE
        else None
    )
    settings: Settings = request.app.state.settings
    silent_since = datetime.now(UTC) - timedelta(seconds=settings.silent_after_s)
    return show(
        request, "assets.html", assets=found[:PAGE], counts=counts, sites=sites, sparks=sparks, chosen=chosen,
        next=more, silent_since=silent_since,
    )  # fmt: skip


def _spark(reader: Reader, asset: AssetBody) -> str:
    series = reader.score_series(
        (asset.asset_class, asset.asset_id), max(asset.first_seen, asset.last_seen - DAY), None, 40
    ).series
    return spark_of(series[0] if series else None)


@router.get("/assets/{asset_class}/{asset_id:id}")
def get_asset(
    request: Request,
    store: Database,
    asset_class: Annotated[Name, Path()],
    asset_id: AssetId,
    span: Annotated[str | None, Query(alias="range", description="how far back", max_length=10)] = None,
    start: Annotated[str, Query(alias="from", description="a time, of UTC where it has no zone", max_length=40)] = "",
    end: Annotated[str, Query(alias="to", max_length=40)] = "",
) -> Response:
    """One asset: what it scores, what happened to it, what its sensors say."""
    if span not in (None, *RANGES):
        raise ProblemError("invalid-request", f"`range` is one of {', '.join(RANGES)}.")
    key, since, until = (asset_class, asset_id), _time("from", start), _time("to", end)
    with store.reading() as reader:
        asset = reader.asset(asset_id, asset_class) or reader.unscored_asset(key)
        if asset is None:
            raise ProblemError("unknown-asset", f"Nothing of an asset {asset_id} of {asset_class} was ever seen.")
        has_model = bool(asset.latest_scores) or reader.is_scored(asset_class)
        if since is None and until is None:
            span = span or _fitting(asset.last_seen - asset.first_seen)
            since = None if (back := RANGES[span]) is None else asset.last_seen - back
        scores = reader.score_series(key, since, until, 400)
        readings = reader.reading_series(key, since, until, 400, []).series
        entries: list[LogEntryBody] = [entry for _, entry in reader.log(key, since, until, None, MOST_ENTRIES)]
        alerts = reader.alerts(
            AlertFilter(asset_id=asset_id, asset_class=asset_class, start=since, end=until), None, 50
        )
        transitions = [
            t for one in alerts[:MOST_MARKED] if (detail := reader.alert(one.alert_id)) for t in detail.transitions
        ]
    marks = marks_of(transitions, entries)
    models = read_models(request.app.state.settings.home / "models")
    said = _labels(models, asset_class)
    return show(
        request, "asset.html", asset=asset, span=span, ranges=list(RANGES), alerts=alerts, entries=entries[:50],
        since=since, until=until, custom=bool(start or end), has_model=has_model,
        scores=[chart_of(one, marks) for one in scores.series], strip=strip_of(scores, models),
        quality_strip=quality_strip_of(scores), now=datetime.now(UTC),
        sensors=[chart_of(one, said=said.get(one.name, UNSAID)) for one in readings[:MOST_SENSORS]],
    )  # fmt: skip


def _labels(models: Sequence[ModelBody], asset_class: str) -> Mapping[str, SensorLabel]:
    """What people call the readings of a class, by the version that serves it."""
    for model in models:
        serving = next((one for one in model.versions if one.version == model.aliases.get("champion")), None)
        if serving is not None and serving.asset_class == asset_class:
            said = serving.labels.items()
            return {name: SensorLabel(label=one.label or name.replace("_", " "), unit=one.unit) for name, one in said}
    return {}


def _time(name: str, text: str) -> datetime | None:
    """A time as a person, the form or a bookmark gives it; None: none is given."""
    if not text.strip():
        return None
    found: datetime | None
    try:
        found = datetime.fromisoformat(text.strip())
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        found = None
    if found is None or not EARLIEST < found < LATEST:
        raise ProblemError("invalid-request", f"`{name}` is no time such as 2026-05-01T12:00 (UTC): {text.strip()!r}.")
    return found


def _fitting(known: timedelta) -> str:
    """The shortest range that shows all that is known of an asset, of a day at most."""
    return next((name for name, span in RANGES.items() if span and (span >= known or span == DAY)), "1d")
