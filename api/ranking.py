"""Ranking: given items, ranked by an edge worker, as the view of all clicks and the users' rows are there.

POST /v1/rank ─► a worker that has the user ─► its port ─► RankAnswer

Over a port and not over Kafka: two hops over a topic take longer than the ranking and all the rest.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

import aiohttp
from fastapi import Body, Depends, Request
from fastapi.responses import Response

from api.operation import WORKER_SILENCE
from api.problems import RETRY_AFTER_S, ProblemError, responses
from api.publisher import Publisher
from api.shared import build_router, shown
from schemas import BODY_EXAMPLES, RankAnswer, RankBody, RankPlace, Settings
from storage import Store, in_thread

router = build_router("recommendations")
KNOWN_FOR_S = 1.0
PATIENCE_S = 4.0  # within the 6 s in which every answer begins


class Rankers:
    """The edge workers that rank. One event loop uses it."""

    def __init__(self, settings: Settings, store: Store, publisher: Publisher | None) -> None:
        token = settings.rank_token.get_secret_value()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._store, self._publisher = store, publisher
        self._client: aiohttp.ClientSession | None = None
        self._places: list[RankPlace] = []
        self._read_at = -KNOWN_FOR_S

    async def rank(self, body: RankBody) -> bytes:
        """The answer of the first worker that has the user.

        Raises:
            ProblemError: none has.
        """
        content, failures = body.model_dump_json(exclude_none=True).encode(), []
        for address in await self._addresses(body.user_id):
            try:
                status, answer = await self._ask(address, content)
            except (aiohttp.ClientError, TimeoutError) as error:
                failures.append(f"{address} does not answer ({type(error).__name__})")
                self._read_at = -KNOWN_FOR_S
                continue
            if status == HTTPStatus.OK:
                return answer
            failures.append(f"{address} answers {status}: {answer[:100].decode(errors='replace')}")
        why = "; ".join(failures) or "no edge worker has told where it ranks"
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise ProblemError("no-worker", f"The items were not ranked: {why}.", (), headers)

    async def _ask(self, address: str, content: bytes) -> tuple[int, bytes]:
        """By aiohttp, which takes a quarter of the time of httpx for it, 0.1 ms; once more where the worker had ended
        an idle connection at this moment."""
        if self._client is None:
            patience, no_cookies = aiohttp.ClientTimeout(total=PATIENCE_S), aiohttp.DummyCookieJar()
            self._client = aiohttp.ClientSession(headers=self._headers, timeout=patience, cookie_jar=no_cookies)
        for is_last in (False, True):
            try:
                async with self._client.post(address, data=content, allow_redirects=False) as response:
                    return response.status, await response.read()
            except aiohttp.ServerDisconnectedError:
                if is_last:
                    raise
        raise AssertionError("the last of them returns or raises")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _addresses(self, user_id: str | None) -> Sequence[str]:
        """Of the workers, first the one that should have the user's partition."""
        if time.monotonic() - self._read_at > KNOWN_FOR_S:
            self._places = await in_thread(self._read)
            self._read_at = time.monotonic()
        places = self._places
        if user_id is not None and self._publisher is not None:
            partition_of = self._publisher.partition_of
            places = sorted(places, key=lambda place: partition_of(user_id, place.of) not in place.partitions)
        return [place.address for place in places]

    def _read(self) -> list[RankPlace]:
        with self._store.reading() as reader:
            workers = reader.workers(datetime.now(UTC) - WORKER_SILENCE)
        return [status.ranks for status in workers if status.ranks is not None]


async def _rankers(request: Request) -> Rankers:
    found: Rankers = request.app.state.rankers
    return found


@router.post(
    "/rank", response_model=RankAnswer, responses={**shown("RankAnswer", "too-large"), **responses("no-worker")}
)
async def rank_items(
    body: Annotated[RankBody, Body(examples=[BODY_EXAMPLES["RankBody"]])],
    rankers: Annotated[Rankers, Depends(_rankers)],
) -> Response:
    """Rank up to 300 given items for a user, a session, or for anybody, by the scores that each would have in the
    user's own list; with `explain` each score comes with what moved it. Nothing is changed, nothing is emitted.

    An edge worker answers, out of its memory: it knows all clicks, and the users of its partitions.
    """
    return Response(await rankers.rank(body), media_type="application/json")
