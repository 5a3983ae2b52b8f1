"""Reading: the bytes of a file as lines of JSON, or as chunks of columns; packed or not, never whole in memory.

file ─► .gz, .zst unpacked ─► JSON Lines: lines │ CSV, Parquet: chunks of columns, with the numbers of their rows
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

Report = Callable[[int], None]
PARQUET_BATCH_ROWS = 4096
SAMPLE_BYTES = 1 << 18
CSV_BLOCK_BYTES = 1 << 20
GZIP, ZSTD, PARQUET, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1", b"PK\x03\x04"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
# What else Windows writes in western Europe, and where a byte is none of its characters, what has one for each byte
ENCODINGS = ("utf-8", "cp1252", "latin-1")
DELIMITERS = ";,\t|"
UNREADABLE = (OSError, EOFError, zlib.error)  # what a damaged file raises while it is read


class FileKind(StrEnum):
    JSON_LINES, CSV, PARQUET = "JSON Lines", "CSV", "Parquet"


class Chunk(NamedTuple):
    """Some rows of a table: n numbers, and n cells a column. Cells of CSV are bytes, of Parquet values."""

    numbers: list[int]  # of the rows; of CSV its lines, blank ones after the header not counted
    columns: dict[str, list[Any]]
    broken: Sequence[tuple[int, str]] = ()  # rows that have more or fewer cells than the header, and why
    delimiter: str = ""  # of CSV


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written. `header` is the number of the header's line."""

    delimiter: str
    header: int
    names: list[str]
    encoding: str


@contextmanager
def _opened(file: Path) -> Iterator[tuple[Any, Any]]:
    """The bytes, unpacked, and the file itself, whose `tell` says how far it was read."""
    with file.open("rb") as stored:
        start = stored.read(4)
        stored.seek(0)
        if start.startswith(GZIP):
            yield gzip.GzipFile(fileobj=stored), stored
        elif start == ZSTD:
            import pyarrow

            yield io.BufferedReader(_Unpacked(pyarrow.CompressedInputStream(stored, "zstd"))), stored
        else:
            yield stored, stored


