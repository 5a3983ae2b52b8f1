"""The extension works where it was built without headers of Python, and refuses what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streams.wire
from streams.wire import HEAD, SCORED, Reader, ScoreWriter, _native, partitions
from tests.support.extensions import built, loaded, needs_compiler

SOURCES = Path(streams.wire.__file__).parent
VALUE = (
    b'{"event_id":"e","event_time":"2026-01-01T00:00:00Z","asset_id":"a","asset_class":"c","readings":{"s":1.5,"t":2}}'
)


def read(module: Any, value: bytes) -> tuple[Any, ...]:
    heads, table = np.empty(1, HEAD), np.empty((1, 2))
    [event_id] = module.Reader(((b"c", ((b"s",), (b"t", b"u"))),)).read([value], [b"a"], 1000, heads, table)
    return event_id, heads.tolist(), table.tolist()


@pytest.mark.long
@needs_compiler
def test_it_builds_where_python_has_no_headers(tmp_path: Path) -> None:
    module = loaded(built(SOURCES, tmp_path / "_native.abi3.so"))
    assert read(module, VALUE) == read(_native, VALUE)
    assert module.partitions([b"a", b"bc"], 7) == partitions([b"a", b"bc"], 7)
    texts = ((b"t/1/", b"x"),), ((b"/score", b"y", b"z"),), (b"s",), (b"ok",), (b"good",)
    given = [b"a"], [b"e"], [b"00"], np.zeros(1, SCORED), np.zeros((1, 1), np.int8), b"[1.5,null,2,3]", 10**5, 10**6
    assert module.ScoreWriter(*texts).write(*given) == ScoreWriter(*texts).write(*given)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda: Reader(((b"c", ((b"s",), (b"s",))),)), "two columns have one name"),
        (lambda: Reader(((b"c", ((),)),)), "a name has no spelling"),
        (lambda: Reader(((b"c",),)), "a class is"),  # type: ignore[arg-type]
        (lambda: Reader(()).read([b""], [], 1, np.empty(1, HEAD), np.empty((1, 0))), "as many keys as values"),
        (lambda: Reader(()).read([b""], [b""], 1, np.empty(2, HEAD), np.empty((1, 0))), "heads must have 32 bytes"),
        (lambda: ScoreWriter(((b"x",),), (), (), (), ()), "tuples of bytes"),  # type: ignore[arg-type]
        (lambda: partitions([b"a"], 0), "one partition or more"),
    ],
)
def test_what_cannot_be_is_refused(wrong: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        wrong()


def test_a_place_beyond_the_texts_is_refused() -> None:
    writer = ScoreWriter(((b"t/1/", b""),), ((b"", b"", b""),), (b"s",), (b"ok",), (b"good",))
    scored, faults = np.zeros(1, SCORED), np.zeros((1, 1), np.int8)
    for field in ("quality", "cause"):
        wrong = scored.copy()
        wrong[field] = 1
        with pytest.raises(ValueError, match="a place is in no table"):
            writer.write([b"a"], [b"e"], None, wrong, faults, b"[1,1,1,1]", 1000, 1000)
    with pytest.raises(ValueError, match="a place is in no table"):
        writer.write([b"a"], [b"e"], None, scored, faults + 1, b"[1,1,1,1]", 1000, 1000)
