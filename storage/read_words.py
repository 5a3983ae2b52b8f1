"""Read words: the keys of what has words with certain beginnings, by the index of `words`.

the longest beginning ─► a range of the index ─► those that have the others too
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, String, literal, select
from sqlalchemy.orm import aliased

from storage.kept_rows import words_of
from storage.kept_tables import WordRow

LAST = "\U0010ffff"  # after every other character


def parse_words(text: str | None) -> tuple[str, ...]:
    """The beginnings that a text asks for, the longest first; a text without any letter or digit asks for nothing."""
    return tuple(sorted(words_of(text or ""), key=lambda word: (-len(word), word)))


def found_by_words(of: str, beginnings: tuple[str, ...]) -> Select[Any]:
    """(part, key), each once, of what has a word with each of these beginnings."""
    conditions: list[ColumnElement[bool]] = [WordRow.of == of, _begins(WordRow, beginnings[0])]
    for other in beginnings[1:]:
        word = aliased(WordRow)
        is_same = (word.of == of, word.part == WordRow.part, word.key == WordRow.key)
        conditions.append(select(word.word).where(*is_same, _begins(word, other)).exists())
    found: Any = select(WordRow.part, WordRow.key).where(*conditions).distinct()
    return found  # type: ignore[no-any-return]


def _begins(table: Any, beginning: str) -> ColumnElement[bool]:
    """Literals without the collation of the column, which PostgreSQL takes from the column anyway."""
    first, last = literal(beginning, String()), literal(beginning + LAST, String())
    is_in_range: ColumnElement[bool] = (table.word >= first) & (table.word < last)
    return is_in_range
