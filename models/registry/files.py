"""Files: written so that a reader, or whoever comes after a crash, finds the old content or the new one."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


def write_file(path: Path, content: bytes) -> None:
    """A new file, on the disk when this returns."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """In one step: whoever reads it sees the old content or the new one."""
    draft = path.with_name(f"{path.name}.new")
    write_file(draft, content)
    draft.replace(path)
    sync_folder(path.parent)


def exchange(one: Path, other: Path) -> None:
    """Two folders change names, in one step where the system can do that (Linux with a common local file system);
    elsewhere in three, between which `other` is not there for an instant.

    Raises:
        OSError: the disk refuses; both are as they were.
    """
    if _exchanged_by_the_system(one, other):
        return
    aside = one.with_name(f"{one.name}.aside")
    other.rename(aside)
    try:
        one.rename(other)
    except OSError:
        aside.rename(other)
        raise
    aside.rename(one)


def _exchanged_by_the_system(one: Path, other: Path) -> bool:
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def sync_folder(folder: Path) -> None:
    """Names in a folder, on the disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
