"""Read notifications: what was told and what became of it, and the channels.

select ─► rows ─► bodies
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, select

from schemas import NotificationBody, NotificationChannelBody
from storage.notification_tables import NotificationChannelRow, NotificationItemRow, NotificationRow

SHOWN = (
    NotificationRow.notification_id, NotificationRow.channel, NotificationRow.state, NotificationRow.created_at,
    NotificationRow.tries, NotificationRow.next_try_at, NotificationRow.sent_at, NotificationRow.reason,
    NotificationRow.notification,
)  # fmt: skip


class NotificationReading:
    _connection: Connection

    def notifications(
        self, state: str | None, channel: str | None, after: int | None, limit: int
    ) -> list[tuple[int, NotificationBody]]:
        """The last decided first, each with its key."""
        statement = select(NotificationRow.id, *SHOWN).order_by(NotificationRow.id.desc()).limit(limit)
        if state is not None:
            statement = statement.where(NotificationRow.state == state)
        if channel is not None:
            statement = statement.where(NotificationRow.channel == channel)
        if after is not None:
            statement = statement.where(NotificationRow.id < after)
        return [(row.id, _body(row)) for row in self._connection.execute(statement)]

    def notification(self, notification_id: str) -> NotificationBody | None:
        statement = select(*SHOWN).where(NotificationRow.notification_id == notification_id)
        row = self._connection.execute(statement).one_or_none()
        return None if row is None else _body(row)

    def notification_channels(self) -> list[NotificationChannelBody]:
        """By name; there are few."""
        statement = select(NotificationChannelRow.__table__).order_by(NotificationChannelRow.channel)
        return [self._channel(row) for row in self._connection.execute(statement)]

    def _channel(self, row: Row[Any]) -> NotificationChannelBody:
        is_of = NotificationRow.channel == row.channel
        states = select(NotificationRow.state, func.count()).where(
            is_of, NotificationRow.state.in_(("waiting", "failed"))
        )
        counts = {row[0]: row[1] for row in self._connection.execute(states.group_by(NotificationRow.state))}
        last = self._connection.scalar(select(func.max(NotificationRow.sent_at)).where(is_of))
        waiting = select(NotificationRow.reason).where(is_of, NotificationRow.state == "waiting")
        known = select(func.count()).select_from(NotificationItemRow).where(NotificationItemRow.channel == row.channel)
        return NotificationChannelBody(
            name=row.channel, seen_at=row.seen_at, **row.told, waiting=counts.get("waiting", 0),
            failed=counts.get("failed", 0), last_sent_at=last, open_alerts=self._connection.scalar(known) or 0,
            last_reason=self._connection.scalar(waiting.order_by(NotificationRow.id).limit(1)),
        )  # fmt: skip


def _body(row: Row[Any]) -> NotificationBody:
    values = dict(row._mapping)
    values.pop("id", None)
    if values["state"] != "waiting":
        values["next_try_at"] = None
    return NotificationBody(**values)
