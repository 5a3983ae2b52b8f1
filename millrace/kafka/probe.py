"""Ports of this machine: which one is free, what keeps a program from one, does Kafka serve there."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from schemas import Settings, UnavailableError

LOOPBACK = "127.0.0.1"


def serves(port: int, node: int) -> bool:
    """Whether Kafka answers there; the port opens before the node is admitted, so the node must list itself."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=2).close()  # no client for a port that nobody has opened
    except OSError:
        return False
    with ThreadPoolExecutor(1) as pool:  # an event loop may run in this thread
        return pool.submit(asyncio.run, _lists_itself(port, node)).result()


async def _lists_itself(port: int, node: int) -> bool:
    from streams.kafka import answering, cluster

    settings = Settings(kafka=f"{LOOPBACK}:{port}")
    try:
        with answering(settings):
            nodes, controller = await cluster(settings)
    except UnavailableError:
        return False
    return node in nodes and controller == node


def obstacle(port: int, host: str = LOOPBACK) -> str:
    """Why no program can listen on host:port; empty when one can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
        return ""


def free_port(wanted: int | None = None, other_than: int = 0) -> int:
    """The wanted port of 127.0.0.1 if it is free, else any."""
    if wanted and wanted != other_than and not obstacle(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port if port != other_than else free_port(None, other_than)
