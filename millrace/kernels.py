"""Where numba keeps the compiled kernels: a folder for each state of their sources.

numba's own cache looks at the file of a function, not at the functions it calls in other files, so after an update a
worker could run kernels that are partly of the old version. A new folder for new sources rules that out.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from millrace.kafka import cache_folder

SOURCES = Path(__file__).parents[1] / "models"


def use_kernel_cache() -> None:
    """Name the folder in the environment, for this process and those it starts; before numba is imported."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        digest = hashlib.blake2b(digest_size=8)
        for file in sorted(SOURCES.rglob("*.py")):
            digest.update(file.read_bytes())
        os.environ["NUMBA_CACHE_DIR"] = str(cache_folder() / f"kernels-{digest.hexdigest()}")
