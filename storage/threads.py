"""Threads: blocking work beside the event loop, which nobody waits for at the end.

work ─► a daemon thread of its own ─► its result or error, in the event loop

`asyncio.to_thread` will not do for what may hang, such as a locked table: Python waits for its threads before it ends.
Starting a thread takes about 50 us, and a transaction a millisecond at least.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def in_thread(work: Callable[[], Result]) -> Result:
    """Do blocking work in a thread. Whoever is cancelled meanwhile leaves it behind, as does the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(settle_with: Callable[[Any], None], value: object) -> None:
        def in_loop() -> None:
            if not done.done():
                settle_with(value)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(in_loop)

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            settle(done.set_exception, error)
        else:
            settle(done.set_result, result)

    threading.Thread(target=run, name="blocking work", daemon=True).start()
    return await done
