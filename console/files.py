"""Files: style, scripts and vendored files, each under an address that changes with its content.

static/ ─► name -> /static/<hash>/<name>, kept by browsers for a year
"""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import Response

from api import ProblemError

FOLDER = Path(__file__).with_name("static")
LOCK = Path(__file__).with_name("vendor.lock")
FOREVER = "public, max-age=31536000, immutable"
router = APIRouter(include_in_schema=False)


class Asset(NamedTuple):
    content: bytes
    media_type: str
    digest: str


class Vendored(NamedTuple):
    """A file of an npm package."""

    package: str
    version: str
    path: str
    sha256: str
    licence: str

    @property
    def file(self) -> Path:
        return FOLDER / "vendor" / Path(self.path).name


def read_lock() -> list[Vendored]:
    """The vendored files."""
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return [Vendored(*line.split()) for line in lines]


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(content, kind, hashlib.sha256(content).hexdigest()[:12])


_ASSETS = {path.relative_to(FOLDER).as_posix(): _read(path) for path in sorted(FOLDER.rglob("*")) if path.is_file()}


def address(name: str) -> str:
    """Where a page finds it."""
    return f"/static/{_ASSETS[name].digest}/{name}"


@router.get("/static/{digest}/{name:path}")
async def get_asset(digest: str, name: str) -> Response:
    found = _ASSETS.get(name)
    if found is None:
        raise ProblemError("not-found", f"There is no asset {name[:100]}.")
    is_this = digest == found.digest
    return Response(
        found.content, media_type=found.media_type, headers={"Cache-Control": FOREVER if is_this else "no-cache"}
    )
