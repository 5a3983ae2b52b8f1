"""The first format of folders and records, read until nobody has any: delete this file, `migrate.py` and
what imports them then.

What differs: the signature lies inside manifest.json, over its canonical JSON (keys sorted, no spaces) without it; the
card is not signed; SHA256SUMS is in no order, and not on the topic. Aliases were never signed.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import Field

from models.packs import pack_sha256
from models.registry.card import model_card
from schemas import MOST_CHUNKS, Frozen, Manifest, ModelError

log = structlog.get_logger(__name__)
PURPOSE = b"millrace model manifest 1\n"
CURE = "Bring it to the present format: `millrace models migrate`."


class FirstVersionRecord(Frozen):
    """A version on models.v1."""

    format: Literal[1]
    manifest: str
    card: str
    chunks: dict[str, Annotated[int, Field(ge=1, le=MOST_CHUNKS)]]


def signed_bytes(document: bytes) -> bytes:
    """What was signed of a manifest.

    Raises:
        ModelError: it is no JSON object.
    """
    content = {name: value for name, value in _parsed(document).items() if name != "signature"}
    return PURPOSE + json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def signatures_of(document: bytes) -> list[str]:
    """The signature inside a manifest, if there is one.

    Raises:
        ModelError: it is no JSON object.
    """
    signature = _parsed(document).get("signature")
    return [] if signature is None else [str(signature)]


def is_listed(file: str, content: bytes, sums: bytes) -> bool:
    """Whether SHA256SUMS lists a file as it is; of manifest.json there were two lines while it was being signed."""
    return f"{pack_sha256(content)}  {file}" in sums.decode(errors="replace").splitlines()


def is_same(one: Manifest, other: Manifest) -> bool:
    """Whether two manifests say the same, in whichever format; they name the SHA-256 of each pack."""
    return one.model_copy(update={"format": other.format}) == other


def refuse(manifest: Manifest) -> None:
    """For what is only done in the present format.

    Raises:
        ModelError: the manifest is of the first one.
    """
    if manifest.format == 1:
        raise ModelError(
            f"{manifest.name} {manifest.version} is of the first format, which is read, but not signed or published "
            "any more. Nothing was changed.",
            CURE,
        )


def read_card(path: Path, manifest: Manifest) -> bytes:
    """It was for people only: one that is lost is made again."""
    try:
        return path.read_bytes()
    except OSError:
        return model_card(manifest).encode()


@cache
def tell(name: str, version: str, place: str, cure: str = CURE) -> None:
    """Says once in a process that a version is of the first format."""
    log.warning("a model of the first format was read; it is used", model=name, version=version, place=place, cure=cure)


def _parsed(document: bytes) -> dict[str, object]:
    try:
        content = json.loads(document)
    except ValueError as error:
        raise ModelError(f"A manifest is no JSON: {error}.", "Publish it again.") from error
    if not isinstance(content, dict):
        raise ModelError("A manifest is no JSON object.", "Publish it again.")
    return content
