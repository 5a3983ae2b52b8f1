"""`millrace models` as its user meets it: with a Kafka and without one, with a key and without one."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from millrace.cli import run
from models.registry import ModelStore, Trust
from models.registry.signing import SUMS_PURPOSE
from models.tally import Tally
from schemas import MODELS, AliasKey, AliasRecord, Settings, VersionKey, VersionRecord, key_text, load_settings
from storage import Store, upgrade
from tests.models.registry.test_first_format import WRITTEN
from tests.support.decisions import worker_status
from tests.support.kafka import consume, create_topics
from tests.support.versions import save_as


@pytest.fixture
def store(trained_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    """A home with two versions of the pump: the trained one, which is the champion, and `2`."""
    home = tmp_path / "models-home"
    shutil.copytree(trained_home / "models", home / "models")
    monkeypatch.setenv("MILLRACE_HOME", str(home))
    for name in ("MILLRACE_KAFKA", "MILLRACE_MODEL_PRIVATE_KEY", "MILLRACE_ALLOW_UNSIGNED_MODELS"):
        monkeypatch.delenv(name, raising=False)
    store = ModelStore(home / "models")
    save_as(store, store.verify("pump"), "2", by=1.0)
    return store


def test_without_a_kafka_aliases_move_in_the_home(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    first = store.load("pump").manifest.version
    assert run(["models", "promote", "pump", "2", "--alias", "challenger"]) == 0
    assert run(["models", "promote", "pump", "2"]) == 0
    said = capsys.readouterr().out
    assert "pump 2 is the challenger.\nNo Kafka runs here" in said
    assert store.aliases().models["pump"] == {"champion": "2", "challenger": "2"}
    assert run(["models", "rollback", "pump"]) == 0
    assert run(["models", "withdraw", "pump"]) == 0
    assert store.aliases().models["pump"] == {"champion": first}
    assert run(["models", "withdraw", "pump", "--alias", "champion"]) == 1
    assert run(["models", "publish", "pump", "2"]) == 1
    assert "no embedded Kafka runs" in capsys.readouterr().err.replace("\n", " ")


def test_show_tells_what_the_workers_run_and_how_the_challenger_differs(
    store: ModelStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "show", "pump"]) == 0
    assert "None has told within half a minute" in capsys.readouterr().out
    settings = load_settings()
    upgrade(settings.database())
    rng, tally = np.random.default_rng(1), Tally("pump", "1", "2")
    tally.add(values := rng.normal(50, 9, 900), values + 2)
    status = worker_status("edge-7", datetime.now(UTC), refused="9")
    database = Store(settings.database())
    database.write([status.model_copy(update={"comparisons": [tally.comparison()]})], [])
    database.close()
    assert run(["models", "show", "pump"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "edge-7 runs 1 as champion, signed, by portable" in said
    assert "edge-7 refused 9: it is bad" in said
    assert "Challenger 2 beside champion 1 on edge-7" in said
    assert "+2 on average" in said
    assert run(["models", "show", "pump", "--json"]) == 0
    [worker] = json.loads(capsys.readouterr().out)["workers"]
    assert worker["comparisons"][0]["decisions"] == 900


@pytest.fixture
async def connected(settings: Settings, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> Settings:
    await create_topics(settings, MODELS)
    monkeypatch.setenv("MILLRACE_KAFKA", settings.kafka)
    monkeypatch.setenv("MILLRACE_TOPIC_PREFIX", settings.topic_prefix)
    return settings


async def records(settings: Settings, count: int) -> dict[str, bytes]:
    return {record.key.decode(): record.value for record in await consume(settings, MODELS, count)}


def test_a_key_is_made_and_what_is_published_is_signed_with_it(
    connected: Settings, store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(["models", "publish", "pump", "2"]) == 1
    assert "2 is not signed, so workers would refuse it. Nothing was published" in capsys.readouterr().err
    key = tmp_path / "key.pem"
    assert run(["models", "keygen", str(key)]) == 0
    public = capsys.readouterr().out.rsplit("MILLRACE_MODEL_PUBLIC_KEYS=", 1)[1].strip()
    monkeypatch.setenv("MILLRACE_MODEL_PRIVATE_KEY", str(key))
    assert run(["models", "publish", "pump", "2", "--alias", "champion"]) == 0
    assert store.load("pump").manifest.version == "2"
    roles = store.load("pump").manifest.packs
    found = asyncio.run(records(connected, len(roles) + 2))
    version = VersionRecord.model_validate_json(found[key_text(VersionKey("pump", "2"))])
    trust = Trust.from_settings(connected.model_copy(update={"model_public_keys": public}))
    assert trust.check(SUMS_PURPOSE + version.sums.encode(), version.signatures.splitlines(), "it is refused")
    assert version.chunks == dict.fromkeys(roles, 1)
    alias = AliasRecord.model_validate_json(found[key_text(AliasKey("pump", "champion"))])
    assert (alias.version, alias.changed_at) == ("2", store.aliases().changed_at["pump"]["champion"])
    assert trust.check_alias(alias)
    monkeypatch.delenv("MILLRACE_MODEL_PRIVATE_KEY")
    assert run(["models", "rollback", "pump"]) == 1  # the version before is not signed
    assert store.load("pump").manifest.version == "2"  # so nothing was moved
    capsys.readouterr()
    assert run(["models", "promote", "pump", "2", "--alias", "challenger"]) == 1  # it is, but its alias would not be
    assert "That an alias of pump points to 2 is not signed" in " ".join(capsys.readouterr().err.split())
    assert "challenger" not in store.aliases().models["pump"]
    monkeypatch.setenv("MILLRACE_MODEL_PRIVATE_KEY", str(key))
    assert run(["models", "rollback", "pump"]) == 0
    assert json.loads(asyncio.run(records(connected, 2 * (len(roles) + 2)))["alias/pump/champion"])["version"] != "2"
    assert run(["models", "promote", "pump", "2", "--alias", "challenger"]) == 0
    assert run(["models", "withdraw", "pump"]) == 0
    withdrawn = asyncio.run(records(connected, 3 * (len(roles) + 2) + 1))["alias/pump/challenger"]
    assert json.loads(withdrawn)["version"] is None
    assert trust.check_alias(AliasRecord.model_validate_json(withdrawn))
    assert store.aliases().models["pump"].keys() == {"champion"}


def test_unsigned_models_are_published_where_workers_take_them(
    connected: Settings, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_ALLOW_UNSIGNED_MODELS", "true")
    assert run(["models", "promote", "pump", "2", "--alias", "challenger"]) == 0
    assert run(["models", "withdraw", "pump"]) == 0
    found = asyncio.run(records(connected, len(store.load("pump").manifest.packs) + 3))
    assert found["alias/pump/challenger"] is None


def test_an_alias_without_a_signature_is_as_workers_of_before_read_it(
    connected: Settings, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_ALLOW_UNSIGNED_MODELS", "true")
    assert run(["models", "promote", "pump", "2"]) == 0
    found = asyncio.run(records(connected, len(store.load("pump").manifest.packs) + 2))
    assert json.loads(found["alias/pump/champion"]).keys() == {"name", "alias", "version", "changed_at"}


def test_a_version_of_the_first_format_is_published_after_it_was_migrated(
    connected: Settings, store: ModelStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILLRACE_ALLOW_UNSIGNED_MODELS", "true")
    shutil.rmtree(store.folder / "recommender")
    shutil.copytree(WRITTEN / "models" / "recommender", store.folder / "recommender")
    assert run(["models", "promote", "recommender", "3"]) == 1
    assert "is of the first format" in (said := " ".join(capsys.readouterr().err.split()))
    assert "`millrace models migrate`" in said
    assert run(["models", "migrate", "--drop-signatures"]) == 0
    assert run(["models", "promote", "recommender", "3"]) == 0
    found = asyncio.run(records(connected, 3))
    assert json.loads(found["model/recommender/3"])["format"] == 2
