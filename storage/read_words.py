"""Read words: the keys of what has words with certain beginnings, by the index of `words`.

the longest beginning ─► a range of the index ─► those that have the others too
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, String, func, literal, select, tuple_
from sqlalchemy.orm import aliased

from storage.kept_rows import words_of
from storage.kept_tables import WordRow

MANY = 2000  # rows of a word; then it says little
LAST = "\U0010ffff"  # after every other character
Has = Callable[[Any], tuple[ColumnElement[bool], ...]]


def parse_words(text: str | None) -> tuple[str, ...]:
    """The beginnings that a text asks for, the longest first; a text without any letter or digit asks for nothing."""
    return tuple(sorted(words_of(text or ""), key=lambda word: (-len(word), word)))


class Sought(NamedTuple):
    """A word of a kind, or, unless it `is_whole`, the beginning of one."""

    of: str
    word: str
    is_whole: bool = False


def beginning_with(of: str, beginnings: Sequence[str]) -> list[Sought]:
    """Words of a kind that begin so."""
    return [Sought(of, beginning) for beginning in beginnings]


def with_words(
    connection: Connection, statement: Select[Any], sought: Sequence[Sought], place: tuple[Any, Any]
) -> Select[Any]:
    """The statement, for rows that have all of these words; `place` is their columns (part, key).

    What few have is looked up first, by the words; what many have is soon met in the order of the list.
    """
    if not sought:
        return statement
    part, key = place
    every = [_has(one) for one in sought]
    one = next((has for has in every if _count(connection, has) < MANY), None)
    if one is None:
        for has in every:
            word = aliased(WordRow)
            statement = statement.where(
                select(word.word).where(word.part == part, word.key == key, *has(word)).exists()
            )
        return statement
    conditions = list(one(WordRow))
    for has in (has for has in every if has is not one):
        word = aliased(WordRow)
        is_same = (word.part == WordRow.part, word.key == WordRow.key)
        conditions.append(select(word.word).where(*is_same, *has(word)).exists())
    # not a join: SQLite reads all of what was found once for each row of the list
    return statement.where(tuple_(part, key).in_(select(WordRow.part, WordRow.key).where(*conditions)))


def _count(connection: Connection, has: Has) -> int:
    some = select(WordRow.key).where(*has(WordRow)).limit(MANY).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def _has(sought: Sought) -> Has:
    def conditions(table: Any) -> tuple[ColumnElement[bool], ...]:
        is_it = table.word == literal(sought.word, String()) if sought.is_whole else _begins(table, sought.word)
        return table.of == sought.of, is_it

    return conditions


def _begins(table: Any, beginning: str) -> ColumnElement[bool]:
    """Literals without the collation of the column, which PostgreSQL takes from the column anyway."""
    first, last = literal(beginning, String()), literal(beginning + LAST, String())
    is_in_range: ColumnElement[bool] = (table.word >= first) & (table.word < last)
    return is_in_range
