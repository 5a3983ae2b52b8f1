"""Cells: numbers, times and texts from what people and programs write for them.

"1.234,5", "1,234.5", b"71.5" ─► float     "05.01.2024 13:00", 1704459600, "2024-01-05T13:00Z" ─► datetime with a zone
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from millrace.tables.reading import text_of_cell

EMPTY = frozenset(["", "-", "--", "?", "na", "n/a", "#n/a", "nan", "null", "none", "(null)", "nil", "\\n"])
TRUTH = {"true": 1.0, "false": 0.0}
# seconds since 1970 of the years 1980 to 2200, and the same in smaller units: the ranges do not meet
EARLIEST_S, LATEST_S = 315_532_800, 7_258_118_400
EPOCHS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
NEAR = timedelta(hours=3)  # from a change of clocks, which moves them by an hour or less, is the only doubt
ISO, DAY_FIRST, MONTH_FIRST = "ISO 8601", "day first", "month first"
_PARTS = re.compile(
    r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})"
    r"(?:[T, ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([AaPp])?\.?(?:[Mm]\.?)?)?\s*(Z|UTC|GMT)?"
)
_GROUPED = {".": re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?"), ",": re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?")}
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})*,\d*(?:[eE][+-]?\d+)?|[+-]?\d+,\d*(?:[eE][+-]?\d+)?")
COMMA_DELIMITERS = (";", "\t")
_HAS_POINT = re.compile(r"[+-]?[\d,]*\.\d+(?:[eE][+-]?\d+)?")
_BY_POINTS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")  # as well a number with thousands marked by points
_NO_DECIMALS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")  # as well a number with thousands marked by commas


def text_of(cell: Any) -> str | None:
    """A cell as text, none where it is empty."""
    if cell is None:
        return None
    if isinstance(cell, bytes):
        cell = text_of_cell(cell)
    elif isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # an id that pandas has made a float of
    text = str(cell).strip()
    return None if text.lower() in EMPTY else text


def number_of(cell: Any, decimal: str = ".") -> float | None:
    """A finite number; NaN where the cell is empty, none where it is no number."""
    if isinstance(cell, int | float):
        return float(cell) if math.isfinite(cell) else math.nan
    if isinstance(cell, bytes) and decimal == ".":
        try:
            found = float(cell)
            if math.isfinite(found) and b"_" not in cell:
                return found
        except ValueError:
            pass
    text = text_of(cell)
    if text is None:
        return math.nan
    if (truth := TRUTH.get(text.lower())) is not None:
        return truth
    text = text.replace("\N{NO-BREAK SPACE}", "").replace("\N{NARROW NO-BREAK SPACE}", "").replace("'", "")
    if _GROUPED[decimal].fullmatch(text):
        text = text.replace("," if decimal == "." else ".", "")
    try:
        found = float(text.replace(",", ".") if decimal == "," else text)
    except ValueError:
        return None
    return found if math.isfinite(found) and "_" not in text else None


def decimal_of(cells: Iterable[Any], delimiter: str = "") -> tuple[str, str]:
    """The decimal mark of numbers, and a number whose comma could have been that too and is not taken for it.

    A comma where one is written so that it can be nothing else; and where it can be either, as in `1,234`, if the
    cells are parted by semicolons or tabs, as where people write decimal commas, and no number shows a decimal point.
    """
    texts = [text for cell in cells if isinstance(cell, bytes | str) and (text := text_of(cell)) is not None]
    commas = [text for text in texts if "," in text and _DECIMAL_COMMA.fullmatch(text)]
    if any(not _NO_DECIMALS.fullmatch(text) for text in commas):
        return ",", ""
    if not commas or any(_HAS_POINT.fullmatch(text) and not _BY_POINTS.fullmatch(text) for text in texts):
        return ".", ""
    if any(text.count(",") > 1 for text in texts if _NO_DECIMALS.fullmatch(text)):
        return ".", ""
    return (",", "") if delimiter in COMMA_DELIMITERS else (".", commas[0])


@dataclass(frozen=True)
class Clock:
    """How the times of a column are written, and the zone of those that name none.

    `form` is a unit of EPOCHS, ISO, DAY_FIRST, MONTH_FIRST, or a format of `strptime`; `has_zone` what a sample showed.
    """

    form: str
    zone: tzinfo = UTC
    has_zone: bool = False
    doubt: str = ""  # what a sample could not tell

    def time_of(self, cell: Any) -> datetime | None:
        """In UTC; none where the cell is empty.

        Raises:
            ValueError: it is no time in this form; with the cell.
        """
        if isinstance(cell, date):
            return self._in_zone(cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day))
        text = text_of(cell)
        if text is None:
            return None
        try:
            return self._in_zone(self._parsed(text))
        except (ValueError, OverflowError):
            raise ValueError(f"{text!r:.60} is no time ({self.form})") from None

    def unclear(self, cell: Any, time: datetime) -> str:
        """Why the cell, which is this time, may be another one: clocks of the zone were changed at that hour."""
        local = time.astimezone(self.zone)
        if self.zone is UTC or local.utcoffset() == (local - NEAR).utcoffset() == (local + NEAR).utcoffset():
            return ""
        written = cell if isinstance(cell, datetime) else self._parsed(text_of(cell) or "")
        if written.tzinfo is not None or self.form in EPOCHS:
            return ""
        first, second = (written.replace(tzinfo=self.zone, fold=fold).utcoffset() for fold in (0, 1))
        if first == second or first is None or second is None:
            return ""
        what = (
            "comes twice in that zone, and is taken for the first" if first > second else "does not exist in that zone"
        )
        return f"{written:%Y-%m-%d %H:%M:%S} {what}"

    def _parsed(self, text: str) -> datetime:
        if self.form in EPOCHS:
            seconds = float(text) / EPOCHS[self.form]
            if not EARLIEST_S <= seconds < LATEST_S:
                raise ValueError
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        if self.form == ISO:
            return _iso(text)
        if self.form in (DAY_FIRST, MONTH_FIRST):
            return _parts(text, is_day_first=self.form == DAY_FIRST)
        return datetime.strptime(text, self.form)

    def _in_zone(self, time: datetime) -> datetime:
        return (time if time.tzinfo is not None else time.replace(tzinfo=self.zone)).astimezone(UTC)


def _iso(text: str) -> datetime:
    text = text.replace("/", "-", 2) if text[4:5] == "/" else text
    return datetime.fromisoformat(text.removesuffix(" UTC") + "+00:00" if text.endswith(" UTC") else text)


def _parts(text: str, *, is_day_first: bool) -> datetime:
    found = _PARTS.fullmatch(text)
    if found is None:
        raise ValueError
    first, _, second, year, hour, minute, second_s, fraction, half, zone = found.groups()
    day, month = (first, second) if is_day_first else (second, first)
    hours = int(hour or 0) % 12 + 12 * (half in "Pp") if half else int(hour or 0)
    years = int(year) + (2000 if len(year) == 2 else 0)
    micros = int((fraction or "").ljust(6, "0")[:6])
    zones = {"tzinfo": UTC} if zone else {}
    return datetime(years, int(month), int(day), hours, int(minute or 0), int(second_s or 0), micros, **zones)  # type: ignore[arg-type]


def clock_of(cells: Sequence[Any], zone: tzinfo, time_format: str = "") -> Clock | None:
    """How these times are written; none where most of them are no times."""
    known = [cell for cell in cells if text_of(cell) is not None]
    if not known:
        return None
    if time_format:
        return Clock(time_format, zone, "%z" in time_format)
    if all(isinstance(cell, date) for cell in known):
        return Clock(ISO, zone, isinstance(known[0], datetime) and known[0].tzinfo is not None)
    return _written_clock([text_of(cell) or "" for cell in known], zone)


def _written_clock(texts: Sequence[str], zone: tzinfo) -> Clock | None:
    if (unit := _epoch(texts)) is not None:
        return Clock(unit, zone, has_zone=True)
    if _share(texts, _iso) >= 0.5:
        return Clock(ISO, zone, any(_has_zone(text) for text in texts))
    found = [match for match in map(_PARTS.fullmatch, texts) if match]
    if 2 * len(found) < len(texts) or not found:
        return None
    has_zone = any(match[10] for match in found)
    is_dotted = found[0][2] == "."  # nobody writes the month first with dots
    is_day_first = is_dotted or any(int(match[1]) > 12 for match in found)
    is_month_first = not is_day_first and any(int(match[3]) > 12 for match in found)
    doubt = "" if is_day_first or is_month_first else f"{texts[0]!r} may have the day or the month first"
    return Clock(MONTH_FIRST if is_month_first else DAY_FIRST, zone, has_zone, doubt)


def odd_time(cells: Iterable[Any]) -> str | None:
    """The first text that is no time in any writing; where all are, the first."""
    texts = [text for cell in cells if (text := text_of(cell)) is not None]
    odd = (text for text in texts if not _PARTS.fullmatch(text) and not _share([text], _iso))
    return next(odd, texts[0] if texts else None)


def _epoch(texts: Sequence[str]) -> str | None:
    try:
        middle = sorted(map(float, texts))[len(texts) // 2]
    except ValueError:
        return None
    return next((unit for unit, factor in EPOCHS.items() if EARLIEST_S <= middle / factor < LATEST_S), None)


def _share(texts: Sequence[str], parse: Callable[[str], object]) -> float:
    done = 0
    for text in texts:
        try:
            parse(text)
            done += not text.isdigit()  # a bare number is an epoch, or no time
        except ValueError:
            continue
    return done / len(texts)


def _has_zone(text: str) -> bool:
    try:
        return _iso(text).tzinfo is not None
    except ValueError:
        return False
