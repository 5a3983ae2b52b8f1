"""Fleet: what a watchdog wants to know of all assets and alerts, counted every minute; the API's lists have the names.

database ─► assets fallen silent; alerts open, raised, flooding, stale, how soon acknowledged ─► gauges
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog
from mode import Service

from schemas import MillraceError, OverviewAlerts, PerformanceBody, Settings
from storage import Store, in_thread
from streams.metrics import (
    ACKNOWLEDGE_S,
    FLOOD_SHARE,
    MOST_RAISED,
    OPEN_ALERTS,
    RAISED_PER_HOUR,
    SILENT,
    STALE_ALERTS,
)

log = structlog.get_logger(__name__)
COUNT_EVERY_S = 60.0
LIVED = timedelta(days=1)  # an asset that was not seen for longer is not missed any more
COUNTED = timedelta(days=1)  # alerts raised within it


class Fleet(Service):
    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__()
        self._after, self._store = timedelta(seconds=settings.silent_after_s), store

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            try:
                silent, alerts, performance = await in_thread(self._count)
                for asset_class, count in silent.items():
                    SILENT.labels(asset_class).set(count)
                _tell(alerts, performance)
            except MillraceError as error:
                log.warning("assets and alerts are counted later", error=str(error))
            await self.sleep(COUNT_EVERY_S)

    def _count(self) -> tuple[Mapping[str, int], OverviewAlerts, PerformanceBody]:
        now = datetime.now(UTC)
        with self._store.reading() as reader:
            silent = reader.silent_assets(now - LIVED, now - self._after)
            return silent, reader.count_open_alerts(), reader.performance(now - COUNTED, now, None)


def _tell(alerts: OverviewAlerts, performance: PerformanceBody) -> None:
    for severity in ("advisory", "warning", "critical"):
        OPEN_ALERTS.labels(severity).set(getattr(alerts, severity))
    RAISED_PER_HOUR.set(performance.per_hour)
    MOST_RAISED.set(performance.most_in_ten_minutes)
    FLOOD_SHARE.set(performance.flood_share)
    STALE_ALERTS.set(performance.stale)
    for share, seconds in (("0.5", performance.median_acknowledge_s), ("0.9", performance.p90_acknowledge_s)):
        ACKNOWLEDGE_S.labels(share).set(float("nan") if seconds is None else seconds)
