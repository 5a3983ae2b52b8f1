"""Publication: a version of a model as records for models.v1, and back.

Publication ─► records_of ─► (key, value) of chunks, then of the version ─► Assembler ─► Publication

Whatever comes from the topic is checked here or by whoever asked for it; nothing of it is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from models.registry import first_format
from models.registry.folder import CARD, MANIFEST, Publication, parse_manifest, publication_of_files
from schemas import CHUNK_BYTES, ChunkKey, ModelError, VersionKey, VersionRecord, key_text, text_of

UPDATE_MILLRACE = (
    "If whoever published it has a newer Millrace than this one, update this one; otherwise publish it again."
)
MOST_WAITING_BYTES = 256 << 20  # of chunks whose version has not come: its publisher died, or it is not a publisher
_RECORD: TypeAdapter[VersionRecord | first_format.FirstVersionRecord] = TypeAdapter(
    Annotated[VersionRecord | first_format.FirstVersionRecord, Field(discriminator="format")]
)
PUBLISH_AGAIN = "Publish it again: `millrace models publish` writes chunks before the version."


def records_of(publication: Publication) -> Iterator[tuple[str, bytes]]:
    """Keys and values in the order in which they must be on the topic.

    Raises:
        ModelError: it is of the first format.
    """
    manifest = publication.manifest
    first_format.refuse(manifest)
    name, version = manifest.name, manifest.version
    chunks = {}
    for role, blob in publication.packs.items():
        starts = range(0, len(blob), CHUNK_BYTES)
        chunks[role] = len(starts)
        for number, start in enumerate(starts):
            yield key_text(ChunkKey(name, version, role, number)), blob[start : start + CHUNK_BYTES]
    record = VersionRecord(
        sums=publication.sums.decode(),
        signatures=publication.signatures,
        manifest=publication.files[MANIFEST].decode(),
        card=publication.files[CARD].decode(),
        chunks=chunks,
    )
    yield key_text(VersionKey(name, version)), record.model_dump_json().encode()


class Assembler:
    """Collects chunks until their version comes. Versions that are told once more get no chunks: those are skipped."""

    def __init__(self) -> None:
        self._chunks: dict[ChunkKey, bytes] = {}
        self._bytes = 0

    def add(self, key: ChunkKey, value: bytes) -> None:
        """Keeps a chunk; the oldest are dropped when too much is waiting."""
        self._drop(key)
        self._chunks[key] = value
        self._bytes += len(value)
        while self._bytes > MOST_WAITING_BYTES:
            self._drop(next(iter(self._chunks)))

    def complete(self, key: VersionKey, value: bytes) -> Publication:
        """The version with its packs; its chunks are forgotten.

        Raises:
            ModelError: not a version of this name, or chunks of it are missing.
        """
        own = {chunk: data for chunk, data in self._chunks.items() if chunk[:2] == key}
        for chunk in own:
            self._drop(chunk)
        what = f"Model {key.name} {key.version}"
        try:
            record = _RECORD.validate_json(value)
        except ValidationError as error:
            raise ModelError(f"{what} cannot be read from the topic: {text_of(error)}.", UPDATE_MILLRACE) from error
        packs = {}
        for role, count in record.chunks.items():
            parts = [own.get(ChunkKey(*key, role, number)) for number in range(count)]
            missing = [number for number, part in enumerate(parts) if part is None]
            if missing:
                raise ModelError(f"{what}: chunk {missing[0]} of {count} of its pack {role} is missing.", PUBLISH_AGAIN)
            packs[role] = b"".join(part for part in parts if part is not None)
        publication = _joined(record, packs, what)
        manifest = publication.manifest
        if (manifest.name, manifest.version) != key:
            raise ModelError(f"{what} has the manifest of {manifest.name} {manifest.version}.", PUBLISH_AGAIN)
        publication.verify(what)
        return publication

    def _drop(self, key: ChunkKey) -> None:
        self._bytes -= len(self._chunks.pop(key, b""))


def _joined(
    record: VersionRecord | first_format.FirstVersionRecord, packs: Mapping[str, bytes], what: str
) -> Publication:
    """A record and its packs.

    Raises:
        ModelError: the manifest cannot be read, or names other packs.
    """
    manifest = parse_manifest(record.manifest.encode(), f"The manifest of {what}")
    if packs.keys() != manifest.packs.keys():
        raise ModelError(
            f"{what} came with packs {sorted(packs)}, its manifest names {sorted(manifest.packs)}.", PUBLISH_AGAIN
        )
    files = {manifest.packs[role].file: blob for role, blob in packs.items()}
    files |= {MANIFEST: record.manifest.encode(), CARD: record.card.encode()}
    if isinstance(record, VersionRecord):
        return Publication(files, record.sums.encode(), record.signatures)
    first_format.tell(manifest.name, manifest.version, "models.v1", "Publish it again after `millrace models migrate`.")
    return publication_of_files(files)
