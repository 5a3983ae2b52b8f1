"""Store: the one way to the database. Writing and reading go through different engines and different types.

sink ─► write(events, spans)          API ─► reading() ─► Reader          API ─► act(...)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, exists, false, literal, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from schemas import AlertDetail, Letters
from storage.counting import AssetCounts, count_by_site_and_severity
from storage.database import build_engine, transaction
from storage.errors import translate
from storage.forget import Ages, forget
from storage.handling import ActionRequest, act, end_shelving
from storage.letters import ALL_LETTERS, mark_letters
from storage.notification_tables import NotificationRow
from storage.read import Reader
from storage.read_assets import AssetKey
from storage.read_journal import Told
from storage.records import Keeping, Record
from storage.rows import DEFAULT_KEEPING, rows_of
from storage.schema import check_revision
from storage.tables import (
    AcknowledgementRow,
    ActionRow,
    AssetRow,
    OffsetRow,
    ScoreRow,
    Table,
    WorkerRow,
)
from storage.write import Span, Written, write_rows

RETRIED_FOR = timedelta(hours=24)  # of a notification that somebody lets be sent again
RETENTION_BATCH = 2000  # scores a transaction; about 10 ms, so that the sink hardly waits


class Store:
    """Decisions, kept. Every call is one transaction (or, for retention, several small ones); threads may share it.

    Any call raises UnavailableError when the database is not there, lost or not migrated: trying again may help.

    Args:
        url: SQLAlchemy URL of a SQLite file or of PostgreSQL.
        keeping: how much is kept of what was pushed.
    """

    def __init__(self, url: str, keeping: Keeping = DEFAULT_KEEPING) -> None:
        self._keeping = keeping
        self._writing = build_engine(url, writes=True)
        self._reading = build_engine(url, writes=False)
        self._asset_counts = AssetCounts(self._reading)
        self._site_counts = AssetCounts(self._reading, count_by_site_and_severity)

    def close(self) -> None:
        self._asset_counts.close()
        self._site_counts.close()
        self._writing.dispose()
        self._reading.dispose()

    def check(self) -> str:
        """The revision of the tables.

        Raises:
            UnavailableError: the database is not there, or does not have the tables of this version.
        """
        return check_revision(self._reading)

    def probe(self) -> str:
        """As `check`, and every table answers, and would take a row: none is locked, and it is not read-only.

        Raises:
            UnavailableError: that is not so; it says what is in the way.
        """
        revision = self.check()
        with transaction(self._reading) as connection:
            for table in Table.metadata.sorted_tables:
                connection.execute(select(literal(1)).select_from(table).limit(1))
        with transaction(self._writing) as connection:
            # takes the locks and rights of a write, and changes no row
            connection.execute(update(AcknowledgementRow).where(false()).values(comment=None))
        return revision

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """A read-only transaction: the database refuses any change in it."""
        with transaction(self._reading) as connection:
            yield self._reader(connection)

    def _reader(self, connection: Connection) -> Reader:
        return Reader(connection, self._asset_counts, self._site_counts)

    def write(self, events: Sequence[Record], spans: Sequence[Span]) -> Written:
        """Write the events of some partitions and the next offset of each of them, all or nothing.

        Writing an event again changes nothing and is counted, so whoever lost the answer may write once more.

        Raises:
            PositionError: the records were already written; read on from where the database is.
            RefusedError: the database refuses the data.
        """
        try:
            rows = rows_of(events, self._keeping)
            with transaction(self._writing) as connection:
                return write_rows(connection, rows, spans, self._keeping)
        except (OverflowError, ValueError) as error:  # about a value that cannot even be passed on to the database
            raise translate(error, self._writing.url) from error

    def set_position(self, topic: str, partition: int, next_offset: int, topic_id: str | None = None) -> None:
        """Put the position of a partition where its log really is: of a topic made anew, or seen for the first time."""
        insert = postgresql.insert if self._writing.dialect.name == "postgresql" else sqlite.insert
        where = {"next_offset": next_offset, "topic_id": topic_id}
        statement = insert(OffsetRow).values(topic=topic, partition=partition, **where)
        statement = statement.on_conflict_do_update(index_elements=["topic", "partition"], set_=where)
        with transaction(self._writing) as connection:
            connection.execute(statement)

    def act(
        self, alert_id: str, asked: ActionRequest, on_change: Callable[[], None] | None = None
    ) -> AlertDetail | None:
        """Note what somebody does about an alert; where that is said already nothing changes. None: no such alert.

        `on_change` is called where something did change.

        It has its place among the transitions, so that live streams tell it, and waits to be told on actions.v1.

        Raises:
            NotOpenError: the alert is cleared, and the action is of an open one.
            KeyReusedError: its key is that of an action which says something else.
        """
        with transaction(self._writing) as connection:
            has_changed = act(connection, alert_id, asked)
            found = None if has_changed is None else self._reader(connection).alert(alert_id)
        if has_changed and on_change is not None:
            on_change()
        return found

    def end_shelvings(self) -> int:
        """Let alerts come back whose time on the shelf is over, each in its own transaction. Returns how many."""
        now, count = datetime.now(UTC), 0
        while self._has_ended_shelvings(now):
            with transaction(self._writing) as connection:
                count += end_shelving(connection, now)
        return count

    def _has_ended_shelvings(self, now: datetime) -> bool:
        """Read, which is far cheaper than to write, and mostly there are none."""
        with transaction(self._reading) as connection:
            return self._reader(connection).has_ended_shelvings(now)

    def mark_told(self, actions: Sequence[Told]) -> None:
        """Note that these actions are on actions.v1."""
        key = tuple_(ActionRow.alert_id, ActionRow.sequence)
        are_meant = key.in_([(told.action.alert_id, told.sequence) for told in actions])
        with transaction(self._writing) as connection:
            connection.execute(update(ActionRow).where(are_meant).values(is_told=True))

    def mark_replayed(self, topic: str, before: datetime, which: Letters = ALL_LETTERS) -> None:
        """Note that dead letters of an input topic were put back, of those that were quarantined before."""
        with transaction(self._writing) as connection:
            mark_letters(connection, topic, before, which)

    def retry_notification(self, notification_id: str, now: datetime) -> bool | None:
        """Let a failed one be sent again, under its id. False: it has not failed; None: there is none."""
        is_it = NotificationRow.notification_id == notification_id
        again = update(NotificationRow).where(is_it, NotificationRow.state == "failed")
        again = again.values(state="waiting", next_try_at=now, give_up_at=now + RETRIED_FOR)
        with transaction(self._writing) as connection:
            if connection.execute(again.execution_options(preserve_rowcount=True)).rowcount:
                return True
            return None if connection.scalar(select(NotificationRow.id).where(is_it)) is None else False

    def forget(self, ages: Ages, should_stop: Callable[[], bool] = lambda: False) -> dict[str, int]:
        """Delete what is older than these ages, in small transactions. Returns how many rows went, by table."""
        return forget(self._writing, self._reading, ages, should_stop)

    def delete_old_scores(self, days: float, should_stop: Callable[[], bool] = lambda: False) -> int:
        """Delete the scores whose event_time is older, asset by asset in small transactions. Returns how many."""
        oldest = datetime.now(UTC) - timedelta(days=days)
        deleted = 0
        after = ("", "")
        while assets := self._assets_with_scores_before(oldest, after):
            for asset in assets:
                while not should_stop() and (count := self._delete_scores(asset, oldest)):
                    deleted += count
            after = assets[-1]
            if should_stop():
                break
        return deleted

    def delete_silent_workers(self, hours: float = 24.0) -> int:
        """Forget edge workers that died without a word. Returns how many."""
        oldest = datetime.now(UTC) - timedelta(hours=hours)
        with transaction(self._writing) as connection:
            return int(connection.execute(delete(WorkerRow).where(WorkerRow.event_time < oldest)).rowcount)

    def _assets_with_scores_before(self, oldest: datetime, after: AssetKey) -> list[AssetKey]:
        has_old = exists().where(
            ScoreRow.asset_class == AssetRow.asset_class,
            ScoreRow.asset_id == AssetRow.asset_id,
            ScoreRow.event_time < oldest,
        )
        key = tuple_(AssetRow.asset_class, AssetRow.asset_id)
        statement = select(AssetRow.asset_class, AssetRow.asset_id).where(key > tuple_(*map(literal, after)), has_old)
        with transaction(self._reading) as connection:
            rows = connection.execute(statement.order_by(AssetRow.asset_class, AssetRow.asset_id).limit(500))
            return [(asset_class, asset_id) for asset_class, asset_id in rows]

    def _delete_scores(self, asset: AssetKey, oldest: datetime) -> int:
        """The oldest RETENTION_BATCH, and whatever has the same time as the last of them."""
        of_asset = (ScoreRow.asset_class == asset[0], ScoreRow.asset_id == asset[1])
        expired = (*of_asset, ScoreRow.event_time < oldest)
        last = select(ScoreRow.event_time).where(*expired).order_by(ScoreRow.event_time)
        with transaction(self._writing) as connection:
            until = connection.scalar(last.offset(RETENTION_BATCH - 1).limit(1))
            some = expired if until is None else (*expired, ScoreRow.event_time <= until)
            return int(connection.execute(delete(ScoreRow).where(*some)).rowcount)
