"""The recipes of CONTRIBUTING.md can be followed as they are written: each on a copy, run by processes of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from schemas import Settings
from tests.support.extensions import needs_compiler
from tests.support.kafka import consume
from tests.support.recipes import PACKAGES, ROOT, Checkout, recipes_of

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
RECIPES = recipes_of(TEXT)
FEATURE, TOPIC, ROUTE, RULE, REVISION, TESTS = RECIPES
Follow = Callable[[str], Checkout]


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    return lambda recipe: Checkout(tmp_path, RECIPES[recipe])


def test_every_recipe_is_followed_below() -> None:
    kinds = ("feature", "topic", "route", "rule", "revision", "level")
    assert [kind in name for kind, name in zip(kinds, RECIPES, strict=True)] == [True] * 6
    assert len(re.findall(r"^```diff$", TEXT, re.MULTILINE)) == len(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_fits_the_code(recipe: str, tmp_path: Path) -> None:
    """Each place that it shows is there, once, and what comes out is Python."""
    files = {change.file for change in RECIPES[recipe]}
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / file).exists():
            (tmp_path / file).write_text((ROOT / file).read_text())
    for change in RECIPES[recipe]:
        change.apply(tmp_path)
    for file in files:
        if file.endswith(".py"):
            compile((tmp_path / file).read_text(), file, "exec")


@pytest.mark.long
def test_what_comes_out_keeps_to_the_rules(tmp_path: Path) -> None:
    """All recipes, one after the other: what is quick of `make lint`, and the plan of the rooms."""
    checkout = Checkout(tmp_path, [change for changes in RECIPES.values() for change in changes])
    checkout.run("-m", "ruff", "check", "--no-cache", ".")
    checkout.run("-m", "ruff", "format", "--no-cache", "--check", ".")
    checkout.test("tests/test_rooms.py")


@pytest.mark.long
@needs_compiler
def test_a_ranker_feature(follow: Follow) -> None:
    checkout = follow(FEATURE)
    checkout.test("tests/models/recommender/test_features.py")
    code = """
from pathlib import Path
from models.recommender import Recommender
from models.recommender import feature_names
from models.registry import Model
from schemas import PROFILES, ModelError
from tests.models.test_held_out import manifest
for profile in PROFILES.values():
    names = feature_names(profile)
    print(names.pop(names.index("continued_share") + 1))
    before = {"features": names, "learned": {"strategy": "ranker"}}
    try:
        Recommender(Model(manifest("recommender").model_copy(update=before), {}, Path()), profile)
    except ModelError as error:
        print(error)
"""
    name, refusal = checkout.run("-c", code).splitlines()[:2]
    assert name == "continued_trend"
    assert "other features" in refusal


@pytest.mark.long
def test_an_input_topic(follow: Follow) -> None:
    checkout = follow(TOPIC)
    told = checkout.run("-m", "millrace.generate")
    assert "ratings.v1" in told
    documents = {file.name: json.loads(file.read_text()) for file in (checkout.folder / "schemas/generated").iterdir()}
    assert documents["ratings.v1.json"]["examples"][0]["stars"] == 4
    assert {"ratings.v1", "ratings.v1.dlq"} <= set(documents["asyncapi.json"]["channels"])
    assert "receive_ratings.v1" in documents["asyncapi.json"]["operations"]
    assert "`ratings.v1`" in (checkout.folder / "docs" / "reference.md").read_text()
    code = """
