"""Handling: what people do about alerts, each action kept once with who and when, in the order of the transitions.

ActionRequest ─► does it change where the alert stands? may it? ─► columns of the alert, `Action` ─► actions.v1, streams

After ISA-18.2, from the state of an alert (open or cleared) to what may be done about it:

| action | open | cleared |
|---|---|---|
| acknowledged, commented, assigned, outcome | yes | yes |
| shelved, closed | yes | refused: nothing is there to be shelved or closed |
| unshelved | yes | yes: what is shelved outlives the alert |

Whatever is said again changes nothing and is no action: a client that lost the answer sends its request once more.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from schemas import SHELF_ENDED, Action, ActionKind, MillraceError, Outcome, rfc3339
from storage.standing import set_severity
from storage.tables import AcknowledgementRow, ActionRow, AlertRow, AssetRow, ShelvingRow, TransitionRow
from storage.write import lock_transitions

ACTIONS = uuid.UUID("6e1f0a52-3c1b-5c8e-9a44-2f0f3f5d7b10")  # namespace of the ids of actions


class NotOpenError(MillraceError):
    """Only an open alert can be shelved or closed, and this one is cleared."""

    title = "The alert is not open"


class KeyReusedError(MillraceError):
    """A key of a request that was done names another request."""

    title = "The key of the request was used before"


class ActionRequest(NamedTuple):
    """What somebody wants to do about an alert.

    `note` is the comment of one that is acknowledged or commented, and the reason of the others. `request_key` makes a
    request that is sent again known as one.
    """

    kind: ActionKind
    by: str
    note: str | None = None
    until: datetime | None = None
    assignee: str | None = None
    outcome: Outcome | None = None
    request_key: str | None = None


def act(connection: Connection, alert_id: str, asked: ActionRequest) -> bool | None:
    """Do it, in the caller's transaction. Returns whether it changed anything; None: there is no such alert.

    Raises:
        NotOpenError: it is cleared, and the action is of an open one.
        KeyReusedError: its key is that of an action which says something else.
    """
    row = _locked(connection, alert_id)
    if row is None:
        return None
    if (before := _sent_before(connection, alert_id, asked.request_key)) is not None:
        if not _says(before, asked):
            raise KeyReusedError(
                f"The alert {alert_id} has an action under the key {asked.request_key!r} that says something else.",
                "Nothing was done. Use a new key for a new request.",
            )
        return False
    now = datetime.now(UTC)
    if not _WAYS[asked.kind](connection, row, asked, now):
        return False
    _note(connection, row, asked, now)
    return True


def end_shelving(connection: Connection, now: datetime) -> bool:
    """Let one alert come back whose time on the shelf is over, in the caller's transaction; false: there is none.

    It is told of the open alert of the failure mode, or where there is none, of the one that was shelved.
    """
    over = select(ShelvingRow.__table__).where(ShelvingRow.until <= now).order_by(ShelvingRow.until).limit(1)
    row = connection.execute(over).one_or_none()
    if row is None:
        return False
    order = (AlertRow.state.desc(), AlertRow.raised_at.desc())  # `raised` before `cleared`
    latest = select(AlertRow.alert_id).where(*_is_of(AlertRow, row)).order_by(*order).limit(1)
    alert_id = connection.scalar(latest)
    alert = None if alert_id is None else _locked(connection, alert_id)
    _end_shelf(connection, row, alert, now)
    return True


def _end_shelf(connection: Connection, shelving: Row[Any], alert: Row[Any] | None, now: datetime) -> None:
    """Whoever is the first to take it from the shelf tells it."""
    is_over = (*_is_of(ShelvingRow, shelving), ShelvingRow.until <= now)
    gone = delete(ShelvingRow).where(*is_over).execution_options(preserve_rowcount=True)
    if connection.execute(gone).rowcount and alert is not None:
        _note(connection, alert, ActionRequest("unshelved", SHELF_ENDED, "its time on the shelf is over"), now)


def _locked(connection: Connection, alert_id: str) -> Row[Any] | None:
    """The alert, which nobody else changes until the end of the transaction. None: there is none.

    In the order in which the sink locks: the asset, the alert, the order of transitions. Not their keys, which rows of
    other tables refer to.
    """
    found = connection.execute(select(AlertRow.__table__).where(AlertRow.alert_id == alert_id)).one_or_none()
    if found is None:
        return None
    asset = (AssetRow.asset_class == found.asset_class, AssetRow.asset_id == found.asset_id)
    connection.execute(select(AssetRow.asset_id).where(*asset).with_for_update(key_share=True))
    alert = select(AlertRow.__table__).where(AlertRow.alert_id == alert_id).with_for_update(key_share=True)
    return connection.execute(alert).one_or_none()


def _is_of(table: Any, row: Row[Any]) -> tuple[Any, ...]:
    names = ("asset_class", "asset_id", "failure_mode")
    return tuple(getattr(table, name) == getattr(row, name) for name in names)


def _sent_before(connection: Connection, alert_id: str, request_key: str | None) -> Action | None:
    """The action that was done under this key."""
    if request_key is None:
        return None
    event = connection.scalar(
        select(TransitionRow.event)
        .join(
            ActionRow, (ActionRow.alert_id == TransitionRow.alert_id) & (ActionRow.sequence == TransitionRow.sequence)
        )
        .where(ActionRow.alert_id == alert_id, ActionRow.request_key == request_key)
    )
    return None if event is None else Action.model_validate(event)


def _says(action: Action, asked: ActionRequest) -> bool:
    said = (action.kind, action.by, action.comment or action.reason, action.until, action.assignee, action.outcome)
    return said == (asked.kind, asked.by, asked.note, asked.until, asked.assignee, asked.outcome)


def _acknowledge(connection: Connection, alert: Row[Any], asked: ActionRequest, now: datetime) -> bool:
    """The first one stands."""
    if alert.is_acknowledged:
        return False
    values = {"acknowledged_at": now, "acknowledged_by": asked.by, "comment": asked.note}
    connection.execute(insert(AcknowledgementRow).values(alert_id=alert.alert_id, **values))
    _set(connection, alert, is_acknowledged=True)
    return True


def _comment(connection: Connection, alert: Row[Any], asked: ActionRequest, _: datetime) -> bool:
    last = select(TransitionRow.event).where(TransitionRow.alert_id == alert.alert_id, TransitionRow.sequence < 0)
    event: Mapping[str, Any] = connection.scalar(last.order_by(TransitionRow.sequence).limit(1)) or {}
    return (event.get("kind"), event.get("by"), event.get("comment")) != ("commented", asked.by, asked.note)


def _assign(connection: Connection, alert: Row[Any], asked: ActionRequest, _: datetime) -> bool:
    if alert.assignee == asked.assignee:
        return False
    _set(connection, alert, assignee=asked.assignee)
    return True


def _shelve(connection: Connection, alert: Row[Any], asked: ActionRequest, now: datetime) -> bool:
    said = {"until": asked.until, "reason": asked.note}
    before = connection.execute(select(ShelvingRow.__table__).where(*_is_of(ShelvingRow, alert))).one_or_none()
    if before is not None and before.until > now and all(getattr(before, name) == said[name] for name in said):
        return False
    _must_be_open(alert, "shelved")
    if before is not None and before.until <= now:
        _end_shelf(connection, before, alert, now)
    key = {name: getattr(alert, name) for name in ("asset_class", "asset_id", "failure_mode")}
    values = {**said, "alert_id": alert.alert_id, "shelved_at": now, "shelved_by": asked.by}
    put = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = put(ShelvingRow).values(**key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))
    return True


def _unshelve(connection: Connection, alert: Row[Any], _: ActionRequest, now: datetime) -> bool:
    """One whose time is over is told by `end_shelvings`, and once."""
    is_shelved = (*_is_of(ShelvingRow, alert), ShelvingRow.until > now)
    statement = delete(ShelvingRow).where(*is_shelved).execution_options(preserve_rowcount=True)
    return bool(connection.execute(statement).rowcount)


def _close(connection: Connection, alert: Row[Any], asked: ActionRequest, now: datetime) -> bool:
    if alert.closing is not None:
        return False
    _must_be_open(alert, "closed")
    closing = {"closed_at": rfc3339(now), "by": asked.by, "reason": asked.note}
    _set(connection, alert, state="cleared", updated_at=max(now, alert.updated_at), closing=closing)
    set_severity(connection, alert.asset_class, alert.asset_id)
    return True


def _say_outcome(connection: Connection, alert: Row[Any], asked: ActionRequest, now: datetime) -> bool:
    assert asked.outcome is not None
    said = asked.outcome.model_dump()
    before = alert.outcome or {}
    if all(before.get(name) == value for name, value in said.items()):
        return False
    _set(connection, alert, outcome={**said, "by": asked.by, "at": rfc3339(now)})
    return True


Way = Callable[[Connection, Row[Any], ActionRequest, datetime], bool]
_WAYS: Mapping[ActionKind, Way] = {
    "acknowledged": _acknowledge,
    "commented": _comment,
    "assigned": _assign,
    "shelved": _shelve,
    "unshelved": _unshelve,
    "closed": _close,
    "outcome": _say_outcome,
}


def _must_be_open(alert: Row[Any], what: str) -> None:
    if alert.state != "raised":
        raise NotOpenError(
            f"The alert {alert.alert_id} is cleared, so it cannot be {what}.",
            "A comment, an assignee or an outcome can still be said.",
        )


def _set(connection: Connection, alert: Row[Any], **values: Any) -> None:
    connection.execute(update(AlertRow).where(AlertRow.alert_id == alert.alert_id).values(**values))


def _note(connection: Connection, alert: Row[Any], asked: ActionRequest, now: datetime) -> None:
    """Keep the action in the order of the transitions, to be told on actions.v1."""
    lock_transitions(connection)
    of_alert = (TransitionRow.alert_id == alert.alert_id, TransitionRow.sequence < 0)
    sequence = (connection.scalar(select(func.min(TransitionRow.sequence)).where(*of_alert)) or 0) - 1
    is_comment = asked.kind in ("acknowledged", "commented")
    name = alert.alert_id if asked.kind == "acknowledged" else f"{alert.alert_id}\n{sequence}"  # no id has a line end
    action = Action(
        action_id=str(uuid.uuid5(ACTIONS, name)), event_time=now, alert_id=alert.alert_id, asset_id=alert.asset_id,
        asset_class=alert.asset_class, failure_mode=alert.failure_mode, kind=asked.kind, by=asked.by,
        comment=asked.note if is_comment else None, reason=None if is_comment else asked.note, until=asked.until,
        assignee=asked.assignee, outcome=asked.outcome,
    )  # fmt: skip
    event = action.model_dump(mode="json", exclude_none=True)
    connection.execute(insert(TransitionRow).values(alert_id=alert.alert_id, sequence=sequence, event=event))
    kept = {"alert_id": alert.alert_id, "sequence": sequence, "request_key": asked.request_key}
    connection.execute(insert(ActionRow).values(**kept))
