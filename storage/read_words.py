"""Read words: the keys of what has words with certain beginnings, by the index of `words`.

the longest beginning ─► a range of the index ─► those that have the others too
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, func, literal, select
from sqlalchemy.orm import aliased

from storage.kept_rows import words_of
from storage.kept_tables import WordRow

MANY = 2000  # rows of a word; then it says little
LAST = "\U0010ffff"  # after every other character


def parse_words(text: str | None) -> tuple[str, ...]:
    """The beginnings that a text asks for, the longest first; a text without any letter or digit asks for nothing."""
    return tuple(sorted(words_of(text or ""), key=lambda word: (-len(word), word)))


def with_words(
    connection: Connection, statement: Select[Any], of: str, beginnings: tuple[str, ...], place: tuple[Any, Any]
) -> Select[Any]:
    """The statement, for rows that have a word with each of these beginnings; `place` is their columns (part, key).

    What few have is looked up first, by the words; what many have is soon met in the order of the list.
    """
    part, key = place
    one, *others = [_has(of, beginning) for beginning in beginnings]
    some = select(WordRow.key).where(*one(WordRow)).limit(MANY).subquery()
    counted = connection.scalar(select(func.count()).select_from(some))
    if counted == MANY:
        for has in (one, *others):
            word = aliased(WordRow)
            statement = statement.where(
                select(word.word).where(word.part == part, word.key == key, *has(word)).exists()
            )
        return statement
    conditions = list(one(WordRow))
    for has in others:
        word = aliased(WordRow)
        is_same = (word.part == WordRow.part, word.key == WordRow.key)
        conditions.append(select(word.word).where(*is_same, *has(word)).exists())
    found = select(WordRow.part, WordRow.key).where(*conditions).distinct().subquery()
    return statement.join(found, (found.c.part == part) & (found.c.key == key))


def _has(of: str, beginning: str) -> Callable[[Any], tuple[ColumnElement[bool], ...]]:
    return lambda table: (table.of == of, _begins(table, beginning))


def _begins(table: Any, beginning: str) -> ColumnElement[bool]:
    """Literals without the collation of the column, which PostgreSQL takes from the column anyway."""
    first, last = literal(beginning, String()), literal(beginning + LAST, String())
    is_in_range: ColumnElement[bool] = (table.word >= first) & (table.word < last)
    return is_in_range
