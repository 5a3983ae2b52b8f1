"""Raw JSON: values of a request with the text in which they were sent, so that no number is read and written again.

text ─► elements of an array, members of an object, each with its own text
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

_SPACE = re.compile(r"[ \t\n\r]*")
# Numbers stay texts: to an event they are what its topic makes of them, and Python makes none of 4,301 digits
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
Part = TypeVar("Part")


class Raw(NamedTuple):
    """A value, its numbers as texts, and the text that it was read from."""

    value: Any
    text: str


def elements(text: str) -> list[Raw]:
    """Those of an array; any other value is the only one.

    Raises:
        ValueError: it is no JSON, or nested too deeply to be read.
    """
    start = _after_space(text, 0)
    if text[start : start + 1] != "[":
        return [whole(text)]
    found, end = _parts(text, start, "]", _value)
    _ends(text, end)
    return found


def whole(text: str) -> Raw:
    """The one value of the text.

    Raises:
        ValueError: as `elements`.
    """
    found, end = _value(text, _after_space(text, 0))
    _ends(text, end)
    return found


def members(text: str) -> dict[str, Raw]:
    """Those of an object.

    Raises:
        ValueError: it is none, or no JSON.
    """
    return dict(_parts(text, _after_space(text, 0), "}", _member)[0])


def _parts(text: str, start: int, last: str, read: Callable[[str, int], tuple[Part, int]]) -> tuple[list[Part], int]:
    """What is between a bracket at `start` and the `last` one, and where the text goes on."""
    parts: list[Part] = []
    at = _after_space(text, start + 1)
    if text[at : at + 1] == last:
        return parts, _after_space(text, at + 1)
    while True:
        part, at = read(text, at)
        parts.append(part)
        mark = text[at : at + 1]
        if mark not in (",", last):
            raise json.JSONDecodeError(f"Expecting ',' or '{last}'", text, at)
        at = _after_space(text, at + 1)
        if mark == last:
            return parts, at


def _member(text: str, at: int) -> tuple[tuple[str, Raw], int]:
    name, at = _value(text, at)
    if text[at : at + 1] != ":":
        raise json.JSONDecodeError("Expecting ':'", text, at)
    found, at = _value(text, _after_space(text, at + 1))
    return (str(name.value), found), at


def _value(text: str, at: int) -> tuple[Raw, int]:
    try:
        value, end = _DECODER.raw_decode(text, at)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return Raw(value, text[at:end]), _after_space(text, end)


def _ends(text: str, at: int) -> None:
    if at < len(text):
        raise json.JSONDecodeError("Extra data", text, at)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
