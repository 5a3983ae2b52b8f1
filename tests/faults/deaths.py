"""Deaths: kill -9, SIGTERM and SIGSTOP of the processes, at named points and at any."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable

from tests.faults.fault import Fault
from tests.faults.points import Death, Matches, Points, commits
from tests.faults.site import SESSION_S, Site

DEATH_S = 30.0


def at_point(choose: Callable[[Points], tuple[Matches, Matches | None]], *, is_answered: bool = False) -> Fault.act:
    async def act(site: Site) -> None:
        (edge,) = site.running("edge")
        at, after = choose(Points(site.settings))
        death = Death(edge, at, after, is_answered)
        death.arm()
        await asyncio.wait_for(death.happened.wait(), DEATH_S)
        await site.start("edge")

    return act


def killed(role: str, times: int = 1) -> Fault.act:
    """At random moments, a new one started each time."""

    async def act(site: Site) -> None:
        chance = random.Random(site.seed)
        for number in range(times):
            await asyncio.sleep(chance.random())
            site.running(role)[0].kill()
            await site.start(role)
            if number < times - 1:
                await (site.until_decided_anew() if role == "edge" else site.until_written())

    return act


async def sink_killed_at_commit(site: Site) -> None:
    """Before its COMMIT, and as the answer to one is on its way."""
    for is_answered in (False, True):
        (sink,) = site.running("sink")
        death = Death(sink, commits, None, is_answered)
        death.arm(in_database=True)
        await asyncio.wait_for(death.happened.wait(), DEATH_S)
        await site.start("sink")
        await site.until_written()


def terminated(role: str) -> Fault.act:
    async def act(site: Site) -> None:
        took = await site.end(site.running(role)[0])
        assert took < 10, f"{took} s"
        await site.start(role)

    return act


def frozen(role: str, seconds: float, *, with_other: bool = False) -> Fault.act:
    """SIGSTOP for so long; meanwhile another one may take over."""

    async def act(site: Site) -> None:
        (part,) = site.running(role)
        part.send(signal.SIGSTOP)
        if with_other:
            other = await site.start(role)
            await (site.until_decided_anew() if role == "edge" else site.until_written())
        else:
            await asyncio.sleep(seconds)  # it is the fault
        part.send(signal.SIGCONT)
        if with_other:
            await site.until_decided_anew()
            await site.end(other)

    return act


DEATHS = (
    Fault("edge killed: placements written, decisions not", at_point(lambda p: (p.decisions, p.placements))),
    Fault(
        "edge killed: decisions sent, not acknowledged to it",
        at_point(lambda p: (p.decisions, p.placements), is_answered=True),
    ),
    Fault("edge killed: decisions sent, checkpoint not begun", at_point(lambda p: (p.checkpoint, p.decisions))),
    Fault("edge killed: in the checkpoint, rows written", at_point(lambda p: (p.offsets, p.rows))),
    Fault("edge killed: in the checkpoint, before EndTxn", at_point(lambda p: (p.end, p.offsets))),
    Fault("edge killed: after EndTxn", at_point(lambda p: (p.end, None), is_answered=True)),
    Fault("edge killed at random", killed("edge")),
    Fault("edge killed at random, ten times", killed("edge", 10)),
    Fault("sink killed at random", killed("sink"), "rows"),
    Fault("sink killed before and after its COMMIT", sink_killed_at_commit, "rows"),
    Fault("edge: SIGTERM", terminated("edge")),
    Fault("sink: SIGTERM", terminated("sink"), "rows"),
    Fault("edge frozen for longer than the session", frozen("edge", SESSION_S + 2)),
    Fault("edge frozen while another takes over", frozen("edge", 0, with_other=True)),
    Fault("sink frozen for longer than the session", frozen("sink", SESSION_S + 2), "rows"),
    Fault("sink frozen for 45 s", frozen("sink", 45), "rows"),
    Fault("edge frozen for 45 s", frozen("edge", 45)),
)
