"""Models are let to serve over the API and the console, by the same code as by command, with a real Kafka."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from api import make_key
from console import install
from millrace.events import KafkaPublisher
from millrace.promotion import HomeKeeper
from models.registry import ModelStore
from schemas import MODELS, Settings
from tests.api.conftest import serving
from tests.support.kafka import consume, create_topics
from tests.support.versions import save_as


@pytest.fixture
def home(trained_home: Path, settings: Settings) -> ModelStore:
    """Two versions of the pump: the trained one, which is the champion, and `2`; of `3` a file was changed."""
    shutil.copytree(trained_home / "models", settings.home / "models")
    store = ModelStore(settings.home / "models")
    for version in ("2", "3"):
        save_as(store, store.verify("pump"), version, by=1.0)
    (settings.home / "models" / "pump" / "3" / "manifest.json").write_text("{}")
    asyncio.run(create_topics(settings))
    return store


@pytest.fixture
def client(home: ModelStore, settings: Settings, sqlite_url: str) -> Iterator[httpx2.Client]:
    own = settings.model_copy(update={"database_url": sqlite_url, "api_port": 0})
    with serving(own, KafkaPublisher(own), install, HomeKeeper(own)) as client:
        yield client


async def test_a_version_serves_and_the_one_before_again(
    client: httpx2.Client, home: ModelStore, settings: Settings
) -> None:
    first = home.aliases().models["pump"]["champion"]
    tried = await asyncio.to_thread(
        lambda: client.post("/v1/models/pump/promote", json={"version": "2", "alias": "challenger"})
    )
    assert tried.json() == {"name": "pump", "alias": "challenger", "version": "2"}
    done = await asyncio.to_thread(lambda: client.post("/v1/models/pump/promote", json={"version": "2"}))
    assert (done.status_code, home.aliases().models["pump"]["champion"]) == (200, "2")
    shown = {model["name"]: model["aliases"] for model in client.get("/v1/models").json()["items"]}
    assert shown["pump"]["champion"] == "2"
    back = await asyncio.to_thread(lambda: client.post("/v1/models/pump/rollback"))
    assert back.json()["version"] == first
    records = await consume(settings, [MODELS], until=3)
    told = [json.loads(record.value) for record in records if record.key == b"alias/pump/champion"]
    assert [record["version"] for record in told] == ["2", first]


def test_what_cannot_serve_is_refused_with_the_reason(client: httpx2.Client, home: ModelStore) -> None:
    before = home.aliases().models
    for path, body in (
        ("pump/promote", {"version": "nope"}), ("pump/promote", {"version": "3"}), ("nope/promote", {"version": "1"}),
        ("pump/rollback", None),
    ):  # fmt: skip
        answer = client.post(f"/v1/models/{path}", json=body)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/model-refused"), answer.text
        assert len(answer.json()["detail"]) > 20
    assert client.post("/v1/models/pump/promote", json={"alias": "champion"}).status_code == 422
    assert home.aliases().models == before


def test_people_see_both_before_they_change_it(client: httpx2.Client, home: ModelStore) -> None:
    origin = {"Origin": str(client.base_url).rstrip("/")}
    page = client.get("/models/pump")
    assert "let it serve" in page.text
    assert "Go back to" not in page.text, "there is nothing to go back to"
    first = home.aliases().models["pump"]["champion"]
    asked = client.get("/models/pump/change?version=2")
    assert "cv_rmse" in asked.text
    assert client.get("/models/pump/change?version=nope").status_code == 404
    foreign = client.post("/models/pump/change", data={"version": "2"}, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    done = client.post("/models/pump/change", data={"version": "2"}, headers=origin)
    assert (done.status_code, home.aliases().models["pump"]["champion"]) == (303, "2")
    assert f"Go back to {first}" in client.get("/models/pump").text
    back = client.get(f"/models/pump/change?version={first}&back=true").text
    assert f"Let pump {first} serve again?" in back
    assert 'name="version"' not in back
    assert client.post("/models/pump/change", headers=origin).status_code == 303
    assert home.aliases().models["pump"]["champion"] != "2"
    refused = client.post("/models/pump/change", data={"version": "3"}, headers=origin)
    assert (refused.status_code, "<h1>" in refused.text) == (409, True)


def test_only_who_may_do_all_changes_models(home: ModelStore, settings: Settings, sqlite_url: str) -> None:
    keys = {scope: make_key(settings.home / "keys", scope, scope) for scope in ("operate", "admin")}
    changes = {"database_url": sqlite_url, "api_port": 0, "api_keys_file": settings.home / "keys"}
    own = settings.model_copy(update=changes)
    with serving(own, KafkaPublisher(own), install, HomeKeeper(own)) as client:
        for scope, status in (("operate", 403), ("admin", 200)):
            bearer = {"Authorization": f"Bearer {keys[scope]}"}
            answer = client.post("/v1/models/pump/promote", json={"version": "2"}, headers=bearer)
            assert answer.status_code == status
            assert ("Let it serve" in client.get("/models/pump/change?version=2", headers=bearer).text) == (
                status == 200
            )


def test_without_a_broker_nothing_changes(home: ModelStore, settings: Settings, sqlite_url: str) -> None:
    own = settings.model_copy(update={"database_url": sqlite_url, "api_port": 0})
    with serving(own) as client:
        assert client.post("/v1/models/pump/promote", json={"version": "2"}).status_code == 503
    assert home.aliases().models["pump"]["champion"] != "2"
