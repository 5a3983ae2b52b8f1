"""Read the journal of alerts: their transitions and what people did, in the order in which they were committed.

journal ─► entries, each with its number ─► live stream, notifications;  actions that Kafka has not been told of
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, and_, func, select

from schemas import Action, Alert, text_of
from storage.tables import ActionRow, AlertRow, TransitionRow


class Told(NamedTuple):
    """An action, its place among those of its alert, and when the alert last changed."""

    action: Action
    sequence: int
    updated_at: datetime


class Unreadable(NamedTuple):
    """An entry of the journal that this version does not understand: it stands for itself, and hides no other."""

    reason: str


Entry = Alert | Action | Unreadable


class JournalReading:
    _connection: Connection

    def last_transition_id(self) -> int:
        return self._connection.scalar(select(func.max(TransitionRow.id))) or 0

    def transitions(self, after: int, limit: int) -> list[tuple[int, Entry]]:
        """Transitions of alerts, and what people did about them, in the order in which they were committed."""
        statement = (
            select(TransitionRow.id, TransitionRow.sequence, TransitionRow.event)
            .where(TransitionRow.id > after)
            .order_by(TransitionRow.id)
            .limit(limit)
        )
        return [(number, entry_of(sequence, event)) for number, sequence, event in self._connection.execute(statement)]

    def untold_actions(self, limit: int) -> list[Told]:
        """Actions that are not on actions.v1 yet; of each alert in their order."""
        statement = (
            select(ActionRow.sequence, TransitionRow.event, AlertRow.updated_at)
            .join(TransitionRow, _is_event_of_action())
            .join(AlertRow, AlertRow.alert_id == ActionRow.alert_id)
            .where(ActionRow.is_told.is_(False))
            .order_by(ActionRow.alert_id, ActionRow.sequence.desc())
            .limit(limit)
        )
        rows = self._connection.execute(statement)
        return [Told(Action.model_validate(event), sequence, updated_at) for sequence, event, updated_at in rows]


def entry_of(sequence: int, event: dict[str, Any]) -> Entry:
    try:
        return Action.model_validate(event) if sequence < 0 else Alert.model_validate(event)
    except ValidationError as error:
        return Unreadable(text_of(error))


def _is_event_of_action() -> ColumnElement[bool]:
    return and_(TransitionRow.alert_id == ActionRow.alert_id, TransitionRow.sequence == ActionRow.sequence)
