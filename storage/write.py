"""Write: one batch of rows, many rows a statement, in an order that keeps writers from blocking each other for good.

rows, spans ─► positions (guarded) ─► what was pushed ─► assets, scores, lists ─► alerts, transitions ─► counts
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    column,
    delete,
    func,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.expression import Executable

from schemas import MillraceError
from storage.kept_write import write_kept
from storage.records import Keeping
from storage.rows import DEFAULT_KEEPING, Row, RowsToWrite
from storage.sites import write_sites
from storage.standing import find_by_words, has_news, last_seen, least_health, seen_alone, set_severities
from storage.tables import (
    AlertRow,
    AssetRow,
    CatalogueRow,
    LatestScoreRow,
    OffsetRow,
    RecommendationRow,
    ScoreRow,
    Table,
    TransitionRow,
    WorkerRow,
)

TRANSITIONS_LOCK = 0x616C7274  # "alrt"


class Span(NamedTuple):
    """Records `start <= offset < next_offset` of one partition; `topic` is its name on the broker.

    `topic_id` is Kafka's: a span of a topic that was deleted is not written on the position of the one made anew.
    """

    topic: str
    partition: int
    start: int
    next_offset: int
    topic_id: str | None = None


@dataclass(frozen=True)
class Written:
    """What a batch changed: rows inserted or renewed, and repeated or outdated events that changed nothing."""

    rows: int
    duplicates: int


class PositionError(MillraceError):
    """These records were written already, by someone else or by an earlier attempt; nothing was changed."""

    title = "The partition is elsewhere in the database"

    def __init__(self, span: Span, found: int, found_id: str | None = None) -> None:
        of = (
            f" of topic {found_id}, and the batch is of {span.topic_id}"
            if found_id not in (None, span.topic_id)
            else ""
        )
        super().__init__(
            f"{span.topic}-{span.partition} is at {found} in the database{of}, but the batch starts at {span.start}.",
            "Read on from the position in the database.",
        )
        self.span = span
        self.found = found


Condition = Callable[[Any, Any], ColumnElement[bool]]


class _Rule(NamedTuple):
    """What happens to a row that is there already: it stands, or a newer one replaces some of its columns.

    `replaced_if` takes the columns of the new row and those of the one that is there, and so do those of `values`, for
    columns that do not just take the new value.
    """

    key: tuple[str, ...]
    replaced_if: Condition | None = None
    replaces: tuple[str, ...] = ()
    values: tuple[tuple[str, Callable[[Any, Any], ColumnElement[Any]]], ...] = ()


def _is_later(place: str, *, wins_ties: bool) -> Condition:
    """As `storage.rows` decides within a batch."""

    def holds(new: Any, old: Any) -> ColumnElement[bool]:
        is_later = or_(new[place] > old[place], new.event_time > old.event_time)
        if not wins_ties:
            return is_later
        is_same = and_(new[place] == old[place], new.event_time == old.event_time)
        return or_(is_later, and_(is_same, _differs(new, old)))

    return holds


def _differs(new: Any, old: Any) -> ColumnElement[bool]:
    differs: ColumnElement[bool] = new.event.is_distinct_from(old.event)  # the same again is counted as a repeat
    return differs


def _is_later_score(new: Any, old: Any) -> ColumnElement[bool]:
    """Of two scores of one time the later applied one stands; a repeated one was applied when it first came.

    A clock that was set back is followed: its next readings are older, but not late, and come later on their topic.
    """
    # by name: SQLAlchemy would take the columns of `new` for those of one more table to read
    keys = ("asset_class", "asset_id", "event_time", "score_id")
    known = ScoreRow.__table__.columns
    is_repeated = select(ScoreRow.score_id).where(*(known[k] == literal_column(f"excluded.{k}") for k in keys)).exists()
    was, now = old.event["caused_by"], new.event["caused_by"]
    is_same_source = and_(*(now[k].as_string() == was[k].as_string() for k in ("topic", "partition")))
    at, before = now["offset"].as_integer(), was["offset"].as_integer()
    is_in_order = func.coalesce(new.event["late"].as_boolean(), False).is_(False)
    is_after = and_(is_in_order, is_same_source, at > before)
    is_tie = and_(new.event_time == old.event_time, not_(is_repeated), not_(and_(is_same_source, at < before)))
    return or_(new.event_time > old.event_time, is_tie, is_after)


def _closed_or_new(new: Any, old: Any) -> ColumnElement[str]:
    """What a person closed stays so."""
    return case((old.closing.is_not(null()), literal("cleared")), else_=new.state)


def _last_change(new: Any, old: Any) -> ColumnElement[Any]:
    return case((old.closing.is_not(null()), old.updated_at), else_=new.updated_at)


_RULES: dict[type[Table], _Rule] = {
    RecommendationRow: _Rule(
        ("user_id",),
        _is_later("caused_offset", wins_ties=False),
        ("caused_offset", "recommendation_id", "event_time", "event"),
    ),
    CatalogueRow: _Rule(("key",), _is_later("feed_offset", wins_ties=True), ("feed_offset", "event_time", "event")),
    WorkerRow: _Rule(
        ("worker",),
        lambda new, old: or_(
            new.event_time > old.event_time, and_(new.event_time == old.event_time, _differs(new, old))
        ),
        ("event_time", "event"),
    ),
    AssetRow: _Rule(("asset_class", "asset_id"), has_news, (), (("last_seen", last_seen), ("health", least_health))),
    ScoreRow: _Rule(("asset_class", "asset_id", "event_time", "score_id")),
    LatestScoreRow: _Rule(
        ("asset_class", "asset_id", "kind", "component"), _is_later_score, ("event_time", "score_id", "health", "event")
    ),
    AlertRow: _Rule(
        ("alert_id",),
        lambda new, old: new.sequence > old.sequence,
        ("sequence", "severity", "score"),
        (("state", _closed_or_new), ("updated_at", _last_change)),
    ),
    TransitionRow: _Rule(("alert_id", "sequence")),
}
# of an asset without a score, by what was pushed of it
_SEEN = _Rule(("asset_class", "asset_id"), lambda new, old: new.last_seen > old.last_seen, ("last_seen",))


def write_rows(
    connection: Connection, rows: RowsToWrite, spans: Sequence[Span], keeping: Keeping = DEFAULT_KEEPING
) -> Written:
    """Write a batch and move the positions of its partitions, all in the caller's transaction.

    Raises:
        PositionError: a partition is not where the batch starts; the transaction must be rolled back.
    """
    for span in sorted(spans):
        _move(connection, span)
    _remove(connection, rows)
    kept = write_kept(connection, rows.kept, keeping.clicks_per_user) + write_sites(connection, rows.kept.sites)
    find_by_words(connection, rows)
    for turn in rows.latest_scores:  # before the scores, which then tell the repeated ones
        upsert(connection, LatestScoreRow, turn)
    upsert(connection, AssetRow, rows.assets)
    upsert(connection, AssetRow, seen_alone(connection, rows), _SEEN)
    changed = upsert(connection, ScoreRow, rows.scores)
    changed += upsert(connection, RecommendationRow, rows.recommendations)
    changed += upsert(connection, CatalogueRow, rows.catalogue)
    changed += upsert(connection, WorkerRow, rows.workers)
    upsert(connection, AlertRow, rows.alerts)
    set_severities(connection, rows)
    if rows.transitions:
        lock_transitions(connection)  # last: whoever holds this lock waits for no other
        changed += upsert(connection, TransitionRow, rows.transitions)
    counted = (rows.scores, rows.recommendations, rows.catalogue, rows.workers, rows.transitions)
    return Written(changed + kept, sum(map(len, counted)) - changed)


def upsert(connection: Connection, table: type[Table], rows: list[Row], rule: _Rule | None = None) -> int:
    """Insert rows, or let newer ones replace older ones. Returns how many rows changed; the others were repeats."""
    if not rows:
        return 0
    is_postgres = connection.dialect.name == "postgresql"
    statement = _upsert_statement(table, rule or _RULES[table], connection.dialect.name, tuple(rows[0]))
    result = connection.execute(statement, {"rows": rows} if is_postgres else rows)
    return int(result.rowcount)


@cache
def _upsert_statement(table: type[Table], rule: _Rule, dialect: str, names: tuple[str, ...]) -> Executable:
    """On PostgreSQL one statement takes all rows as one JSON document; the driver of SQLite takes row after row.

    Measured with 1,000 scores a transaction on PostgreSQL 15, in ms: JSON 24, COPY to a temporary table and insert from
    there 19, arrays and unnest 26, executemany 31; with 10 scores: .9, 1.5, 1.1, 1.25. Small batches are the rule, and
    with columns of JSON the arrays take four times as long (psycopg escapes them in Python). SQLite: 12 and .2.
    """
    columns = table.__table__.columns
    statement: postgresql.Insert | sqlite.Insert
    if dialect == "postgresql":
        given = func.jsonb_to_recordset(bindparam("rows", type_=postgresql.JSONB))
        rows = given.table_valued(*(column(name, columns[name].type) for name in names))
        statement = postgresql.insert(table).from_select(list(names), select(rows.render_derived("given", True)))
    else:
        statement = sqlite.insert(table)
    if rule.replaced_if is not None:
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=rule.key,
            set_={name: new[name] for name in rule.replaces}
            | {name: value(new, columns) for name, value in rule.values},
            where=rule.replaced_if(new, columns),
        )
    else:
        statement = statement.on_conflict_do_nothing(index_elements=rule.key)
    return statement.execution_options(preserve_rowcount=True)


def _move(connection: Connection, span: Span) -> None:
    """A guarded update: the second of two writers of a partition waits for the first, then finds another position."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(OffsetRow).values(
        topic=span.topic, partition=span.partition, next_offset=span.next_offset, topic_id=span.topic_id
    )
    is_here = OffsetRow.next_offset == span.start
    if span.topic_id is not None:
        is_here = and_(is_here, or_(OffsetRow.topic_id.is_(None), OffsetRow.topic_id == span.topic_id))
    statement = statement.on_conflict_do_update(
        index_elements=["topic", "partition"],
        set_={
            "next_offset": span.next_offset,
            "topic_id": func.coalesce(statement.excluded.topic_id, OffsetRow.topic_id),
        },
        where=is_here,
    )
    if not connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount:
        where = (OffsetRow.topic == span.topic, OffsetRow.partition == span.partition)
        found = connection.execute(select(OffsetRow.next_offset, OffsetRow.topic_id).where(*where)).one()
        raise PositionError(span, *found)


def _remove(connection: Connection, rows: RowsToWrite) -> None:
    if rows.removed_users:
        connection.execute(delete(RecommendationRow).where(RecommendationRow.user_id.in_(rows.removed_users)))
    if rows.removed_entries:
        connection.execute(delete(CatalogueRow).where(CatalogueRow.key.in_(rows.removed_entries)))
    if rows.removed_workers:
        connection.execute(delete(WorkerRow).where(WorkerRow.worker.in_(rows.removed_workers)))


def lock_transitions(connection: Connection) -> None:
    """Make the order of `alert_transitions.id` that of the commits.

    PostgreSQL hands out ids before the commit: with two writers, a reader of the stream could see the later id first
    and never look for the earlier one. The lock is released after the commit is visible. SQLite has one writer.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": TRANSITIONS_LOCK})
