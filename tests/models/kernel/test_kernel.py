"""The kernel as a build product."""

from pathlib import Path

import numpy as np
import pytest

import models.kernel
from models.compiler import compile_forest
from models.kernel import EVALUATORS
from models.packs import LINKS, Scorer, read_pack
from models.packs.pack import ARRAYS
from tests.models.forests import small_booster
from tests.support.extensions import built, loaded, needs_compiler

pytestmark = pytest.mark.long

SOURCES = Path(models.kernel.__file__).parent


@needs_compiler
@pytest.mark.parametrize(
    ("define", "evaluators"),
    [("-DMILLRACE_HAS_VECTORS", EVALUATORS), ("-DMILLRACE_NO_VECTORS", ("portable",))],
    ids=["this CPU", "any CPU"],
)
def test_the_kernel_builds_where_python_has_no_headers(
    tmp_path: Path, define: str, evaluators: tuple[str, ...]
) -> None:
    """python_abi.h declares what Python.h would, other CPUs than x86-64 get a whole kernel: equal scores come out."""
    module = loaded(built(SOURCES, tmp_path / "_native.abi3.so", ("cc", define)))
    assert evaluators == module.EVALUATORS

    booster, rows = small_booster()
    blob = compile_forest(booster, "model", rows)
    header, arrays = read_pack(blob)
    numbers = (header.features, header.outputs, LINKS.index(header.link), header.alpha, header.divisor)
    forest = module.Forest(*numbers, tuple(arrays[name] for name in ARRAYS), 0, "")
    scores, contributions = np.empty(len(rows)), np.zeros(header.features + 1)
    forest.score(rows, scores, True)
    forest.explain(rows[0], contributions)
    scorer = Scorer.load(blob)
    assert np.array_equal(scores, scorer.score(rows, raw=True))
    assert np.array_equal(contributions, scorer.explain(rows[0]))
    assert forest.score_one(rows[1]) == scorer.score_one(rows[1])
    with pytest.raises(ValueError, match="with 6 features a row"):
        forest.score_one(rows[1][:5])
    with pytest.raises(ValueError, match="no evaluator sse9"):
        module.Forest(*numbers, tuple(arrays[name] for name in ARRAYS), 0, "sse9")
    with pytest.raises(TypeError, match="score takes rows, output and raw"):
        forest.score(rows, scores)


def test_zig_is_asked_for_only_without_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("setuptools", reason="the backend runs where setuptools is: in build environments")
    from models.kernel import backend

    def requirements() -> list[str]:
        backend._system_compiler.cache_clear()
        return backend._compiler_requirements()

    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert requirements() == [backend.ZIG]
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nexit 1\n")  # one without the C library's headers is none
    compiler.chmod(0o755)
    assert requirements() == [backend.ZIG]
    compiler.write_text("#!/bin/sh\nexit 0\n")
    assert requirements() == []
    compiler.unlink()
    monkeypatch.setenv("CC", "my-compiler")
    assert requirements() == []
    backend._system_compiler.cache_clear()
