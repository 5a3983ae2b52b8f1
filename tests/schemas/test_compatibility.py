"""Schemas stay compatible: what producers of before send is taken, what consumers of before read is there.

tests/schemas/before/ holds the schemas of the version before, as it published them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas import INPUTS, OUTPUTS

BEFORE = Path(__file__).parent / "before"
NOW = Path(__file__).parents[2] / "schemas" / "generated"
Schema = dict[str, Any]
# of a value: at least so much is asked of it; at most so much is allowed
LEAST, MOST = (
    ("minLength", "minItems", "minProperties", "minimum"),
    ("maxLength", "maxItems", "maxProperties", "maximum"),
)


def load(folder: Path, topic: str) -> Schema:
    schema: Schema = json.loads((folder / f"{topic}.json").read_text())
    return schema


class Comparison:
    """Is everything that `old` allows allowed by `new`? Collects what is not, as paths."""

    def __init__(self, old: Schema, new: Schema, *, may_add_fields: bool) -> None:
        self._roots, self._may_add_fields = (old, new), may_add_fields
        self.refused: list[str] = []
        self._compare(old, new, "")

    def _resolved(self, schema: Schema, root: int) -> Schema:
        while "$ref" in schema:
            found: Any = self._roots[root]
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema

    def _compare(self, old: Schema, new: Schema, path: str) -> None:
        old, new = self._resolved(old, 0), self._resolved(new, 1)
        for one in old.get("anyOf", [old]):
            others = new.get("anyOf", [new])
            if not any(self._takes(one, other, path) for other in others):
                self.refused.append(f"{path or 'the event'}: {json.dumps(one)[:200]}")

    def _takes(self, old: Schema, new: Schema, path: str) -> bool:
        old, new = self._resolved(old, 0), self._resolved(new, 1)
        if "anyOf" in old:
            return all(self._takes(one, new, path) for one in old["anyOf"])
        if "anyOf" in new:
            return any(self._takes(old, other, path) for other in new["anyOf"])
        kinds = {old.get("type"), new.get("type")}
        if new.get("type") is not None and len(kinds) > 1 and kinds != {"integer", "number"}:
            return False
        if kinds == {"integer", "number"} and new["type"] == "integer":
            return False
        if "enum" in new or "const" in new:
            values = {*new.get("enum", []), new.get("const")}
            return set(old.get("enum", [old.get("const", ...)])) <= values
        if any(new.get(name, 0) > old.get(name, 0) for name in LEAST):
            return False
        if any(new.get(name, float("inf")) < old.get(name, float("inf")) for name in MOST):
            return False
        if "pattern" in new and new["pattern"] != old.get("pattern") and not _is_wider(new["pattern"], old):
            return False
        self._inside(old, new, path)
        return True

    def _inside(self, old: Schema, new: Schema, path: str) -> None:
        missing = set(new.get("required", [])) - set(old.get("required", []))
        self.refused += [f"{path}.{name} is asked for" for name in missing]
        known = new.get("properties", {})
        for name, value in old.get("properties", {}).items():
            if name in known:
                self._compare(value, known[name], f"{path}.{name}")
            elif not self._may_add_fields and new.get("additionalProperties") is False:
                self.refused.append(f"{path}.{name} is gone")
        if isinstance(old.get("additionalProperties"), dict) and isinstance(new.get("additionalProperties"), dict):
            self._compare(old["additionalProperties"], new["additionalProperties"], f"{path}.*")
        if "items" in old and "items" in new:
            self._compare(old["items"], new["items"], f"{path}[]")


def _is_wider(pattern: str, old: Schema) -> bool:
    """Names are texts without control characters."""
    return "x1f" in pattern and old.get("pattern", "").startswith("^[A-Za-z0-9_]")


def test_no_topic_is_gone() -> None:
    assert {path.stem for path in BEFORE.iterdir()} <= {*INPUTS, *OUTPUTS}


@pytest.mark.parametrize("topic", [topic for topic in INPUTS if (BEFORE / f"{topic}.json").exists()])
def test_what_was_taken_is_taken(topic: str) -> None:
    assert Comparison(load(BEFORE, topic), load(NOW, topic), may_add_fields=False).refused == []


@pytest.mark.parametrize("topic", [topic for topic in OUTPUTS if (BEFORE / f"{topic}.json").exists()])
def test_what_was_there_is_there(topic: str) -> None:
    """Whatever is told now could have been told before, but for fields that are new."""
    old, new = load(BEFORE, topic), load(NOW, topic)
    assert set(old["required"]) <= set(new["required"])
    assert set(old["properties"]) <= set(new["properties"])
    assert Comparison({**new, "required": old["required"]}, old, may_add_fields=True).refused == []


def refused(old: Schema, new: Schema) -> list[str]:
    return Comparison(old, new, may_add_fields=False).refused


TEXT: Schema = {"type": "string", "maxLength": 10, "pattern": "^a"}
EVENT: Schema = {"type": "object", "properties": {"a": TEXT, "b": {"type": "integer"}}, "required": ["a", "b"]}


@pytest.mark.parametrize(
    ("change", "is_fine"),
    [
        ({"required": ["a"]}, True),
        ({"required": ["a", "b", "c"]}, False),
        ({"properties": {"a": TEXT, "b": {"type": "number"}}}, True),
        ({"properties": {"a": TEXT, "b": {"type": "string"}}}, False),
        ({"properties": {"a": {**TEXT, "maxLength": 11}, "b": {"type": "integer"}}}, True),
        ({"properties": {"a": {**TEXT, "maxLength": 9}, "b": {"type": "integer"}}}, False),
        ({"properties": {"a": {**TEXT, "minLength": 1}, "b": {"type": "integer"}}}, False),
        ({"properties": {"a": {**TEXT, "pattern": "^b"}, "b": {"type": "integer"}}}, False),
        ({"properties": {"a": {"anyOf": [{"type": "null"}, TEXT]}, "b": {"type": "integer"}}}, True),
        ({"properties": {"a": {"enum": ["x"]}, "b": {"type": "integer"}}}, False),
        ({"properties": {"a": TEXT}, "additionalProperties": False}, False),
        ({"properties": {"a": TEXT}}, True),
    ],
)
def test_the_comparison_finds_what_breaks(change: Schema, is_fine: bool) -> None:
    assert (refused(EVENT, {**EVENT, **change}) == []) == is_fine
