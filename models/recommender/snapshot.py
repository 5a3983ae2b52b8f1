"""Snapshots of the catalogue view: one .npz file with the feed offset, so that a start need not read the whole feed.

view ─► save (temporary file, then rename) ─► file ─► load ─► checked against format, profile and checksum
"""

from __future__ import annotations

import json
import zipfile
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from models.files import replacing
from schemas import MillraceError, RecommenderProfile

ADVICE = "It is ignored and the view is rebuilt from the click feed."
FORMAT = 5  # of the arrays: counts up whenever their layout or the meaning of a field changes
BEFORE = 4  # is read, too: it has no summaries of dense items


class SnapshotError(MillraceError):
    """A snapshot that is damaged, foreign or of other settings. The view is rebuilt from the feed instead."""

    title = "The snapshot cannot be used"


def fingerprint(profile: RecommenderProfile, version: int) -> str:
    """Of all settings, in a format: a view of other settings would hold other numbers."""
    return blake2b(f"{version} {profile.model_dump_json()}".encode(), digest_size=16).hexdigest()


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    digest = blake2b(digest_size=16)
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).data.cast("B") if arrays[name].size else b"")
    return digest.hexdigest()


def save(path: Path, profile: RecommenderProfile, facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write atomically: a crash leaves the previous snapshot.

    Args:
        facts: JSON values that are not arrays.
    """
    meta = facts | {"fingerprint": fingerprint(profile, FORMAT), "checksum": _checksum(arrays)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez(file, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)  # type: ignore[arg-type]


def load(path: Path, profile: RecommenderProfile) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Facts and arrays as they were saved.

    Raises:
        SnapshotError: the file is missing, damaged, or was made with other settings or by another version.
    """
    try:
        # opened here, as np.load leaves a file open that is no archive
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts: dict[str, Any] = json.loads(arrays.pop("meta").tobytes())
        found, checksum = facts["fingerprint"], facts["checksum"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise SnapshotError(f"{path}: {type(error).__name__}: {error}.", ADVICE) from error
    if found not in (fingerprint(profile, FORMAT), fingerprint(profile, BEFORE)):
        raise SnapshotError(f"{path} was made with other settings than profile {profile.name}.", ADVICE)
    if checksum != _checksum(arrays):
        raise SnapshotError(f"{path} is damaged: its checksum differs.", ADVICE)
    return facts, arrays
