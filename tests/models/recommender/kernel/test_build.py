"""The extension works where it was built without headers of Python. More: tests/test_extensions.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.recommender import kernel
from tests.support.extensions import built, loaded, needs_compiler

SOURCES = Path(kernel.__file__).parent


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
