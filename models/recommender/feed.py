"""The click feed: the compact binary record that tells every worker what happened to all users and items.

clicks or item changes of one batch ─► encode_record ─► bytes on `millrace.feed.v1` ─► decode_record ─► view

Layout, little endian: magic `MRFD`, version u1, kind u1, context columns u1, zero u1, input partition u4, count u4,
first and last input offset i8, CRC-32 of what follows u4, context fingerprint u4; then the arrays of the kind one
after another, the lengths of the item ids in bytes (u4) and the ids (UTF-8). Behind them clicks have what version 1 had
not at first, and what readers of before do not look at: users u4, is_repeated u1, then, where one is more than a view,
actions u1. About 44 bytes a click beside its id.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from schemas import MillraceError

MAGIC, VERSION = b"MRFD", 1
HEADER = struct.Struct("<4sBBBBIIqqII")
CLICK_KIND, ITEM_KIND = 0, 1
REMOVED = 2**64 - 1  # among `categories`: the item is removed; workers of before read `is_available` alone
Array = npt.NDArray[Any]


class FeedError(MillraceError):
    """Bytes that are no record of the click feed, or one of another version."""

    title = "The click feed cannot be read"


@dataclass(frozen=True)
class ItemIds(Sequence[str]):
    """The item ids of a record, decoded one by one: a view asks only for those that it does not know yet."""

    text: bytes
    ends: Array  # (n,) i8

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: Any) -> Any:
        return self.text[self.ends[place - 1] if place else 0 : self.ends[place]].decode()


@dataclass(frozen=True)
class ClickRecord:
    """Clicks of one batch of one input partition, in offset order.

    `first_offset` and `last_offset` span the batch, also where clicks of it were duplicates and are not in the record.
    """

    partition: int
    first_offset: int
    last_offset: int
    offsets: Array  # (n,) i8
    sessions: Array  # (n,) u8: session keys
    items: Array  # (n,) u8: stable hashes
    times: Array  # (n,) f8: epoch seconds
    codes: Array  # (n, columns) u1: columns of context popularity; 255 none
    item_ids: Sequence[str] = field(compare=False)
    context: int = 0  # fingerprint of the context fields behind the codes; a view with others ignores the codes
    users: Array | None = None  # (n,) u4: half of the hash of the user id; none: a record of before
    is_repeated: Array | None = None  # (n,) u1: the user clicked the item so often lately that it is not popularity
    actions: Array | None = None  # (n,) u1: numbers of actions; none: all are views


@dataclass(frozen=True)
class ItemRecord:
    """What the shop said of items, in offset order. `categories` is there for policies; the view looks for REMOVED."""

    partition: int
    first_offset: int
    last_offset: int
    offsets: Array  # (n,) i8
    items: Array  # (n,) u8: stable hashes
    times: Array  # (n,) f8: epoch seconds of the change
    published: Array  # (n,) f8: epoch seconds; NaN: at once; `kernel.KEPT`: nothing was said of it
    categories: Array  # (n,) u8: stable hashes; 0 none; REMOVED
    is_available: Array  # (n,) u1; `kernel.KEPT`: nothing was said of it
    item_ids: Sequence[str] = field(compare=False)


ARRAYS: dict[int, tuple[tuple[str, str], ...]] = {
    CLICK_KIND: (("offsets", "<i8"), ("sessions", "<u8"), ("items", "<u8"), ("times", "<f8"), ("codes", "u1")),
    ITEM_KIND: (
        ("offsets", "<i8"),
        ("items", "<u8"),
        ("times", "<f8"),
        ("published", "<f8"),
        ("categories", "<u8"),
        ("is_available", "u1"),
    ),
}
BEHIND: tuple[tuple[str, str], ...] = (("users", "<u4"), ("is_repeated", "u1"))  # the ids, in records of clicks
ACTIONS = ("actions", "u1")  # behind those


def encode_record(record: ClickRecord | ItemRecord) -> bytes:
    """The record as bytes."""
    kind = CLICK_KIND if isinstance(record, ClickRecord) else ITEM_KIND
    columns = record.codes.shape[1] if isinstance(record, ClickRecord) else 0
    ids = [text.encode() for text in record.item_ids]
    parts = [np.ascontiguousarray(getattr(record, name), dtype).tobytes() for name, dtype in ARRAYS[kind]]
    parts += [np.array([len(text) for text in ids], "<u4").tobytes(), *ids]
    if isinstance(record, ClickRecord) and record.users is not None:
        parts += [np.ascontiguousarray(getattr(record, name), dtype).tobytes() for name, dtype in BEHIND]
        if record.actions is not None and record.actions.any():
            parts.append(np.ascontiguousarray(record.actions, "u1").tobytes())
    body = b"".join(parts)
    return (
        HEADER.pack(
            MAGIC,
            VERSION,
            kind,
            columns,
            0,
            record.partition,
            len(ids),
            record.first_offset,
            record.last_offset,
            crc32(body),
            record.context if isinstance(record, ClickRecord) else 0,
        )
        + body
    )


def decode_record(data: bytes) -> ClickRecord | ItemRecord:
    """The record in the bytes; its arrays are views of one copy of them.

    Raises:
        FeedError: foreign or damaged bytes, or a version that this program does not know.
    """
    if len(data) < HEADER.size or data[:4] != MAGIC:
        raise FeedError(
            f"{len(data)} bytes that start with {data[:4]!r} are no record of the click feed.",
            "Nothing but Millrace may write to millrace.feed.v1; give this installation a MILLRACE_TOPIC_PREFIX.",
        )
    _, version, kind, columns, _, partition, count, first, last, checksum, context = HEADER.unpack_from(data)
    if version != VERSION or kind not in ARRAYS:
        raise FeedError(
            f"A record of version {version}, kind {kind}; this program reads version {VERSION}.",
            "Update this worker to the newest version that is running.",
        )
    body = bytearray(memoryview(data)[HEADER.size :])
    if crc32(body) != checksum:
        raise FeedError(f"A record of {len(data)} bytes is damaged: its checksum differs.", "Check the broker's disk.")
    arrays: dict[str, Array] = {}
    at = 0
    for name, dtype in ARRAYS[kind]:
        width = count * columns if name == "codes" else count
        arrays[name] = np.frombuffer(body, dtype, width, at)
        at += arrays[name].nbytes
    ends = np.cumsum(np.frombuffer(body, "<u4", count, at), dtype=np.int64)
    at += 4 * count
    behind = at + (int(ends[-1]) if count else 0)
    ids = ItemIds(bytes(body[at:behind]), ends)
    if kind == ITEM_KIND:
        return ItemRecord(partition, first, last, item_ids=ids, **arrays)
    arrays["codes"] = arrays["codes"].reshape(count, columns)
    for name, dtype in (*BEHIND, ACTIONS):
        if len(body) > behind:  # copies: where they lie is not aligned
            arrays[name] = np.frombuffer(body, dtype, count, behind).copy()
            behind += arrays[name].nbytes
    return ClickRecord(partition, first, last, item_ids=ids, context=context, **arrays)
