"""Forgiving: an input event as producers write it, without the fields that it can be used without.

JSON object that its schema refuses ─► forgive ─► the object to validate again, names of what was left out

Only what changes nothing by its absence is left out, and each field of it is counted by whoever asked. What decides
where an event belongs or what it means (ids of users, items and assets, times, kinds) is never guessed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from schemas.base import CONTROL, NAME, InputEvent, Json
from schemas.inputs import MOST_ATTRIBUTES, MOST_CONTEXT, Asset, Click, ClickAction, Item, Maintenance, can_be_kept

MOST_CONTEXT_CHARS = 200
MOST_ID_CHARS = 200
MOST_NAME_CHARS = 100
MOST_DIGITS = 4300  # beyond which Python makes no text of a number
ACTIONS = frozenset(get_args(ClickAction))
Event = TypeVar("Event", bound=InputEvent)
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
_NAME, _CONTROL = re.compile(NAME), re.compile(CONTROL)


def parse_event(kind: type[Event], value: bytes) -> tuple[Event, list[str]]:
    """The event in the bytes, without what it can be used without, and the fields that were left out.

    Raises:
        ValidationError: it cannot be used.
    """
    try:
        return kind.__pydantic_validator__.validate_json(value), []
    except ValidationError as error:
        refused = error
    document = _document(kind, value)
    if not isinstance(document, dict):
        raise refused
    mended, left_out = forgive(kind, document)
    while True:  # whatever the menders let through: each turn has a field less
        try:
            return kind.__pydantic_validator__.validate_python(mended), left_out
        except ValidationError as error:
            fields = {one["loc"][0] for one in error.errors() if one["loc"]} & MENDERS.get(kind, {}).keys()
            if not fields:
                raise
            for field in sorted(map(str, fields)):
                _drop(mended, field, left_out)


def _document(kind: type[InputEvent], value: bytes) -> Any:
    """The JSON value, none where it is none. Numbers of more than 4,300 digits and halves of characters, which a text
    that was cut may end with, are JSON too: the field that has one is judged, not the event.
    """
    try:
        return _ANYTHING.validate_json(value)
    except ValueError as error:
        if kind not in MENDERS or "recursion" in str(error):
            return None
    try:
        return json.loads(value.decode(), parse_int=lambda digits: int(digits) if len(digits) < MOST_DIGITS else {})
    except (ValueError, RecursionError):
        return None


def may_be_left_out(kind: type[InputEvent]) -> tuple[str, ...]:
    """Fields of which something may be left out."""
    return tuple(MENDERS.get(kind, ()))


def forgive(kind: type[InputEvent], document: Json) -> tuple[Json, list[str]]:
    """The object without what it can be used without, and the fields that were left out, once for each value.

    Fields that say nothing (`"event_id": ""`, `"context": null`) are dropped without being counted.
    """
    left_out: list[str] = []
    mended = _without_empty(document, EMPTY_MEANS_NONE.get(kind, ("event_id",)))
    for field, mend in MENDERS.get(kind, {}).items():
        if field in mended:
            mend(mended, field, left_out)
    return mended, left_out


def _without_empty(document: Json, fields: tuple[str, ...]) -> Json:
    return {name: value for name, value in document.items() if name not in fields or value not in (None, "")}


def _drop(document: Json, field: str, left_out: list[str]) -> None:
    del document[field]
    left_out.append(field)


def _text(most: int) -> Callable[[Json, str, list[str]], None]:
    def mend(document: Json, field: str, left_out: list[str]) -> None:
        value = document[field]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        text = str(value) if is_number else value
        if value is not None and not (isinstance(text, str) and len(text) <= most):
            _drop(document, field, left_out)

    return mend


def _id(document: Json, field: str, left_out: list[str]) -> None:
    value = document[field]
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not 0 < len(text) <= MOST_ID_CHARS or _CONTROL.search(text):
        _drop(document, field, left_out)


def _action(document: Json, field: str, left_out: list[str]) -> None:
    value = document[field]
    found = value.strip().lower() if isinstance(value, str) else None
    if found in ACTIONS:
        document[field] = found
    else:
        _drop(document, field, left_out)


def _context(document: Json, field: str, left_out: list[str]) -> None:
    value = document[field]
    if not isinstance(value, dict):
        _drop(document, field, left_out)
        return
    usable = {name: one for name, one in value.items() if _is_name(name) and _is_context(one)}
    usable = dict(list(usable.items())[:MOST_CONTEXT])
    left_out += [field] * (len(value) - len(usable))
    document[field] = usable


def _is_context(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MOST_CONTEXT_CHARS
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False


def _is_name(text: str) -> bool:
    return len(text) <= MOST_NAME_CHARS and _NAME.fullmatch(text) is not None


def _attributes(document: Json, field: str, left_out: list[str]) -> None:
    value = document[field]
    if not isinstance(value, dict):
        _drop(document, field, left_out)
        return
    usable = {name: one for name, one in value.items() if _is_name(name) and can_be_kept(one)}
    usable = dict(list(usable.items())[:MOST_ATTRIBUTES])
    left_out += [field] * (len(value) - len(usable))
    document[field] = usable


Mender = Callable[[Json, str, list[str]], None]
EMPTY_MEANS_NONE: dict[type[InputEvent], tuple[str, ...]] = {
    Click: ("event_id", "session_id", "recommendation_id", "action", "context"),
    Item: ("attributes", "available"),
    Maintenance: ("event_id", "code", "component"),
    Asset: ("site", "line", "labels", "commissioned_at"),
}
MENDERS: dict[type[InputEvent], dict[str, Mender]] = {
    Click: {"session_id": _id, "recommendation_id": _id, "action": _action, "context": _context},
    Item: {"title": _text(1000), "category": _text(200), "attributes": _attributes},
}
