"""Pack: the compiled form of a forest, one file of flat tables; data, never code. docs/pack.md describes it.

header and arrays ─► write_pack ─► bytes ─► read_pack ─► header and arrays

    8 bytes   magic `MILLPACK`
    u32, u32  format version, length of the header
    header    JSON (`PackHeader`), padded with spaces
    arrays    little-endian, each at a multiple of 8 bytes, in the narrowest type that holds its values exactly
    32 bytes  SHA-256 of everything before

Format 1, which is read as well, has every array in its own type and at a multiple of 64 bytes.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from schemas import ModelError, text_of

MAGIC = b"MILLPACK"
FORMAT, READ_FORMATS = 2, (1, 2)
ALIGNMENT = 8
DIGEST_BYTES = 32
RESTORE_IT = "Restore the folder from a copy, train again, or move the alias with `millrace models rollback`."
LINKS = ("identity", "sigmoid", "exponential", "softmax", "log1p_exp", "signed_square")

# Name and type of each array, for those who use them; the order is that of `enum ArrayName` in kernel/forest.h.
ARRAYS = {
    "feature": "<u4",
    "cut_offset": "<u4",
    "cut": "<f8",
    "column_feature": "<u4",
    "column_base": "<u2",
    "column_rule": "<u1",
    "column_sentinel": "<u1",
    "category_feature": "<u4",
    "class_offset": "<u4",
    "class_of": "<u2",
    "class_limits": "<u2",
    "set_category": "<u4",
    "set_offset": "<u4",
    "set_bits": "<u8",
    "tree_output": "<u4",
    "node_offset": "<u4",
    "node_key": "<u4",
    "node_left": "<i4",
    "node_right": "<i4",
    "leaf_offset": "<u4",
    "leaf_value": "<f8",
    "leaf_cover": "<f8",
}
# The types in which an array of a type may lie in the file, narrowest first.
STORED = {
    "<u1": ("u1",),
    "<u2": ("u1", "u2"),
    "<u4": ("u1", "u2", "u4"),
    "<u8": ("u1", "u2", "u4", "u8"),
    "<i4": ("i1", "i2", "i4"),
    "<f8": ("u1", "u2", "f2", "u4", "f4", "f8"),
}
Count = Annotated[int, Field(ge=0, lt=1 << 32)]
Stored = Literal["u1", "u2", "u4", "u8", "i1", "i2", "i4", "f2", "f4", "f8"]


class PackHeader(BaseModel):
    """What a pack says of itself. `arrays`: name -> (bytes from the start of the arrays, bytes, type in the file)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    features: Count
    outputs: Count
    trees: Count
    link: Literal["identity", "sigmoid", "exponential", "softmax", "log1p_exp", "signed_square"]
    alpha: float = Field(description="steepness of the sigmoid")
    divisor: float = Field(description="raw scores are divided by it before the link: the trees of an averaged forest")
    arrays: dict[str, tuple[Count, Count, Stored]] = {}

    @field_validator("arrays", mode="before")
    @classmethod
    def _with_type(cls, arrays: Any) -> Any:
        """Format 1 names no types: every array is in its own."""
        if not isinstance(arrays, dict):
            return arrays
        return {
            name: [*at, ARRAYS[name][1:]] if name in ARRAYS and isinstance(at, list) and len(at) == 2 else at
            for name, at in arrays.items()
        }


def pack_sha256(blob: bytes) -> str:
    """The digest by which manifests know a pack: SHA-256 of the whole file."""
    return hashlib.sha256(blob).hexdigest()


