"""Letters: quarantined records as the API tells of them, and which of them are to be put back.

reason ─► its kind, in which names and numbers do not count;  ReplayBody ─► Letters ─► does it mean this one?
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pydantic import Field, model_validator

from schemas.base import Frozen, Time

PUT_BACK = "PutBack"  # the exception of a note on a quarantine: which letters of its partition were put back
NOBODY = "this machine"  # who acts where there are no keys and no name was given
TAIL_CHARS = 300  # of a traceback the end says what happened
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")


def reason_kind(reason: str) -> str:
    """What reasons have in common that differ in quoted values and in numbers alone: the last line without them."""
    lines = reason[-TAIL_CHARS:].strip().splitlines()
    return _VARYING.sub("…", lines[-1].strip()) if lines else ""


class Letters(NamedTuple):
    """Which dead letters of a topic are meant: one by its place in the quarantine, those of a kind of reason, all."""

    partition: int | None = None
    offset: int | None = None
    kind: str | None = None

    def include(self, partition: int, offset: int, reason: str) -> bool:
        """Whether this one is meant."""
        if self.partition is not None:
            return (self.partition, self.offset) == (partition, offset)
        return self.kind is None or self.kind == reason_kind(reason)


class DeadLetterBody(Frozen):
    """A quarantined record. `partition` and `offset` are its place there, `source_...` that of the original."""

    topic: str = Field(description="the input topic")
    partition: int
    offset: int
    quarantined_at: Time
    source_partition: int
    source_offset: int
    exception: str
    reason: str
    key: str | None
    excerpt: str = Field(description="the beginning of the value")
    size: int = Field(description="bytes of the value")
    replayed_at: Time | None = Field(None, description="when it was put back; null: it was not")


class DeadLetterDetail(DeadLetterBody):
    """A quarantined record with its value."""

    value: str | None
    is_whole: bool = Field(description="false: the value is longer; all of it is on the quarantine topic")


class DeadLetterReason(Frozen):
    """Dead letters of a topic that have the same reason, but for quoted values and numbers in it."""

    topic: str
    reason: str = Field(description="of the newest of them; send it as `reason` to put all of them back")
    exception: str
    count: int
    not_replayed: int = Field(description="that were not put back yet")
    newest: DeadLetterBody


class PutBackBody(Frozen):
    """Somebody put dead letters back."""

    topic: str
    time: Time
    by: str
    count: int = Field(description="how many, of one partition")
    what: str = Field(description="in words")


class ReplayBody(Frozen):
    """Which dead letters to put back: of an input topic those that were not put back before: all of them, those of a
    reason, or one by its place in the quarantine.
    """

    topic: str = Field(min_length=1, max_length=200)
    reason: str | None = Field(
        None,
        min_length=1,
        max_length=10_000,
        description="as a letter has it; quoted values and numbers do not count",
    )
    partition: int | None = Field(None, ge=0, lt=2**31, description="of the quarantine topic, with `offset`")
    offset: int | None = Field(None, ge=0, lt=2**63)
    by: str | None = Field(None, min_length=1, max_length=200, description="who does it, where the API has no keys")

    @model_validator(mode="after")
    def _is_one_choice(self) -> ReplayBody:
        if (self.partition is None) != (self.offset is None):
            raise ValueError("partition and offset say together which letter is meant")
        if self.partition is not None and self.reason is not None:
            raise ValueError("either one letter by partition and offset, or those of a reason")
        return self

    @property
    def letters(self) -> Letters:
        """Those that are meant."""
        return Letters(self.partition, self.offset, None if self.reason is None else reason_kind(self.reason))


class ReplayedBody(Frozen):
    """What was put back."""

    topic: str
    sent: int = Field(description="records that are on their topic again")
    truncated: int = Field(description="records of which the quarantine has the beginning only; they stay")
    deleted: int = Field(description="records that retention deleted before anybody put them back")
