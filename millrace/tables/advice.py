"""Advice: what can be said of a table that does not tell by itself what its rows are.

columns that are no field, a missing field ─► what to put behind --map
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from millrace.tables.cells import text_of
from millrace.tables.mapping import TIME

MOST_WORDS = 12  # of a column that tells what happened
# where a field is missing, what can be said instead of a column
OTHERWISE = {
    TIME: "; or, if the rows are of this moment, --map time=now",
    "asset_class": "; or, if all rows are of one class, --map \"asset_class='pump'\"",
    "asset_id": "; or, if all rows are of one machine, --map \"asset_id='pump-7'\"",
    "kind": "; or, if all rows are failures, --map \"kind='failure'\"",
}


def as_log(rest: dict[str, list[Any]]) -> str:
    """What to say if the table is a maintenance log in words of its own; empty where no column has few words."""
    counts = {name: Counter(text for cell in cells if (text := text_of(cell))) for name, cells in rest.items()}
    few = {name: words for name, words in counts.items() if 0 < len(words) <= MOST_WORDS}
    if not few:
        return ""
    column, words = min(few.items(), key=lambda one: (len(one[1]) == 1, len(one[1])))
    shown = ", ".join(f"{word!r} {count:,} times" for word, count in words.most_common(5))
    likely = words.most_common(1)[0][0]
    return (
        f"If it is a maintenance log, say which column tells what happened, and what its words mean: {column!r} has "
        f'{shown}; for example --map "kind={column},kind.failure={likely}". '
    )
