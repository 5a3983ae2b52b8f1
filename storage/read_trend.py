"""Read trend: how often an item was clicked over time, among the newest clicks that are kept.

newest clicks, by the index of their time ─► buckets, in the database ─► clicks of the item beside those of all
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, Connection, cast, func, literal, select, type_coerce

from schemas import ItemTrend, TrendPoint
from storage.kept_tables import ClickRow
from storage.tables import EPOCH, MICROSECOND

TREND_LOOKED_AT = 50_000  # of the newest clicks: there is no index by item; some 100 ms
MOST_BUCKETS = 60
WIDTHS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6),
          timedelta(days=1))  # fmt: skip


class TrendReading:
    _connection: Connection

    def item_trend(self, item_id: str) -> ItemTrend:
        """Clicks of an item by time, in at most MOST_BUCKETS buckets that lie on whole minutes, hours or days (UTC)."""
        newest = (
            select(ClickRow.event_time, ClickRow.item_id).order_by(ClickRow.event_time.desc()).limit(TREND_LOOKED_AT)
        )
        clicks = newest.subquery()
        first, last, looked_at = self._connection.execute(
            select(func.min(clicks.c.event_time), func.max(clicks.c.event_time), func.count())
        ).one()
        if first is None:
            return ItemTrend(item_id=item_id, looked_at=0, bucket_s=WIDTHS[0].total_seconds(), points=[])
        width = next((width for width in WIDTHS if last - first < (MOST_BUCKETS - 1) * width), WIDTHS[-1])
        bucket = self._whole(clicks.c.event_time, width).label("bucket")
        own = func.count().filter(clicks.c.item_id == item_id)
        counts = {
            int(number): (int(of_item), int(of_all))
            for number, of_item, of_all in self._connection.execute(select(bucket, own, func.count()).group_by(bucket))
        }
        end = max(counts)
        points = [
            TrendPoint(
                time=_time(number, width), clicks=counts.get(number, (0, 0))[0], of=counts.get(number, (0, 0))[1]
            )
            for number in range(max(min(counts), end - MOST_BUCKETS + 1), end + 1)
        ]
        return ItemTrend(item_id=item_id, looked_at=looked_at, bucket_s=width.total_seconds(), points=points)

    def _whole(self, time: ColumnElement[datetime], width: timedelta) -> ColumnElement[int]:
        """Whole widths since 1970."""
        if self._connection.dialect.name == "postgresql":
            micros: ColumnElement[int] = cast(func.extract("epoch", time) * 1_000_000, BigInteger)
        else:
            micros = type_coerce(time, BigInteger)  # times are that there
        return micros // literal(width // MICROSECOND, BigInteger)


def _time(bucket: int, width: timedelta) -> datetime:
    return (EPOCH + bucket * width).astimezone(UTC)
