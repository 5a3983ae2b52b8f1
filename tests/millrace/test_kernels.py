"""An update never runs kernels of the version before, wherever the kernel lies that was changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from millrace.kernels import SOURCES, digest_of

ROOT = SOURCES.parent


def copy_sources(target: Path) -> None:
    for room in ("models", "schemas", "millrace", "streams"):
        shutil.copytree(ROOT / room, target / room, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.mark.parametrize("kernel", ["maintenance/clocks.py", "recommender/arrays.py", "jit.py"])
def test_the_cache_follows_every_source(kernel: str, tmp_path: Path) -> None:
    copy_sources(tmp_path)
    sources = tmp_path / "models"
    assert digest_of(sources) == digest_of(SOURCES)
    with (sources / kernel).open("a") as file:
        file.write("# changed\n")
    assert digest_of(sources) != digest_of(SOURCES)


def test_the_cache_follows_the_place_of_a_source(tmp_path: Path) -> None:
    copy_sources(tmp_path)
    sources = tmp_path / "models"
    (sources / "recommender/feed.py").rename(sources / "maintenance/feed.py")
    assert digest_of(sources) != digest_of(SOURCES)
