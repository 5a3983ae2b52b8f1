"""Notification store: what a notify worker reads and writes. Decisions are the worker's; here they are kept, once.

read(): version, journal, places, shelves, budgets ─► the worker decides ─► commit(version + 1) or nothing
claim(channel) ─► the worker sends ─► settle: sent, again later, or failed
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from schemas import Action, Alert, Notification, text_of
from storage.database import build_engine, transaction
from storage.keys import any_of
from storage.notification_tables import (
    JOURNAL,
    NotificationChannelRow,
    NotificationItemRow,
    NotificationPositionRow,
    NotificationRow,
)
from storage.read_alerts import AlertReading
from storage.read_journal import Unreadable
from storage.schema import check_revision
from storage.sites import Place
from storage.tables import ShelvingRow

AssetKey = tuple[str, str]  # asset_class, asset_id
ModeKey = tuple[str, str, str]  # asset_class, asset_id, failure_mode
ItemKey = tuple[str, str]  # channel, alert_id
AT_ONCE = 500


class JournalPart(NamedTuple):
    """What is known at one moment: news of alerts since `position`, where their assets stand, what is shelved until
    when, and of each channel when it sent lately and whether something of it waits.
    """

    version: int
    position: int
    entries: list[tuple[int, Alert | Action | Unreadable]]
    places: dict[AssetKey, Place]
    shelved: dict[ModeKey, datetime]
    sent: dict[str, list[datetime]]
    waiting: set[str]


class Decision(NamedTuple):
    """What follows: items that changed (none: forgotten), and what is to be sent."""

    position: int
    items: Mapping[ItemKey, dict[str, Any] | None]
    notifications: Sequence[Notification]
    give_up_at: datetime


class Claimed(NamedTuple):
    """A notification that this worker alone may send until its claim ends."""

    id: int
    tries: int
    give_up_at: datetime
    notification: Notification


class _JournalReader(AlertReading):
    """The part of a `Reader` that tells what happened, and where."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection


class NotificationStore:
    """Every call is one transaction; threads may share it. Any call raises UnavailableError as `Store` does."""

    def __init__(self, url: str) -> None:
        self._writing = build_engine(url, writes=True)
        self._reading = build_engine(url, writes=False)

    def close(self) -> None:
        self._writing.dispose()
        self._reading.dispose()

    def check(self) -> None:
        """Raises:
        UnavailableError: the database is not there, or does not have the tables of this version.
        """
        check_revision(self._reading)

    def begin(self) -> bool:
        """Start at the end of the journal, unless it was read before. Returns whether this is the beginning."""
        with transaction(self._writing) as connection:
            found = connection.scalar(select(NotificationPositionRow.position).with_for_update())
            if found is not None:
                return False
            end = _JournalReader(connection).last_transition_id()
            put = _insert(connection)(NotificationPositionRow).values(journal=JOURNAL, position=end, version=0)
            connection.execute(put.on_conflict_do_nothing())
            return True

    def read(
        self, channels: Iterable[str], since: datetime, now: datetime, most: int, also: Iterable[AssetKey] = ()
    ) -> JournalPart:
        """The next part of the journal, `most` entries; what was sent since then; where `also` these assets stand."""
        with transaction(self._reading) as connection:
            place = connection.execute(select(NotificationPositionRow.position, NotificationPositionRow.version)).one()
            reader = _JournalReader(connection)
            entries = reader.transitions(place.position, most)
            assets = {(one.asset_class, one.asset_id) for _, one in entries if not isinstance(one, Unreadable)}
            sent = {name: list(connection.scalars(_sent_since(name, since))) for name in channels}
            waits = select(NotificationRow.channel).where(NotificationRow.state == "waiting").distinct()
            return JournalPart(
                place.version, place.position, entries, reader.places_of({*assets, *also}),
                _shelved(connection, now), sent, set(connection.scalars(waits)),
            )  # fmt: skip

    def items(self) -> tuple[int, dict[ItemKey, dict[str, Any]]]:
        """What each channel knows, and the version of it."""
        columns = (NotificationItemRow.channel, NotificationItemRow.alert_id, NotificationItemRow.item)
        with transaction(self._reading) as connection:
            version = connection.scalar(select(NotificationPositionRow.version)) or 0
            return version, {(channel, alert): item for channel, alert, item in connection.execute(select(*columns))}

    def commit(self, version: int, decision: Decision) -> bool:
        """Keep position, items and notifications, all or nothing. False: another worker decided meanwhile."""
        with transaction(self._writing) as connection:
            move = update(NotificationPositionRow).where(NotificationPositionRow.version == version)
            move = move.values(position=decision.position, version=version + 1)
            if not connection.execute(move.execution_options(preserve_rowcount=True)).rowcount:
                return False
            _put_items(connection, decision.items)
            rows = [_row(one, decision.give_up_at) for one in decision.notifications]
            if rows:
                connection.execute(insert(NotificationRow), rows)
            return True

    def claim(self, channel: str, now: datetime, until: datetime, most: int, since: datetime) -> Claimed | None:
        """The oldest notification of the channel that waits, for this worker alone until that time. None: there is
        none, it is not due yet or another worker has it, or `most` were sent since then.
        """
        with transaction(self._reading) as connection:
            row = connection.execute(_oldest(channel)).one_or_none()
            if row is None or row.next_try_at > now:
                return None
            sent = select(func.count()).where(NotificationRow.channel == channel, NotificationRow.sent_at > since)
            if (connection.scalar(sent) or 0) >= most:
                return None
        take = update(NotificationRow).where(
            NotificationRow.id == row.id, NotificationRow.state == "waiting", NotificationRow.tries == row.tries
        )
        take = take.values(tries=row.tries + 1, next_try_at=until).execution_options(preserve_rowcount=True)
        with transaction(self._writing) as connection:
            if not connection.execute(take).rowcount:
                return None
        try:
            return Claimed(row.id, row.tries + 1, row.give_up_at, Notification.model_validate(row.notification))
        except ValidationError as error:  # of another version; it keeps nothing behind it
            failed = {"state": "failed", "reason": f"cannot be read by this version: {text_of(error)}"}
            with transaction(self._writing) as connection:
                connection.execute(update(NotificationRow).where(NotificationRow.id == row.id).values(**failed))
            return None

    def sent(self, claimed: Claimed, at: datetime) -> None:
        """It was taken, whoever else has claimed it meanwhile."""
        self._settle(claimed, state="sent", sent_at=at, reason=None)

    def failed(self, claimed: Claimed, reason: str) -> None:
        """It will not be tried again by itself."""
        self._settle(claimed, NotificationRow.tries == claimed.tries, state="failed", reason=reason)

    def try_again(self, claimed: Claimed, at: datetime, reason: str) -> None:
        self._settle(claimed, NotificationRow.tries == claimed.tries, next_try_at=at, reason=reason)

    def tell_channels(self, told: Mapping[str, dict[str, Any]], now: datetime) -> None:
        """That these channels are served, and forget those that nobody has served for a day."""
        with transaction(self._writing) as connection:
            for channel, values in sorted(told.items()):
                put = _insert(connection)(NotificationChannelRow).values(channel=channel, seen_at=now, told=values)
                new = {"seen_at": now, "told": values}
                connection.execute(put.on_conflict_do_update(index_elements=["channel"], set_=new))
            old = now - timedelta(days=1)
            connection.execute(delete(NotificationChannelRow).where(NotificationChannelRow.seen_at < old))

    def forget_channels(self, but: Sequence[str]) -> set[str]:
        """Those that are in the rules no more: what they knew goes, and what waits on them has failed. Returns them."""
        waits = (NotificationRow.state == "waiting", NotificationRow.channel.not_in(but))
        knows = NotificationItemRow.channel.not_in(but)
        with transaction(self._writing) as connection:
            lost = set(connection.scalars(select(NotificationRow.channel).where(*waits).distinct()))
            lost |= set(connection.scalars(select(NotificationItemRow.channel).where(knows).distinct()))
            connection.execute(delete(NotificationChannelRow).where(NotificationChannelRow.channel.not_in(but)))
            if lost:
                connection.execute(update(NotificationPositionRow).values(version=NotificationPositionRow.version + 1))
                connection.execute(delete(NotificationItemRow).where(knows))
                reason = "the channel is not in the rules any more"
                connection.execute(update(NotificationRow).where(*waits).values(state="failed", reason=reason))
            return lost

    def waiting(self) -> dict[str, tuple[int, datetime]]:
        """By channel, how many notifications wait, and since when the oldest."""
        statement = select(NotificationRow.channel, func.count(), func.min(NotificationRow.created_at))
        with transaction(self._reading) as connection:
            rows = connection.execute(
                statement.where(NotificationRow.state == "waiting").group_by(NotificationRow.channel)
            )
            return {channel: (count, oldest) for channel, count, oldest in rows}

    def _settle(self, claimed: Claimed, *conditions: Any, **values: Any) -> None:
        where = (NotificationRow.id == claimed.id, NotificationRow.state == "waiting", *conditions)
        with transaction(self._writing) as connection:
            connection.execute(update(NotificationRow).where(*where).values(**values))


