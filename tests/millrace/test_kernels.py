"""An update never runs kernels of the version before, wherever the kernel lies that was changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.kernels import SOURCES, digest_of

ROOT = SOURCES.parent
# `decayed` is a kernel of hot_lists, and calls `elapsed`, one of another file
ASK = """
from millrace.kernels import use_kernel_cache
use_kernel_cache()
from models.recommender import CatalogueView
from models.recommender.hot_lists import decayed
from schemas import PROFILES
view = CatalogueView(PROFILES["shop"].model_copy(update={"click_log": 1024, "recent_sessions": 256})).arrays
view.popularity[0, 0] = 1.0
print(decayed(view, 0, 0, 1000.0))
"""


def copy_sources(target: Path) -> None:
    for room in ("models", "schemas", "millrace", "streams"):
        shutil.copytree(ROOT / room, target / room, ignore=shutil.ignore_patterns("__pycache__"))


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


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


@pytest.mark.long
def test_a_changed_kernel_is_compiled_anew(tmp_path: Path) -> None:
    copy_sources(tmp_path)
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}

    def asked() -> float:
        command = [sys.executable, "-c", ASK]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return float(done.stdout)

    before = asked()
    assert 0.0 < before < 1.0
    change(tmp_path / "models/recommender/arrays.py", "return max(now - since, 0.0)", "return 0.0")
    assert asked() == 1.0
