"""Complaints: what does not fit between a table and what was said of it, with the names and the nearest ones.

names of columns, names that were said ─► MappingError
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from millrace.tables.mapping import EVENT_FIELDS, SENSOR, TIME, VALUE, MappingError


def check_pair(fields: Iterable[str], names: Sequence[str]) -> None:
    """Raises:
    MappingError: the sensor's name has a column and its number none, or the other way round: all tags would be one.
    """
    there = [name for name in (SENSOR, VALUE) if name in fields]
    if len(there) == 1:
        other = VALUE if there == [SENSOR] else SENSOR
        raise MappingError(
            f"--map names {there[0]}, and no column is {other}. {are(names)}",
            "A table with one row a sensor and time has both: --map sensor=Column,value=Column.",
        )


def meant_fields(others: Iterable[str], topic: str) -> str:
    """Fields that may have been meant by names that are none."""
    shown = {"time" if name == TIME else name for name in (*EVENT_FIELDS[topic], SENSOR, VALUE)}
    near = {one: found[0] for one in others if (found := difflib.get_close_matches(one, shown, 1, 0.6))}
    return " ".join(f"Did you mean {field} by {one!r}?" for one, field in near.items())


def unknown(others: Iterable[str], topic: str) -> MappingError:
    shown = ["time" if name == TIME else name for name in EVENT_FIELDS[topic]]
    return MappingError(
        f"--map names {', '.join(map(repr, others))}, which events of {topic} do not have. Nothing was read.",
        f"{meant_fields(others, topic)} They have: {', '.join(shown)}. A value of the "
        "context is `context.NAME=Column`, one of an item's attributes `attributes.NAME=Column`.",
    )


def are(names: Sequence[str]) -> str:
    return f"The columns are: {', '.join(map(repr, names))}. Nothing was read."
