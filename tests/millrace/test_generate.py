"""The files of the contract are those that the code makes, and their examples are valid."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from millrace.generate import generated_files, write
from schemas import INPUTS, OUTPUTS, TOPICS, asyncapi_document

ROOT = Path(__file__).parents[2]


def test_generated_files_have_not_drifted() -> None:
    files = generated_files()
    drifted = [path for path, text in files.items() if (ROOT / path).read_text() != text]
    assert drifted == [], "run `make generate`"
    assert {str(p.relative_to(ROOT)) for p in (ROOT / "schemas/generated").glob("*.json")} < set(files)


def test_generating_tells_what_changed(tmp_path: Path) -> None:
    assert set(write(tmp_path)) == set(generated_files())
    assert write(tmp_path) == []
    (tmp_path / "schemas/generated/clicks.v1.json").write_text("{}")
    (tmp_path / "schemas/generated/gone.v1.json").write_text("{}")
    assert write(tmp_path) == ["schemas/generated/clicks.v1.json", "schemas/generated/gone.v1.json"]
    assert not (tmp_path / "schemas/generated/gone.v1.json").exists()


@pytest.mark.parametrize("topic", [*INPUTS, *OUTPUTS])
def test_examples_are_valid(topic: str) -> None:
    kind = {**INPUTS, **OUTPUTS}[topic]
    event = kind.model_validate_json(orjson.dumps(kind.EXAMPLE))
    assert event.model_extra in (None, {}), "an example shows no field that the schema does not know"
    if topic in OUTPUTS:
        assert event.model_dump(mode="json", exclude_none=True, exclude_unset=True).keys() == kind.EXAMPLE.keys()


def test_asyncapi_describes_every_public_topic_and_every_reference_resolves() -> None:
    document = asyncapi_document("1")
    public = {t.name for t in TOPICS if t.name in INPUTS or t.name in OUTPUTS or t.name.endswith(".dlq")}
    assert set(document["channels"]) == public
    references = list(_references(document))
    assert references
    for reference in references:
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [r for inner in value.values() for r in _references(inner)]
    return [r for inner in value for r in _references(inner)] if isinstance(value, list) else []
