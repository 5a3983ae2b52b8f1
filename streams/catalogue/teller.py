"""The teller of the catalogue: one worker tells the world what is trending, and what is similar to an item.

view ─► (the owner of clicks partition 0) CatalogueTeller ─► catalogue.v1, where a list changed
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import numpy as np
import orjson
import structlog
from aiokafka.errors import KafkaError
from mode import Service

from models.recommender import CatalogueView, Recommender
from schemas import CATALOGUE, TRENDING_KEY, Settings, UnavailableError, rfc3339, similar_key
from streams.agent import Runtime
from streams.kafka import EventProducer

log = structlog.get_logger(__name__)
TELL_EVERY_S = 3.0
SIMILAR_EACH_TIME = 100  # lists of similar items computed in one turn, about 0.3 ms each
TRENDING_LENGTH, SIMILAR_LENGTH = 100, 20  # the first is one list, the other one for each item
Served = Callable[[], tuple[Recommender, CatalogueView]]
UpToDate = Callable[[], Awaitable[None]]


class CatalogueTeller(Service):
    """Emits what is trending, and what is similar to items that were clicked, where it changed.

    Only the worker that owns partition 0 of the clicks does, so that one does at a time; after a change of owner the
    lists are told again, which consumers overwrite by key.

    Args:
        served: the recommender and the view that serve at the moment.
        is_up_to_date: waits until that view has caught up with the feed.
        runtime: of the agent that owns the clicks.
    """

    def __init__(self, settings: Settings, served: Served, is_up_to_date: UpToDate, runtime: Runtime) -> None:
        super().__init__()
        self._settings, self._served, self._is_up_to_date, self._runtime = settings, served, is_up_to_date, runtime
        self._told: dict[str, list[str]] = {}  # by key: the item ids that were told
        self._clicks = np.zeros(0, np.int32)  # of each item, when its list was last looked at

    @Service.task
    async def _tell(self) -> None:
        await self._is_up_to_date()
        while not self.should_stop:
            try:
                async with EventProducer(self._settings) as producer:
                    while not self.should_stop:
                        await self._tell_changes(producer)
                        await self.sleep(TELL_EVERY_S)
            except (KafkaError, UnavailableError, OSError) as error:
                log.warning("the catalogue is told later", error=str(error) or repr(error))
            except Exception as error:  # whatever it is, the worker's other work goes on
                log.exception("the catalogue is told later", error=repr(error))
            self._clicks = np.zeros(0, np.int32)  # lists that were not delivered are looked at again
            await self.sleep(TELL_EVERY_S)

    async def _tell_changes(self, producer: EventProducer) -> None:
        """A list counts as told when the broker has it."""
        owned = self._runtime.parts.get(0)
        if owned is None or not owned.is_ready:
            self._told.clear()
            return
        sent: list[tuple[str, list[str], asyncio.Future[object]]] = []
        for key, items in self._lists():
            ids = [item_id for item_id, _ in items]
            if self._told.get(key, []) != ids:  # an empty list is told where there was another
                future = await producer.push_bytes(CATALOGUE, key.encode(), self._entry(key, items))
                sent.append((key, ids, future))
            await asyncio.sleep(0)  # a list takes .3 ms: clicks go first
        for key, ids, future in sent:
            await future
            self._told[key] = ids

    def _lists(self) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Trending, and similar items of those that gained most clicks since they were last looked at."""
        recommender, view = self._served()
        yield TRENDING_KEY, view.trending(TRENDING_LENGTH)
        clicks = view.arrays.items["clicks"][: view.items].copy()
        gained = clicks.copy()
        known = min(len(self._clicks), len(clicks))
        before = self._clicks[:known]
        is_anew = clicks[:known] < before  # removed: what is similar to it is not what was similar to the old item
        gained[:known] = np.where(is_anew, 1 + clicks[:known], clicks[:known] - before)
        rows = np.argsort(-gained, kind="stable")[:SIMILAR_EACH_TIME]
        rows = rows[gained[rows] > 0]
        then = np.zeros_like(clicks)
        then[:known] = self._clicks[:known]
        then[rows] = clicks[rows]
        self._clicks = then
        for row in rows.tolist():
            yield similar_key(view.item_ids[row]), recommender.similar(view, row, SIMILAR_LENGTH)

    def _entry(self, key: str, items: list[tuple[str, float]]) -> bytes:
        entry = {
            "key": key,
            "kind": "trending" if key == TRENDING_KEY else "similar",
            "event_time": rfc3339(datetime.now(UTC)),
            "feed_offset": self._served()[1].feed_offset,
            "items": [{"item_id": item_id, "score": score} for item_id, score in items],
        }
        return orjson.dumps(entry)
