"""What is split is what was sent: the same values as the JSON library reads, each with its own text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.raw_json import elements, members, whole

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_parts_are_those_of_the_whole(value: Any, indent: Any, is_ascii: bool) -> None:
    text = f" \n{json.dumps(value, indent=indent, ensure_ascii=is_ascii)}\r\t"
    assert json.loads(whole(text).text) == value
    parts = [json.loads(one.text) for one in elements(text)]
    assert parts == (value if isinstance(value, list) else [value])
    if isinstance(value, dict):
        assert {name: json.loads(one.text) for name, one in members(text).items()} == value


@given(st.text(alphabet='[]{}",:1 n\\', max_size=12))
def test_what_is_no_json_is_refused_as_by_the_library(text: str) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        for read in (whole, elements):
            with pytest.raises(ValueError):
                read(text)
    else:
        assert json.loads(whole(text).text) == value
        assert len(elements(text)) == (len(value) if isinstance(value, list) else 1)
