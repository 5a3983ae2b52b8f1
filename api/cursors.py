"""Cursors: where a list goes on, as one opaque text. A cursor is only good for the list that handed it out.

key of the last entry of a page ─► to_cursor ─► `next` ... `after` ─► from_cursor ─► key in the table
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar, get_args

import orjson
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from api.problems import ProblemError
from schemas import FieldError, Id, Name, Page, Severity

Entry = TypeVar("Entry")
List = Literal[
    "scores", "alerts", "alerts/worst", "assets", "assets/worst", "assets/last_seen", "items", "log", "dead-letters",
    "notifications",
]  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Time = Annotated[
    int,
    Field(ge=-62_135_596_800_000_000, le=253_402_300_799_999_999, strict=True),
    AfterValidator(lambda microseconds: EPOCH + timedelta(microseconds=microseconds)),
]
_Count = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
_Severity = Annotated[int, Field(ge=0, lt=len(get_args(Severity)), strict=True)]
_Share = Annotated[float, Field(ge=0, le=1)]
_KEYS: dict[List, TypeAdapter[Any]] = {
    "scores": TypeAdapter(tuple[_Time, Id]),
    "alerts": TypeAdapter(tuple[_Time, Id]),
    "alerts/worst": TypeAdapter(tuple[_Severity, _Time, Id]),
    "assets": TypeAdapter(tuple[Name, Id]),
    "assets/worst": TypeAdapter(tuple[_Count, _Share, Name, Id]),
    "assets/last_seen": TypeAdapter(tuple[_Time, Name, Id]),
    "items": TypeAdapter(tuple[Id]),
    "log": TypeAdapter(tuple[_Time, _Count, _Count]),
    "notifications": TypeAdapter(tuple[_Count]),
    "dead-letters": TypeAdapter(tuple[_Time, Name, _Count, _Count]),
}


def to_cursor(name: List, *key: Any) -> str:
    """The text for a key of texts, numbers and times."""
    parts = [(part - EPOCH) // timedelta(microseconds=1) if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(orjson.dumps([name, *parts])).decode().rstrip("=")


def from_cursor(name: List, cursor: str | None) -> Any:
    """The key after which the list goes on, as a tuple; none: from the start.

    Raises:
        ProblemError: it is not a cursor of this list.
    """
    if cursor is None:
        return None
    try:
        made_for, *parts = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        if made_for == name:
            return _KEYS[name].validate_json(orjson.dumps(parts))
    except (binascii.Error, ValueError, TypeError, ValidationError):
        pass
    message = "is not a cursor that this list handed out as `next`"
    raise ProblemError(
        "invalid-request", f"query.after: {message}.", [FieldError(field="query.after", message=message)]
    )


def page_of(entries: list[Entry], limit: int, cursor: Callable[[Entry], str]) -> Page[Entry]:
    """A page of at most `limit` of the entries, of which there is one more if there is another page."""
    more = len(entries) > limit
    return Page(items=entries[:limit], next=cursor(entries[limit - 1]) if more else None)
