"""Links: what happens to connections with the broker and the database, and to single requests on them."""

from __future__ import annotations

import asyncio

from tests.faults.fault import Fault
from tests.faults.proxy import (
    ADD_OFFSETS,
    ADD_PARTITIONS,
    END_TXN,
    HEARTBEAT,
    INIT_PRODUCER_ID,
    LIST_OFFSETS,
    TXN_OFFSETS,
    Proxy,
    Request,
)
from tests.faults.site import SESSION_S, Site

WAIT_S = 40.0
TRANSACTIONAL = (ADD_PARTITIONS, ADD_OFFSETS, TXN_OFFSETS, END_TXN)


def link_of(site: Site, role: str, *, to_database: bool = False) -> Proxy:
    (part,) = site.running(role)
    proxy = part.database if to_database else part.kafka
    assert proxy is not None
    return proxy


def cut(role: str, times: int = 3, *, to_database: bool = False) -> Fault.act:
    """All connections, several times, each when work goes on."""

    async def act(site: Site) -> None:
        for _ in range(times):
            link_of(site, role, to_database=to_database).cut()
            await (site.until_decided_anew() if role == "edge" else site.until_written())

    return act


def held(role: str, seconds: float, *, to_database: bool = False) -> Fault.act:
    """Connections stay, and nothing goes through them."""

    async def act(site: Site) -> None:
        proxy = link_of(site, role, to_database=to_database)
        proxy.hold()
        await asyncio.sleep(seconds)  # it is the fault
        proxy.flows.set()

    return act


def delayed(role: str, seconds: float) -> Fault.act:
    """Each request, for as long as it takes to decide three times."""

    async def act(site: Site) -> None:
        proxy = link_of(site, role)
        proxy.delay_s = seconds
        for _ in range(3):
            await site.until_decided_anew()
        proxy.delay_s = 0.0

    return act


def held_request(key: int, *, until: int) -> Fault.act:
    """The first such request of a transaction is held while its client loses its connections and sends it again; it is
    let go when a later request `until` has been answered: within the next transaction, if there is one by then.
    """

    async def act(site: Site) -> None:
        (edge,) = site.running("edge")
        holding, retried, later, may_go, is_through = (asyncio.Event() for _ in range(5))
        producer = ""  # whose request is held

        async def before(request: Request) -> None:
            nonlocal producer
            if request.key == key and not holding.is_set():
                producer = request.first_text
                holding.set()
                await may_go.wait()
                is_through.set()

        async def after(request: Request) -> None:
            if request.key not in (key, until) or request.first_text != producer:
                return
            if request.key == until and retried.is_set():
                later.set()
            elif request.key == key and holding.is_set():
                retried.set()

        edge.kafka.before.append(before)
        edge.kafka.after.append(after)
        await asyncio.wait_for(holding.wait(), WAIT_S)
        edge.kafka.cut_clients()
        await asyncio.wait_for(later.wait(), WAIT_S)
        may_go.set()
        await asyncio.wait_for(is_through.wait(), WAIT_S)
        edge.kafka.before.remove(before)
        edge.kafka.after.remove(after)

    return act


async def every_transactional_request_sent_twice(site: Site) -> None:
    """For some seconds each is answered to nobody: it was done, and is sent again."""
    (edge,) = site.running("edge")
    cuts: list[int] = []

    async def after(request: Request) -> None:
        if request.key in TRANSACTIONAL and request.key not in cuts:
            cuts.append(request.key)
            edge.kafka.cut_clients()

    edge.kafka.after.append(after)
    await site.until(lambda: len(cuts) == len(TRANSACTIONAL), "each was cut once", WAIT_S)
    edge.kafka.after.remove(after)


def late(key: int, seconds: float) -> Fault.act:
    """Requests of a kind take long, for three checkpoints."""

    async def act(site: Site) -> None:
        proxy = link_of(site, "edge")

        async def wait(request: Request) -> None:
            if request.key == key:
                await asyncio.sleep(seconds)

        proxy.before.append(wait)
        for _ in range(3):
            await site.until_decided_anew()
        proxy.before.remove(wait)

    return act


LINKS = (
    Fault("held EndTxn, let go after the next producer began", held_request(END_TXN, until=INIT_PRODUCER_ID)),
    Fault("held EndTxn, let go in the next transaction", held_request(END_TXN, until=ADD_OFFSETS)),
    Fault("held TxnOffsetCommit", held_request(TXN_OFFSETS, until=INIT_PRODUCER_ID)),
    Fault("answers to each transactional request lost", every_transactional_request_sent_twice),
    Fault("edge to broker cut, three times", cut("edge")),
    Fault("edge to broker held for longer than the session", held("edge", SESSION_S + 2)),
    Fault("edge to broker held for 45 s", held("edge", 45)),
    Fault("edge to broker delayed by .1 s a request", delayed("edge", 0.1)),
    Fault("ends of topics told .5 s late", late(LIST_OFFSETS, 0.5)),
    Fault("heartbeats .5 s late", late(HEARTBEAT, 0.5)),
    Fault("sink to broker cut, three times", cut("sink"), "rows"),
    Fault("sink to broker held for longer than the session", held("sink", SESSION_S + 2), "rows"),
    Fault("sink to PostgreSQL cut, three times", cut("sink", to_database=True), "rows"),
    Fault("sink to PostgreSQL held for 20 s", held("sink", 20, to_database=True), "rows"),
)
