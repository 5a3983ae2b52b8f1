"""Brokers: the broker stands still, dies, or is away."""

from __future__ import annotations

import asyncio
import os
import signal

from millrace.kafka import Broker
from millrace.kafka.broker import BrokerError
from tests.faults.disks import fill
from tests.faults.fault import Fault
from tests.faults.site import Site


def stopped(seconds: float) -> Fault.act:
    """SIGSTOP: connections stay, nothing answers."""

    async def act(site: Site) -> None:
        pid = site.broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)  # it is the fault
        finally:
            os.kill(pid, signal.SIGCONT)

    return act


def away(seconds: float, *, is_killed: bool) -> Fault.act:
    """Killed or ended in order, and started again."""

    async def act(site: Site) -> None:
        site.broker.kill() if is_killed else site.broker.stop()
        await asyncio.sleep(seconds)
        site.broker.start()

    return act


def has_ended(broker: Broker) -> bool:
    try:
        broker.check()
    except BrokerError:
        return True
    return False


async def disk_full(site: Site) -> None:
    """Kafka ends when it cannot write; it is started again when there is room."""
    ballast = site.broker.folder / "ballast"
    fill(ballast)
    try:
        await site.until(lambda: has_ended(site.broker), "Kafka ends")
    finally:
        ballast.unlink()
    site.broker.stop()
    site.broker.start()


BROKERS = (
    Fault("broker stopped for 5 s (SIGSTOP)", stopped(5)),
    Fault("broker stopped for 20 s", stopped(20)),
    Fault("broker stopped for 45 s", stopped(45)),
    Fault("broker stopped for 70 s", stopped(70)),
    Fault("broker stopped for 300 s", stopped(300)),
    Fault("broker killed (kill -9) and started again", away(0, is_killed=True)),
    Fault("broker killed, away for 20 s", away(20, is_killed=True)),
    Fault("broker ended in order, away for 5 s", away(5, is_killed=False)),
    Fault("disk of the broker full", disk_full, fresh="small broker"),
)
