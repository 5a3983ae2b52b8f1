"""models.v1 as a real worker reads it: of the first format, played again, signed by nobody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.recommender import Recommender
from models.registry import ModelStore, Signer, Trust, migrate_folders, public_text, sign_alias
from schemas import MODELS, PROFILES, Alias, AliasRecord, Settings, topic_name
from streams.serving.topic import publish
from tests.models.registry.keys import KEY, OTHER
from tests.models.registry.test_first_format import WRITTEN, first_records
from tests.support.kafka import create_topics, produce
from tests.support.workers import Workers

pytestmark = pytest.mark.kafka
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    """Compiled before any worker starts: after a change of their sources that takes longer than a test waits."""
    Recommender(None, PROFILES["shop"]).warm()


@pytest.fixture
def signed(settings: Settings) -> Iterator[Workers]:
    """Workers that trust the key that has signed versions 1 and 2."""
    workers = Workers(
        settings.model_copy(update={"model_public_keys": public_text(KEY), "allow_unsigned_models": False})
    )
    yield workers
    workers.end()


@pytest.fixture
def lenient(settings: Settings) -> Iterator[Workers]:
    workers = Workers(settings)
    yield workers
    workers.end()


def logged(workers: Workers, event: str, **fields: Any) -> Callable[[], bool]:
    """Whether the workers have logged the event with these fields; of texts a part."""

    def holds() -> bool:
        lines = workers.log.read_text().splitlines()
        found = [line for line in map(parsed, lines) if line.get("event") == event]
        return any(all(str(value) in str(line.get(name)) for name, value in fields.items()) for line in found)

    return holds


def parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def pointed(settings: Settings, version: str | None, at: datetime, alias: Alias = "champion") -> AliasRecord:
    record = AliasRecord(name="recommender", alias=alias, version=version, changed_at=at)
    return sign_alias(record, KEY, topic_name(settings, MODELS))


def value(record: AliasRecord) -> bytes:
    return record.model_dump_json().encode()


async def test_a_home_and_a_topic_of_before_serve_and_their_unsigned_alias_is_told(
    settings: Settings, signed: Workers
) -> None:
    await create_topics(settings)
    shutil.copytree(WRITTEN / "models", settings.home / "models")
    await produce(settings, MODELS, first_records())
    signed.start("edge")
    refused = "a model is refused"
    await signed.until(logged(signed, refused, version="2", alias="champion", reason="it is not signed"), "the alias")
    assert logged(signed, refused, version="3", alias="None", reason="it is not signed")()
    assert logged(signed, "a model of the first format was read; it is used", version="2", cure="models migrate")()
    assert logged(signed, "models", running="recommender champion 2")()  # of the home

    await publish(settings, [], pointed(settings, "1", datetime.now(UTC)))
    await signed.until(logged(signed, "a model serves", version="1", signed=True), "what was promoted anew")
    assert ModelStore(settings.home / "models").aliases().models["recommender"] == {"champion": "1"}


async def test_without_keys_a_topic_of_before_is_followed(settings: Settings, lenient: Workers) -> None:
    await create_topics(settings)
    await produce(settings, MODELS, first_records())
    lenient.start("edge")
    await lenient.until(logged(lenient, "a model serves", version="2", signed=False), "the champion")
    record = AliasRecord(name="recommender", alias="challenger", version="3", changed_at=datetime.now(UTC))
    await publish(settings, [], record)
    await lenient.until(logged(lenient, "a model serves", alias="challenger", version="3"), "a challenger")
    await produce(settings, MODELS, [("alias/recommender/challenger", None)])  # as workers of before take it
    store = ModelStore(settings.home / "models")
    await lenient.until(lambda: store.aliases().models["recommender"] == {"champion": "2"}, "the null value")


async def test_what_cannot_be_followed_hides_what_was_before_it(settings: Settings, signed: Workers) -> None:
    """Who holds a version back, or spoils it, gets no older one in its place."""
    await create_topics(settings)
    shutil.copytree(WRITTEN / "models", settings.home / "models")
    begun = datetime.now(UTC) - 5 * HOUR
    signed.start("edge")
    await publish(settings, [], pointed(settings, "9", begun + HOUR))
    await signed.until(logged(signed, "a model is refused", version="9", reason="is not a model"), "no such version")
    await publish(settings, [], pointed(settings, "1", begun))
    await signed.until(
        logged(signed, "an older change of an alias is passed over", change="pointed to 1"), "the old one"
    )
    store = ModelStore(settings.home / "models")
    assert store.aliases().models["recommender"] == {"champion": "2"}
    assert store.aliases().changed_at["recommender"]["champion"] == begun + HOUR


async def test_what_is_played_again_changes_nothing(settings: Settings, signed: Workers, tmp_path: Path) -> None:
    """Neither in a worker that runs, nor in one that has seen nothing yet, as long as the newest record is there."""
    await create_topics(settings)
    shutil.copytree(WRITTEN / "models", tmp_path / "centre")
    centre, begun = ModelStore(tmp_path / "centre"), datetime.now(UTC) - 5 * HOUR
    list(migrate_folders(centre.folder, Signer(KEY, Trust())))
    first, second = (pointed(settings, version, begun + place * HOUR) for place, version in enumerate("12"))
    await publish(settings, [centre.verify("recommender", version) for version in "12"], first)
    signed.start("edge")
    await signed.until(logged(signed, "a model serves", version="1", signed=True), "version 1")
    await publish(settings, [], second)
    await signed.until(logged(signed, "a model serves", version="2", signed=True), "version 2")

    newer = datetime.now(UTC)
    unsigned = first.model_copy(update={"changed_at": newer, "signature": None})
    stranger = sign_alias(unsigned, OTHER, topic_name(settings, MODELS))
    elsewhere = sign_alias(unsigned, KEY, "another.models.v1")
    key = "alias/recommender/champion"
    await produce(settings, MODELS, [(key, value(one)) for one in (first, unsigned, stranger, elsewhere)])
    others = [("alias/recommender/challenger", value(first)), (key, b"[]"), (key, None)]
    await produce(settings, MODELS, others)
    await signed.until(logged(signed, "a model is refused", reason="A null value for the champion"), "all of it")
    assert logged(signed, "an older change of an alias is passed over", change="pointed to 1")()
    for reason in ("it is not signed", "not a trusted key", "changed after signing"):
        assert logged(signed, "a model is refused", version="1", alias="champion", reason=reason)()
    assert logged(signed, "a model is refused", alias="challenger", reason="under its key lies the champion")()
    assert logged(signed, "a model is refused", version="2", reason="its record cannot be read")()
    home = ModelStore(settings.home / "models")
    assert home.aliases().models == {"recommender": {"champion": "2"}}
    assert home.aliases().changed_at["recommender"]["champion"] == second.changed_at

    signed.end()
    signed.log.write_text("")
    shutil.rmtree(settings.home / "models")
    signed.start("edge")  # it reads the good record, and then what was played again
    await signed.until(logged(signed, "a model serves", version="2", signed=True), "version 2 in a new home")
    assert not logged(signed, "a model serves", version="1")()
