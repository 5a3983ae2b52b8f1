"""Read series: scores and readings of a time, however many, as at most so many points with their extremes.

rows of an asset ─► buckets of equal width, in the database ─► min, mean, max of each
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    case,
    cast,
    column,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute

from schemas import ModelRef, Point, Quality, QualityPoint, RegimePoint, Series, SeriesBody
from storage.kept_tables import ReadingRow
from storage.tables import EPOCH, MICROSECOND, ScoreRow

AssetKey = tuple[str, str]  # asset_class, asset_id
Found = dict[tuple[str, str | None], list[Point]]  # by name and unit
MOST_SERIES = 64  # sensors shown at once
QUALITIES: tuple[Quality, ...] = ("good", "degraded", "poor")
_WORSE = case({quality: place for place, quality in enumerate(QUALITIES)}, value=ScoreRow.quality)  # null: not told


class Window(NamedTuple):
    """`start <= time < end`, in buckets of `width_us` microseconds."""

    start: datetime
    end: datetime
    width_us: int


class SeriesReading:
    _connection: Connection

    def score_series(self, asset: AssetKey, since: datetime | None, until: datetime | None, points: int) -> SeriesBody:
        """The scores of each target; `min` of the lower and `max` of the upper ends of the intervals too."""
        window = self._window(ScoreRow, ScoreRow.event_time, asset, since, until, points)
        if window is None:
            return _body(asset, since, until, 0.0, {})
        bucket = self._bucket(ScoreRow.event_time, window).label("bucket")
        value = ScoreRow.value
        named = (ScoreRow.kind, ScoreRow.component, ScoreRow.unit)
        statement = select(
            bucket, *named, func.min(value), func.avg(value), func.max(value), func.count(), func.min(ScoreRow.low),
            func.max(ScoreRow.high), func.max(_WORSE),
        )  # fmt: skip
        statement = statement.where(*_of(ScoreRow, ScoreRow.event_time, asset, window)).group_by(bucket, *named)
        found: Found = {}
        worst: dict[int, int] = {}
        for number, kind, component, unit, low, mean, high, count, lower, upper, worse in self._connection.execute(
            statement.order_by(bucket)
        ).all():  # at once, which is quicker than row by row
            name = kind if component is None else f"{kind}/{component}"
            point = Point(time=_time(window, number), min=low, mean=mean, max=high, count=count, low=lower, high=upper)
            found.setdefault((name, unit), []).append(point)
            if worse is not None:
                worst[number] = max(worse, worst.get(number, 0))
        body = _body(asset, window.start, window.end, window.width_us / 1e6, found)
        told = {"regimes": self._regimes(asset, window), "qualities": _qualities(worst, window)}
        return body.model_copy(update=told)

    def _regimes(self, asset: AssetKey, window: Window) -> list[RegimePoint]:
        """Of each bucket the regime of most of its scores; of as many the first. A class with one regime, whose scores
        tell none, costs one look at the newest of them."""
        of_asset = _of(ScoreRow, ScoreRow.event_time, asset, window)
        newest = select(ScoreRow.regime).where(*of_asset).order_by(ScoreRow.event_time.desc(), ScoreRow.score_id.desc())
        if self._connection.scalar(newest.limit(1)) is None:
            return []
        bucket = self._bucket(ScoreRow.event_time, window).label("bucket")
        named = (ScoreRow.model_name, ScoreRow.model_version, ScoreRow.regime)
        statement = select(bucket, *named).where(*of_asset, ScoreRow.regime.is_not(None)).group_by(bucket, *named)
        points: dict[int, RegimePoint] = {}
        for number, name, version, regime in self._connection.execute(
            statement.order_by(bucket, func.count().desc(), *named)
        ).all():
            model = ModelRef(name=name, version=version)
            points.setdefault(number, RegimePoint(time=_time(window, number), model=model, regime=regime))
        return list(points.values())

    def reading_series(
        self, asset: AssetKey, since: datetime | None, until: datetime | None, points: int, sensors: list[str]
    ) -> SeriesBody:
        """The readings of some sensors, or of the first MOST_SERIES by name."""
        window = self._window(ReadingRow, ReadingRow.slot, asset, since, until, points)
        if window is None:
            return _body(asset, since, until, 0.0, {})
        is_postgres = self._connection.dialect.name == "postgresql"
        each = func.jsonb_each(ReadingRow.readings) if is_postgres else func.json_each(ReadingRow.readings)
        pairs = each.table_valued(column("key"), column("value"), joins_implicitly=True).alias("pairs")
        value: ColumnElement[Any] = pairs.c.value
        if is_postgres:
            value = cast(value, Double)
        bucket = self._bucket(ReadingRow.slot, window).label("bucket")
        statement = select(bucket, pairs.c.key, func.min(value), func.avg(value), func.max(value), func.count())
        statement = statement.where(*_of(ReadingRow, ReadingRow.slot, asset, window))
        if sensors:
            statement = statement.where(pairs.c.key.in_(sensors))
        found: Found = {}
        for number, name, low, mean, high, count in self._connection.execute(
            statement.group_by(bucket, pairs.c.key).order_by(bucket)
        ).all():
            point = Point(time=_time(window, number), min=low, mean=mean, max=high, count=count)
            found.setdefault((name, None), []).append(point)
        shown = dict(_by_name(found)[:MOST_SERIES])
        return _body(asset, window.start, window.end, window.width_us / 1e6, shown)

    def last_reading(self, asset: AssetKey) -> dict[str, float]:
        """The newest reading that is kept, by sensor; empty: there is none."""
        statement = select(ReadingRow.readings).where(
            ReadingRow.asset_class == asset[0], ReadingRow.asset_id == asset[1]
        )
        found: dict[str, float] | None = self._connection.scalar(statement.order_by(ReadingRow.slot.desc()).limit(1))
        return found or {}

    def _window(
        self, table: Any, time: InstrumentedAttribute[datetime], asset: AssetKey, since: datetime | None,
        until: datetime | None, points: int,
    ) -> Window | None:  # fmt: skip
        """The time asked for, or what there is of it; none: there is nothing."""
        is_of_asset = (table.asset_class == asset[0], table.asset_id == asset[1])
        ends = [select(most(time)).where(*is_of_asset).scalar_subquery() for most in (func.min, func.max)]
        first, last = since, None
        if since is None or until is None:
            kept = self._connection.execute(select(*ends)).one()
            first, last = since or kept[0], kept[1]
        end = until or (last and last + MICROSECOND)
        if first is None or end is None or end <= first:
            return None
        return Window(first, end, -(-((end - first) // MICROSECOND) // points))

    def _bucket(self, time: InstrumentedAttribute[datetime], window: Window) -> ColumnElement[Any]:
        start = (window.start - EPOCH) // MICROSECOND
        if self._connection.dialect.name == "postgresql":
            # in double precision, which is exact to a microsecond for 200 years, and quicker than with decimals
            since: ColumnElement[Any] = func.date_part("epoch", time - literal(window.start, time.type))
            micros: ColumnElement[Any] = cast(since * literal(1e6, Double), BigInteger)  # rounds
        else:
            micros = type_coerce(time, BigInteger) - literal(start, BigInteger)  # times are that there
        return micros // literal(window.width_us, BigInteger)


def _of(
    table: Any, time: InstrumentedAttribute[datetime], asset: AssetKey, window: Window
) -> list[ColumnElement[bool]]:
    is_of_asset = [table.asset_class == asset[0], table.asset_id == asset[1]]
    return [*is_of_asset, time >= window.start, time < window.end]


def _qualities(worst: dict[int, int], window: Window) -> list[QualityPoint]:
    if not any(worst.values()):
        return []
    return [
        QualityPoint(time=_time(window, number), quality=QUALITIES[place]) for number, place in sorted(worst.items())
    ]


def _time(window: Window, bucket: int) -> datetime:
    return window.start + timedelta(microseconds=int(bucket) * window.width_us)


def _body(
    asset: AssetKey, since: datetime | None, until: datetime | None, bucket_s: float,
    found: Found,
) -> SeriesBody:  # fmt: skip
    series = [Series(name=name, unit=unit, points=points) for (name, unit), points in _by_name(found)]
    return SeriesBody(asset_class=asset[0], asset_id=asset[1], start=since, end=until, bucket_s=bucket_s, series=series)


def _by_name(found: Found) -> list[tuple[tuple[str, str | None], list[Point]]]:
    return sorted(found.items(), key=lambda pair: (pair[0][0], pair[0][1] or ""))
