"""What takes long to train, trained once: a folder on disk for each state of what makes it.

make, its sources, the libraries ─► key ─► there and whole? copied : made beside it, renamed into place, copied
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from inspect import getsourcefile
from pathlib import Path

import platformdirs

ROOT = Path(__file__).parents[2]
ROOMS = (ROOT / "models", ROOT / "schemas", ROOT / "tests" / "support")
SUFFIXES = (".c", ".h", ".py")
LIBRARIES = ("lightgbm", "numpy", "pyarrow", "pydantic", "scipy", "treelite")
SUMS = "sums.json"
KEPT_S = 14 * 86_400.0  # since an entry was last used
Make = Callable[[Path], None]


def cached(make: Make, into: Path, sources: Iterable[Path] = (), cache: Path | None = None) -> Path:
    """`into`, filled with what `make(folder)` writes into an empty folder: made now, or at another time from the same.

    Args:
        make: a function of a module, named differently from all others that write something else.
        sources: files on which the outcome depends besides the file of `make` and `ROOMS`.
    """
    cache = cache or platformdirs.user_cache_path("millrace") / "tests"
    entry = cache / f"{make.__name__}-{key_of([make_file(make), *sources])}"
    if not is_whole(entry):
        _make(make, entry)
    os.utime(entry)
    shutil.copytree(entry, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns(SUMS))
    return into


def make_file(make: Make) -> Path:
    return Path(getsourcefile(make) or "")


def key_of(sources: Iterable[Path], rooms: Iterable[Path] = ROOMS) -> str:
    """Of the sources, all those in the rooms however deep, Python, the machine and the libraries."""
    digest = hashlib.blake2b(digest_size=12)
    found = {file for room in rooms for file in room.rglob("*") if file.suffix in SUFFIXES}
    for file in sorted(found.union(sources)):
        digest.update(f"{os.path.relpath(file, ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    facts = [platform.python_version(), platform.machine(), *(f"{name} {version(name)}" for name in LIBRARIES)]
    digest.update("\0".join(facts).encode())
    return digest.hexdigest()


def is_whole(entry: Path) -> bool:
    """Whether all that was written is there as it was written."""
    try:
        sums = json.loads((entry / SUMS).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(sums, dict) and sums == _sums(entry)


def _sums(folder: Path) -> dict[str, str]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file != folder / SUMS]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _make(make: Make, entry: Path) -> None:
    """Whoever is first puts his in place; a run that is killed leaves a folder that nobody takes for an entry."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    _forget(entry.parent)
    beside = Path(tempfile.mkdtemp(prefix=".making-", dir=entry.parent))
    try:
        make(beside)
        (beside / SUMS).write_text(json.dumps(_sums(beside)))
        if entry.exists() and not is_whole(entry):
            shutil.rmtree(entry)
        try:
            beside.rename(entry)
        except OSError:  # another run was faster
            assert is_whole(entry)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _forget(cache: Path) -> None:
    """Entries, and what killed runs left, that nobody has used for long."""
    for folder in cache.iterdir():
        if folder.stat().st_mtime < time.time() - KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)
