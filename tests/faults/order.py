"""Order: bursts at several speeds, caught up with or live, with slow fetches of either topic.

The oracle's pass is in event-time order; how fast events come, and which topic is fetched later, makes no difference.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from itertools import islice

from schemas import MAINTENANCE, TELEMETRY, topic_name
from tests.faults.fault import Fault
from tests.faults.ledger import Raw
from tests.faults.proxy import Proxy
from tests.faults.site import Site

BURST_S = 2.0  # of events at the speed, at least
HIDDEN_S, SHOWN_S = 0.4, 0.1


async def hide(proxy: Proxy, topic: str, seed: int) -> None:
    """The topic is fetched late, for as long as this runs."""
    chance = random.Random(seed)
    try:
        while True:
            proxy.hidden.add(topic)
            await asyncio.sleep(HIDDEN_S * chance.random())
            proxy.hidden.discard(topic)
            await asyncio.sleep(SHOWN_S * chance.random())
    finally:
        proxy.hidden.discard(topic)


async def produce(site: Site, events: Sequence[Raw], rate: float) -> None:
    """Notes the speed that was really reached."""
    started = time.monotonic()
    await site.ledger.produce(events, rate)
    site.note = f"{len(events) / (time.monotonic() - started):,.0f}/s reached"


def burst(rate: float, slow: str = "", *, is_live: bool, seconds: float = BURST_S) -> Fault.act:
    """A burst of readings and log entries, while the edge works or before it starts."""

    async def act(site: Site) -> None:
        await site.stop_flow()
        (edge,) = site.running("edge")
        events = list(islice(site.streams["plant"], int(rate * seconds)))
        if not is_live:
            await site.end(edge)
            await produce(site, events, rate)
            edge = await site.start("edge")
        slowing = asyncio.ensure_future(hide(edge.kafka, topic_name(site.settings, slow), site.seed)) if slow else None
        if is_live:
            await produce(site, events, rate)
        await site.until(site.is_applied, "the burst is applied")
        if slowing is not None:
            slowing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await slowing
        site.flow()

    return act


def _all() -> list[Fault]:
    faults = []
    for rate in (2_000, 8_000, 14_000):
        for slow in ("", TELEMETRY, MAINTENANCE):
            for is_live in (True, False):
                named = f"order: {rate:,}/s, {'live' if is_live else 'caught up'}"
                if slow:
                    named += f", slow fetches of {slow}"
                faults.append(Fault(named, burst(rate, slow, is_live=is_live)))
    return faults


ORDER = tuple(_all())
