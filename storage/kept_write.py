"""Kept write: rows of the kept tables, in the transaction of their positions.

KeptRows ─► items merged with what is there ─► clicks, of each user the newest ─► readings, log, dead letters, figures
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from storage.kept_rows import KeptRows, Row, greatest, hash_of, merged, words_of
from storage.kept_tables import ClickRow, DeadLetterRow, FiguresRow, ForgottenRow, ItemRow, LogRow, ReadingRow, WordRow
from storage.keys import any_of
from storage.letters import mark_noted
from storage.tables import Table

IN_AT_ONCE = 500  # keys of one statement
ITEM, ASSET = "item", "asset"
LOGGED = ("asset_class", "asset_id", "event_time", "kind", "code", "component")  # what an entry of a log says
Key = tuple[str, str]  # part, key; see WordRow
_OLDEST = (
    'delete from clicks where user_id = :user_id and {which} and (event_time, "partition", "offset") <= '
    '(select event_time, "partition", "offset" from clicks where user_id = :user_id and {of} '
    'order by event_time desc, "partition" desc, "offset" desc limit 1 offset :most)'
)
# What is more than a view is kept for longer: that an item was turned down holds beyond fifty views
_OLDEST_KEPT = [
    text(_OLDEST.format(which=which, of=of))
    for which, of in (("action = 'view'", "true"), ("action <> 'view'", "action <> 'view'"))
]


def write_kept(connection: Connection, rows: KeptRows, clicks_per_user: int) -> int:
    """Write them. Returns how many changed: what was there already is a repeat."""
    changed = _write_items(connection, rows)
    if rows.forgotten:
        _forget_users(connection, rows.forgotten)
    clicks = _not_of_before(connection, _not_known(connection, rows.clicks))
    changed += put(connection, ClickRow, clicks, renewed=True)
    if users := sorted({row["user_id"] for row in clicks}):
        for oldest in _OLDEST_KEPT:
            connection.execute(oldest, [{"user_id": user, "most": clicks_per_user} for user in users])
    changed += _put_readings(connection, rows.readings)
    changed += put(connection, LogRow, _not_logged(connection, rows.log))
    changed += put(connection, DeadLetterRow, rows.dead_letters, renewed=True)
    mark_noted(connection, rows.dead_letters)
    return changed + _put_figures(connection, rows.figures)


def _put_figures(connection: Connection, rows: Sequence[Row]) -> int:
    """The last of a minute stands, and the greatest of it: each row is told by the one worker, in order."""
    keys = sorted({(row["worker"], row["minute"]) for row in rows})
    known: dict[tuple[str, datetime], Any] = {}
    for start in range(0, len(keys), IN_AT_ONCE):
        columns = (FiguresRow.worker, FiguresRow.minute, FiguresRow.peaks)
        some = any_of(FiguresRow.worker, FiguresRow.minute, keys[start : start + IN_AT_ONCE])
        known |= {(worker, minute): peaks for worker, minute, peaks in connection.execute(select(*columns).where(some))}
    merged_rows = [row | {"peaks": greatest(known.get((row["worker"], row["minute"])), row["peaks"])} for row in rows]
    return put(connection, FiguresRow, merged_rows, renewed=True)


def _forget_users(connection: Connection, forgotten: Mapping[str, datetime | None]) -> None:
    connection.execute(delete(ClickRow).where(ClickRow.user_id.in_(sorted(forgotten))))
    times = [{"user_hash": hash_of(user), "forgotten_at": at} for user, at in sorted(forgotten.items()) if at]
    put(connection, ForgottenRow, times, renewed=True)


def _not_known(connection: Connection, clicks: Sequence[Row]) -> list[Row]:
    """Those that were not sent before: of one event the first stands, as for the worker."""
    first = {row["event_hash"]: row for row in reversed(clicks)}
    known = {found for (found,) in _rows_of(connection, (ClickRow.event_hash,), first)}
    return [row for row in clicks if first[row["event_hash"]] is row and row["event_hash"] not in known]


def _not_logged(connection: Connection, entries: Sequence[Row]) -> list[Row]:
    """Those that were not sent before: of one event the first stands, as for the worker.

    A row of before 0012 does not tell its event: what says the same at its time is it.
    """
    known, found = _logged_at(connection, entries), []
    for row in sorted(entries, key=itemgetter("partition", "offset")):
        said = tuple(row[name] for name in LOGGED)
        if known.isdisjoint(((*said, row["event_hash"]), (*said, None))):
            known.add((*said, row["event_hash"]))
            found.append(row)
    return found


def _logged_at(connection: Connection, entries: Sequence[Row]) -> set[tuple[Any, ...]]:
    """What the logs of these assets say already at the times of the entries."""
    columns = [*(getattr(LogRow, name) for name in LOGGED), LogRow.event_hash]
    found = set[tuple[Any, ...]]()
    for start in range(0, len(entries), IN_AT_ONCE):
        some = entries[start : start + IN_AT_ONCE]
        of_assets = any_of(LogRow.asset_class, LogRow.asset_id, {(row["asset_class"], row["asset_id"]) for row in some})
        at_times = LogRow.event_time.in_({row["event_time"] for row in some})
        found |= {tuple(row) for row in connection.execute(select(*columns).where(of_assets, at_times))}
    return found


def _not_of_before(connection: Connection, clicks: Sequence[Row]) -> list[Row]:
    """Those that their users made since they were forgotten last."""
    hashes = {user: hash_of(user) for user in {row["user_id"] for row in clicks}}
    columns = (ForgottenRow.user_hash, ForgottenRow.forgotten_at)
    times = dict(map(tuple, _rows_of(connection, columns, hashes.values())))
    return [row for row in clicks if (at := times.get(hashes[row["user_id"]])) is None or row["event_time"] > at]


def _rows_of(connection: Connection, columns: Sequence[Any], keys: Iterable[bytes]) -> Iterator[Any]:
    """The columns of the rows with these keys, which are the first column."""
    found = sorted(keys)
    for start in range(0, len(found), IN_AT_ONCE):
        yield from connection.execute(select(*columns).where(columns[0].in_(found[start : start + IN_AT_ONCE])))


def put_words(connection: Connection, of: str, words: dict[Key, set[str]]) -> None:
    """Make these the words by which these are found."""
    known: dict[Key, set[str]] = {key: set() for key in words}
    keys = sorted(words)
    for start in range(0, len(keys), IN_AT_ONCE):
        some = any_of(WordRow.part, WordRow.key, keys[start : start + IN_AT_ONCE])
        for part, key, word in connection.execute(
            select(WordRow.part, WordRow.key, WordRow.word).where(WordRow.of == of, some)
        ):
            known[part, key].add(word)
    gone = [_word(of, key, word) for key in keys for word in sorted(known[key] - words[key])]
    new = [_word(of, key, word) for key in keys for word in sorted(words[key] - known[key])]
    if gone:
        names = ("of", "word", "part", "key")
        connection.execute(
            text(f"delete from words where {' and '.join(f'{name} = :{name}' for name in names)}"),  # noqa: S608
            gone,
        )
    put(connection, WordRow, new)


def _word(of: str, key: Key, word: str) -> Row:
    return {"of": of, "word": word, "part": key[0], "key": key[1]}


def _write_items(connection: Connection, rows: KeptRows) -> int:
    if not rows.items:
        return 0
    ids, known = list(rows.items), dict[str, Row]()
    for start in range(0, len(ids), IN_AT_ONCE):
        statement = select(ItemRow.__table__).where(ItemRow.item_id.in_(ids[start : start + IN_AT_ONCE]))
        known |= {row["item_id"]: dict(row) for row in connection.execute(statement).mappings()}
    new = {item_id: merged(known.get(item_id), changes, item_id) for item_id, changes in rows.items.items()}
    changed = [row for item_id, row in new.items() if row != known.get(item_id)]
    put(connection, ItemRow, changed, renewed=True)
    put_words(connection, ITEM, {("", row["item_id"]): _words(row) for row in changed})
    return len(changed)


def _words(item: Row) -> set[str]:
    return set() if item["removed_at"] is not None else words_of(f"{item['title'] or ''} {item['item_id']}")


def put(connection: Connection, table: type[Table], rows: Sequence[Row], *, renewed: bool = False) -> int:
    """Insert; what is there already stands, or is `renewed`: a topic that was made anew counts from 0 again."""
    if not rows:
        return 0
    statement = _insert(connection)(table)
    keys = [column.name for column in table.__table__.primary_key]
    if renewed:
        new = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=new)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    result = connection.execute(statement.execution_options(preserve_rowcount=True), list(rows))
    return max(0, int(result.rowcount))


def _put_readings(connection: Connection, rows: Sequence[Row]) -> int:
    """The first of a slot stands; a part of it that came in another batch is added."""
    if not rows:
        return 0
    statement = _insert(connection)(ReadingRow)
    new, is_postgres = statement.excluded, connection.dialect.name == "postgresql"
    both: ColumnElement[Any] = (
        ReadingRow.readings.op("||")(new.readings)
        if is_postgres
        else func.json_patch(ReadingRow.readings, new.readings)
    )
    statement = statement.on_conflict_do_update(
        index_elements=["asset_class", "asset_id", "slot"],
        set_={"readings": both},
        where=and_(ReadingRow.event_time == new.event_time, ReadingRow.readings.is_distinct_from(new.readings)),
    )
    result = connection.execute(statement.execution_options(preserve_rowcount=True), list(rows))
    return max(0, int(result.rowcount))


def _insert(connection: Connection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
