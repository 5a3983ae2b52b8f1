"""Mapping: what a person says of a table: which column is which field, what is constant, which zone its times are in.

--map time=Timestamp,asset_id=Machine,asset_class='pump' ─► Mapping ⇄ FILE.map.toml beside the file
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from schemas import INPUTS, MillraceError

# What `--map` may name on its left for each topic, `time` being short for `event_time`; of telemetry any other name
# is that of a sensor.
EVENT_FIELDS = {topic: tuple(kind.model_fields) for topic, kind in INPUTS.items()}
TIME, SENSOR, VALUE, READINGS = "event_time", "sensor", "value", "readings"
INSIDE = ("context", "attributes", "labels", READINGS)  # `context.device=Device` is one value inside such a field
# `kind.failure=Ausfall`: what a word of the column means
WORDS = ("kind", "asset_class", "component", "code", "action", "available", "sensor")
NOW = "now"  # `time=now`: of a table without times
MEANT = {"kind": "failure", "action": "cart", "available": "true"}  # in examples
QUOTES = "'\""
SUFFIX = ".map.toml"


class MappingError(MillraceError):
    title = "The table cannot be read as it is described"


@dataclass(frozen=True)
class Mapping:
    """What is said of a table; whatever is not said is guessed.

    Args:
        columns: the column of each field, or of each sensor that gets another name.
        constants: fields with one value for all rows; empty: a field that no column is, or a column that is no sensor.
        words: by field, what the words of its column mean: `{"kind": {"Ausfall": "failure"}}`.
        zone: of times without one, such as `Europe/Berlin`; empty: UTC.
        time_format: of times, as `strptime` has it, where it cannot be guessed.
    """

    topic: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    zone: str = ""
    time_format: str = ""

    def __post_init__(self) -> None:
        if self.topic is not None and self.topic not in INPUTS:
            raise MappingError(f"{self.topic!r} is not an input topic.", f"One of: {', '.join(INPUTS)}.")
        if self.zone:
            zone_of(self.zone)

    def __bool__(self) -> bool:
        return self != Mapping(self.topic)

    def text(self) -> str:
        """As TOML: what `load_mapping` reads, and the same for mappings that say the same."""
        head = {"topic": self.topic, "zone": self.zone, "time_format": self.time_format}
        lines = [f"{name} = {_quoted(value)}" for name, value in head.items() if value]
        tables = {"columns": self.columns, "constants": self.constants}
        tables |= {f"words.{name}": words for name, words in self.words.items()}
        for name, table in tables.items():
            if table:
                lines += ["", f"[{name}]", *(f"{_quoted(key)} = {_quoted(value)}" for key, value in table.items())]
        return "\n".join(lines) + "\n"


def cure_of(field_name: str, word: str) -> str:
    """How to say what a word of a table means, for example."""
    plain = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode().lower()
    meant = MEANT.get(field_name) or re.sub(r"[^a-z0-9_.-]+", "_", plain).strip("_.-") or "name"
    entry = f"{field_name}.{meant}={word}".replace(",", "\\,")
    return f'--map "{entry}"'


def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = difflib.get_close_matches(name, available_timezones(), 3, 0.5)
        raise MappingError(
            f"{name!r} is not a time zone. Nothing was read.",
            f"Names are those of the IANA list, such as {', '.join(near or ['Europe/Berlin', 'UTC'])}.",
        ) from error


def parse_mapping(texts: Iterable[str], topic: str | None = None, zone: str = "", time_format: str = "") -> Mapping:
    """From what `--map` was given, any number of times.

    `FIELD=Column` names a column, `FIELD='text'` a constant, `FIELD.WORD=Text` says that `Text` in that field's column
    means `WORD`. `FIELD=` (a shell makes that of `FIELD=''` too) says that no column is it, `time=now` that the rows
    are of this moment. A comma inside a column's name is written `\\,`. `@FILE` reads a saved mapping,
    which the rest extends.

    Raises:
        MappingError: an entry is neither; with the entry.
    """
    found = Mapping()
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    words: dict[str, dict[str, str]] = {}
    for entry in (one for text in texts for one in _entries(text)):
        if entry.startswith("@"):
            found = load_mapping(Path(entry[1:]))
            columns, constants = found.columns | columns, found.constants | constants
            words = {name: found.words.get(name, {}) | words.get(name, {}) for name in (*found.words, *words)}
            continue
        name, equals, value = (part.strip() for part in entry.partition("="))
        if not equals or not name:
            raise MappingError(
                f"--map has {entry!r}, which is not FIELD=Column. Nothing was read.",
                "For example --map time=Timestamp,asset_id=Machine,asset_class='pump'.",
            )
        name = TIME if name == "time" else name
        base, _, word = name.partition(".")
        if base in WORDS and word and value:
            words.setdefault(base, {})[_unquoted(value)] = word
        elif not value or (name == TIME and value == NOW) or _unquoted(value) != value:
            constants[name] = _unquoted(value)
        else:
            columns[name] = value
    return Mapping(
        topic or found.topic, columns, constants, words, zone or found.zone, time_format or found.time_format
    )


def mapping_file_of(file: Path) -> Path:
    """Where `millrace validate --save` keeps the mapping of a file."""
    return file.with_name(file.name + SUFFIX)


def load_mapping(file: Path) -> Mapping:
    """A saved mapping.

    Raises:
        MappingError: it is not there, or not as `Mapping.text` writes it.
    """
    again = "`millrace validate FILE --map ... --save` writes one."
    try:
        saved = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MappingError(f"The mapping {file} cannot be read: {error}. Nothing was read.", again) from error
    strange = saved.keys() - {"topic", "zone", "time_format", "columns", "constants", "words"}
    words = saved.get("words", {})
    tables = [saved.get("columns", {}), saved.get("constants", {}), *(words.values() if _is_table(words) else [words])]
    texts = [saved.get(name, "") for name in ("topic", "zone", "time_format")]
    texts += [text for table in tables if _is_table(table) for text in table.values()]
    if strange or not all(map(_is_table, tables)) or not all(isinstance(text, str) for text in texts):
        what = f"has {', '.join(sorted(strange))}" if strange else "has a value that is not text"
        raise MappingError(f"The mapping {file} {what}. Nothing was read.", again)
    return Mapping(**saved)


def _is_table(found: Any) -> bool:
    return isinstance(found, dict)


def _entries(text: str) -> Sequence[str]:
    """Split at commas that are neither escaped nor inside quotes."""
    found = re.findall(r"""(?:\\.|(?<==)\s*'[^']*'|(?<==)\s*"[^"]*"|[^,\\])+""", text)
    return [one.strip().replace("\\,", ",") for one in found if one.strip()]


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] in QUOTES and text[-1] == text[0] else text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
