"""Where numba keeps the compiled kernels: a folder for each state of their sources.

all sources of models, with their paths ─► digest ─► kernels-<digest> in the user's cache ─► NUMBA_CACHE_DIR

numba's own cache looks at the file of a function, not at the functions it calls in other files, so after an update a
worker could run kernels that are partly of the old version. A new folder for new sources rules that out.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs

SOURCES = Path(__file__).parents[1] / "models"


def use_kernel_cache() -> None:
    """Name the folder in the environment, for this process and those it starts; before numba is imported."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(platformdirs.user_cache_path("millrace") / f"kernels-{digest_of(SOURCES)}")


def digest_of(sources: Path) -> str:
    """Of all Python files below the folder, by path and content."""
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(sources.rglob("*.py")):
        digest.update(f"{file.relative_to(sources)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()
