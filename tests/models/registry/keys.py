"""Keys of the tests, who trusts them, and versions put together from their records."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.registry.folder import (
    Publication,
)
from models.registry.records import Assembler
from models.registry.signing import Trust, public_text
from schemas import (
    ChunkKey,
    Settings,
    VersionKey,
    parse_key,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def trust(*keys: Ed25519PrivateKey, unsigned: bool = False) -> Trust:
    texts = ",".join(map(public_text, keys))
    return Trust.from_settings(Settings(model_public_keys=texts, allow_unsigned_models=unsigned))


def assembled(records: list[tuple[str, bytes]]) -> Publication:
    assembler, found = Assembler(), None
    for text, value in records:
        key = parse_key(text)
        if isinstance(key, ChunkKey):
            assembler.add(key, value)
        elif isinstance(key, VersionKey):
            found = assembler.complete(key, value)
    assert found is not None
    return found
