"""Letters: dead letters as rows: listed, shown, counted, by reason, and marked when they were put back.

rows of dead_letters ─► bodies;  notes among them ─► who put what back ─► replayed_at of their letters
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, func, literal, or_, select, tuple_, update

from schemas import (
    PUT_BACK,
    TAIL_CHARS,
    DeadLetterBody,
    DeadLetterDetail,
    DeadLetterReason,
    Letters,
    PutBackBody,
    reason_kind,
)
from storage.kept_tables import DeadLetterRow

EXCERPT_BYTES = 200
ALL_LETTERS = Letters()
LOOKED_AT = 10_000  # of the newest letters, for their reasons: some 30 ms
AT_ONCE = 500
LetterKey = tuple[datetime, str, int, int]  # quarantined_at, topic, partition, offset
_IS_LETTER = DeadLetterRow.exception != PUT_BACK
_NEWEST = (DeadLetterRow.quarantined_at, DeadLetterRow.topic, DeadLetterRow.partition, DeadLetterRow.offset)


class LetterReading:
    _connection: Connection

    def dead_letters(self, topic: str | None, after: LetterKey | None, limit: int) -> list[DeadLetterBody]:
        """The last quarantined first; `after` is (quarantined_at, topic, partition, offset)."""
        keys = (DeadLetterRow.quarantined_at, DeadLetterRow.topic, DeadLetterRow.partition, DeadLetterRow.offset)
        statement = select(DeadLetterRow.__table__).order_by(*(key.desc() for key in keys)).limit(limit)
        statement = statement.where(_IS_LETTER, *_of(topic))
        if after is not None:
            values = tuple_(*(literal(value, key.type) for value, key in zip(after, keys, strict=True)))
            statement = statement.where(tuple_(*keys) < values)
        return [DeadLetterBody(**_letter(row)) for row in self._connection.execute(statement).mappings()]

    def dead_letter(self, topic: str, partition: int, offset: int) -> tuple[DeadLetterDetail, bytes | None] | None:
        """One of them, and the bytes of its value as far as they are kept."""
        place = (DeadLetterRow.topic == topic, DeadLetterRow.partition == partition, DeadLetterRow.offset == offset)
        row = self._connection.execute(select(DeadLetterRow.__table__).where(*place)).mappings().one_or_none()
        if row is None:
            return None
        value: bytes | None = row["value"]
        return DeadLetterDetail(**_letter(row), value=_shown(value), is_whole=len(value or b"") == row["size"]), value

    def count_dead_letters(self, since: datetime) -> dict[str, int]:
        """How many were quarantined since then, by topic."""
        statement = select(DeadLetterRow.topic, func.count()).where(DeadLetterRow.quarantined_at >= since, _IS_LETTER)
        rows = self._connection.execute(statement.group_by(DeadLetterRow.topic))
        return {str(topic): int(count) for topic, count in rows}

    def dead_letter_reasons(self, topic: str | None, limit: int) -> list[DeadLetterReason]:
        """The newest LOOKED_AT letters by topic and kind of reason, the most frequent first."""
        columns = (*_NEWEST, DeadLetterRow.replayed_at.is_(None), _end_of_reason(self._connection))
        statement = select(*columns).where(_IS_LETTER, *_of(topic)).order_by(*(key.desc() for key in _NEWEST))
        groups: dict[tuple[str, str], _Group] = {}
        for _, of, partition, offset, is_left, end in self._connection.execute(statement.limit(LOOKED_AT)):
            group = groups.setdefault((of, reason_kind(end)), _Group((of, partition, offset)))
            group.count += 1
            group.left += bool(is_left)
        most = sorted(groups.values(), key=lambda group: -group.count)[:limit]
        return [self._reason(group) for group in most]

    def _reason(self, group: _Group) -> DeadLetterReason:
        found = self.dead_letter(*group.newest)
        assert found is not None, "it was read in the same transaction"
        newest = DeadLetterBody(**{name: getattr(found[0], name) for name in DeadLetterBody.model_fields})
        return DeadLetterReason(
            topic=newest.topic, reason=newest.reason, exception=newest.exception, count=group.count,
            not_replayed=group.left, newest=newest,
        )  # fmt: skip

    def put_back(self, topic: str | None, limit: int) -> list[PutBackBody]:
        """Who put dead letters back, the last first: what the notes in the quarantines tell."""
        statement = select(DeadLetterRow.topic, DeadLetterRow.quarantined_at, DeadLetterRow.value).where(
            DeadLetterRow.exception == PUT_BACK, *_of(topic)
        )
        rows = self._connection.execute(statement.order_by(*(key.desc() for key in _NEWEST)).limit(limit))
        told = [(of, time, _note(value)) for of, time, value in rows]
        return [
            PutBackBody(topic=of, time=time, by=note["by"], count=note["count"], what=note["what"])
            for of, time, note in told
            if note
        ]


@dataclass
class _Group:
    newest: tuple[str, int, int]  # topic, partition, offset
    count: int = 0
    left: int = 0


def mark_letters(connection: Connection, topic: str, before: datetime, which: Letters) -> None:
    """Note that these were put back, of those that were quarantined before."""
    is_meant = (
        DeadLetterRow.topic == topic,
        DeadLetterRow.quarantined_at < before,
        DeadLetterRow.replayed_at.is_(None),
    )
    columns = (DeadLetterRow.partition, DeadLetterRow.offset, _end_of_reason(connection))
    statement = update(DeadLetterRow).where(*is_meant).values(replayed_at=before)
    if which == ALL_LETTERS:
        connection.execute(statement)
        return
    asked = select(*columns).where(*is_meant, _IS_LETTER)
    if which.partition is not None:
        asked = asked.where(DeadLetterRow.partition == which.partition, DeadLetterRow.offset == which.offset)
    rows = [
        (partition, offset)
        for partition, offset, why in connection.execute(asked)
        if which.include(partition, offset, why)
    ]
    place = tuple_(DeadLetterRow.partition, DeadLetterRow.offset)
    for start in range(0, len(rows), AT_ONCE):
        connection.execute(statement.where(place.in_(rows[start : start + AT_ONCE])))


def mark_noted(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Of rows that are notes: their letters were put back."""
    for row in rows:
        note = _note(row["value"]) if row["exception"] == PUT_BACK else None
        if note is None:
            continue
        offset = DeadLetterRow.offset
        ranges = [offset.between(first, last) for first, last in note["offsets"]]
        if note["until"] is not None:
            ranges.append(offset < note["until"])
        of = (DeadLetterRow.topic == row["topic"], DeadLetterRow.partition == row["partition"], _IS_LETTER)
        for start in range(0, len(ranges), AT_ONCE):
            some = or_(false(), *ranges[start : start + AT_ONCE])
            statement = update(DeadLetterRow).where(*of, some, DeadLetterRow.replayed_at.is_(None))
            connection.execute(statement.values(replayed_at=row["quarantined_at"]))


def _end_of_reason(connection: Connection) -> ColumnElement[str]:
    """As much as the kind of a reason depends on: a traceback has thousands of characters."""
    is_postgres, reason = connection.dialect.name == "postgresql", DeadLetterRow.reason
    return func.right(reason, TAIL_CHARS) if is_postgres else func.substr(reason, -TAIL_CHARS)


def _note(value: bytes | None) -> dict[str, Any] | None:
    """What a note tells; none: somebody else wrote it."""
    try:
        note = json.loads(value or b"")
        offsets = [(int(first), int(last)) for first, last in note["offsets"]]
        until = None if note["until"] is None else int(note["until"])
        return {
            "by": str(note["by"]),
            "what": str(note["what"]),
            "count": int(note["count"]),
            "offsets": offsets,
            "until": until,
        }
    except (ValueError, KeyError, TypeError):
        return None


def _of(topic: str | None) -> list[ColumnElement[bool]]:
    return [] if topic is None else [DeadLetterRow.topic == topic]


def _letter(row: Any) -> dict[str, Any]:
    values = dict(row)
    value = values.pop("value")
    return values | {"key": _shown(values["key"]), "excerpt": _shown((value or b"")[:EXCERPT_BYTES]) or ""}


def _shown(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
