"""Read pushed: assets that nobody scores, of which there are readings and entries of a log alone.

readings, asset_log ─► which classes, first and last time ─► AssetDetail
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from schemas import AssetDetail
from storage.kept_tables import LogRow, ReadingRow
from storage.sites import AssetKey, SiteReading


class PushedReading(SiteReading):
    def unscored_classes_of(self, asset_id: str) -> list[str]:
        """The classes of which readings or entries of a log are kept under this id, scored or not, in order."""
        found = set[str]()
        tables: tuple[type[ReadingRow], type[LogRow]] = (ReadingRow, LogRow)
        for table in tables:
            after: str = ""
            name: str | None
            while (name := self._connection.scalar(_next_class(table, after))) is not None:  # there are few
                after = name
                if self._seen(table, (name, asset_id)) is not None:
                    found.add(name)
        return sorted(found)

    def unscored_asset(self, asset: AssetKey) -> AssetDetail | None:
        """An asset of which there are readings or entries of a log alone."""
        seen = [times for table in (ReadingRow, LogRow) if (times := self._seen(table, asset)) is not None]
        if not seen:
            return None
        first, last = min(first for first, _ in seen), max(last for _, last in seen)
        seen_at = {"first_seen": first, "last_seen": last, **self.sites_of([asset]).get(asset, {})}
        return AssetDetail(asset_class=asset[0], asset_id=asset[1], open_alerts=[], **seen_at)

    def _seen(self, table: type[ReadingRow] | type[LogRow], asset: AssetKey) -> tuple[datetime, datetime] | None:
        """The first and last time that is kept of an asset."""
        time = table.slot if table is ReadingRow else table.event_time
        is_of_asset = (table.asset_class == asset[0], table.asset_id == asset[1])
        first, last = (
            self._connection.scalar(select(table.event_time).where(*is_of_asset).order_by(order).limit(1))
            for order in (time, time.desc())
        )
        return None if first is None or last is None else (first, last)


def _next_class(table: type[ReadingRow] | type[LogRow], after: str) -> Select[Any]:
    column = table.asset_class
    return select(column).where(column > after).order_by(column).limit(1)
