"""Keys: rows of some keys of two parts, such as (asset_class, asset_id), found by the index of both.

keys ─► by their first part ─► first = ? and second in (...), or the next

SQLite reads the whole table for `(first, second) in (values ...)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_


def any_of(first: Any, second: Any, keys: Iterable[tuple[str, Any]]) -> ColumnElement[bool]:
    """Whether a row has one of these keys, of which there are few first parts."""
    by_first: dict[str, list[Any]] = {}
    for one, other in keys:
        by_first.setdefault(one, []).append(other)
    return or_(false(), *(and_(first == one, second.in_(others)) for one, others in sorted(by_first.items())))
