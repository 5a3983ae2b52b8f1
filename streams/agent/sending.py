"""Sending: what a batch led to leaves, in an order that lets whoever replays it follow.

where entries of the log are applied ─► changelog, acknowledged ─► ... handler ... ─► outputs that were not sent before
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from schemas import Settings
from streams.agent.handler import Handler, Outcome, Output
from streams.agent.outbox import Delivery, Outbox
from streams.agent.ownership import Batch, Partition, Phase
from streams.agent.recall import not_quarantined, not_sent
from streams.agent.saved import PLACED
from streams.kafka import PASSING, patiently

Result = TypeVar("Result")


class Interrupted(Exception):  # noqa: N818 - not an error: the partition went elsewhere while a batch was applied
    """The batch in hand became stale."""


class Sending:
    """Of one agent.

    Args:
        changelog: its name on the broker.
    """

    def __init__(self, settings: Settings, handler: Handler, changelog: str, outbox: Outbox) -> None:
        self._prefix, self._session_s = settings.topic_prefix, settings.session_timeout_s
        self._agent, self._changelog, self._outbox = handler.name, changelog, outbox
        self.alive_at = time.monotonic()  # raised by the source, several times a second
        outbox.has_stood_still = self.has_stood_still

    def has_stood_still(self) -> bool:
        """For so long that another worker may own its partitions."""
        return time.monotonic() - self.alive_at > self._session_s

    async def write_down(self, batch: Batch) -> None:
        """Where entries of the log are applied, until the broker has it.

        Raises:
            Interrupted: the partition went elsewhere.
        """
        if not batch.placements:
            return
        part = batch.part
        known = set(part.placed)
        part.placed += [placement for placement in batch.placements if placement not in known]
        key, value = PLACED + part.owner.encode(), json.dumps(part.placed).encode()
        write = partial(self._outbox.write_down, self._changelog, part.number, key, value)
        await self._patiently(part, write, batch.epoch)

    async def emit(self, batch: Batch, outcome: Outcome) -> list[Delivery]:
        """Hand outputs over; while the broker is away nothing is fetched, as the agent waits here.

        Raises:
            Interrupted: the partition went elsewhere, or may have: the process stood still.
        """
        part = batch.part
        if part.phase is Phase.FENCED or self.has_stood_still():
            raise Interrupted
        outputs: Sequence[Output] = outcome.outputs
        dead = outcome.dead
        if before := part.memory.sent:
            outputs = not_sent(self._agent, outputs, before)
            dead = not_quarantined(dead, self._prefix, before)
        if not outputs and not dead:
            return []
        sent = await self._patiently(part, lambda: self._outbox.send(outputs, dead, part.number), batch.epoch)
        part.pending += sent
        return sent

    @staticmethod
    async def _patiently(part: Partition, send: Callable[[], Awaitable[Result]], epoch: int) -> Result:
        """Until the broker takes it, or the partition goes elsewhere: it has another epoch then."""

        def tell(error: Exception, in_s: float) -> None:
            part.log.warning("outputs wait for the broker", error=str(error) or repr(error), in_s=in_s)

        async def attempt() -> Result:
            if part.epoch != epoch:
                raise Interrupted
            return await send()

        with suppress(*PASSING):  # hardly ever; what patience needs costs more than an attempt
            return await attempt()
        async for trial in patiently(tell):
            with trial:
                return await attempt()
        raise AssertionError("patience has no end")
