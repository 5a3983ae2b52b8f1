"""Waiting: a long step tells every ten seconds what it is about, so that nobody takes it for hung.

what is done, since when ─► a line every so often, until it is done
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

EVERY_S = 10.0


@contextlib.asynccontextmanager
async def told_while_waiting(
    tell: Callable[[str], None], what: Callable[[], str], every_s: float = EVERY_S
) -> AsyncIterator[None]:
    """Tells `what` is going on, and for how long, while the body of the `with` runs; nothing where it is quick."""
    began = time.monotonic()

    async def repeat() -> None:
        while True:
            await asyncio.sleep(every_s)
            tell(f"{what()} ({time.monotonic() - began:.0f} s so far)")

    telling = asyncio.create_task(repeat())
    try:
        yield
    finally:
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
