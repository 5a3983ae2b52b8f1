"""Connections: a client that does not say what it wants is not waited for.

connection, or the next request on it ─► complete headers within HEADER_TIMEOUT_S, or it is closed

uvicorn (0.54) ends a connection that is silent after an answer, but not one that never sent a whole request: a few
hundred of those, which cost their sender nothing, would use up the sockets of a server. The time for a body is
`LimitedBody`'s; the time for an answer is `Timely`'s.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_TIMEOUT_S = 5.0  # for all of it: a byte a second does not prolong it


class GuardedProtocol(H11Protocol):
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._wait_or_rest()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_or_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def _wait_or_rest(self) -> None:
        """Whether a request is expected whose headers are not all there, or whose body nobody wants any more."""
        is_answered = self.cycle is None or self.cycle.response_complete
        is_awaited = self.conn.their_state is h11.IDLE or (self.conn.their_state is h11.SEND_BODY and is_answered)
        if not is_awaited:
            self._rest()
        elif self._patience is None:
            self._patience = self.loop.call_later(HEADER_TIMEOUT_S, self._close)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _close(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()
