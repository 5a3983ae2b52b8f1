"""Rank port: a small HTTP server in an edge worker, which ranks given items where the view and the users' rows are.

POST / (RankBody) ─► the user's row, the catalogue view ─► rank_given ─► RankAnswer

For the API's servers, which find it by the worker's status. Ranking runs between two batches, in the event loop, as the
view is not for several threads; it changes nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import numpy as np
import structlog
from aiohttp import web
from mode import Service
from pydantic import ValidationError

from models.recommender import GivenRanking, Recommender, contributions, question, rank_given
from schemas import Click, Contribution, LeftOut, RankAnswer, RankBody, RankedItem, RankPlace, Settings, SettingsError
from streams.agent import Runtime, partition_of
from streams.recommend import USERS, Recommend

log = structlog.get_logger(__name__)
MOST_BYTES = 524_288  # 300 items and a session of 200, ids of 200 characters of four bytes
AGAIN_S = 5.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
KEPT_S, SHUTDOWN_S = 60.0, 1.0  # idle connections; answers that are being made when the worker ends


class RankPort(Service):
    """Serves from when it can until the worker ends.

    Args:
        ready: awaited first: the view has caught up with the feed.

    Raises:
        SettingsError: an address that others can reach, but no token.
    """

    def __init__(
        self, settings: Settings, handler: Recommend, runtime: Runtime, ready: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__()
        if settings.rank_host not in LOOPBACK and not settings.rank_token.get_secret_value():
            raise SettingsError(
                f"MILLRACE_RANK_HOST={settings.rank_host!r} is an address that others can reach, and there is no "
                "MILLRACE_RANK_TOKEN. The worker was not started.",
                "Set the same MILLRACE_RANK_TOKEN for the workers and the API, or leave the host at 127.0.0.1.",
            )
        self._settings, self._handler, self._runtime, self._ready = settings, handler, runtime, ready
        self._address = ""

    def place(self) -> RankPlace | None:
        """For the worker's status: where it is served, and for whose users; None: not yet."""
        if not self._address:
            return None
        own = [number for number, part in self._runtime.parts.items() if part.is_ready]
        return RankPlace(address=self._address, partitions=sorted(own), of=self._partitions())

    def _partitions(self) -> int:
        """How many the topic has, which is not what the settings say where others made it; 0: none is open here."""
        return next((part.state.partitions for part in self._runtime.parts.values() if part.is_ready), 0)

    @Service.task
    async def _serve(self) -> None:
        await self._ready()
        while not self.should_stop:
            try:
                await self._listen()
            except OSError as error:
                host, port = self._settings.rank_host, self._settings.rank_port
                log.warning("the rank port cannot listen; it is tried again", host=host, port=port, error=str(error))
                await self.sleep(AGAIN_S)

    async def _listen(self) -> None:
        host = self._settings.rank_host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, self._settings.rank_port), family=family) as listening:
            # accepted connections inherit it; asyncio leaves it out here, and each answer would wait 40 ms for an ACK
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104 - a comparison
            self._address = f"http://{f'[{name}]' if ':' in name else name}:{listening.getsockname()[1]}"
            runner = web.ServerRunner(
                web.Server(self._answer, access_log=None, keepalive_timeout=KEPT_S), shutdown_timeout=SHUTDOWN_S
            )
            await runner.setup()
            try:
                await web.SockSite(runner, listening).start()
                await self.wait_for_stopped()
            finally:
                self._address = ""
                await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        token = self._settings.rank_token.get_secret_value()
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if token and not hmac.compare_digest(given, f"Bearer {token}".encode()):
            return _said(HTTPStatus.UNAUTHORIZED, b'"another MILLRACE_RANK_TOKEN"')
        body = bytearray()
        async for part in request.content.iter_any():
            body += part
            if len(body) > MOST_BYTES:
                return _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b'"too large"')
        try:
            asked = RankBody.model_validate_json(bytes(body))
        except ValidationError:
            return _said(HTTPStatus.UNPROCESSABLE_ENTITY, b'"another version of the API"')
        answer = await self._rank(asked)
        if answer is None:
            return _said(HTTPStatus.MISDIRECTED_REQUEST, b'"another worker has this user"')
        return _said(HTTPStatus.OK, answer.model_dump_json(exclude_none=True).encode())

    async def _rank(self, asked: RankBody) -> RankAnswer | None:
        """None: the user's partition is not open here."""
        row = None
        if asked.user_id is not None:
            key = asked.user_id.encode()
            count = self._partitions()
            part = self._runtime.parts.get(partition_of(key, count)) if count else None
            if part is None or not part.is_ready:
                return None
            users = part.state.tables[USERS]
            slot = users.find(key)
            row = users.array[slot].copy() if slot >= 0 else None
        served = self._handler.served
        when = asked.event_time or datetime.fromtimestamp(served.view.event_time or time.time(), UTC)
        found = _ranked(asked, served.recommender, served.view, when, row)
        explained: list[list[Contribution]] = []
        if asked.explain:
            explained = await asyncio.to_thread(_explained, served.recommender, found, asked.limit)
        return RankAnswer(
            user_id=asked.user_id,
            event_time=when,
            strategy=found.strategy,
            model=served.model,
            items=[
                RankedItem(item_id=item, score=score, contributions=explained[place] if explained else None)
                for place, (item, score) in enumerate(
                    zip(found.item_ids[: asked.limit], found.scores.tolist(), strict=False)
                )
            ],
            left_out=[LeftOut(item_id=item, reason=reason) for item, reason in found.left_out],
        )


def _said(status: HTTPStatus, content: bytes) -> web.Response:
    return web.Response(status=status, body=content, content_type="application/json")


def _ranked(asked: RankBody, recommender: Recommender, view: Any, when: datetime, row: np.void | None) -> GivenRanking:
    click = Click(
        event_id="rank",
        event_time=when,
        user_id=asked.user_id or "nobody",
        item_id="none",
        context={name: value for name, value in asked.context.items() if value is not None},
    )
    return rank_given(recommender, view, question(recommender, click, asked.session, row), asked.items)


def _explained(recommender: Recommender, found: GivenRanking, limit: int) -> list[list[Contribution]]:
    """Of each item what moved its score, the strongest first."""
    values = [dict(zip(recommender.features, row.tolist(), strict=True)) for row in found.rows[:limit]]
    return [
        [
            Contribution(name=name, contribution=moved, value=_number(values[place].get(name)))
            for name, moved in sorted(
                contributions(recommender, found, place).items(), key=lambda pair: (-abs(pair[1]), pair[0])
            )
            if moved != 0
        ]
        for place in range(len(values))
    ]


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
