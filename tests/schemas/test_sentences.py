"""What is wrong is said in the words of whoever wrote the value, whatever the library that validates calls it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core._pydantic_core import list_all_errors  # not among the public names

from schemas import InputEvent, RankBody, faults_of
from schemas.sentences import sentence_of

JARGON = re.compile(r"pydantic|Input|should|None entries|\^\[|constrained|finite-|\bunion\b|Value error")


@pytest.mark.parametrize("error", list_all_errors(), ids=lambda error: error["type"])
def test_every_kind_of_error_has_a_sentence(error: Any) -> None:
    if error["type"] in ("fraction_parsing", "url_syntax_violation"):  # of types that no schema has
        return
    context = error["example_context"] or {}
    text = sentence_of({"type": error["type"], "msg": error["example_message_python"], "ctx": context, "input": 1.5})
    assert text
    assert not JARGON.search(text), text


@pytest.mark.parametrize(
    "document",
    [
        {"items": []},
        {"items": ["a"] * 301},
        {"items": "abc"},
        {"items": [None, {}, [1], "a\nb", "x" * 201]},
        {"items": ["a"], "context": {"a": [1], "b": "x" * 201, "größe": 1, "int": {}}},
        {"items": ["a"], "context": {f"n{n}": 1 for n in range(40)}, "event_time": "x", "limit": 1.5, "explain": 7},
        {"items": ["a"], "session": ["s"] * 201, "user_id": {}, "strange": 1},
    ],
)
def test_faults_name_fields_and_no_kinds(document: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        RankBody.model_validate(document)
    for fault in faults_of(caught.value):
        assert not JARGON.search(f"{fault.path} {fault.message}"), fault
        assert not re.search(r"\.(str|float|int)$", fault.path) or fault.path == "context.int", fault


def test_too_many_entries_are_told_by_the_limit() -> None:
    with pytest.raises(ValidationError) as caught:
        RankBody.model_validate_json('{"items": ["a"' + ', "a"' * 400 + "]}")
    assert [fault.message for fault in faults_of(caught.value)] == ["has more than 300 entries"]


def test_a_field_that_is_named_as_a_kind_keeps_its_name() -> None:
    class Odd(InputEvent):
        int: bool

    with pytest.raises(ValidationError) as caught:
        Odd.model_validate({"int": "x"})
    assert [fault.path for fault in faults_of(caught.value)] == ["int"]
    assert issubclass(Odd, BaseModel)
