"""The extension as a build product: sanitizers find nothing; it is built without headers of Python, and for ARM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.recommender import kernel
from models.recommender.kernel import _native
from tests.support.extensions import assert_sanitizers_find_nothing, built, is_built_for_arm, loaded, needs_compiler

SOURCES = Path(kernel.__file__).parent


def test_one_binary_serves_all_python_versions() -> None:
    assert _native.__file__ is not None
    assert _native.__file__.endswith(".abi3.so")


@pytest.mark.long
@needs_compiler
def test_it_builds_where_python_has_no_headers(tmp_path: Path) -> None:
    module = loaded(built(SOURCES, tmp_path / "_native.abi3.so"))
    assert module.LAYOUTS == kernel.LAYOUTS
    assert module.FEATURES == kernel.FEATURES
    scores, known = np.array([3, 1, 2], np.float32), np.zeros(2, np.bool_)
    assert module.threshold(2, scores, np.zeros_like(scores)) == 2.0
    assert module.Repeats(np.zeros(4, np.uint64)).take(0, np.ones(2, np.uint64), np.ones(2, np.uint64), known) == 1
    assert known.tolist() == [False, True]
    with pytest.raises(ValueError, match="scores must be"):
        module.threshold(2, scores[::2], scores)


@pytest.mark.long
def test_it_compiles_for_arm(tmp_path: Path) -> None:
    assert is_built_for_arm(SOURCES, tmp_path)


@pytest.mark.long
@needs_compiler
def test_sanitizers_find_nothing_whatever_happens_in_the_shop(tmp_path: Path) -> None:
    assert_sanitizers_find_nothing(SOURCES, Path(__file__).with_name("fuzz.c"), tmp_path, "1000", "7")
