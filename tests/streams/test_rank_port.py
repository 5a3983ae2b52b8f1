"""The rank port: the real server of a worker, and the API's route before it; only Kafka is left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import orjson
import pytest

from api import build_api
from millrace.events import KafkaPublisher
from models.recommender import EXPECTED, FRESH_BONUS
from models.recommender.recommender import HAND_PARTS
from schemas import CLICKS, RECOMMENDATIONS, RankBody, RankPlace, Settings, SettingsError
from storage import Store
from streams.agent import partition_of
from streams.rank_port import MOST_BYTES, RankPort
from streams.recommend import USERS
from tests.streams.pages import Shop, records_of
from tests.support.databases import migrated_sqlite, sqlite_url
from tests.support.decisions import worker_status
from tests.support.world import shop_events, topic_of

__all__ = ["migrated_sqlite", "sqlite_url"]
HERE = 1  # the partition that the shop's page has, of 2


class Worker:
    """A shop's page with a port, as in a worker that owns one partition."""

    def __init__(self, home: Path, settings: Settings, is_trained: bool = True) -> None:
        self.shop = Shop(home, is_trained)
        self.part = SimpleNamespace(is_ready=True, state=self.shop.state)
        self.runtime: Any = SimpleNamespace(parts={HERE: self.part})

        async def ready() -> None:
            pass

        self.port = RankPort(settings, self.shop.page, self.runtime, ready)

    def live(self, count: int) -> None:
        """So many events, of users who are all taken as this partition's."""
        for record in records_of(shop_events(count)):
            self.shop.handle([record])
        self.shop.state.partitions = 2

    def user(self) -> str:
        """One that clicked, and that belongs to this partition."""
        known = (key.decode() for key in self.shop.state.tables[USERS].keys())  # noqa: SIM118 - not a mapping
        return next(user for user in known if partition_of(user.encode(), 2) == HERE)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        await self.port.start()
        async with asyncio.timeout(10):
            while (place := self.port.place()) is None:
                await asyncio.sleep(0.01)
        try:
            yield place.address
        finally:
            await self.port.stop()


async def ask(address: str, **body: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.post(address, json=body)


def user_of(partition: int) -> str:
    return next(user for n in range(99) if partition_of((user := f"user-{n:04}").encode(), 2) == partition)


@pytest.mark.parametrize("is_trained", [True, False])
async def test_each_score_is_the_sum_of_what_moved_it(trained_home: Path, is_trained: bool) -> None:
    worker = Worker(trained_home, Settings(), is_trained)
    worker.live(600)
    items = worker.shop.view.item_ids[:40]
    async with worker.serving() as address:
        answer = (await ask(address, user_id=worker.user(), items=items, explain=True)).json()
    assert answer["strategy"] == ("ranker" if is_trained else "blend")
    assert {one["item_id"] for one in (*answer["items"], *answer["left_out"])} == set(items)
    assert [one["score"] for one in answer["items"]] == sorted((one["score"] for one in answer["items"]), reverse=True)
    for one in answer["items"]:
        assert sum(part["contribution"] for part in one["contributions"]) == pytest.approx(one["score"], abs=1e-9)
        strengths = [abs(part["contribution"]) for part in one["contributions"]]
        assert strengths == sorted(strengths, reverse=True)
    names = {part["name"] for one in answer["items"] for part in one["contributions"]} - {EXPECTED, FRESH_BONUS}
    assert names <= {*(worker.shop.recommender.features if is_trained else HAND_PARTS)}


async def test_the_list_that_a_user_was_sent_is_ranked_with_the_scores_that_it_had(trained_home: Path) -> None:
    worker = Worker(trained_home, Settings())
    worker.live(600)
    click = next(e for e in shop_events(900)[600:] if topic_of(e) == CLICKS)
    record = records_of([click])[0]
    record.offset = 10_000
    worker.shop.state.partitions = 0  # any key is taken
    outputs = worker.shop.page.handle(worker.shop.state, [record]).outputs  # the view has not read it, as in a worker
    listed = orjson.loads(next(o.value for o in outputs if o.topic == RECOMMENDATIONS and o.value))["items"]
    async with worker.serving() as address:
        asked = {"items": [one["item_id"] for one in listed], "event_time": click.event_time.isoformat()}
        assert (await ask(address, user_id=click.user_id, **asked)).status_code == 421
        worker.part.state.partitions = 1  # all keys belong to partition 0
        worker.runtime.parts = {0: worker.part}
        answer = (await ask(address, user_id=click.user_id, context=click.context, **asked)).json()
    assert answer["items"] == listed


async def test_who_has_no_token_is_refused_and_what_is_too_large_too(trained_home: Path) -> None:
    worker = Worker(trained_home, Settings(rank_token="secret"))  # type: ignore[arg-type]
    async with worker.serving() as address, httpx2.AsyncClient(trust_env=False) as client:
        own = {"Authorization": "Bearer secret"}
        assert (await client.post(address, json={"items": ["a"]})).status_code == 401
        assert (await client.post(address, json={"items": ["a"]}, headers=own)).status_code == 200
        assert (await client.post(address, json={"items": []}, headers=own)).status_code == 422
        assert (await client.post(address, content=b" " * (MOST_BYTES + 1), headers=own)).status_code == 413


def test_an_address_that_others_reach_needs_a_token(trained_home: Path) -> None:
    with pytest.raises(SettingsError, match="MILLRACE_RANK_TOKEN"):
        Worker(trained_home, Settings(rank_host="0.0.0.0"))


async def test_the_api_asks_the_worker_that_has_the_user(trained_home: Path, sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=sqlite_url)
    worker = Worker(trained_home, settings)
    worker.live(200)
    app = build_api(settings, KafkaPublisher(settings))
    transport = httpx2.ASGITransport(app)
    async with worker.serving() as address, httpx2.AsyncClient(transport=transport, base_url="http://localhost") as api:
        body = {"items": worker.shop.view.item_ids[:5], "user_id": worker.user()}
        nobody = await api.post("/v1/rank", json=body)
        assert (nobody.status_code, nobody.json()["type"].rpartition("/")[2]) == (503, "no-worker")
        _tell(sqlite_url, gone=RankPlace(address="http://127.0.0.1:9", partitions=[0, 1], of=2))
        _tell(sqlite_url, here=RankPlace(address=address, partitions=[HERE], of=2))
        app.state.rankers._read_at = -99.0
        assert (await api.post("/v1/rank", json=body)).json()["user_id"] == body["user_id"]
        other = await api.post("/v1/rank", json=body | {"user_id": user_of(1 - HERE)})
        assert other.status_code == 503
        assert "421" in other.json()["detail"]
        assert len((await api.post("/v1/rank", json={"items": body["items"]})).json()["items"]) == 5
        bad = await api.post("/v1/rank", json={"items": []})
        assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "body.items")
        longest = [f"{n:03}{'x' * 197}" for n in range(300)]
        large = await api.post("/v1/rank", json={"items": longest, "session": longest[:200]})
        assert (large.status_code, len(large.json()["left_out"])) == (200, 300)
        many = await api.post("/v1/rank", json={"items": [str(n) for n in range(301)]})
        assert many.status_code == 422
    await app.state.rankers.close()
    app.state.store.close()


def _tell(url: str, **places: RankPlace) -> None:
    store = Store(url)
    for name, place in places.items():
        status = worker_status(name, datetime.now(UTC)).model_copy(update={"ranks": place})
        store.write([status], [])
    store.close()


def test_ids_may_be_integers() -> None:
    assert RankBody.model_validate_json('{"items": [7, "7", 8], "user_id": 3}').items == ["7", "7", "8"]