def write_pack(header: PackHeader, arrays: dict[str, np.ndarray]) -> bytes:
    """The pack of these arrays; all of `ARRAYS` must be there."""
    parts, places, size = [], {}, 0
    for name, dtype in ARRAYS.items():
        narrow = narrowest(np.ascontiguousarray(arrays[name], dtype))
        content = narrow.tobytes()
        places[name] = (size, len(content), narrow.dtype.str[1:])
        content += bytes(-len(content) % ALIGNMENT)
        parts.append(content)
        size += len(content)
    text = header.model_copy(update={"arrays": places}).model_dump_json().encode()
    text += b" " * (-(len(MAGIC) + 8 + len(text)) % ALIGNMENT)
    blob = MAGIC + struct.pack("<II", FORMAT, len(text)) + text + b"".join(parts)
    return blob + hashlib.sha256(blob).digest()


def narrowest(array: np.ndarray) -> np.ndarray:
    """The array in the narrowest type of `STORED` from which it comes back with the same bits."""
    with np.errstate(invalid="ignore", over="ignore"):
        tried = (array.astype(f"<{kind}") for kind in STORED[array.dtype.str.replace("|", "<")])
        return next(narrow for narrow in tried if narrow.astype(array.dtype).tobytes() == array.tobytes())


def read_pack(blob: bytes, source: str = "the pack") -> tuple[PackHeader, dict[str, np.ndarray]]:
    """Header and arrays, in the types of `ARRAYS`, of a pack whose hash is right. The kernel checks what they say.

    Args:
        blob: the pack.
        source: what to call it in messages.

    Raises:
        ModelError: not a pack, another format version, damaged, or arrays that lie outside of the file.
    """
    start = len(MAGIC) + 8
    if len(blob) < start + DIGEST_BYTES or blob[: len(MAGIC)] != MAGIC:
        raise ModelError(f"{source} is not a pack: it does not start with {MAGIC.decode()}.", "Train the model again.")
    version, length = struct.unpack_from("<II", blob, len(MAGIC))
    if version not in READ_FORMATS:
        raise ModelError(
            f"{source} has pack format {version}, this Millrace reads {' and '.join(map(str, READ_FORMATS))}.",
            "Train the model again with this version, or run the version that wrote it.",
        )
    if hashlib.sha256(memoryview(blob)[:-DIGEST_BYTES]).digest() != blob[-DIGEST_BYTES:]:
        raise ModelError(
            f"{source} is damaged: its SHA-256 does not fit.", "Restore the file or train the model again."
        )
    try:
        header = PackHeader.model_validate_json(blob[start : start + length])
    except ValidationError as error:
        raise malformed(source, f"header: {text_of(error, 1)}") from error
    return header, _arrays_of(header, memoryview(blob)[start + length : -DIGEST_BYTES], source)


def changed_error(source: str, found: str, expected: str) -> ModelError:
    """The error for a file of a model folder whose SHA-256 is not the one that was written down."""
    return ModelError(
        f"{source} was changed or damaged: its SHA-256 is {found}, it should be {expected}. The model was refused.",
        RESTORE_IT,
    )


def malformed(source: str, what: str) -> ModelError:
    """The error for a pack whose hash is right and whose content is not: written by something else than Millrace."""
    return ModelError(
        f"{source} is malformed ({what}); it was refused.",
        "It was not written by this version of Millrace: train the model again, and do not use its source.",
    )


def _arrays_of(header: PackHeader, body: memoryview, source: str) -> dict[str, np.ndarray]:
    if header.arrays.keys() != ARRAYS.keys():
        raise malformed(source, f"its arrays are not {', '.join(ARRAYS)}")
    arrays = {}
    for name, dtype in ARRAYS.items():
        offset, size, stored = header.arrays[name]
        if stored not in STORED[dtype]:
            raise malformed(source, f"array {name} has type {stored}")
        if offset % ALIGNMENT or size % np.dtype(stored).itemsize or offset + size > len(body):
            raise malformed(source, f"array {name} lies outside of the file")
        arrays[name] = np.frombuffer(body[offset : offset + size], f"<{stored}").astype(dtype, copy=False)
    if len(arrays["tree_output"]) != header.trees:
        raise malformed(source, f"{len(arrays['tree_output'])} trees, header says {header.trees}")
    return arrays