class _Unpacked(io.RawIOBase):
    """pyarrow's stream as Python's own: it has lines then."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._stream.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def kind_of(file: Path) -> FileKind:
    """By name, and where that says nothing by the first bytes.

    Raises:
        OSError: it cannot be read, or is something else, such as a workbook.
    """
    with _opened(file) as (content, _):
        start = content.read(4096)
    if start.startswith(ZIP):
        raise OSError("is a workbook or an archive: save the table as CSV")
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if start.startswith(PARQUET) or ".parquet" in suffixes:
        return FileKind.PARQUET
    if {".jsonl", ".ndjson", ".json"}.intersection(suffixes):
        return FileKind.JSON_LINES
    if {".csv", ".tsv"}.intersection(suffixes):
        return FileKind.CSV
    return FileKind.JSON_LINES if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")) else FileKind.CSV


def read_lines(file: Path, report: Report = lambda _: None) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers.

    Raises:
        OSError, EOFError, zlib.error: the file is damaged.
    """
    with _opened(file) as (lines, stored):
        seen = 0
        for number, line in enumerate(lines, 1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if text := text.strip():
                yield number, text
            if (now := stored.tell()) != seen:
                report(now - seen)
                seen = now


def read_chunks(file: Path, report: Report = lambda _: None) -> Iterator[Chunk]:
    """The rows of CSV or Parquet.

    Raises:
        OSError, EOFError, zlib.error: the file is damaged, or is no table.
    """
    return _parquet(file, report) if kind_of(file) is FileKind.PARQUET else _csv(file, report)


def _parquet(file: Path, report: Report) -> Iterator[Chunk]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(file)
        size, rows = file.stat().st_size, max(table.metadata.num_rows, 1)
        done = 0
        for batch in table.iter_batches(PARQUET_BATCH_ROWS):
            columns = {
                name: _plain(batch.column(place)).to_pylist(maps_as_pydicts="strict")
                for place, name in enumerate(batch.schema.names)
            }
            yield Chunk(list(range(done + 1, done + batch.num_rows + 1)), columns)
            done += batch.num_rows
            report(size * done // rows - size * (done - batch.num_rows) // rows)
    except pyarrow.ArrowException as error:
        raise OSError(f"is not Parquet: {error}") from error


def _plain(column: Any) -> Any:
    """Decimals as numbers, whole ones as texts, which lose no digit; times to the microsecond, as Python has them."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_decimal(kind):
        return column.cast(pyarrow.float64() if kind.scale > 0 else pyarrow.string())
    if pyarrow.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pyarrow.timestamp("us", kind.tz), safe=False)
    return column


def _csv_options(dialect: Dialect, skip: Callable[[Any], str]) -> tuple[Any, Any, Any]:
    import pyarrow
    import pyarrow.csv

    read = pyarrow.csv.ReadOptions(
        column_names=dialect.names, skip_rows=dialect.header, use_threads=False, block_size=CSV_BLOCK_BYTES,
        encoding=dialect.encoding,
    )  # fmt: skip
    parse = pyarrow.csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=skip)
    # Bytes, not pyarrow's guess of types: that is made of the first megabyte, and the first "n/a" after it ends all
    convert = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(dialect.names, pyarrow.binary()), strings_can_be_null=False, check_utf8=False
    )
    return read, parse, convert


def _csv(file: Path, report: Report) -> Iterator[Chunk]:
    import pyarrow
    import pyarrow.csv

    dialect = dialect_of(file)
    broken: list[tuple[int, str]] = []

    def skip(row: Any) -> str:
        broken.append(
            (row.number, f"has {row.actual_columns} cells, the header {row.expected_columns}: {row.text:.80}")
        )
        return "skip"

    with _opened(file) as (content, stored):
        number, seen, told = dialect.header, 0, 0
        left_out: set[int] = set()
        try:
            for batch in pyarrow.csv.open_csv(content, *_csv_options(dialect, skip)):
                fresh, told = broken[told:], len(broken)
                left_out |= {place for place, _ in fresh}  # the parser is ahead of the batches
                numbers: list[int] = []
                while len(numbers) < batch.num_rows:
                    number += 1
                    if number not in left_out:
                        numbers.append(number)
                yield Chunk(numbers, batch.to_pydict(), fresh, dialect.delimiter)
                report(stored.tell() - seen)
                seen = stored.tell()
            if told < len(broken):
                yield Chunk([], {name: [] for name in dialect.names}, broken[told:])
        except (pyarrow.ArrowException, UnicodeError) as error:
            raise OSError(f"cannot be read as CSV: {error}") from error


def chunks_of_objects(objects: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[Chunk]:
    """JSON objects as a table: a column a name; of an object inside an object `outer.inner`."""
    rows = iter(objects)
    while some := list(itertools.islice(rows, PARQUET_BATCH_ROWS)):
        flat = [dict(_flat(row)) for _, row in some]
        names = dict.fromkeys(name for row in flat for name in row)
        yield Chunk([number for number, _ in some], {name: [row.get(name) for row in flat] for name in names})


def _flat(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield name, value


def dialect_of(file: Path) -> Dialect:
    """How a CSV file is written, from its beginning.

    Raises:
        OSError: it has no header and no row.
    """
    with _opened(file) as (content, _):
        sample = content.read(SAMPLE_BYTES)
    is_cut = len(sample) == SAMPLE_BYTES
    encoding = _encoding(sample.rpartition(b"\n")[0] if is_cut else sample)
    lines = sample.removeprefix(b"\xef\xbb\xbf").decode(encoding, "replace")
    if is_cut:
        lines = lines.rpartition("\n")[0]
    tables = {mark: _rows(lines, mark) for mark in DELIMITERS}
    widths = {mark: Counter(len(row) for _, row in rows) for mark, rows in tables.items()}
    if not any(widths.values()):
        raise OSError("has no rows")

    def likeness(mark: str) -> tuple[bool, int, int]:
        width, rows = widths[mark].most_common(1)[0]
        return width > 1, rows, width

    delimiter = max(DELIMITERS, key=likeness)
    width = widths[delimiter].most_common(1)[0][0]
    line, header = next((line, row) for line, row in tables[delimiter] if len(row) == width)
    return Dialect(delimiter, line, _distinct(header), encoding)


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:  # a cell beyond any length
        raise OSError(f"cannot be read as CSV: {error}") from error


def _distinct(header: list[str]) -> list[str]:
    """Names of the columns: one without a name is told by its place, one that comes twice by a number."""
    names: list[str] = []
    for place, cell in enumerate(header, 1):
        name = " ".join(cell.split()) or f"column {place}"
        names.append(name if name not in names else f"{name} ({place})")
    return names


def _encoding(sample: bytes) -> str:
    if sample.startswith(UTF16):
        return "utf-16"
    return next(name for name in ENCODINGS if _can_be(sample, name))


def _can_be(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def text_of_cell(cell: bytes) -> str:
    """UTF-8, or what else it can be: only the beginning of a file was looked at."""
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return cell.decode(_encoding(cell))
