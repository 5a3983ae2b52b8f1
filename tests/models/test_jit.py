"""Kernels compiled for one layout of rows are never run on another, whoever compiled what, where and in which order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.fill_kernel_cache import SHAPES

ROOT = Path(__file__).parents[2]


def compiled(cache: Path, *names: str) -> dict[str, str]:
    """What a process makes of the rows that compiles, or loads, the kernels in this order."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "tests.models.fill_kernel_cache", *names]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in told.splitlines())


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each layout compiled by a process that knows no other."""
    return {name: compiled(tmp_path_factory.mktemp(name), name)[name] for name in SHAPES}


@pytest.mark.long
@pytest.mark.parametrize("order", [("small", "large"), ("large", "small")], ids="-".join)
def test_processes_that_share_a_cache_do_not_share_code(
    order: tuple[str, str], alone: dict[str, str], tmp_path: Path
) -> None:
    for name in order:  # each is the first of its process
        compiled(tmp_path, name)
    assert compiled(tmp_path, *order) == alone
    assert compiled(tmp_path, *reversed(order)) == alone


def test_only_the_door_imports_numba() -> None:
    modules = [path for path in (ROOT / "models").rglob("*.py") if path.name != "jit.py"]
    assert [
        path.name for path in modules if re.search(r"^\s*(from|import) numba", path.read_text(), re.MULTILINE)
    ] == []
