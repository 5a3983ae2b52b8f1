"""The one base error: title, detail, advice. Rooms subclass it; the command line and the API print it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from schemas.sentences import sentence_of

# where a value may be one of several kinds, the last part of its path is which of them was tried
_CHOICE = re.compile(
    r"(constrained|function|finite|nullable|lax|json)-[\w-]+.*|(str|int|float|bool|none|datetime)|\w+\[.*\]"
)


class MillraceError(Exception):
    """An error that a person can act on.

    Args:
        detail: what happened, with the values concerned, and what follows from it.
        advice: what to do about it.
    """

    title = "Millrace failed"

    def __init__(self, detail: str, advice: str = "") -> None:
        super().__init__(f"{detail} {advice}".strip())
        self.detail = detail
        self.advice = advice


class SettingsError(MillraceError):
    title = "The settings cannot be used"


class ModelError(MillraceError):
    """A model folder, manifest or pack that cannot be used."""

    title = "The model cannot be used"


class UnavailableError(MillraceError):
    """A broker or database that is not there; trying again may help."""

    title = "A service is not available"


class Fault(NamedTuple):
    """One thing that is wrong with a value."""

    path: str  # to the field, such as `readings.s3`; empty: the whole
    message: str
    value: Any


@runtime_checkable
class Invalid(Protocol):
    """pydantic's ValidationError, or FastAPI's of a request."""

    def errors(self) -> Sequence[Any]: ...


def faults_of(error: Invalid) -> list[Fault]:
    """What is wrong, in sentences for people who have never heard of pydantic."""
    found: dict[str, Fault] = {}
    for one in error.errors():
        where = [str(part) for part in one["loc"]]
        is_choice = len(where) > 1 and _CHOICE.fullmatch(where[-1]) is not None
        path, sentence = ".".join(where[:-1] if is_choice else where), sentence_of(one)
        if is_choice and path in found:
            sentence = f"{found[path].message}, or {sentence}"
        found[path] = Fault(path, sentence, one.get("input"))
    return list(found.values())


def text_of(error: Exception, most: int = 5) -> str:
    """The faults in one line: `path: message; path: message`; of an error of another kind its text."""
    if not isinstance(error, Invalid):
        return str(error)
    faults = faults_of(error)
    texts = [f"{fault.path}: {fault.message}" if fault.path else fault.message for fault in faults[:most]]
    return "; ".join([*texts, *([f"and {len(faults) - most} more"] if len(faults) > most else [])])
