"""Sentences: what a validation found, said in the words of whoever wrote the value.

one error of pydantic (type, context, input) ─► "must be a text, not a number"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from schemas.base import NAME, NO_CONTROL

ALPHABETS = {
    NAME: "may hold letters of ASCII, digits, _ . and - only, and begins with a letter, a digit or _",
    r"^[^\x00]*$": "may not hold null characters",
    NO_CONTROL: "may not hold control characters, such as line ends or tabs",
}
_SUBJECT = re.compile(r"^[A-Z][\w'’ ]*? should")  # `Input should be a valid URL`
_KIND = re.compile(r" (?:dictionary|instance|object) (?:to extract fields from|of \S+)")
TIME = "is no time: RFC 3339 with a zone, such as 2026-05-01T12:00:00Z, or epoch milliseconds"
KINDS: dict[type, str] = {
    bool: "a truth value",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_unicode": "is no text of UTF-8: it holds half of a character, as where a text was cut",
    "finite_number": "must be a finite number",
    "timezone_aware": "has no timezone: RFC 3339 with a zone, such as 2026-05-01T12:00:00Z, or epoch milliseconds",
    "string_too_long": "is longer than {max_length} characters",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "too_long": "has more than {max_length} entries",
    "recursion_loop": "is nested too deeply",
    "multiple_of": "must be a multiple of {multiple_of}",
    "recursion_depth_exceeded": "is nested too deeply",
    "invalid_key": "has a name that is no text",
    "default_factory_not_called": "cannot be used: another field is wrong",
    "union_tag_invalid": "must be {expected_tags}",
    "json_invalid": "is no JSON: {error}",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
}
BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")  # NaN is within none
WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dataclass_type": "an object",
    "list_type": "a list",
    "tuple_type": "a list",
}


def sentence_of(error: Mapping[str, Any]) -> str:
    """One error as `ValidationError.errors()` has them, without the field and without a full stop."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in WANTED:
        return f"must be {WANTED[kind]}{_but(kind, error.get('input'))}"
    if kind.startswith("datetime"):
        return TIME
    if kind == "string_pattern_mismatch":
        return ALPHABETS.get(context["pattern"], "has characters that may not stand here") + _found(error.get("input"))
    if kind in BOUNDS and str(error.get("input")).strip().lower().lstrip("+-") == "nan":
        kind = "finite_number"
    if kind in ("string_too_short", "too_short"):
        return _too_short(kind, context)
    if kind in SENTENCES:
        return SENTENCES[kind].format(**context)
    message = _SUBJECT.sub("must", str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, "))
    return _KIND.sub("", message).replace(" valid ", " ")


def _but(kind: str, found: Any) -> str:
    """What was there instead, where that is another kind of value and not a text that cannot be read."""
    if kind.endswith("_parsing"):
        return f": {found[:60]!r} is none" if isinstance(found, str) else ""
    name = KINDS.get(type(found), "")
    return f", not {name}" if name and not (kind == "int_type" and isinstance(found, float)) else ""


def _found(text: Any) -> str:
    return f": {text[:60]!r}" if isinstance(text, str) else ""


def _too_short(kind: str, context: Mapping[str, Any]) -> str:
    least = context["min_length"]
    if least == 1:
        return "must not be empty"
    what = "characters" if kind == "string_too_short" else "entries"
    return f"needs {least} {what} or more"
