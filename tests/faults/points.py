"""Points: named moments in the pass of an edge or a sink worker, seen from outside, by the requests it sends.

placements ─► changelog;  decisions ─► outputs;  checkpoint: AddPartitionsToTxn ─► rows ─► offsets ─► EndTxn
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas import ALERTS, MAINTAIN_STATE, RECOMMENDATIONS, SCORES, Settings, topic_name
from tests.faults.proxy import ADD_PARTITIONS, END_TXN, PRODUCE, TXN_OFFSETS, Dropped, Request
from tests.faults.site import Part

Matches = Callable[[Request], bool]


def is_transactional(request: Request) -> bool:
    """A produce request of a transaction."""
    return bool(request.first_text)


class Points:
    """Of one worker of a site."""

    def __init__(self, settings: Settings) -> None:
        self._state = topic_name(settings, MAINTAIN_STATE)
        self._outputs = [topic_name(settings, topic) for topic in (SCORES, ALERTS, RECOMMENDATIONS)]

    def placements(self, request: Request) -> bool:
        return request.key == PRODUCE and request.names(self._state) and not is_transactional(request)

    def decisions(self, request: Request) -> bool:
        return request.key == PRODUCE and request.names(*self._outputs)

    def rows(self, request: Request) -> bool:
        return request.key == PRODUCE and is_transactional(request)

    @staticmethod
    def checkpoint(request: Request) -> bool:
        return request.key == ADD_PARTITIONS

    @staticmethod
    def offsets(request: Request) -> bool:
        return request.key == TXN_OFFSETS

    @staticmethod
    def end(request: Request) -> bool:
        return request.key == END_TXN


def commits(request: Request) -> bool:
    """Bytes on the way to PostgreSQL that end a transaction."""
    return b"COMMIT" in request.frame


@dataclass
class Death:
    """kill -9 of a part at a point: once `after` was answered, by the first request that matches.

    With `is_answered` the request reaches the server, and its answer nobody.
    """

    part: Part
    at: Matches
    after: Matches | None = None
    is_answered: bool = False
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def arm(self, *, in_database: bool = False) -> None:
        proxy = self.part.database if in_database else self.part.kafka
        assert proxy is not None
        self._is_due = self.after is None
        proxy.before.append(self._before)
        proxy.after.append(self._after)

    async def _before(self, request: Request) -> None:
        if not self.is_answered and self._is_due and self.at(request):
            self._die()

    async def _after(self, request: Request) -> None:
        if self.after is not None and self.after(request):
            self._is_due = True
        if self.is_answered and self._is_due and self.at(request):
            self._die()

    def _die(self) -> None:
        self.part.kill()
        self.happened.set()
        raise Dropped