def _oldest(channel: str) -> Any:
    columns = NotificationRow.id, NotificationRow.tries, NotificationRow.next_try_at, NotificationRow.give_up_at
    statement = select(*columns, NotificationRow.notification).where(NotificationRow.channel == channel)
    return statement.where(NotificationRow.state == "waiting").order_by(NotificationRow.id).limit(1)


def _sent_since(channel: str, since: datetime) -> Any:
    is_of = (NotificationRow.channel == channel, NotificationRow.sent_at > since)
    return select(NotificationRow.sent_at).where(*is_of).order_by(NotificationRow.sent_at)


def _shelved(connection: Connection, now: datetime) -> dict[ModeKey, datetime]:
    columns = ShelvingRow.asset_class, ShelvingRow.asset_id, ShelvingRow.failure_mode, ShelvingRow.until
    rows = connection.execute(select(*columns).where(ShelvingRow.until > now))
    return {(row.asset_class, row.asset_id, row.failure_mode): row.until for row in rows}


def _put_items(connection: Connection, items: Mapping[ItemKey, dict[str, Any] | None]) -> None:
    gone = sorted(key for key, item in items.items() if item is None)
    for start in range(0, len(gone), AT_ONCE):
        some = any_of(NotificationItemRow.channel, NotificationItemRow.alert_id, gone[start : start + AT_ONCE])
        connection.execute(delete(NotificationItemRow).where(some))
    rows = [{"channel": key[0], "alert_id": key[1], "item": item} for key, item in sorted(items.items()) if item]
    if rows:
        put = _insert(connection)(NotificationItemRow)
        put = put.on_conflict_do_update(index_elements=["channel", "alert_id"], set_={"item": put.excluded.item})
        connection.execute(put, rows)


def _row(one: Notification, give_up_at: datetime) -> dict[str, Any]:
    return {
        "notification_id": one.notification_id, "channel": one.channel, "state": "waiting",
        "created_at": one.created_at, "tries": 0, "next_try_at": one.created_at, "give_up_at": give_up_at,
        "notification": one.model_dump(mode="json", exclude_none=True),
    }  # fmt: skip


def _insert(connection: Connection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
