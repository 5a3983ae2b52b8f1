"""Cursors: where a list goes on, as one opaque text. A cursor is only good for the list that handed it out.

last entry of a page ─► to_cursor ─► `next` ... `after` ─► from_cursor ─► key in the table
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from api.problems import ProblemError
from schemas import FieldError, Id, Name, Page

Entry = TypeVar("Entry")
Parts = TypeVar("Parts")
List = Literal["scores", "alerts"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Microseconds = Annotated[int, Field(ge=-62_135_596_800_000_000, le=253_402_300_799_999_999, strict=True)]
_KEYS: TypeAdapter[tuple[List, _Microseconds, Id]] = TypeAdapter(tuple[List, _Microseconds, Id])
_ASSET: TypeAdapter[tuple[Literal["assets"], Name, Id]] = TypeAdapter(tuple[Literal["assets"], Name, Id])


def to_cursor(name: List, time: datetime, key: str) -> str:
    microseconds = (time - EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(orjson.dumps([name, microseconds, key])).decode().rstrip("=")


def from_cursor(name: List, cursor: str | None) -> tuple[datetime, str] | None:
    """The key (time, id) after which the list goes on; none: from the start.

    Raises:
        ProblemError: it is not a cursor of this list.
    """
    if cursor is None:
        return None
    made_for, microseconds, key = _parts(_KEYS, cursor)
    if made_for != name:
        raise _refusal()
    return EPOCH + timedelta(microseconds=microseconds), key


def to_asset_cursor(asset_class: str, asset_id: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(["assets", asset_class, asset_id])).decode().rstrip("=")


def from_asset_cursor(cursor: str | None) -> tuple[str, str] | None:
    """The key (asset_class, asset_id) after which the list of assets goes on; none: from the start.

    Raises:
        ProblemError: it is not a cursor of this list.
    """
    if cursor is None:
        return None
    _, asset_class, asset_id = _parts(_ASSET, cursor)
    return asset_class, asset_id


def _parts(adapter: TypeAdapter[Parts], cursor: str) -> Parts:
    try:
        return adapter.validate_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (binascii.Error, ValueError, ValidationError):
        raise _refusal() from None


def _refusal() -> ProblemError:
    message = "is not a cursor that this list handed out as `next`"
    return ProblemError(
        "invalid-request", f"query.after: {message}.", [FieldError(field="query.after", message=message)]
    )


def page_of(entries: list[Entry], limit: int, cursor: Callable[[Entry], str]) -> Page[Entry]:
    """A page of at most `limit` of the entries, of which there is one more if there is another page."""
    more = len(entries) > limit
    return Page(items=entries[:limit], next=cursor(entries[limit - 1]) if more else None)
