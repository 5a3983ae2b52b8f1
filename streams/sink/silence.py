"""Silence: how many assets have fallen silent, counted every minute; the API's lists have their names.

database ─► assets seen within a day, and not for MILLRACE_SILENT_AFTER_S ─► millrace_silent_assets
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog
from mode import Service

from schemas import MillraceError, Settings
from storage import Store, in_thread
from streams.metrics import SILENT

log = structlog.get_logger(__name__)
SILENCE_EVERY_S = 60.0
LIVED = timedelta(days=1)  # an asset that was not seen for longer is not missed any more


class Silence(Service):
    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__()
        self._after, self._store = timedelta(seconds=settings.silent_after_s), store

    @Service.task
    async def _run(self) -> None:
        while not self.should_stop:
            try:
                for asset_class, count in (await in_thread(self._count)).items():
                    SILENT.labels(asset_class).set(count)
            except MillraceError as error:
                log.warning("silent assets are counted later", error=str(error))
            await self.sleep(SILENCE_EVERY_S)

    def _count(self) -> Mapping[str, int]:
        now = datetime.now(UTC)
        with self._store.reading() as reader:
            return reader.silent_assets(now - LIVED, now - self._after)
