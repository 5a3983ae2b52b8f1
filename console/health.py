"""Health: what pages say above their content while the service is not ready: the reason and the cure.

a page, or a moment for open ones ─► is what is known older than EVERY_S? ─► /readyz's look, in the background ─► line
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path

import structlog
from fastapi import FastAPI, Request

from api import ProblemError, look
from schemas import MillraceError
from storage import in_thread

log = structlog.get_logger(__name__)
EVERY_S = 10.0
FIRST_S = 0.5  # the first page waits for the first look, but not for a broker that does not answer


class Health:
    """What was seen last; looked again while somebody asks, one look at a time."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._wrong: str | None = None

    async def wrong(self) -> str | None:
        """Why the service is not ready, and what to do; None: it is, or nobody has looked yet."""
        now, is_first = asyncio.get_running_loop().time(), self._looked_at == float("-inf")
        if now - self._looked_at >= EVERY_S and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())
        if is_first and self._looking is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._looking), FIRST_S)
        return self._wrong

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        try:
            await look(self._app)
            self._wrong = await in_thread(lambda: starting(self._app.state.settings.home))
        except (ProblemError, MillraceError) as error:
            self._wrong = f"{error.detail} {getattr(error, 'advice', '')}".strip()
        except Exception as error:  # a bug of ours; pages are shown all the same
            log.exception("nobody knows whether the service is ready", error=repr(error))
            self._wrong = "Whether the service is ready could not be seen; the log of the API says why."
        self._looked_at = asyncio.get_running_loop().time()


def starting(home: Path) -> str | None:
    """That the service of this home is being started, as its supervisor says in `run.json`; None: it is not."""
    try:
        run = json.loads((home / "run.json").read_bytes())
        if run["ready"]:
            return None
        os.kill(run["pid"], 0)  # a killed supervisor leaves its file
        passed_s = time.time() - float(run["since"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return (
        f"The service was started {passed_s:.0f} s ago, and nothing is decided yet. The first start of a version "
        "compiles its kernels, and the demo trains its models: a minute or two. What is sent waits on its topic."
    )


async def see(request: Request) -> None:
    """A dependency of every page."""
    request.state.wrong = await request.app.state.health.wrong()
