"""Versions of a trained model that differ from it in a known way."""

from __future__ import annotations

from typing import Any

from models.packs import pack_entries, read_pack, write_pack
from models.registry import CARD, ModelStore, Publication, publication_of


def shifted(blob: bytes, by: float) -> bytes:
    """The pack with every raw score moved: all leaves of its first tree."""
    header, arrays = read_pack(blob)
    values = arrays["leaf_value"].copy()
    values[: int(arrays["leaf_offset"][1])] += by
    return write_pack(header, arrays | {"leaf_value": values})


def save_as(store: ModelStore, source: Publication, version: str, by: float = 0.0, **changes: Any) -> Publication:
    """The model as another version in the store, its scores moved by `by`, its manifest changed."""
    packs = {role: shifted(blob, by) if role == "score" else blob for role, blob in source.packs.items()}
    entries = {role: pack_entries(role, blob) for role, blob in packs.items()}
    found = {
        "version": version,
        "packs": {role: file for role, (file, _) in entries.items()},
        "golden": {role: golden for role, (_, golden) in entries.items()},
    }
    manifest = source.manifest.model_copy(update=found | changes)
    publication = publication_of(manifest, packs, source.files[CARD].decode())
    store.receive(publication)
    return publication
