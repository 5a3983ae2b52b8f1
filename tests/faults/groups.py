"""Groups: several edge workers that come and go, each a rebalance; and the API, which must not matter to decisions."""

from __future__ import annotations

import asyncio
import signal
import urllib.request

from millrace.kafka import free_port
from tests.faults import newer
from tests.faults.fault import Fault
from tests.faults.site import Part, Site

EVERY_S = 5.0


def has_partitions(part: Part) -> bool:
    return part.log.read_text().count("partitions are assigned") >= 2  # of both agents


def come_and_go(others: int, rounds: int, *, by: signal.Signals = signal.SIGTERM) -> Fault.act:
    """Beside one worker others start, and end 5 s later in another order."""

    async def act(site: Site) -> None:
        for _ in range(rounds):
            started = []
            for _ in range(others):
                part = await site.start("edge")
                started.append(part)
                await site.until(lambda part=part: has_partitions(part), "it has partitions")  # type: ignore[misc]
                await asyncio.sleep(EVERY_S)
            for part in [*site.running("edge")[:-1]][:others]:
                if by == signal.SIGKILL:
                    part.kill()
                else:
                    await site.end(part)
                await asyncio.sleep(EVERY_S)

    return act


async def rolling_upgrade(site: Site) -> None:
    """Workers of the next version come in. One is killed, and what it saved is not for the one of before to read."""
    (old,) = site.running("edge")
    site.oracle.reads_as = newer.installed
    first = await site.start("edge", "tests.faults.newer")
    await site.until(lambda: has_partitions(first), "the newer version has partitions")
    await site.until_decided_anew()
    first.kill()
    await site.until(lambda: "by a newer version of Millrace" in old.log.read_text(), "the old one tells")
    second = await site.start("edge", "tests.faults.newer")
    await site.until(lambda: has_partitions(second), "the newer version has partitions again")
    await site.end(old)


def answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def api(signum: signal.Signals) -> Fault.act:
    """It is killed, or frozen for a while, under requests; and answers again."""

    async def act(site: Site) -> None:
        port = free_port()
        part = await site.start("api", MILLRACE_API_PORT=str(port))
        await site.until(lambda: asyncio.to_thread(answers, port, "/v1/assets"), "the API answers")
        if signum == signal.SIGKILL:
            part.kill()
            part = await site.start("api", MILLRACE_API_PORT=str(port))
        elif signum == signal.SIGSTOP:
            part.send(signal.SIGSTOP)
            await asyncio.sleep(EVERY_S)
            part.send(signal.SIGCONT)
        await site.until(lambda: asyncio.to_thread(answers, port, "/v1/assets"), "the API answers again")
        took = await site.end(part)
        assert took < 10, f"{took} s"

    return act


GROUPS = (
    Fault("two edge workers, a rebalance every 5 s", come_and_go(1, 3)),
    Fault("three edge workers, a rebalance every 5 s", come_and_go(2, 2)),
    Fault("two edge workers, one killed", come_and_go(1, 2, by=signal.SIGKILL)),
    Fault("rolling upgrade with another row layout", rolling_upgrade, fresh="postgres"),
    Fault("API: SIGTERM", api(signal.SIGTERM), "rows"),
    Fault("API killed", api(signal.SIGKILL), "rows"),
    Fault("API frozen for 5 s", api(signal.SIGSTOP), "rows"),
)
