"""What is on models.v1: versions of models, the chunks of their packs, and the aliases.

model/NAME/VERSION        ─► VersionRecord: the sums of its files, signatures, manifest and card, chunks of each pack
pack/NAME/VERSION/ROLE/N  ─► bytes of a pack, up to CHUNK_BYTES
alias/NAME/ALIAS          ─► AliasRecord, with no version: withdrawn; null: withdrawn by someone without a key

The topic is compacted, so the latest of each key stays. Chunks come before the version that they belong to.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from schemas.base import Frozen, Name, Time
from schemas.manifest import Alias, Version

CHUNK_BYTES = 900_000  # the broker's default limit of a batch is 1,048,588
MOST_CHUNKS = 1000


class VersionRecord(Frozen):
    """One version of a model. Its chunks are on the topic before it."""

    format: Literal[2] = 2
    sums: str = Field(description="SHA256SUMS, byte for byte, over manifest.json, card.md and the packs")
    signatures: str = Field(description="SHA256SUMS.sig: a line `ed25519:KEY:SIGNATURE` for each key; may be empty")
    manifest: str = Field(description="manifest.json, byte for byte")
    card: str = Field(description="card.md, byte for byte")
    chunks: dict[str, Annotated[int, Field(ge=1, le=MOST_CHUNKS)]] = Field(description="role -> number of chunks")


class AliasRecord(Frozen):
    """Which version an alias points to. One without a signature is as in the first format."""

    name: Name
    alias: Alias
    version: Version | None = Field(description="null: the alias is withdrawn")
    changed_at: Time = Field(description="an older one than is known is not followed")
    signature: str | None = Field(None, description="`ed25519:KEY:SIGNATURE`, over topic, name, alias, version, time")


class VersionKey(NamedTuple):
    name: str
    version: str


class ChunkKey(NamedTuple):
    name: str
    version: str
    role: str
    number: int


class AliasKey(NamedTuple):
    name: str
    alias: str


Key = VersionKey | ChunkKey | AliasKey
KINDS: dict[type[Key], str] = {VersionKey: "model", ChunkKey: "pack", AliasKey: "alias"}


def key_text(key: Key) -> str:
    """The key of a record."""
    return "/".join([KINDS[type(key)], *map(str, key)])


def parse_key(text: str) -> Key | None:
    """The key of a record; none: it is not one of these."""
    kind, *parts = text.split("/")
    match kind, parts:
        case "model", [name, version]:
            return VersionKey(name, version)
        case "pack", [name, version, role, number] if number.isdecimal():
            return ChunkKey(name, version, role, int(number))
        case "alias", [name, alias]:
            return AliasKey(name, alias)
        case _:
            return None
