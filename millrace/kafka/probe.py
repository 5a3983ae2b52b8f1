"""Ports of this machine: which one is free, what keeps a program from one, does Kafka serve there."""

from __future__ import annotations

import socket


def serves(port: int, node: int) -> bool:
    """Whether Kafka answers a metadata request; the port opens before the node is admitted, so it must list itself."""
    from aiokafka.protocol.api import RequestHeader_v1
    from aiokafka.protocol.metadata import MetadataRequest_v1, MetadataResponse_v1
    from aiokafka.protocol.types import Int32

    request = MetadataRequest_v1(topics=[])
    frame = RequestHeader_v1(request, correlation_id=1, client_id="millrace").encode() + request.encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection, connection.makefile("rb") as reply:
            connection.sendall(Int32.encode(len(frame)) + frame)
            size = Int32.decode(reply)
            Int32.decode(reply)  # correlation id
            answer = MetadataResponse_v1.decode(reply.read(size - 4))
    except (OSError, ValueError):
        return False
    return any(listed == node for listed, *_ in answer.brokers) and answer.controller_id == node


def obstacle(port: int, host: str = "127.0.0.1") -> str:
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
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port if port != other_than else free_port(None, other_than)
