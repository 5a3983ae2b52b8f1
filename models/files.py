"""Files: written so that a reader, or whoever comes after a crash, finds the old content or the new one."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar
from uuid import uuid4

Read = TypeVar("Read")
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


def write_file(path: Path, content: bytes) -> None:
    """A new file, on the disk when this returns."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` in one step, if nothing is raised: whoever reads that sees the old
    content or the new one. Several may do so at once; the last one stands."""
    draft = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """The same for content that is there."""
    with replacing(path) as file:
        file.write(content)


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


def unmixed(folder: Path, read: Callable[[Path], Read], error: type[Exception]) -> Read:
    """What is read of a folder that may be exchanged meanwhile: where reading fails and another folder lies there now,
    it is read again.

    Args:
        error: what reading raises if files are missing or do not fit together.
    """
    while True:
        before = _identity(folder)
        try:
            return read(folder)
        except error:
            if _identity(folder) == before:
                raise


def _identity(folder: Path) -> tuple[int, int, int] | None:
    """With the time, as the number of a folder that is gone is used again."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns
