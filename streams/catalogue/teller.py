"""The teller of the catalogue: one worker tells the world what is trending, and what is similar to an item.

view ─► (the owner of clicks partition 0) CatalogueTeller ─► catalogue.v1, where a list changed
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
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
REVISITED = 20  # of them, at least: of items that may have gained nothing
TRENDING_LENGTH, SIMILAR_LENGTH = 100, 20  # the first is one list, the other one for each item
Served = Callable[[], tuple[Recommender, CatalogueView]]
UpToDate = Callable[[], Awaitable[None]]


class Turns:
    """Whose similar items are looked at next: those that gained most clicks, and those not looked at for longest.

    The second kind is needed as a list changes without a click on its own item: a neighbour gains, sells out or is
    removed. With the clicked items of a shop of 10,000 every list is looked at within half an hour, at worst.
    """

    def __init__(self) -> None:
        self._clicks = np.zeros(0, np.int32)  # of each item, when its list was last looked at
        self._turns = np.zeros(0, np.int64)  # the turn in which it was
        self._turn = 0

    def rows(self, clicks: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Up to `SIMILAR_EACH_TIME` rows, each once; call it once a turn.

        Args:
            clicks: (items,) of each item by now.
        """
        known = min(len(self._clicks), len(clicks))
        before, turns = np.zeros_like(clicks), np.zeros(len(clicks), np.int64)
        before[:known], turns[:known] = self._clicks[:known], self._turns[:known]
        # fewer than before: removed; what is similar to it is not what was similar to the old item
        gained = np.where(clicks < before, 1 + clicks, clicks - before)
        busy = np.argsort(-gained, kind="stable")[: SIMILAR_EACH_TIME - REVISITED]
        busy = busy[gained[busy] > 0]
        self._turn += 1
        turns[busy] = self._turn
        longest = np.argsort(turns, kind="stable")
        longest = longest[((clicks > 0) | (before > 0))[longest] & (turns[longest] < self._turn)]
        rows = np.concatenate([busy, longest[: SIMILAR_EACH_TIME - len(busy)]])
        before[rows], turns[rows] = clicks[rows], self._turn
        self._clicks, self._turns = before, turns
        return rows


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
        self._turn = Turns()

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
            self._turn = Turns()  # lists that were not delivered are looked at again
            await self.sleep(TELL_EVERY_S)

    async def _tell_changes(self, producer: EventProducer) -> None:
        """A list counts as told when the broker has it."""
        owned = self._runtime.parts.get(0)
        if owned is None or not owned.is_ready:
            self._told.clear()
            self._turn = Turns()
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
        """Trending, and similar items of those whose turn it is."""
        recommender, view = self._served()
        yield TRENDING_KEY, view.trending(TRENDING_LENGTH)
        clicks = view.arrays.items["clicks"][: view.items].copy()
        for row in self._turn.rows(clicks).tolist():
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