import orjson
from aiokafka import ConsumerRecord
from schemas import INPUTS, TOPICS, Settings
from streams.agent import decode_topics
example = INPUTS["ratings.v1"].EXAMPLE
values = [(b"ann", example), (b"bob", example), (b"ann", {**example, "stars": 6})]
records = [
    ConsumerRecord("ratings.v1", 0, n, example["event_time"], 0, key, orjson.dumps(value), None, 3, 0, ())
    for n, (key, value) in enumerate(values)
]
events, dead = decode_topics(records, INPUTS, Settings())
print([event and event.stars for event in events], [letter.reason for letter in dead])
print([topic.name for topic in TOPICS if topic.name.startswith("ratings")])
"""
    decoded, topics = checkout.run("-c", code).splitlines()
    assert decoded.startswith("[4, None, None]")
    assert "at stars" in decoded
    assert "key is 'bob' but user_id is 'ann'" in decoded
    assert topics == "['ratings.v1', 'ratings.v1.dlq']"
    assert "test_examples_are_valid[ratings.v1] PASSED" in checkout.test("tests/millrace/test_generate.py")


@pytest.mark.long
async def test_an_input_topic_is_created_and_takes_events(follow: Follow, settings: Settings, tmp_path: Path) -> None:
    checkout = follow(TOPIC)
    event = {"event_id": "r", "event_time": "2026-05-01T12:00:00Z", "user_id": "ann", "stars": 5}
    (tmp_path / "ratings.jsonl").write_bytes(orjson.dumps(event))
    where = {"MILLRACE_KAFKA": settings.kafka, "MILLRACE_TOPIC_PREFIX": settings.topic_prefix}
    where |= {"MILLRACE_HOME": str(settings.home), "MILLRACE_PARTITIONS": "1"}
    checkout.run("-m", "millrace", "topics", "apply", **where)
    checkout.run("-m", "millrace", "replay", "ratings.v1", "ratings.jsonl", **where)
    (record,) = await consume(settings, "ratings.v1", until=1)
    assert (record.key, orjson.loads(record.value or b"")) == (b"ann", event)


@pytest.mark.long
def test_an_api_route(follow: Follow) -> None:
    checkout = follow(ROUTE)
    checkout.run("-m", "millrace.generate")
    openapi = json.loads((checkout.folder / "schemas" / "generated" / "openapi.json").read_text())
    route = openapi["paths"]["/v1/classes"]["get"]
    assert route["operationId"] == "list_asset_classes"
    assert route["description"].startswith("The asset classes by name")
    assert route["responses"]["200"]["content"]["application/json"]["example"]["items"]
    told = checkout.test(
        "tests/api/test_routes.py", "tests/millrace/test_generate.py", "-k", "(asset or gen) and not postgres"
    )
    assert "test_asset_classes[sqlite] PASSED" in told
    assert "test_generated_files_have_not_drifted PASSED" in told


@pytest.mark.long
def test_an_alert_rule(follow: Follow) -> None:
    checkout = follow(RULE)
    told = checkout.test("tests/models/maintenance/test_alerts.py")
    assert "test_a_failure_ends_its_alert_and_what_still_holds_raises_another_one PASSED" in told


@pytest.mark.long
def test_a_database_revision(follow: Follow) -> None:
    checkout = follow(REVISION)
    files = ("tests/storage/test_migration.py", "tests/storage/test_schema.py", "tests/storage/test_store.py")
    told = checkout.test(*files, "-k", "not postgres and not at_once and not exist")
    assert "test_recommendations_of_before_get_their_strategy[sqlite] PASSED" in told
    assert "test_migrations_and_tables_agree[sqlite] PASSED" in told


@pytest.mark.long
def test_a_test_at_each_level(follow: Follow, kafka: str) -> None:
    checkout = follow(TESTS)
    assert not any((checkout.folder / package).exists() for package in PACKAGES)
    names = re.findall(r"^\+(?:async )?def (test_\w+)", TEXT.partition(f"### {TESTS}")[2], re.MULTILINE)
    files = sorted({change.file for change in RECIPES[TESTS] if "/faults/" not in change.file})
    told = checkout.test(*files, "-k", " or ".join(names), MILLRACE_KAFKA=kafka)
    assert f"{len(names)} passed" in told
    assert len(names) == 3
    faults = checkout.test("tests/faults/test_faults.py", "-m", "faults", "--collect-only")
    assert "test_a_fault[edge killed at random, twice]" in faults


@pytest.mark.faults
@pytest.mark.kafka
@pytest.mark.timeout(900)
def test_the_fault_of_the_recipe(follow: Follow, trained_home: Path) -> None:
    assert "1 passed" in follow(TESTS).test("tests/faults/test_faults.py", "-m", "faults", "-k", "twice")
