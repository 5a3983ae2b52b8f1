"""Disks and SQLite: its file locked by another process, and a home whose file system is full.

The full one is a tmpfs of its own over the home, which takes root; without it this fault is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.fault import Fault
from tests.faults.site import Site

LONG_S = 5.0
SMALL_BYTES = 96 << 20
CHUNK = bytes(1 << 16)


@contextlib.contextmanager
def small_disk(folder: Path, size: int = SMALL_BYTES) -> Iterator[None]:
    """A file system of its own under the folder.

    Raises:
        PermissionError: this user may not mount.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        raise PermissionError("a small file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Not a byte is left beside this file."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(CHUNK)


def full(seconds: float) -> Fault.act:
    """Of the home, for so long."""

    async def act(site: Site) -> None:
        ballast = site.home / "ballast"
        fill(ballast)
        await asyncio.sleep(seconds)  # it is the fault
        ballast.unlink()

    return act


def locked(seconds: float) -> Fault.act:
    """BEGIN IMMEDIATE by another process, as a backup would."""

    async def act(site: Site) -> None:
        path = site.settings.database().removeprefix("sqlite:///")
        connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        connection.execute("begin immediate")
        await asyncio.sleep(seconds)  # it is the fault
        connection.rollback()
        connection.close()

    return act


DISKS = (
    Fault("SQLite: locked for 5 s", locked(LONG_S), "rows", fresh="sqlite"),
    Fault("SQLite: locked for 25 s", locked(25), "rows", fresh="sqlite"),
    Fault("disk of home and SQLite full for 5 s", full(LONG_S), "rows", fresh="small disk"),
)
