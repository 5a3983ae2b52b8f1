"""Notes: records of a quarantine that say which of its letters somebody put back, who and when.

letters of a partition ─► note, behind them on the same partition ─► `list`, the next replay, the sink
A note counts as cut, so that a version that knows no notes leaves it where it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from schemas import PUT_BACK
from streams.agent.deadletters import HEADER

Headers = list[tuple[str, bytes | None]]


class Note(NamedTuple):
    """What was put back of its own partition: letters by their offsets, or all before an offset."""

    by: str
    what: str  # in words
    offsets: list[tuple[int, int]]  # first and last of those that follow each other
    until: int | None


def note_of(
    topic: str, by: str, what: str, offsets: Iterable[int], until: int | None, count: int
) -> tuple[bytes, Headers]:
    """Value and headers of a note about `count` letters of `topic` (the name in the contract)."""
    told = {"by": by, "what": what, "count": count, "offsets": _ranges(offsets), "until": until}
    value = orjson.dumps(told)
    return value, [
        (HEADER + "exception", PUT_BACK.encode()),
        (HEADER + "message", f"put back by {by}: {what}".encode()),
        (HEADER + "topic", topic.encode()),
        (HEADER + "truncated", b"%d" % len(value)),
    ]


def _ranges(offsets: Iterable[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for offset in offsets:
        if found and found[-1][1] + 1 == offset:
            found[-1][1] = offset
        else:
            found.append([offset, offset])
    return found


def read_note(record: Any) -> Note | None:
    """The note that a record of a quarantine is; none: it is a letter, or no note of ours."""
    if not is_note(record):
        return None
    try:
        told = orjson.loads(record.value)
        offsets = [(int(first), int(last)) for first, last in told["offsets"]]
        until = None if told["until"] is None else int(told["until"])
        return Note(str(told["by"]), str(told["what"]), offsets, until)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def is_note(record: Any) -> bool:
    """Whether a record of a quarantine is a note, and no letter."""
    return dict(record.headers).get(HEADER + "exception") == PUT_BACK.encode()
