"""Retention: what is older than its setting leaves the database, a minute after the start and then every hour.

Settings ─► Ages ─► Store.forget, in small transactions between which the sink writes
"""

from __future__ import annotations

import structlog
from mode import Service

from schemas import MillraceError, Settings
from storage import Ages, Store, in_thread

log = structlog.get_logger(__name__)
RETENTION_FIRST_S, RETENTION_EVERY_S = 60.0, 3600.0


class Retention(Service):
    """Deletes until the worker ends; what the database does not let go of is deleted later."""

    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__()
        self._days, self._ages, self._store = settings.retention_scores_days, ages_of(settings), store

    @Service.task
    async def _run(self) -> None:
        await self.sleep(RETENTION_FIRST_S)
        while not self.should_stop:
            try:
                counts = await in_thread(self._forget)
            except MillraceError as error:
                log.warning("what is old is deleted later", error=str(error))
            else:
                log.info("what is old is deleted", rows={name: count for name, count in counts.items() if count})
            await self.sleep(RETENTION_EVERY_S)

    def _forget(self) -> dict[str, int]:
        def should_stop() -> bool:
            return bool(self.should_stop)

        counts = {"scores": self._store.delete_old_scores(self._days, should_stop)}
        counts["workers"] = self._store.delete_silent_workers()
        return counts | self._store.forget(self._ages, should_stop)


def ages_of(settings: Settings) -> Ages:
    return Ages(
        readings=settings.retention_readings_days,
        clicks=settings.retention_clicks_days,
        log=settings.retention_log_days,
        dead_letters=settings.retention_dead_letters_days,
        figures=settings.retention_figures_days,
        lists=settings.retention_recommendations_days,
        alerts=settings.retention_alerts_days,
        removed_items=settings.retention_removed_items_days,
        notifications=settings.retention_notifications_days,
    )
