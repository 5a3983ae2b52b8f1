"""Jars of the embedded Kafka: exactly those of `kafka.lock`, fetched once for all checkouts.

kafka.lock ─► which are missing or wrong? ─► jgo's Maven client ─► sha256 ─► cache folder ─► class path

jgo's own installer only warns when a checksum is wrong (it accepted a truncated jar) and lets one coordinate steer the
versions of another; hence the lock, and no resolution here. No network is needed once the folder is complete.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas import UnavailableError

LOCK = Path(__file__).with_name("kafka.lock")
ATTEMPTS = 2  # a jar cut short by the network is fetched once more
THREADS = 8  # small files: the time goes into round trips


class JarsError(UnavailableError):
    title = "The jars of the embedded Kafka cannot be fetched"


@dataclass(frozen=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    def is_intact(self, folder: Path) -> bool:
        path = folder / self.file
        return path.is_file() and _sha256(path) == self.sha256


def read_lock(path: Path = LOCK) -> list[Jar]:
    """The jars of a lock file: lines of `group:artifact:version sha256`."""
    return [Jar(*line.replace(":", " ").split()) for line in path.read_text().splitlines() if line.strip()]


def default_folder() -> Path:
    """`kafka-<hash of the lock>` in the cache: another lock gets another folder."""
    return platformdirs.user_cache_path("millrace") / f"kafka-{_sha256(LOCK)[:12]}"


def missing_jars(folder: Path, lock: Path = LOCK) -> list[Jar]:
    """Jars of the lock that are not there, or not as the lock says. About 50 ms for 44 MB."""
    return [jar for jar in read_lock(lock) if not jar.is_intact(folder)]


def fetch_jars(folder: Path | None = None, lock: Path = LOCK) -> list[Path]:
    """Complete the folder and return the class path; a progress bar on stderr tells of fetching.

    Args:
        folder: where to keep the jars; by default `default_folder()`. Other files in it are left alone.

    Raises:
        JarsError: the network, the disk or a wrong checksum; what was fetched until then is kept.
    """
    folder = folder or default_folder()
    if missing_jars(folder, lock):
        with _locked(folder):
            _fetch(missing_jars(folder, lock), folder)
    return [folder / jar.file for jar in read_lock(lock)]


def _fetch(jars: list[Jar], folder: Path) -> None:
    # jgo pulls requests and the XML stack, 0.3 s that a start with complete jars need not pay.
    from jgo.maven import MavenContext

    partial = folder / ".partial"
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    pool = ThreadPoolExecutor(THREADS)
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("Fetching Apache Kafka (jars, once)", total=len(jars))
            context = MavenContext(repo_cache=partial)
            for _ in pool.map(lambda jar: _fetch_one(context, jar, folder), jars):
                progress.advance(task)
    finally:
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(partial, ignore_errors=True)


def _fetch_one(context: Any, jar: Jar, folder: Path) -> None:
    reason: object = ""
    for _ in range(ATTEMPTS):
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        try:
            path: Path = artifact.resolve()
        except Exception as error:  # whatever requests, urllib3 and jgo raise
            reason = error
            artifact.cached_path.unlink(missing_ok=True)  # half a file would pass for the whole one
            continue
        found = _sha256(path)
        if found == jar.sha256:
            path.replace(folder / jar.file)
            return
        reason = f"its sha256 is {found}, but the lock says {jar.sha256}"
        path.unlink()
    raise JarsError(
        f"{jar.group}:{jar.artifact}:{jar.version} is not to be had: {reason}.",
        f"See that a Maven repository can be reached and try again (what was fetched stays); or put the jars of "
        f"{LOCK.name} into {folder}; or use an existing Kafka with MILLRACE_KAFKA=host:port.",
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process fetches, others wait for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            shutil.rmtree(folder / ".partial", ignore_errors=True)
            yield
    except OSError as error:
        raise JarsError(
            f"{folder} cannot be written: {error}.",
            "Make room, or set MILLRACE_KAFKA_JARS to another folder.",
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
