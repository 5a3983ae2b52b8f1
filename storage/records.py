"""Records: what the sink hands over besides output events: where it was on its topic is part of what is kept.

input record, dead letter, null value ─► Placed, Quarantined, Removal ─► Store.write
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, TypeAlias

from schemas import InputEvent, OutputEvent


class Placed(NamedTuple):
    """An input event and its place on its topic."""

    partition: int
    offset: int
    event: InputEvent


class Quarantined(NamedTuple):
    """A dead letter of the input topic `topic` (its name in the contract), by its place in the quarantine.

    `source_partition` and `source_offset` are the place of the original; `size` is that of its value in bytes.
    """

    topic: str
    partition: int
    offset: int
    quarantined_at: datetime
    source_partition: int
    source_offset: int
    exception: str
    reason: str
    key: bytes | None
    value: bytes | None
    size: int


class Removal(NamedTuple):
    """A null value: the row of this key goes, of clicks all of this user's. `topic` is the name in the contract.

    `at`: the record's time: what happened before it does not bring back what was removed.
    """

    topic: str
    key: str
    at: datetime | None = None


Record: TypeAlias = OutputEvent | Removal | Placed | Quarantined


class Keeping(NamedTuple):
    """How much is kept of what was pushed: a reading of an asset in `readings_every_s`, so many clicks of a user."""

    readings_every_s: float = 10.0
    clicks_per_user: int = 50
