"""Fault: one way to break a running site, and how a site is led through it.

flowing ─► the fault ─► seconds until decisions flow again ─► settled ─► judged ─► Line
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from tests.faults.database import judge_database
from tests.faults.oracle import Verdict
from tests.faults.site import Site

FIRST_S = 300.0  # of a world that is built: broker, database, worker
Act = Callable[[Site], Awaitable[None]]
Proves = Literal["decisions", "rows"]


@dataclass(frozen=True)
class Fault:
    """Args:
    act: returns when what was broken is whole again, or will not be by itself; from then on the seconds count.
    proves: whether decisions or rows in the database are waited for.
    is_long: only in the long form.
    fresh: needs a site of its own.
    known: why it fails today.
    """

    name: str
    act: Act
    proves: Proves = "decisions"
    is_long: bool = False
    fresh: Literal["", "postgres", "sqlite", "small disk", "small broker"] = ""
    known: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Line:
    """What one fault led to."""

    fault: str
    verdict: Verdict
    seconds: float
    logs: str = ""
    note: str = ""


async def lead(site: Site, fault: Fault) -> Line:
    """Through the fault, and judge what is left."""
    site.note = ""
    await keep_running(site)
    site.flow()
    await site.until_decided_anew(FIRST_S)
    await fault.act(site)
    seconds = await (site.until_decided_anew() if fault.proves == "decisions" else site.until_written())
    await keep_running(site)
    await site.settle()
    verdict = await judged(site)
    await asyncio.to_thread(judge_database, site.settings.database(), site.oracle.expected, verdict)
    return Line(fault.name, verdict, seconds, "" if verdict.is_clean else site.logs(), site.note)


async def judged(site: Site) -> Verdict:
    """In a thread with a loop of its own: the proxies, which heartbeats go through, must not wait for it."""
    return await asyncio.to_thread(asyncio.run, site.oracle.judge())


async def keep_running(site: Site) -> None:
    for role in ("edge", "sink"):
        if not site.running(role):
            await site.start(role)
